import { readFileSync } from 'node:fs'
import type { TProperties, TSchema } from 'typebox'
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
    try {
      const given = hasMark(schema, 'isSecret') ? environment : { [name]: environment[name] }
      const value = readVariable(name, given, hasMark(schema, 'hasLines') ? joinLines : undefined)
      if (value === null) continue
      values[name] = value
      // One variable at a time, because TypeBox stops at a number of errors of one value.
      for (const { message } of Value.Errors(schema, value)) problems.push(`${name} ${message}`)
    } catch (error) {
      problems.push(error instanceof Error ? error.message : `${name} is invalid`)
    }
  }
  if (problems.length > 0) throw new Error(`Configuration: ${[...new Set(problems)].join('; ')}`)
  return values
}

/**
 * The value of one variable that may be given as a file; null: it is not set. Throws an `Error` that says what is wrong
 * and shows no value.
 */
export function readVariable (
  name: string, environment: Environment, change = (text: string): string => text,
): string | null {
  // The environment of a process inherits names such as `constructor`, which are not variables.
  const given = (one: string): string | null => (Object.hasOwn(environment, one) && environment[one]) || null
  const [plain, file] = [given(name), given(`${name}_FILE`)]
  if (plain !== null && file !== null) throw new Error(`${name} and ${name}_FILE are both set`)
  try {
    const value = file === null ? plain : readSecretFile(file)
    return value === null ? null : withoutControlCharacters(change(value))
  } catch (error) {
    throw new Error(`${file === null ? name : `${name}_FILE`} ${error instanceof Error ? error.message : 'is invalid'}`)
  }
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
