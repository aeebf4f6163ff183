import type { FastifySchemaCompiler } from 'fastify'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { Settings } from 'typebox/system'
import { ApiError, type FieldError } from '../../core/errors.ts'

type SchemaError = ReturnType<ReturnType<typeof Compile>['Errors']>[number]

const maxFields = 20

// The default of 8 would cut off the branches of a union before it is known which of them was meant.
Settings.Set({ maxErrors: 200 })

/**
 * Fastify's validator: the route's schema as it is written, nothing stripped, nothing coerced. Only a query string,
 * which has no types,
 * has its integers read where the schema wants one. What fails is an `ApiError` that names the fields and shows no
 * value.
 */
export const compileValidator: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const validator = Compile(schema)
  return (input: unknown) => {
    const value = httpPart === 'querystring' ? readIntegers(schema, input) : input
    return validator.Check(value) ? { value } : { error: invalidRequest(readFieldErrors(validator.Errors(value))) }
  }
}

/** An `invalid_request` whose sentence is about the first of these fields. */
export function invalidRequest (errors: FieldError[]): ApiError {
  const [first] = errors
  if (first === undefined) return new ApiError('invalid_request', 'The request is not valid.')
  return new ApiError('invalid_request', `${first.field === '' ? 'The body' : `\`${first.field}\``} ${first.message}.`, { errors })
}

function readIntegers (schema: TSchema, query: unknown): unknown {
  if (typeof query !== 'object' || query === null || !('properties' in schema)) return query
  const properties = new Map<string, unknown>(Object.entries(schema.properties ?? {}))
  return Object.fromEntries(Object.entries(query).map(([name, text]) => {
    const property = properties.get(name)
    const isWanted = typeof property === 'object' && property !== null
      && 'type' in property && property.type === 'integer'
    return [name, isWanted && typeof text === 'string' && /^(0|[1-9]\d{0,14})$/.test(text) ? Number(text) : text]
  }))
}

/** The errors that help: of a union those of the branch that the value is nearest to, one for each field. */
function readFieldErrors (errors: readonly SchemaError[]): FieldError[] {
  const unhelpful = new Set(errors.filter(({ keyword }) => keyword === 'anyOf').flatMap(union => {
    const start = `${union.schemaPath}/anyOf/`
    const inside = errors.filter(({ schemaPath, instancePath }) =>
      schemaPath.startsWith(start)
        && (instancePath === union.instancePath || instancePath.startsWith(`${union.instancePath}/`)))
    const branches = [
      ...Map.groupBy(inside, ({ schemaPath }) => schemaPath.slice(start.length).split('/', 1)[0]).values(),
    ]
    return branches.sort((a, b) => measure(a, union.instancePath) - measure(b, union.instancePath)).slice(1).flat()
  }))
  const fields = errors.filter(error => !unhelpful.has(error)).flatMap(readFieldError)
  return [...new Map(fields.map(error => [error.field, error])).values()].slice(0, maxFields)
}

/**
 * How far a value is from a branch of a union: another type is farther than a property too many, and that than one
 * missing or wrong.
 */
function measure (errors: SchemaError[], instancePath: string): number {
  return errors.reduce((sum, error) => {
    if (error.keyword === 'type' && error.instancePath === instancePath) return sum + 1000
    if (error.keyword === 'boolean') return sum + 10
    return sum + (error.keyword === 'required' ? error.params.requiredProperties.length : 1)
  }, 0)
}

function readFieldError (error: SchemaError): FieldError[] {
  const field = fieldOf(error.instancePath)
  switch (error.keyword) {
    // Both repeat what other errors say of the members, and `anyOf` what they say of the branches.
    case 'additionalProperties': case 'propertyNames': case 'anyOf':
      return []
    case 'required':
      return error.params.requiredProperties.map(
        name => ({ field: field === '' ? name : `${field}/${name}`, message: 'is required' }),
      )
    case 'boolean':
      return [{ field, message: 'is not allowed here' }]
    case 'pattern':
      return [{ field, message: 'is not of the documented form' }]
    case 'type':
      return [{ field, message: `must be ${[error.params.type].flat().map(withArticle).join(' or ')}` }]
    case 'enum':
      return [{ field, message: `must be one of ${error.params.allowedValues.join(', ')}` }]
    default:
      return [{ field, message: error.message }]
  }
}

const withArticle = (word: string): string => `${/^[aeiou]/.test(word) ? 'an' : 'a'} ${word}`

/**
 * `/workflow/0/method` → `workflow/0/method`. A name that is no plain word is the caller's data, and data is not
 * echoed.
 */
function fieldOf (instancePath: string): string {
  return instancePath.split('/').slice(1).map(
    name => /^(\d{1,5}|[A-Za-z][A-Za-z0-9_-]{0,39})$/.test(name) ? name : '*',
  ).join('/')
}
