import type { ClaimRelease, Counter, SaveOptions } from './writes.ts'

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
