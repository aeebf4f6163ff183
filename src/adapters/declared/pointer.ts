/**
 * The value at a JSON pointer (RFC 6901); undefined: there is none. `null` items of a list are not counted: they say
 * nothing, and some services have them.
 */
export function at (value: unknown, pointer: string): unknown {
  let found = value
  for (const part of pointer.split('/').slice(1)) {
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~')
    if (Array.isArray(found)) found = found.filter(item => item !== null)[Number(name)]
    else found = typeof found === 'object' && found !== null && Object.hasOwn(found, name)
      ? Reflect.get(found, name)
      : undefined
  }
  return found
}

/** A number, a boolean and their texts are the same value. */
export const isSame = (value: unknown, expected: string | number | boolean): boolean =>
  (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
  && String(value) === String(expected)

export type Match = Readonly<Record<string, string | number | boolean>>

/** Whether a message has all of these values. */
export const matches = (body: unknown, match: Match = {}): boolean =>
  Object.entries(match).every(([pointer, expected]) => isSame(at(body, pointer), expected))
