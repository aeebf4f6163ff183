/** What a write puts beside a record. Times are ms since the epoch. */

/**
 * An entry of a table: a small key that several kinds of entries share, each with an expiry of its own. Redis shows the
 * name of the table, so use a keyed hash; field and value are Latin-1 text of at most 255 characters. `field`: default
 * is the empty text, for a table with one entry. `partition`: default is the record's own.
 */
export type EntryName = { name: string, field?: string, partition?: number }
/** A claim to release, if it still has this value. */
export type ClaimRelease = EntryName & { value: string }
/**
 * An entry that must be free, or have this value, for the write to happen; after the write it has the value until
 * `expiresAt`. `value`: default is the packed id of the record. List claims of other partitions first, because on
 * Cluster they are taken first.
 */
export type Claim = EntryName & { value?: string, expiresAt: number }
/**
 * A counter beside the records that stays exact under concurrent writes. `below`: the write happens only while the
 * counter is less. `add`: what the write adds; a negative number takes back what was added. The counter expires at the
 * `expiresAt` of its first addition.
 */
export type Counter = EntryName & { add: number, below: number | null, expiresAt: number }
/** A table that lists the record until `expiresAt`; `find` reads it. In the record's own partition. */
export type Listing = { name: string, expiresAt: number }
/** An entry of an index, ordered by `score`. In the record's own partition. */
export type IndexEntry = { name: string, score: number }
/** An index to leave. Entries of other records with a score below `lowest` are removed, too. */
export type IndexLeave = { name: string, lowest: number }
/**
 * A claim that has another value; the value should contain the id of its holder. The holder's record may not exist, or
 * not yet, if its writer died: the caller then inserts a record with that id.
 */
export type ClaimConflict = Omit<EntryName, 'partition'> & { value: string }
/** A counter that is not below its limit; it expires in `retryAfterMs`. */
export type CounterExceeded = Omit<EntryName, 'partition'> & { retryAfterMs: number }

/** A new record of the same partition that is written in the same step. Its id must be new: this is not checked. */
export type SiblingRecord = { id: string, bytes: Buffer, expiresAt: number, dueAt: number, indexes: IndexEntry[] }

export type InsertOptions = {
  /** Default: now. */
  at?: number
  expiresAt: number
  /** Null: the record is never due. */
  dueAt: number | null
  claims?: Claim[]
  counters?: Counter[]
  listings?: Listing[]
  indexes?: IndexEntry[]
  siblings?: SiblingRecord[]
}
/** `publish`: what the change feed says after the id; null: nothing is published. */
export type SaveOptions = InsertOptions & {
  releases?: ClaimRelease[], removeFromIndexes?: string[], publish: string | null,
}
/**
 * `listings`: names of the tables that list the record. `alsoDelete`: ids of records of the same partition that are
 * deleted in the same step.
 */
export type EraseOptions = {
  releases?: ClaimRelease[], listings?: string[], indexes?: IndexLeave[], alsoDelete?: string[], publish: string,
}

/** Why nothing was written. `conflict`: an inserted id exists, or a saved record has another version. */
export type WriteRefusal = 'conflict' | { claimConflict: ClaimConflict } | { counterExceeded: CounterExceeded }

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

/** Performs operations on tables of one slot, or none of them, in a step of their own. */
export type Operate = (operations: readonly Operation[]) => Promise<WriteRefusal | null>
