import { Compile } from 'typebox/compile'
import { buildOpenapi } from '../../scripts/openapi.ts'

export type Json = Record<string, unknown>
export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

type Media = { schema: unknown, examples?: Record<string, { summary: string, value: unknown }> }
type Parameter = { name: string, in: string, description?: string, required?: boolean, example?: unknown, schema: Json }
export type Operation = {
  operationId: string, summary: string, description: string, tags: string[], security: Record<string, string[]>[],
  parameters?: Parameter[],
  requestBody?: { required: boolean, content: Record<string, Media> },
  responses: Record<string, {
    description: string, headers?: Record<string, unknown>, content?: Record<string, Media>,
  }>,
}
/** A document whose references are resolved. */
export type Document = {
  paths: Record<string, Record<string, Operation>>, webhooks: Record<string, { post: Operation }>, components: Json & {
    schemas: Record<string, Json>,
  },
  tags: { name: string, description: string }[], info: { description: string },
}

/** Parses the document of the repository, or the given one. */
export async function readDocument (text?: string): Promise<Document> {
  const whole: unknown = JSON.parse(text ?? await buildOpenapi())
  const find = (pointer: string): unknown =>
    pointer.slice(2).split('/').reduce((value: unknown, name) => isObject(value) ? value[name] : undefined, whole)
  const expand = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(expand)
    if (!isObject(value)) return value
    const { $ref } = value
    if (typeof $ref !== 'string') return Object.fromEntries(
      Object.entries(value).map(([name, member]) => [name, expand(member)]),
    )
    const found = find($ref)
    if (found === undefined) throw new Error(`${$ref} does not exist`)
    return expand(found)
  }
  return expand(whole) as Document
}

export type Place = { call: string, method: string, path: string, operation: Operation }

/** The operations of the paths, and those of the webhooks. */
export const operationsOf = ({ paths }: Document): Place[] => Object.entries(paths).flatMap(([path, item]) =>
  Object.entries(item).map(([verb, operation]) => {
    const method = verb.toUpperCase()
    return { call: `${method} ${path}`, method, path, operation }
  }))
export const webhooksOf = ({ webhooks }: Document): Place[] =>
  Object.entries(webhooks).map(([type, { post }]) => ({ call: type, method: 'POST', path: type, operation: post }))

/** The documented error codes of a response. */
export const codesOf = ({ content = {} }: Operation['responses'][string]): string[] =>
  Object.keys(content['application/problem+json']?.examples ?? {})

/** The errors of a value. Unknown members and words count as errors, although responses may grow. */
export const findErrors = (schema: unknown, value: unknown): object[] => Compile(close(schema) as Json).Errors(value)

function close (value: unknown): unknown {
  if (Array.isArray(value)) return value.map(close)
  if (!isObject(value)) return value
  const closed = Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, name.startsWith('example') ? member : close(member)]),
  )
  const { allOf, anyOf } = closed
  if (Array.isArray(allOf)) return merge(allOf)
  if (isOpenEnum(anyOf)) return anyOf[0]
  return isObject(closed['properties']) && !('additionalProperties' in closed)
    ? { ...closed, additionalProperties: false }
    : closed
}

/** An object that has the members of all of these objects, and no others. */
const merge = (objects: Json[]): Json => ({
  type: 'object', additionalProperties: false,
  properties: Object.assign({}, ...objects.map(({ properties }) => properties)),
  required: objects.flatMap(({ required }) => required ?? []),
})

/** The words of today, or any string. */
const isOpenEnum = (anyOf: unknown): anyOf is [Json, Json] =>
  Array.isArray(anyOf) && anyOf.length === 2 && isObject(anyOf[0]) && 'enum' in anyOf[0]
  && JSON.stringify(anyOf[1]) === '{"type":"string"}'

/** Visits each schema in a value, with its path. */
export const visitSchemas = (value: unknown, path: string, visit: (schema: Json, path: string) => void): void => {
  if (Array.isArray(value)) return value.forEach((item, index) => visitSchemas(item, `${path}/${index}`, visit))
  if (!isObject(value)) return
  visit(value, path)
  for (
    const [name, member] of Object.entries(value)
  ) if (!name.startsWith('example')) visitSchemas(member, `${path}/${name}`, visit)
}
