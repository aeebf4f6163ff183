// Tables are described in tables.lua, which changes them. Fields and values are Latin-1 text here.

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
