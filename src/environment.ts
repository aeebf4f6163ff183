import { readFileSync } from 'node:fs'
import { Type, type TProperties, type TSchema } from 'typebox'
import Value from 'typebox/value'

export type Environment = Readonly<Record<string, string | undefined>>

/** A line end or another control character is never meant, and would be sent along or break a header. */
const controlCharacter = /[\p{Cc}\u2028\u2029]/u

/** Whether the schema of a variable has this mark: see `adapters/settings.ts`. */
export const hasMark = (schema: TSchema, mark: 'isSecret' | 'isCredential' | 'hasLines'): boolean =>
  Reflect.get(schema, mark) === true

/**
 * The values of the known variables that are set; an empty one counts as absent. A secret `NAME` can be given as
 * `NAME_FILE`. Throws an `Error` that names each invalid variable and shows no value.
 */
export function readVariables (known: TProperties, environment: Environment): Record<string, string> {
  const values: Record<string, string> = {}
  const problems: string[] = []
  for (const [name, schema] of Object.entries(known)) {
    const file = hasMark(schema, 'isSecret') ? environment[`${name}_FILE`] || null : null
    const plain = environment[name] || null
    if (file !== null && plain !== null) {
      problems.push(`${name} and ${name}_FILE are both set`)
      continue
    }
    const source = file === null ? name : `${name}_FILE`
    try {
      const text = file === null ? plain : readSecretFile(file)
      const value = text !== null && hasMark(schema, 'hasLines') ? joinLines(text) : text
      if (value !== null) values[name] = withoutControlCharacters(value)
    } catch (error) {
      problems.push(`${source} ${error instanceof Error ? error.message : 'is invalid'}`)
    }
  }
  for (const { instancePath, message } of Value.Errors(Type.Partial(Type.Object(known)), values)) {
    problems.push(`${instancePath.slice(1)} ${message}`)
  }
  if (problems.length > 0) throw new Error(`Configuration: ${[...new Set(problems)].join('; ')}`)
  return values
}

/** The content of the file without the line end that an editor or `echo` leaves. */
function readSecretFile (path: string): string {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new Error(`cannot be read: ${error instanceof Error && 'code' in error ? String(error.code) : 'unknown'}`)
  }
  const value = text.replace(/\r?\n$/, '')
  if (value === '') throw new Error('names an empty file')
  return value
}

/** A key has lines in its file, and `\n` in their place where the value must be one line. */
const joinLines = (value: string): string => value.replaceAll(/\r?\n/g, '\\n')

function withoutControlCharacters (value: string): string {
  if (controlCharacter.test(value)) throw new Error('contains a line end or another control character')
  return value
}
