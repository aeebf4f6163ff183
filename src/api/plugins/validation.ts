import type { FastifySchemaCompiler } from 'fastify'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { Settings } from 'typebox/system'
import { ApiError, type FieldError } from '../../core/errors.ts'
import { methodPattern } from '../../apps/apps.ts'

type SchemaError = ReturnType<ReturnType<typeof Compile>['Errors']>[number]

const maxFields = 20

// With the default of 8, errors of union branches would be cut off before the closest branch is known.
Settings.Set({ maxErrors: 200 })

/**
 * Validates with the route's schema, which the first request compiles; removes nothing and coerces nothing, except
 * integers of a query string. A failure is an `ApiError` that names the fields and shows no value.
 */
export const compileValidator: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  let compiled: ReturnType<typeof Compile> | null = null
  return (input: unknown) => {
    const validator = compiled ??= Compile(schema)
    const value = httpPart === 'querystring' ? readIntegers(schema, input) : input
    return validator.Check(value) ? { value } : { error: invalidRequest(readFieldErrors(validator.Errors(value))) }
  }
}

/** An `invalid_request` whose detail describes the first of these fields. */
export function invalidRequest (errors: FieldError[]): ApiError {
  const [first] = errors
  if (first === undefined) return new ApiError('invalid_request', 'The request is not valid.')
  const subject = first.field === '' ? 'The body' : `\`${first.field}\``
  return new ApiError('invalid_request', `${subject} ${first.message}.`, { errors })
}

function readIntegers (schema: TSchema, query: unknown): unknown {
  if (typeof query !== 'object' || query === null || !('properties' in schema)) return query
  const properties = new Map<string, unknown>(Object.entries(schema.properties ?? {}))
  return Object.fromEntries(Object.entries(query).map(([name, text]) => {
    const property = properties.get(name)
    const isInteger = typeof property === 'object' && property !== null
      && 'type' in property && property.type === 'integer'
    return [name, isInteger && typeof text === 'string' && /^(0|[1-9]\d{0,14})$/.test(text) ? Number(text) : text]
  }))
}

/** One error for each field; of a union, only the errors of the branch that is closest to the value. */
function readFieldErrors (errors: readonly SchemaError[]): FieldError[] {
  const otherBranches = new Set(errors.filter(({ keyword }) => keyword === 'anyOf').flatMap(union => {
    const start = `${union.schemaPath}/anyOf/`
    const inside = errors.filter(({ schemaPath, instancePath }) =>
      schemaPath.startsWith(start)
        && (instancePath === union.instancePath || instancePath.startsWith(`${union.instancePath}/`)))
    const branches = [
      ...Map.groupBy(inside, ({ schemaPath }) => schemaPath.slice(start.length).split('/', 1)[0]).values(),
    ]
    return branches.sort((a, b) => distance(a, union.instancePath) - distance(b, union.instancePath)).slice(1).flat()
  }))
  const fields = errors.filter(error => !otherBranches.has(error)).flatMap(readFieldError)
  return [...new Map(fields.map(error => [error.field, error])).values()].slice(0, maxFields)
}

/**
 * The distance of a value from a branch of a union: another type counts most, then an unknown property, then a missing
 * or wrong one.
 */
function distance (errors: SchemaError[], instancePath: string): number {
  return errors.reduce((sum, error) => {
    if (error.keyword === 'type' && error.instancePath === instancePath) return sum + 1000
    if (error.keyword === 'boolean') return sum + 10
    return sum + (error.keyword === 'required' ? error.params.requiredProperties.length : 1)
  }, 0)
}

function readFieldError (error: SchemaError): FieldError[] {
  const field = fieldOf(error.instancePath)
  switch (error.keyword) {
    // These repeat the errors of the members and of the branches.
    case 'additionalProperties': case 'propertyNames': case 'anyOf':
      return []
    case 'required':
      return error.params.requiredProperties.map(
        name => ({ field: field === '' ? name : `${field}/${name}`, message: 'is required' }),
      )
    case 'boolean':
      return [{ field, message: 'is not allowed here' }]
    case 'pattern':
      return [{ field, message: error.params.pattern === methodPattern ? invalidMethod : 'has an invalid format' }]
    case 'type':
      return [{ field, message: `must be ${[error.params.type].flat().map(withArticle).join(' or ')}` }]
    case 'enum':
      return [{ field, message: `must be one of ${error.params.allowedValues.join(', ')}` }]
    default:
      return [{ field, message: error.message }]
  }
}

const invalidMethod = 'must be the name of a method, such as otpless.otp: `GET /providers` lists them'

const withArticle = (word: string): string => `${/^[aeiou]/.test(word) ? 'an' : 'a'} ${word}`

/** `/workflow/0/method` → `workflow/0/method`. A name that is not a plain word may be user data: it becomes `*`. */
function fieldOf (instancePath: string): string {
  return instancePath.split('/').slice(1).map(
    name => /^(\d{1,5}|[A-Za-z][A-Za-z0-9_-]{0,39})$/.test(name) ? name : '*',
  ).join('/')
}
