/** Texts with placeholders: `{name}`, filled for each message, and `${env:NAME}`, filled when the file is read. */

const envPattern = /\$\{env:([^}]*)\}/g
/** Any other brace is text, for example of JSON in a text. */
const namePattern = /\{([A-Za-z]\w*)\}/g
const envName = /^[A-Za-z_][A-Za-z0-9_]*$/

export type Values = Readonly<Record<string, string>>

/** The names of the environment variables in a text. */
export const envNamesIn = (text: string): string[] => [...text.matchAll(envPattern)].map(([, name = '']) => name)
export const isEnvName = (name: string): boolean => envName.test(name)

export const withoutEnv = (text: string): string => text.replaceAll(envPattern, '')

/** The names of the placeholders in a text. */
export const namesIn = (text: string): string[] =>
  [...withoutEnv(text).matchAll(namePattern)].map(([, name = '']) => name)

/** Replaces every placeholder at once, so that a value is never read as a placeholder. */
export function fill (
  text: string, values: Values, env: Values = {}, write = (value: string): string => value,
): string {
  return text.replaceAll(/\$\{env:([^}]*)\}|\{([A-Za-z]\w*)\}/g, (found, variable?: string, name?: string) => {
    const value = variable !== undefined ? env[variable] : name !== undefined ? values[name] : undefined
    return value === undefined ? found : write(value)
  })
}

/** Every text in a JSON value, with its JSON pointer below `path`. */
export function textsIn (value: unknown, path: string): { path: string, text: string }[] {
  if (typeof value === 'string') return [{ path, text: value }]
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, member]) =>
    textsIn(member, `${path}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`))
}

/** Every member of a JSON value, with its JSON pointer below `path`. */
export function membersIn (value: unknown, path: string): { path: string, name: string }[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, member]) => {
    const place = `${path}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`
    return [{ path: place, name }, ...membersIn(member, place)]
  })
}

/** The same JSON value with every text changed. */
export function mapTexts (value: unknown, change: (text: string) => string): unknown {
  if (typeof value === 'string') return change(value)
  if (Array.isArray(value)) return value.map(item => mapTexts(item, change))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, mapTexts(member, change)]))
}
