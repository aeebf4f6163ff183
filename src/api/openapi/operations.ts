import { STATUS_CODES } from 'node:http'
import { Type, type Static, type TSchema } from 'typebox'
import type { Scope } from '../../apps/apps.ts'
import { ApiError, apiErrors, type ApiErrorCode, type ApiErrorExtra } from '../../core/errors.ts'
import { Problem } from '../schemas/requests.ts'
import { buildProblem } from '../plugins/error-handler.ts'

/**
 * Which credentials a route takes: `security` of its schema. A key needs this scope; whose client secret it is, the
 * path says.
 */
export const byAppKey = (scope: Scope) => [{ apiKey: [scope] }]
export const byAppKeyOrClientSecret = (scope: Scope) => [...byAppKey(scope), { clientSecret: [] }]
export const byAppKeyOrClientSecretInQuery = (scope: Scope) => [
  ...byAppKeyOrClientSecret(scope), { clientSecretInQuery: [] },
]

/**
 * Operations of routes whose body may be absent carry this mark; the plugin for the document takes a body for required.
 */
export const optionalBody = 'x-optional-body'
export const absentBodyAllowed = { [optionalBody]: true }

/** Examples by name: in one document a name should mean one thing. */
export type Examples<Value> = Record<string, { summary: string, description?: string, value: Value }>

/** A JSON answer with examples of it. */
export const jsonResponse = <Schema extends TSchema>(
  description: string, schema: Schema, examples: Examples<Static<Schema>>, headers: Record<string, {
    type: 'string', description: string,
  }> = {},
) => ({ description, headers, content: { 'application/json': { schema, examples } } })

/** The schema of a request body, with examples of it. */
export const withExamples = <Schema extends TSchema>(schema: Schema, examples: Examples<Static<Schema>>) =>
  Type.With(schema, { 'x-examples': examples })

const errorsOfEveryCall: ApiErrorCode[] = ['internal_error', 'overloaded']
const errorsOfApiCalls: ApiErrorCode[] = [
  'invalid_request', 'unauthenticated', 'forbidden', 'store_unavailable', ...errorsOfEveryCall,
]

/** The error answers of an authenticated route, by status: what each call can say, and these codes. */
export const apiErrorResponses = (...codes: ApiErrorCode[]): ReturnType<typeof errorResponses> =>
  errorResponses(...errorsOfApiCalls, ...codes)

/** The error answers of a route that asks nobody who they are. */
export const publicErrors = (...codes: ApiErrorCode[]): ReturnType<typeof errorResponses> =>
  errorResponses('invalid_request', ...errorsOfEveryCall, ...codes)

/** Error answers by status, each with its codes, when they happen and what to do about them. */
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
const exampleId = 'ver_Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQ'

/** Where the answer says more than the table does. */
const exampleDetails: { readonly [Code in ApiErrorCode]?: readonly [detail: string, extra: ApiErrorExtra] } = {
  invalid_request: [
    '`workflow/0/method` is not of the documented form.',
    { errors: [{ field: 'workflow/0/method', message: 'is not of the documented form' }] },
  ],
  forbidden: ['This key lacks the scope `verifications:write`.', {}],
  invalid_state: ['The verification is over.', { verificationStatus: 'canceled' }],
  verification_in_progress: ['This app already has a live verification of this number.', { verificationId: exampleId }],
  invalid_phone_number: [
    '`phoneNumber` is not an E.164 number.',
    { errors: [{ field: 'phoneNumber', message: 'must be E.164 with a leading +' }] },
  ],
  method_unavailable: [
    'Item 0 of the workflow names a method that is unknown or not configured.',
    { errors: [{ field: 'workflow/0', message: 'is not available' }] },
  ],
  code_incorrect: ['The code is not right.', { attemptsRemaining: 4 }],
  country_not_allowed: [
    'This app may not verify numbers of this country.',
    { errors: [{ field: 'phoneNumber', message: 'is of a country that is not allowed' }] },
  ],
  rate_limited: ['It can be sent again in 24 s.', {}],
}

function exampleOf (code: ApiErrorCode) {
  const [detail, extra] = exampleDetails[code] ?? [apiErrors[code].advice, {}]
  return { summary: apiErrors[code].title, value: buildProblem(new ApiError(code, detail, extra), exampleRequestId) }
}
