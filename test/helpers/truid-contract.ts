import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import Schema from 'typebox/schema'
import { parse } from 'yaml'

type Node = Record<string, unknown>

const folder = process.env['CONTRACTS_DIR'] ?? join(import.meta.dirname, '../../../shared/contracts')
const specs = join(folder, 'tru-id/specs')

/** False where tru.ID's official description is absent: then say so with `skip`. */
export const hasTruidContract = existsSync(join(specs, 'products.yaml'))

const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null && !Array.isArray(value)
const documents = new Map<string, unknown>()

function read (file: string): unknown {
  if (!documents.has(file)) documents.set(file, parse(readFileSync(file, 'utf8')))
  return documents.get(file)
}

/** What stands at a JSON pointer of a file, with every reference replaced, and without the document's known faults. */
function resolve (file: string, pointer: readonly string[]): unknown {
  let value: unknown = read(file)
  for (const [place, part] of pointer.entries()) {
    if (isNode(value) && typeof value['$ref'] === 'string') {
      const [target, start] = follow(file, value['$ref'])
      return resolve(target, [...start, ...pointer.slice(place)])
    }
    value = isNode(value) ? value[part] : undefined
  }
  return replace(file, value)
}

/** The file that a reference names, and the way in it. */
function follow (file: string, reference: string): [file: string, pointer: string[]] {
  const [path = '', pointer = ''] = reference.split('#')
  const parts = pointer.split('/').slice(1).map(part => part.replaceAll('~1', '/'))
  return [path === '' ? file : join(dirname(file), path), parts]
}

function replace (file: string, value: unknown): unknown {
  if (Array.isArray(value)) return value.map(one => replace(file, one))
  if (!isNode(value)) return value
  if (typeof value['$ref'] === 'string') return resolve(...follow(file, value['$ref']))
  const { format, oneOf, ...rest } = value
  const replaced = Object.fromEntries(Object.entries(rest).map(([name, one]) => [name, replace(file, one)]))
  // Both branches of a 400 accept the same body, so that none may be the only one.
  const branches = oneOf === undefined ? {} : { anyOf: replace(file, oneOf) }
  // Formats such as `E.164` are not those of JSON Schema.
  const known = format === 'uri' || format === 'uuid' ? { format } : {}
  return withoutFaults({ ...replaced, ...branches, ...known })
}

/** The JSON patch is described as an array with properties. */
function withoutFaults (schema: Node): Node {
  const { type, properties, required, ...rest } = schema
  if (type !== 'array' || !isNode(properties)) return schema
  return { ...rest, type, items: { type: 'object', properties, required: Object.keys(properties) } }
}

const branchesOf = (schema: Node): Node[] =>
  ['allOf', 'anyOf', 'oneOf'].flatMap(name => [schema[name]].flat()).filter(isNode)

function memberOf (schema: Node, name: string): Node[] {
  const { properties } = schema
  const own = isNode(properties) ? properties[name] : undefined
  return [own, ...branchesOf(schema).flatMap(branch => memberOf(branch, name))].filter(isNode)
}

/** Some members are only in an example, and may hold anything. */
const isShown = (schema: Node, name: string): boolean =>
  isNode(schema['example']) && Object.hasOwn(schema['example'], name)
  || branchesOf(schema).some(branch => isShown(branch, name))

const itemsOf = (schema: Node): Node[] => [schema['items'], ...branchesOf(schema).flatMap(itemsOf)].filter(isNode)

const isOpen = (schema: Node): boolean =>
  schema['additionalProperties'] === true || branchesOf(schema).some(isOpen)

/** The members that the description does not have. */
function undocumented (schemas: Node[], value: unknown, path = ''): string[] {
  if (Array.isArray(value)) {
    return value.flatMap((one, place) => undocumented(schemas.flatMap(itemsOf), one, `${path}/${place}`))
  }
  if (!isNode(value) || schemas.some(isOpen)) return []
  return Object.entries(value).flatMap(([name, one]) => {
    const members = schemas.flatMap(schema => memberOf(schema, name))
    if (members.length > 0) return undocumented(members, one, `${path}/${name}`)
    return schemas.some(schema => isShown(schema, name)) ? [] : [`${path}/${name} is not documented`]
  })
}

function problemsOf (schema: unknown, value: unknown): string[] {
  if (!isNode(schema)) return ['not documented']
  const [, errors] = Schema.Errors(schema, value)
  const invalid = errors.map(({ instancePath, message }) => `${instancePath} ${message}`)
  return [...invalid, ...undocumented([schema], value)]
}

type Operation = { document: 'products' | 'utils' | 'basics', method: string, path: string }
const operationOf = ({ document, method, path }: Operation, ...rest: string[]): unknown =>
  resolve(join(specs, `${document}.yaml`), ['paths', path, method, ...rest])

/** How a response differs from tru.ID's official description: its status, content type, headers and body. */
export function responseProblems (
  operation: Operation, answer: { status: number, type: string, headers: Headers, body: unknown },
): string[] {
  const { status, type, headers, body } = answer
  const response = operationOf(operation, 'responses', String(status))
  if (!isNode(response)) return [`the status ${status} is not documented`]
  const { content, headers: documented } = response
  const absent = Object.keys(isNode(documented) ? documented : {}).filter(name => !headers.has(name))
  const media = type.split(';')[0] ?? ''
  const described = isNode(content) && isNode(content[media]) ? content[media]['schema'] : undefined
  return [...absent.map(name => `the header ${name} is absent`), ...problemsOf(described, body)]
}

/** How the body of a request differs from the official description. */
export function requestProblems (operation: Operation, type: string, body: unknown): string[] {
  return problemsOf(operationOf(operation, 'requestBody', 'content', type, 'schema'), body)
}

/** How the body of a callback differs from the official description. */
export function callbackProblems (operation: Operation, body: unknown): string[] {
  const callbacks = operationOf(operation, 'callbacks')
  const [named] = isNode(callbacks) ? Object.values(callbacks) : []
  const [callback] = isNode(named) ? Object.values(named) : []
  const post = isNode(callback) ? callback['post'] : undefined
  const requestBody = isNode(post) ? post['requestBody'] : undefined
  const content = isNode(requestBody) ? requestBody['content'] : undefined
  const json = isNode(content) ? content['application/json'] : undefined
  return problemsOf(isNode(json) ? json['schema'] : undefined, body)
}
