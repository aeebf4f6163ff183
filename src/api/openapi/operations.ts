import { STATUS_CODES } from 'node:http'
import { Type, type Static, type TSchema } from 'typebox'
import type { Scope } from '../../apps/apps.ts'
import { ApiError, apiErrors, type ApiErrorCode, type ApiErrorExtra } from '../../core/errors.ts'
import { verificationIdExample } from '../schemas/fields.ts'
import { Problem } from '../schemas/responses.ts'
import { buildProblem, problemsUrlOf } from '../plugins/error-handler.ts'

/** The credentials that a route accepts: `security` of its schema. One of the scopes is enough. */
export const byAppKey = (...scopes: Scope[]) => scopes.map(scope => ({ apiKey: [scope] }))
export const byAppKeyOrClientSecret = (scope: Scope) => [...byAppKey(scope), { clientSecret: [] }]
export const byAppKeyOrClientSecretInQuery = (scope: Scope) => [
  ...byAppKeyOrClientSecret(scope), { clientSecretInQuery: [] },
]

/** Marks operations whose body may be absent, because `@fastify/swagger` declares every body as required. */
export const optionalBody = 'x-optional-body'
export const absentBodyAllowed = { [optionalBody]: true }

/** Examples by name. Within the document a name should identify one example. */
export type Examples<Value> = Record<string, { summary: string, description?: string, value: Value }>

/** A JSON response with examples. */
export const jsonResponse = <Schema extends TSchema>(
  description: string, schema: Schema, examples: Examples<Static<Schema>>, headers: Record<string, {
    type: 'string', description: string,
  }> = {},
) => ({ description, headers, content: { 'application/json': { schema, examples } } })

/** The schema of a request body with examples. */
export const withExamples = <Schema extends TSchema>(schema: Schema, examples: Examples<Static<Schema>>) =>
  Type.With(schema, { 'x-examples': examples })

const errorsOfEveryCall: ApiErrorCode[] = ['internal_error', 'overloaded']
const errorsOfApiCalls: ApiErrorCode[] = [
  'invalid_request', 'unauthenticated', 'forbidden', 'store_unavailable', ...errorsOfEveryCall,
]

/** The error responses of an authenticated route by status: the common ones, and these codes. */
export const apiErrorResponses = (...codes: ApiErrorCode[]): ReturnType<typeof errorResponses> =>
  errorResponses(...errorsOfApiCalls, ...codes)

/** The error responses of a route without authentication. */
export const publicErrors = (...codes: ApiErrorCode[]): ReturnType<typeof errorResponses> =>
  errorResponses('invalid_request', ...errorsOfEveryCall, ...codes)

/** Error responses by status. The description says when each code occurs and what to do. */
export function errorResponses (...codes: ApiErrorCode[]) {
  const inOrder = (Object.keys(apiErrors) as ApiErrorCode[]).filter(code => codes.includes(code))
  const byStatus = Map.groupBy(inOrder, code => apiErrors[code].status)
  return Object.fromEntries([...byStatus].map(([status, group]) => [status, {
    description: `${STATUS_CODES[status] ?? ''}\n\n${group.map(explain).join('\n')}`,
    content: {
      'application/problem+json': {
        schema: Problem, examples: Object.fromEntries(group.map(code => [code, exampleOf(code)])),
      },
    },
  }]))
}

const explain = (code: ApiErrorCode): string => `- \`${code}\`: ${apiErrors[code].when} ${apiErrors[code].advice}`

const exampleRequestId = '6f1b2c9e-8a64-4d1b-9a57-0f3f1f0f7f11'

/** Details and members of the example; by default the detail is the advice. */
const exampleDetails: { readonly [Code in ApiErrorCode]?: readonly [detail: string, extra: ApiErrorExtra] } = {
  invalid_request: [
    '`locale` has an invalid format.', { errors: [{ field: 'locale', message: 'has an invalid format' }] },
  ],
  forbidden: ['The key lacks the scope `verifications:write`.', {}],
  invalid_state: ['The verification has already ended.', { verificationStatus: 'canceled' }],
  verification_in_progress: [
    'This app already has a live verification of this number.', { verificationId: verificationIdExample },
  ],
  invalid_phone_number: [
    '`phoneNumber` is not an E.164 number.',
    { errors: [{ field: 'phoneNumber', message: 'must be E.164 with a leading +' }] },
  ],
  method_unavailable: [
    'Item 0 of the workflow names a method that is unknown or not configured. Available: truid.phone_check, '
    + 'otpless.otp.',
    { errors: [{ field: 'workflow/0', message: 'is not available: use one of truid.phone_check, otpless.otp' }] },
  ],
  code_incorrect: ['The code is incorrect.', { attemptsRemaining: 4 }],
  country_not_allowed: [
    'This app may not verify numbers of this country.',
    { errors: [{ field: 'phoneNumber', message: 'is of a country that is not allowed' }] },
  ],
  number_type_not_allowed: [
    'Numbers of this type get no messages.',
    { errors: [{ field: 'phoneNumber', message: 'is of a type that gets no messages' }] },
  ],
  rate_limited: ['It can be sent again in 24 s.', {}],
}

const exampleProblemsUrl = problemsUrlOf('https://verify.example.com')

/** A problem with this code. */
export function exampleProblem (code: ApiErrorCode, problemsUrl = exampleProblemsUrl): Problem {
  const [detail, extra] = exampleDetails[code] ?? [apiErrors[code].advice, {}]
  return buildProblem(new ApiError(code, detail, extra), { problemsUrl, requestId: exampleRequestId })
}

const exampleOf = (code: ApiErrorCode) => ({ summary: apiErrors[code].title, value: exampleProblem(code) })
