import { apiErrors, type ApiErrorCode } from '../../core/errors.ts'
import { optionalBody } from './operations.ts'

type Json = Record<string, unknown>
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)
const toObject = (value: unknown): Json => isObject(value) ? value : {}
const mapMembers = (value: unknown, map: (member: unknown, name: string) => unknown): Json =>
  Object.fromEntries(Object.entries(toObject(value)).map(([name, member]) => [name, map(member, name)]))

/**
 * What the routes say, made into a document that reads well: each operation tells who may call it, each answer which
 * headers it has, and
 * what would be said again and again is written once, under components.
 */
export function finishDocument<Document extends object> (document: Document): Document {
  const { paths, webhooks, components } = toObject(document)
  const operations = mapMembers(paths, item => mapMembers(item, operation => finishOperation(toObject(operation))))
  const [schemas, responses, examples]: [Json, Json, Json] = [{}, {}, {}]
  const short = mapMembers({ paths: operations, webhooks }, part => shareSchemas(part, schemas))
  const shorter = writeOnce(short, 'responses', nameResponse, responses)
  const { responses: shortResponses, ...shortest } = writeOnce(
    { ...shorter, responses }, 'examples', pascalCase, examples,
  )
  const { securitySchemes, ...own } = toObject(components)
  return {
    ...document, ...shortest,
    components: {
      ...own, securitySchemes: explainScopes(
        securitySchemes, toObject(paths),
      ), headers, schemas: sort(schemas), responses: sort(shortResponses),
      examples: sort(examples),
    },
  }
}

const whenLimited = 'On every answer to a caller whose requests are counted.'
const headers = {
  RequestId: {
    description: 'Name of the request in the log of the gateway: the caller\'s own `x-request-id`, if it sent one.',
    schema: { type: 'string' },
  },
  RetryAfter: { description: 'Seconds to wait before trying again.', schema: { type: 'integer', minimum: 0 } },
  Authenticate: { description: 'How to authenticate: `Bearer`.', schema: { type: 'string' } },
  RateLimitLimit: {
    description: `How many requests are allowed in a window. ${whenLimited}`, schema: { type: 'integer' },
  },
  RateLimitRemaining: { description: `How many of them are left. ${whenLimited}`, schema: { type: 'integer' } },
  RateLimitReset: { description: `Seconds until the next window. ${whenLimited}`, schema: { type: 'integer' } },
}
const header = (name: keyof typeof headers) => ({ $ref: `#/components/headers/${name}` })
const limitHeaders = {
  'ratelimit-limit': header('RateLimitLimit'), 'ratelimit-remaining': header(
    'RateLimitRemaining',
  ), 'ratelimit-reset': header('RateLimitReset'),
}

function finishOperation ({ [optionalBody]: isOptional, ...operation }: Json): Json {
  const { description, security = [], requestBody, parameters, responses } = operation
  const callers = listCallers(security)
  return {
    ...operation,
    // Linters take the names of scopes for those of OAuth.
    security: Array.isArray(security) ? security.map(requirement => mapMembers(requirement, () => [])) : [],
    description: callers === '' ? description : `${String(description)}\n\n**Who may call it:** ${callers}.`,
    ...(Array.isArray(parameters) ? { parameters: sortByPlace(parameters.map(finishParameter)) } : {}),
    ...(isObject(requestBody) && isOptional === true ? { requestBody: { ...requestBody, required: false } } : {}),
    responses: mapMembers(responses, (response, status) => finishResponse(toObject(response), status, callers === '')),
  }
}

function listCallers (security: unknown): string {
  const schemes = Array.isArray(security) ? security.flatMap(requirement => Object.entries(toObject(requirement))) : []
  return schemes.map(([scheme, wanted]) => {
    if (scheme === 'apiKey') return `an API key with the scope \`${[wanted].flat().join('`, `')}\``
    return scheme === 'clientSecret'
      ? 'the front end, with the client secret of this verification'
      : 'the same secret as `clientSecret` in the query'
  }).join('; or ')
}

/**
 * As an example of the parameter it would be filled in for whoever tries the call out, and sent; as one of its schema
 * it is only shown.
 */
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

/** What the path says comes first. */
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

/** The codes of an error answer: each has an example. */
function codesOf ({ content }: Json): ApiErrorCode[] {
  const { examples } = toObject(toObject(content)['application/problem+json'])
  return Object.keys(toObject(examples)).filter((code): code is ApiErrorCode => code in apiErrors)
}

/** Adds to the description of API keys which scope opens which calls. */
function explainScopes (schemes: unknown, paths: Json): Json {
  const wants = Object.entries(paths).flatMap(([path, item]) => Object.entries(
    toObject(item),
  ).flatMap(([method, operation]) => {
    const { security } = toObject(operation)
    const found = Array.isArray(security) ? security.flatMap(requirement => toObject(requirement)['apiKey'] ?? []) : []
    return found.map(scope => ({ scope: String(scope), call: `\`${method.toUpperCase()} ${path}\`` }))
  }))
  const lines = [...Map.groupBy(wants, ({ scope }) => scope)].map(
    ([scope, calls]) => `- \`${scope}\`: ${calls.map(({ call }) => call).join(', ')}`,
  )
  return mapMembers(schemes, (scheme, name) =>
    name === 'apiKey'
      ? { ...toObject(scheme), description: `${String(toObject(scheme)['description'])}\n\n${lines.join('\n')}` }
      : scheme)
}

const pascalCase = (name: string): string =>
  name.split('_').map(word => word.charAt(0).toUpperCase() + word.slice(1)).join('')
/** Error answers are named by their codes; those without errors differ anyway. */
const nameResponse = (_status: string, response: unknown): string =>
  codesOf(toObject(response)).map(pascalCase).join('Or')

/**
 * Moves the members of objects called `holder` that are there more than once to `shared`, each under a name. Those
 * without a name stay where
 * they are, and so do those whose name means something else already.
 */
function writeOnce (
  document: Json, holder: string, nameOf: (key: string, member: unknown) => string, shared: Json,
): Json {
  const visit = (value: unknown, see: (key: string, member: unknown) => unknown): unknown => {
    if (Array.isArray(value)) return value.map(item => visit(item, see))
    return !isObject(value) ? value : mapMembers(value, (member, name) =>
      name === holder && isObject(member) ? mapMembers(member, (one, key) => see(key, one)) : visit(member, see))
  }
  const places = new Map<string, number>()
  visit(document, (_key, member) => {
    const text = JSON.stringify(member)
    places.set(text, (places.get(text) ?? 0) + 1)
  })
  const names = new Map<string, string>()
  return mapMembers(document, part => visit(part, (key, member) => {
    const [name, text] = [nameOf(key, member), JSON.stringify(member)]
    const isOther = (names.get(name) ?? text) !== text
    if (name === '' || isOther || places.get(text) === 1) return member
    names.set(name, text)
    shared[name] = member
    return { $ref: `#/components/${holder}/${name}` }
  }))
}

/** A schema with a `title` is written once. */
function shareSchemas (value: unknown, schemas: Json): unknown {
  if (Array.isArray(value)) return value.map(item => shareSchemas(item, schemas))
  if (!isObject(value)) return value
  const shared = mapMembers(
    value, (member, name) => name.startsWith('example') ? member : shareSchemas(member, schemas),
  )
  const { title } = value
  if (typeof title !== 'string') return shared
  schemas[title] = shared
  return { $ref: `#/components/schemas/${title}` }
}

const sort = (members: unknown): Json =>
  Object.fromEntries(Object.entries(toObject(members)).sort(([a], [b]) => a < b ? -1 : 1))
