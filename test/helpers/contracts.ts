import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2019, type ValidateFunction } from 'ajv/dist/2019.js'
import formats from 'ajv-formats'
import { redocly } from './redocly.ts'

/** Interface descriptions that providers publish, and how messages are compared with them. */

type Json = Record<string, unknown>
type Media = { schema?: Json }
type Header = { required?: boolean, schema: Json }
type Answer = { content?: Record<string, Media>, headers?: Record<string, Header> }
export type Operation = {
  requestBody?: { content: Record<string, Media> }
  responses: Record<string, Answer>
  security?: Record<string, unknown>[]
  callbacks?: Record<string, Record<string, { post: Operation & { parameters: { name: string, schema: Json }[] } }>>
}
type Document = { paths: Record<string, Record<string, Operation>> }

/** A request that a server received, and what it answered. Header names are in lower case. */
export type Exchange = {
  method: string, path: string, headers: Record<string, unknown>, body: unknown,
  status: number, answerHeaders: Record<string, unknown>, answer: unknown,
}

export const contractsFolder = process.env['CONTRACTS_DIR'] ?? join(import.meta.dirname, '../../../shared/contracts')

/** False where the files are there; otherwise why the tests that need them are skipped. */
export const withoutContracts = (...files: string[]): string | false => {
  const missing = files.find(file => !existsSync(join(contractsFolder, file)))
  return missing === undefined ? false : `${missing} is not in ${contractsFolder}; CONTRACTS_DIR names another folder`
}

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The same schema, in which a member that it does not name is an error, at any depth. */
const close = (schema: Json): Json => ({ allOf: [closeMembers(schema)], unevaluatedProperties: false })

function closeMembers (schema: Json): Json {
  const closed = { ...schema }
  for (const name of ['allOf', 'anyOf']) {
    if (Array.isArray(schema[name])) closed[name] = schema[name].filter(isObject).map(closeMembers)
  }
  if (isObject(schema['items'])) closed['items'] = close(schema['items'])
  if (isObject(schema['properties'])) {
    closed['properties'] = Object.fromEntries(
      Object.entries(schema['properties']).map(([name, member]) => [name, isObject(member) ? close(member) : member]),
    )
  }
  return closed
}

/** `nullable` of OpenAPI 3.0. A schema that says nothing of its value allows every member. */
export function allowNull ({ nullable = false, ...schema }: Record<string, unknown>): Record<string, unknown> {
  const isAny = Object.keys(schema).every(name => name === 'description')
  if (isAny) return { ...schema, additionalProperties: true }
  return nullable === true && typeof schema['type'] === 'string'
    ? { ...schema, type: [schema['type'], 'null'] }
    : schema
}

/** `amend` replaces schemas that are known to be wrong in the documents, the innermost first. */
export async function openContracts (
  files: string[], { formats: own = {}, amend = schema => schema }: {
    formats?: Record<string, RegExp>, amend?: (schema: Json) => Json,
  } = {},
) {
  const ajv = new Ajv2019({ strict: false, allErrors: true })
  formats.default(ajv)
  for (const [name, format] of Object.entries(own)) ajv.addFormat(name, format)
  const change = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(change)
    if (!isObject(value)) return value
    return amend(Object.fromEntries(Object.entries(value).map(([name, member]) => [name, change(member)])))
  }
  const [open, closed] = [new Map<Json, ValidateFunction>(), new Map<Json, ValidateFunction>()]
  const paths: Document['paths'] = {}
  for (const file of files) {
    // Some references of the documents lead nowhere: `--force` leaves them out.
    const path = join(contractsFolder, file)
    const { stdout } = await redocly('bundle', path, '--dereferenced', '--force', '--ext', 'json')
    Object.assign(paths, (change(JSON.parse(stdout)) as Document).paths)
  }
  const templates = Object.entries(paths).map(([template, item]) =>
    ({ pattern: new RegExp(`^${template.replaceAll(/\{\w+\}/g, '[^/]+')}$`), template, item }))

  /** The operation of a path without a query; undefined: it is not in the documents. */
  function find (method: string, path: string): { name: string, operation: Operation } | undefined {
    for (const { pattern, template, item } of templates) {
      const operation = item[method.toLowerCase()]
      if (operation !== undefined && pattern.test(path)) return { name: `${method} ${template}`, operation }
    }
    return undefined
  }

  /** What is wrong with a value. With `isClosed`, members that the schema does not name are. */
  function problemsOf (schema: Json | undefined, value: unknown, isClosed = false): string[] {
    if (schema === undefined) return []
    const known = isClosed ? closed : open
    const validate = known.get(schema) ?? ajv.compile(isClosed ? close(schema) : schema)
    known.set(schema, validate)
    if (validate(value)) return []
    return (validate.errors ?? []).map(({ instancePath, message, params }) =>
      `${instancePath} ${message} ${JSON.stringify(params)}`)
  }

  function problemsOfHeaders (headers: Record<string, Header>, sent: Record<string, unknown>): string[] {
    return Object.entries(headers).flatMap(([name, { required = false, schema }]) => {
      const value = sent[name.toLowerCase()]
      if (value === undefined) return required ? [`no header ${name}`] : []
      const read = schema['type'] === 'integer' ? Number(value) : value
      return problemsOf(schema, read).map(problem => `header ${name}: ${problem}`)
    })
  }

  const bare = (type: unknown): string => String(type ?? '').split(';')[0] ?? ''

  function problemsOfRequest (operation: Operation, { headers, body }: Exchange): string[] {
    const isSigned = /^Bearer [\w.~+/=-]+$/.test(String(headers['authorization'] ?? ''))
    const problems = operation.security?.some(one => Object.keys(one).some(name => /Bearer/.test(name))) && !isSigned
      ? ['no bearer token']
      : []
    if (operation.requestBody === undefined) return body === undefined || body === null ? problems : ['a body']
    const media = operation.requestBody.content[bare(headers['content-type'])]
    if (media === undefined) return [...problems, `content type ${String(headers['content-type'])}`]
    return [...problems, ...problemsOf(media.schema, body, true)]
  }

  function problemsOfAnswer (operation: Operation, { status, answerHeaders, answer }: Exchange): string[] {
    const documented = operation.responses[status]
    if (documented === undefined) return [`status ${status}`]
    const problems = problemsOfHeaders(documented.headers ?? {}, answerHeaders)
    if (documented.content === undefined || answer === undefined) return problems
    const media = documented.content[bare(answerHeaders['content-type'])]
    if (media === undefined) return [...problems, `content type ${String(answerHeaders['content-type'])}`]
    return [...problems, ...problemsOf(media.schema, answer, true)]
  }

  return { find, problemsOf, problemsOfRequest, problemsOfAnswer }
}
