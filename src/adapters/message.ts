/**
 * Reads the members of a provider's message, each by itself, so that a message is judged only by the members that are
 * needed. What is absent, null, empty or of another kind reads as null, which is neither yes nor no. A number and its
 * text are the same value.
 */
export type Members = Readonly<Record<string, unknown>>

/** The members of an object; none for any other value. */
export function membersOf (value: unknown): Members {
  return isObject(value) ? value : {}
}

const isObject = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A word, URL or secret of 1 to `maxLength` characters. */
export function readString (value: unknown, maxLength = 256): string | null {
  return typeof value === 'string' && value !== '' && value.length <= maxLength ? value : null
}

/** Text of 1 to `maxLength` characters that some writers send as a number, such as an id. */
export function readText (value: unknown, maxLength = 256): string | null {
  return readString(typeof value === 'number' && Number.isFinite(value) ? String(value) : value, maxLength)
}

export function readNumber (value: unknown): number | null {
  const number = typeof value === 'string' && /^-?\d{1,15}(\.\d{1,15})?$/.test(value) ? Number(value) : value
  return typeof number === 'number' && Number.isFinite(number) ? number : null
}

export function readBoolean (value: unknown): boolean | null {
  return typeof value === 'boolean' ? value : null
}

/** The first `maxItems` items of an array; none for any other value. */
export function readList (value: unknown, maxItems: number): unknown[] {
  return Array.isArray(value) ? value.slice(0, maxItems) : []
}

/** A reader of texts up to this length. */
export const upTo = (maxLength: number, read: typeof readText | typeof readString) =>
  (value: unknown): string | null => read(value, maxLength)

type Readers = Readonly<Record<string, (value: unknown) => unknown>>
type Read<Shape extends Readers> = { [Name in keyof Shape]: ReturnType<Shape[Name]> }

/** Reads several members of a message at once: each by its own reader. */
export function createReader<Shape extends Readers> (shape: Shape): (value: unknown) => Read<Shape> {
  const readers = Object.entries(shape)
  return value => {
    const members = membersOf(value)
    const read: Record<string, unknown> = {}
    for (const [name, readMember] of readers) read[name] = readMember(members[name])
    return read as Read<Shape>
  }
}
