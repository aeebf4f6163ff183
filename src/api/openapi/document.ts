import { apiErrors, type ApiErrorCode } from '../../core/errors.ts'
import { optionalBody } from './operations.ts'

type Json = Record<string, unknown>
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)
const toObject = (value: unknown): Json => isObject(value) ? value : {}
const mapMembers = (value: unknown, map: (member: unknown, name: string) => unknown): Json =>
  Object.fromEntries(Object.entries(toObject(value)).map(([name, member]) => [name, map(member, name)]))

/**
 * Completes the document of `@fastify/swagger`: adds the callers to each operation and the headers to each response,
 * and moves repeated schemas, responses and examples to the components.
 */
export function finishDocument<Document extends object> (document: Document): Document {
  const { paths, webhooks, components } = toObject(document)
  const operations = mapMembers(paths, item => mapMembers(item, operation => finishOperation(toObject(operation))))
  const schemas: Json = {}
  const withSchemas = mapMembers({ paths: operations, webhooks }, part => shareSchemas(part, schemas))
  const withResponses = shareMembers(withSchemas, 'responses', nameResponse)
  const { document: { responses, ...rest }, shared: examples } = shareMembers(
    { ...withResponses.document, responses: withResponses.shared }, 'examples', pascalCase,
  )
  const { securitySchemes, ...own } = toObject(components)
  return {
    ...document, ...rest,
    components: {
      ...own, securitySchemes: explainScopes(securitySchemes, toObject(paths)), headers, schemas: sort(schemas),
      responses: sort(responses), examples: sort(examples),
    },
  }
}

const whenLimited = 'On every response to a caller with a limit.'
const headers = {
  RequestId: {
    description: 'Id of the request in the log of the gateway: the caller\'s own `x-request-id`, if it sent one that '
      + 'looks like an id.',
    schema: { type: 'string' },
  },
  RetryAfter: { description: 'Seconds to wait before the next try.', schema: { type: 'integer', minimum: 0 } },
  Authenticate: { description: 'How to authenticate: `Bearer`.', schema: { type: 'string' } },
  RateLimit: {
    description: `Requests left (\`r\`) of each limit, and the seconds until its next window (\`t\`). ${whenLimited} `
      + 'A structured field of draft-ietf-httpapi-ratelimit-headers-10.',
    schema: { type: 'string', examples: ['"app";r=5999;t=20'] },
  },
  RateLimitPolicy: {
    description: `Requests (\`q\`) that each limit allows in a window of \`w\` seconds. ${whenLimited}`,
    schema: { type: 'string', examples: ['"app";q=6000;w=60'] },
  },
  RateLimitLimit: {
    description: `Use \`ratelimit-policy\`: this header will be removed. ${whenLimited}`, deprecated: true,
    schema: { type: 'integer' },
  },
  RateLimitRemaining: {
    description: `Use \`ratelimit\`: this header will be removed. ${whenLimited}`, deprecated: true,
    schema: { type: 'integer' },
  },
  RateLimitReset: {
    description: `Use \`ratelimit\`: this header will be removed. ${whenLimited}`, deprecated: true,
    schema: { type: 'integer' },
  },
}
const header = (name: keyof typeof headers) => ({ $ref: `#/components/headers/${name}` })
const limitHeaders = {
  ratelimit: header('RateLimit'), 'ratelimit-policy': header('RateLimitPolicy'),
  'ratelimit-limit': header('RateLimitLimit'), 'ratelimit-remaining': header('RateLimitRemaining'),
  'ratelimit-reset': header('RateLimitReset'),
}

function finishOperation ({ [optionalBody]: isOptional, ...operation }: Json): Json {
  const { description, security = [], requestBody, parameters, responses } = operation
  const callers = listCallers(security)
  return {
    ...operation,
    // Linters would mistake the scopes for those of OAuth.
    security: Array.isArray(security) ? security.map(requirement => mapMembers(requirement, () => [])) : [],
    description: callers === '' ? description : `${String(description)}\n\n**Callers:** ${callers}.`,
    ...(Array.isArray(parameters) ? { parameters: sortByPlace(parameters.map(finishParameter)) } : {}),
    ...(isObject(requestBody) && isOptional === true ? { requestBody: { ...requestBody, required: false } } : {}),
    responses: mapMembers(responses, (response, status) => finishResponse(toObject(response), status, callers === '')),
  }
}

function listCallers (security: unknown): string {
  const schemes = Array.isArray(security) ? security.flatMap(requirement => Object.entries(toObject(requirement))) : []
  return schemes.map(([scheme, scopes]) => {
    if (scheme === 'apiKey') return `an API key with the scope \`${[scopes].flat().join('`, `')}\``
    return scheme === 'clientSecret'
      ? 'the front end, with the client secret of this verification'
      : 'the same secret as `clientSecret` in the query'
  }).join('; or ')
}

/** Moves examples to the schema: Swagger UI would fill an example of the parameter itself into the form and send it. */
function finishParameter (parameter: unknown): Json {
  const { example, examples, schema, description, ...rest } = toObject(parameter)
  const values = example === undefined
    ? Object.values(toObject(examples)).map(one => toObject(one)['value'])
    : [example]
  return values.length === 0 ? { ...rest, description, schema } : {
    ...rest, description: `${String(description)} For example \`${String(values[0])}\`.`, schema: {
      ...toObject(schema), examples: values,
    },
  }
}

