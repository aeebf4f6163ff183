import { STATUS_CODES } from 'node:http'
import helmet from '@fastify/helmet'
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import { ApiError, apiErrors, type ApiErrorCode } from '../errors.ts'
import { Problem } from '../routes/schemas.ts'
import { buildProblem } from './errors.ts'

/** Which credentials a route takes: `security` of its schema. */
export const byAppKey = [{ apiKey: [] }]
export const byAppKeyOrClientSecret = [{ apiKey: [] }, { clientSecret: [] }]

/** Operations of routes whose body may be absent carry this mark; the plugin for the document takes a body for required. */
const optionalBody = 'x-optional-body'
export const absentBodyAllowed = { [optionalBody]: true }

const errorsOfEveryCall: ApiErrorCode[] = ['internal_error', 'overloaded']
const errorsOfApiCalls: ApiErrorCode[] = ['invalid_request', 'unauthenticated', 'forbidden', 'store_unavailable', ...errorsOfEveryCall]

/** The error answers of an authenticated route, by status: what each call can say, and these codes. */
export const apiProblems = (...codes: ApiErrorCode[]): ReturnType<typeof problems> => problems(...errorsOfApiCalls, ...codes)

/** Error answers by status, each with its codes and what to do about them. */
export function problems (...codes: ApiErrorCode[]) {
  const byStatus = Map.groupBy(new Set(codes), code => apiErrors[code].status)
  const explain = (code: ApiErrorCode): string => `- \`${code}\`: ${apiErrors[code].title}. ${apiErrors[code].advice}`
  const showExample = (code: ApiErrorCode) => [code, { value: buildProblem(new ApiError(code, apiErrors[code].advice), exampleRequestId) }]
  return Object.fromEntries([...byStatus].map(([status, group]) => [status, {
    description: `${STATUS_CODES[status] ?? ''}\n\n${group.map(explain).join('\n')}`,
    content: { 'application/problem+json': { schema: Problem, examples: Object.fromEntries(group.map(showExample)) } },
  }]))
}
const exampleRequestId = '6f1b2c9e-8a64-4d1b-9a57-0f3f1f0f7f11'

const description = `One provider-neutral lifecycle over Truecaller, tru.ID and OTPLESS.

1. Your server creates a verification with \`POST /verifications\` and gives \`clientSecret\` to your front end.
2. The front end does what \`nextAction\` says, until it is null, and reads the verification with its client secret.
3. The verification ends as \`verified\`, \`failed\`, \`expired\` or \`canceled\`. Only \`verified\` means that the number was proven.

Errors are \`application/problem+json\` (RFC 9457) with a \`code\`. Every answer carries \`x-request-id\`.
A user's "no" is no error: it is an outcome, told by \`status\` and \`reason\`.`

/** Swagger UI needs no more than its own files, and inline styles. */
const docsPolicy = [
  'default-src \'none\'', 'script-src \'self\'', 'style-src \'self\' \'unsafe-inline\'', 'img-src \'self\' data:',
  'font-src \'self\' data:', 'connect-src \'self\'', 'base-uri \'none\'', 'form-action \'none\'', 'frame-ancestors \'none\'',
].join('; ')

/** Makes the OpenAPI document (`server.swagger()`). Routes registered after it are described. */
export async function describeApi (server: FastifyInstance, version: string): Promise<void> {
  await server.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Verigate', version, description, license: { name: 'MIT', identifier: 'MIT' } },
      servers: [{ url: '/' }],
      tags: [
        { name: 'Verifications', description: 'Create, follow and finish a verification.' },
        { name: 'Webhooks', description: 'What is sent to the app by itself, and what came of it.' },
        { name: 'Providers', description: 'What is configured, and how it is doing.' },
        { name: 'Callbacks', description: 'Where providers call, and where they send browsers.' },
        { name: 'Operations', description: 'Health and metrics.' },
      ],
      components: {
        securitySchemes: {
          apiKey: {
            type: 'http', scheme: 'bearer',
            description: 'The app\'s API key: for servers only. Scopes: `verifications:read`, `verifications:write`, `webhooks:read`, `webhooks:write`, `providers:read`.',
          },
          clientSecret: {
            type: 'http', scheme: 'bearer',
            description: '`clientSecret` of one verification: opens that one only, with the number masked, without metadata and profile.',
          },
        },
      },
    },
    convertConstToEnum: false,
    transformObject: documentObject => {
      if (!('openapiObject' in documentObject)) throw new TypeError('not an OpenAPI document')
      return shareSchemas(documentObject.openapiObject)
    },
  })
}

/** Gives a server the document of another one, which is found at `publicUrl`. */
export async function describeOther (server: FastifyInstance, other: FastifyInstance, publicUrl: string): Promise<void> {
  await server.register(swagger, { openapi: { openapi: '3.1.0' }, transformObject: () => ({ ...other.swagger(), servers: [{ url: publicUrl }] }) })
}

/** `/openapi.json` and the documentation at `/docs`, served from the package's own files. */
export async function serveDocs (server: FastifyInstance): Promise<void> {
  await server.register(async pages => {
    await pages.register(helmet, { contentSecurityPolicy: false, strictTransportSecurity: false })
    await pages.register(swaggerUi, {
      routePrefix: '/docs', staticCSP: docsPolicy, uiConfig: { docExpansion: 'list', persistAuthorization: true },
    })
  })
  server.get('/openapi.json', { schema: { hide: true } }, async () => server.swagger())
}

type Json = Record<string, unknown>
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)

/** A schema with a `title` is written once, under components; bodies that may be absent are marked so. */
function shareSchemas<Document extends { components?: { schemas?: object } }> (document: Document): Document {
  const schemas: Json = {}
  const share = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(share)
    if (!isObject(value)) return value
    const isOptional = value[optionalBody] === true
    const shared = Object.fromEntries(Object.entries(value)
      .filter(([name]) => name !== optionalBody)
      .map(([name, member]) => [name, name.startsWith('example')
        ? member
        : share(isOptional && name === 'requestBody' && isObject(member) ? { ...member, required: false } : member)]))
    const { title } = value
    if (typeof title !== 'string') return shared
    schemas[title] = shared
    return { $ref: `#/components/schemas/${title}` }
  }
  const paths = 'paths' in document ? { paths: share(document.paths) } : {}
  const sorted = Object.fromEntries(Object.entries(schemas).sort(([a], [b]) => a < b ? -1 : 1))
  return { ...document, ...paths, components: { ...document.components, schemas: sorted } }
}
