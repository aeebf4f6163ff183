import { isDeepStrictEqual } from 'node:util'
import type { Expect } from './runner.ts'

/** Other writings of a provider's message, and the promise that an adapter reads them alike. */

type Path = (string | number)[]
type Members = { [key: string]: unknown }

const isObject = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The message, with every value in it changed, the innermost first. */
function map (value: unknown, change: (value: unknown) => unknown): unknown {
  if (Array.isArray(value)) return change(value.map(item => map(item, change)))
  if (!isObject(value)) return change(value)
  return change(Object.fromEntries(Object.entries(value).map(([name, member]) => [name, map(member, change)])))
}

/** The paths of all members, of an object before those in it. */
function pathsIn (value: unknown): Path[] {
  const entries: [string | number, unknown][] = Array.isArray(value) ? [...value.entries()]
    : isObject(value) ? Object.entries(value) : []
  return entries.flatMap(([key, member]) => {
    const inner = pathsIn(member).map(path => [key, ...path])
    return typeof key === 'string' ? [[key], ...inner] : inner
  })
}

const valueAt = (value: unknown, path: Path): unknown =>
  path.reduce((inner: unknown, key) => Object(inner)[key], value)

/** `undefined` leaves the member out. */
function replace (value: unknown, [key, ...rest]: Path, by: unknown): unknown {
  if (key === undefined) return by
  if (Array.isArray(value)) return value.map((item, at) => at === key ? replace(item, rest, by) : item)
  return isObject(value) ? { ...value, [key]: replace(value[key], rest, by) } : value
}

/** Messages that say the same: with members and items that nobody knows, and numbers as texts or the reverse. */
const writings: [name: string, write: (value: unknown) => unknown][] = [
  ['unknown members', value => isObject(value) ? { unknown: { more: [1] }, ...value, another: null } : value],
  ['null in its lists', value => Array.isArray(value) ? [null, ...value] : value],
  ['texts for numbers', value => typeof value === 'number' ? String(value) : value],
  ['numbers for texts', value => typeof value === 'string' && String(Number(value)) === value ? Number(value) : value],
]

/** No provider says it. */
const unknownWord = 'quite_unknown'

/**
 * Checks that `read` (what an adapter makes of the message) is the same for every writing of it, that it takes null
 * for absent, and that all members that may be absent may be null at once. `kindOf`: the kind of a result; null: the
 * result decides nothing. With `kindOf`, an unknown word in a needed member must give a kind that the message or the
 * absence of the member gives, too.
 */
export async function readsAlike (
  expect: Expect, name: string, message: unknown, read: (message: unknown) => Promise<unknown>,
  kindOf?: (result: unknown) => string | null,
): Promise<void> {
  if (!isObject(message)) return
  const said = await read(message)
  for (const [writing, write] of writings) {
    expect.same(await read(map(message, write)), said, `Must be read alike: ${name}, with ${writing}.`)
  }
  let emptied: unknown = message
  for (const path of pathsIn(message)) {
    const absent = await read(replace(message, path, undefined))
    expect.same(
      await read(replace(message, path, null)), absent,
      `Must be read alike: ${name}, whether ${path.join('/')} is null or absent.`,
    )
    const more = replace(emptied, path, null)
    if (isDeepStrictEqual(await read(more), said)) emptied = more
    // A member that may be absent can contradict the others.
    const mayBeAbsent = isDeepStrictEqual(absent, said)
    if (kindOf === undefined || mayBeAbsent || typeof valueAt(message, path) !== 'string') continue
    const unknown = await read(replace(message, path, unknownWord))
    expect.holds(
      [null, kindOf(said), kindOf(absent)].includes(kindOf(unknown)),
      `An unknown word is neither yes nor no: ${name}, ${path.join('/')} is "${unknownWord}".`, unknown,
    )
  }
  expect.same(
    await read(emptied), said, `Must be read alike: ${name}, when all optional members are null at once: ${
      JSON.stringify(emptied)}.`,
  )
}