/** Path parameters come first. */
const sortByPlace = (parameters: Json[]): Json[] =>
  parameters.toSorted((a, b) => Number(b['in'] === 'path') - Number(a['in'] === 'path'))

function finishResponse (response: Json, status: string, isOpen: boolean): Json {
  const mustWait = codesOf(response).some(code => apiErrors[code].advice.includes('Retry-After'))
  return {
    ...response,
    headers: {
      ...toObject(response['headers']), 'x-request-id': header('RequestId'),
      ...(status === '401' ? { 'www-authenticate': header('Authenticate') } : {}),
      ...(mustWait ? { 'retry-after': header('RetryAfter') } : {}),
      ...(!isOpen && (status.startsWith('2') || status === '429') ? limitHeaders : {}),
    },
  }
}

/** The codes of an error response: each one has an example. */
function codesOf ({ content }: Json): ApiErrorCode[] {
  const { examples } = toObject(toObject(content)['application/problem+json'])
  return Object.keys(toObject(examples)).filter((code): code is ApiErrorCode => code in apiErrors)
}

/** Adds the calls of each scope to the description of API keys. */
function explainScopes (schemes: unknown, paths: Json): Json {
  const uses = Object.entries(paths).flatMap(([path, item]) => Object.entries(
    toObject(item),
  ).flatMap(([method, operation]) => {
    const { security } = toObject(operation)
    const required = Array.isArray(security) ? security.flatMap(one => toObject(one)['apiKey'] ?? []) : []
    return required.map(scope => ({ scope: String(scope), call: `\`${method.toUpperCase()} ${path}\`` }))
  }))
  const lines = [...Map.groupBy(uses, ({ scope }) => scope)].map(
    ([scope, calls]) => `- \`${scope}\`: ${calls.map(({ call }) => call).join(', ')}`,
  )
  return mapMembers(schemes, (scheme, name) =>
    name === 'apiKey'
      ? { ...toObject(scheme), description: `${String(toObject(scheme)['description'])}\n\n${lines.join('\n')}` }
      : scheme)
}

const pascalCase = (name: string): string =>
  name.split('_').map(word => word.charAt(0).toUpperCase() + word.slice(1)).join('')
/** Error responses are named by their codes; the others have no name, because they differ. */
const nameResponse = (_status: string, response: unknown): string =>
  codesOf(toObject(response)).map(pascalCase).join('Or')

/**
 * Replaces the members of objects called `holder` that occur more than once by references to `shared`. A member without
 * a name, or whose name already belongs to a different member, stays in place.
 */
function shareMembers (
  document: Json, holder: string, nameOf: (key: string, member: unknown) => string,
): { document: Json, shared: Json } {
  const replace = (value: unknown, by: (key: string, member: unknown) => unknown): unknown => {
    if (Array.isArray(value)) return value.map(item => replace(item, by))
    return !isObject(value) ? value : mapMembers(value, (member, name) =>
      name === holder && isObject(member) ? mapMembers(member, (one, key) => by(key, one)) : replace(member, by))
  }
  const counts = new Map<string, number>()
  replace(document, (_key, member) => {
    const text = JSON.stringify(member)
    counts.set(text, (counts.get(text) ?? 0) + 1)
  })
  const texts = new Map<string, string>()
  const shared: Json = {}
  const shortened = mapMembers(document, part => replace(part, (key, member) => {
    const [name, text] = [nameOf(key, member), JSON.stringify(member)]
    const isTaken = (texts.get(name) ?? text) !== text
    if (name === '' || isTaken || counts.get(text) === 1) return member
    texts.set(name, text)
    shared[name] = member
    return { $ref: `#/components/${holder}/${name}` }
  }))
  return { document: shortened, shared }
}

/** Moves every schema with a `title` to `schemas`. Throws if two different schemas have one title. */
function shareSchemas (value: unknown, schemas: Json): unknown {
  if (Array.isArray(value)) return value.map(item => shareSchemas(item, schemas))
  if (!isObject(value)) return value
  const shared = mapMembers(
    value, (member, name) => name.startsWith('example') ? member : shareSchemas(member, schemas),
  )
  const schema = isObject(value['patternProperties']) ? finishRecord(shared) : shared
  const { title } = value
  if (typeof title !== 'string') return schema
  if (title in schemas && JSON.stringify(schemas[title]) !== JSON.stringify(schema)) {
    throw new TypeError(`two schemas have the title ${title}`)
  }
  schemas[title] = schema
  return { $ref: `#/components/schemas/${title}` }
}

/** TypeBox writes a record of strings with a pattern. `@fastify/swagger` rewrites it, but not in webhooks. */
const finishRecord = ({ patternProperties, ...schema }: Json): Json =>
  ({ ...schema, additionalProperties: Object.values(toObject(patternProperties))[0] })

const sort = (members: unknown): Json =>
  Object.fromEntries(Object.entries(toObject(members)).sort(([a], [b]) => a < b ? -1 : 1))
