import type { PartitionKeys } from './keys.ts'
import type { ClaimRelease, Counter, SaveOptions, WriteRefusal } from './writes.ts'

/** Tables are described in tables.lua, which changes them. Fields and values are Latin-1 text here. */

/** One operation of tables.lua; `limit` of a `list` is the name of the index for the oldest entries. */
export type Operation = {
  kind: 'claim' | 'list' | 'release' | 'count'
  name: string
  field: string
  value: string
  expiresAt: number
  limit: number | string | null
  partition?: number
}

/** The operations of a write on tables, claims first, because the first refusal counts. `member`: the packed id. */
export function operationsOf (
  { claims = [], releases = [], counters = [], listings = [] }: Partial<SaveOptions>, member: string,
): Operation[] {
  return [
    ...claims.map(claim => ({ field: '', ...claim, kind: 'claim' as const, limit: null })),
    ...counters.map(toCount),
    ...releases.map(toRelease),
    ...listings.map(({ name, expiresAt }) =>
      ({ kind: 'list' as const, name, field: member, value: '', expiresAt, limit: name })),
  ]
}

export const toRelease = (release: ClaimRelease): Operation =>
  ({ field: '', ...release, kind: 'release', expiresAt: 0, limit: null })

export const toCount = ({ add, below, ...entry }: Counter): Operation =>
  ({ field: '', ...entry, kind: 'count', value: String(add), limit: below })

/** The refusal of an operation, with the detail that the script returned. */
export function refusalOf ({ kind, name, field }: Operation, detail: string): Exclude<WriteRefusal, 'conflict'> {
  const entry = { name, ...field === '' ? {} : { field } }
  return kind === 'count'
    ? { counterExceeded: { ...entry, retryAfterMs: Math.max(0, Number(detail)) } }
    : { claimConflict: { ...entry, value: detail } }
}

/** `sets`: the last keys of the script. `values`: the arguments of the operations. */
export type OperationArguments = { tables: string[], sets: string[], values: (string | number | Buffer)[] }

/** The arguments of operations on tables that share a slot. */
export function argumentsOf (
  operations: readonly Operation[], keysIn: (partition: number | undefined) => PartitionKeys,
): OperationArguments {
  const [tables, sets]: [string[], string[]] = [[], []]
  const values: OperationArguments['values'] = []
  for (const { kind, name, field, value, expiresAt, limit, partition } of operations) {
    const { tablePrefix, indexPrefix } = keysIn(partition)
    const place = typeof limit === 'string' ? sets.unshift(indexPrefix + limit) : limit ?? ''
    values.push(placeOf(tables, tablePrefix + name), kind, toBytes(field), toBytes(value), expiresAt, place)
  }
  return { tables, sets, values }
}

/** The place of a key, counted from 1; a new key is added. */
function placeOf (keys: string[], key: string): number {
  const place = keys.indexOf(key) + 1
  return place === 0 ? keys.push(key) : place
}

/** The client writes text as UTF-8, which is the same for ASCII only. */
export const toBytes = (text: string): string | Buffer => isAscii.test(text) ? text : Buffer.from(text, 'latin1')
const isAscii = /^[\0-\x7f]*$/

export type Entry = { field: string, value: string, expiresAt: number }

/** The entries of a table that have not expired, in the order of their first write. */
export function readTable (table: Buffer | null, now: number): Entry[] {
  const entries: Entry[] = []
  let at = 0
  function take (): string {
    const start = at + 1
    at = start + (table?.[at] ?? 0)
    return table?.toString('latin1', start, at) ?? ''
  }
  while (table !== null && at < table.length) {
    const [field, value] = [take(), take()]
    const expiresAt = table.readUIntBE(at, expiryBytes)
    at += expiryBytes
    if (expiresAt > now) entries.push({ field, value, expiresAt })
  }
  return entries
}

const expiryBytes = 6

/** How a table begins whose only entry has this field and value. */
export const startOfTable = (field: string, value: string): Buffer =>
  Buffer.from(`${String.fromCharCode(field.length)}${field}${String.fromCharCode(value.length)}${value}`, 'latin1')
