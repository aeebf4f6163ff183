/** What a write puts beside a record. Times are ms since the epoch. */

/** A claim to release, if it still has this value. `partition`: default is the record's own. */
export type ClaimRelease = { name: string, value: string, partition?: number }
/**
 * A key that must be free, or have this value, for the write to happen; after the write it has the value until
 * `expiresAt`. Redis shows the name, so use a keyed hash. List claims of other partitions first, because on Cluster
 * they are taken first.
 */
export type Claim = ClaimRelease & { expiresAt: number }
/**
 * A counter beside the records that stays exact under concurrent writes. `below`: the write happens only while the
 * counter is less. `add`: what the write adds; a negative number takes back what was added. The counter expires at the
 * `expiresAt` of its first addition. Names and partitions as for claims.
 */
export type Counter = { name: string, add: number, below: number | null, expiresAt: number, partition?: number }
/**
 * An entry of an index, ordered by `score` (ms since the epoch). The write removes entries that are `keepMs` older. The
 * index expires `keepMs` after its newest entry.
 */
export type IndexEntry = { name: string, score: number, keepMs: number }
/**
 * A claim that has another value; the value should contain the id of its holder. The holder's record may not exist, or
 * not yet, if its writer died: the caller then inserts a record with that id.
 */
export type ClaimConflict = { name: string, value: string }
/** A counter that is not below its limit; it expires in `retryAfterMs`. */
export type CounterExceeded = { name: string, retryAfterMs: number }

/** A new record of the same partition that is written in the same step. Its id must be new: this is not checked. */
export type SiblingRecord = { id: string, bytes: Buffer, expiresAt: number, dueAt: number, indexes: IndexEntry[] }

export type InsertOptions = {
  expiresAt: number
  /** Null: the record is never due. */
  dueAt: number | null
  claims?: Claim[]
  counters?: Counter[]
  indexes?: IndexEntry[]
  siblings?: SiblingRecord[]
}
/** `publish`: what the change feed says after the id. */
export type SaveOptions = InsertOptions & { releases?: ClaimRelease[], removeFromIndexes?: string[], publish: string }
/** `alsoDelete`: ids of records of the same partition that are deleted in the same step. */
export type EraseOptions = { releases?: ClaimRelease[], indexes?: string[], alsoDelete?: string[], publish: string }

/** Why nothing was written. `conflict`: an inserted id exists, or a saved record has another version. */
export type WriteRefusal = 'conflict' | { claimConflict: ClaimConflict } | { counterExceeded: CounterExceeded }
