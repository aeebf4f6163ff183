import { createTimed } from './commands.ts'
import type { CrossSlot } from './cross-slot.ts'
import { createIndexes, type Indexes } from './indexes.ts'
import { createKeys, packId, type Keys } from './keys.ts'
import type { RedisClient } from './redis.ts'
import type { Replicas } from './replication.ts'
import { SealError, versionOf, type Sealer } from './sealing.ts'
import { createScripts, toRelease, type Scripts, type Sealed } from './scripts.ts'
import { readTable, startOfTable } from './tables.ts'
import { StoreUnavailable, type UnavailableCode } from './unavailable.ts'
import type {
  ClaimConflict, ClaimRelease, CounterExceeded, EntryName, EraseOptions, InsertOptions, SaveOptions, WriteRefusal,
} from './writes.ts'

export type { Place } from './indexes.ts'
export { StoreUnavailable, unavailableCodes, type UnavailableCode } from './unavailable.ts'
export type {
  Claim, ClaimConflict, ClaimRelease, Counter, CounterExceeded, EntryName, EraseOptions, IndexEntry, IndexLeave,
  InsertOptions, Listing, SaveOptions, SiblingRecord,
} from './writes.ts'

/** A record as it was read. `version` identifies this state of the record; `save` compares it. */
export type Stored<R> = { record: R, version: string }
type Refused = { claimConflict: ClaimConflict } | { counterExceeded: CounterExceeded }
type Written = { version: string, siblingVersions: string[] }
/** `exists`: an earlier try whose reply was lost, or another process, wrote a record with this id. */
export type Inserted = { inserted: true } & Written | { inserted: false } & ({ exists: true } | Refused)
/** `conflict`: the record has another version by now, or is gone. */
export type Saved = { saved: true } & Written | { saved: false } & ({ conflict: true } | Refused)

/** Stores sealed records, with a due time, claims, counters and index entries. Times are ms since the epoch. */
export type Store<R> = Indexes & {
  /**
   * Writes a new record, or nothing. One round trip; on Cluster one more for each claim and counter of another
   * partition.
   */
  insert (id: string, record: R, options: InsertOptions): Promise<Inserted>
  /** Null: never written, expired or erased. One round trip. */
  load (id: string): Promise<Stored<R> | null>
  /** If the record still has this version: replaces it, moves its due time and publishes the change, in one step. */
  save (id: string, version: string, record: R, options: SaveOptions): Promise<Saved>
  /** Deletes the records, their due times, index entries and claims in any state, and publishes that. */
  erase (id: string, options: EraseOptions): Promise<void>
  /** Like `load`, but first waits until enough replicas have the record and the claims that it names. */
  loadReplicated (id: string, claimsOf?: (record: R) => readonly ClaimRelease[]): Promise<Stored<R> | null>
  /** Whether `REDIS_WAIT_REPLICAS` asks for replicas, so that `untilReplicated` has something to wait for. */
  waitsForReplicas: boolean
  /**
   * Resolves once enough replicas have the record, as it is now, and the claims that it names: only then may a response
   * or webhook show it. With `REDIS_WAIT_REPLICAS` 0 it resolves at once. Throws `StoreUnavailable` UNREPLICATED.
   */
  untilReplicated (id: string, claimsOf?: (record: R) => readonly ClaimRelease[]): Promise<void>
  /** The value of a claim; null when it is free. */
  claimOf (entry: EntryName & { partition: number }): Promise<string | null>
  /** Releases one claim, if it still has this value. */
  release (release: ClaimRelease & { partition: number }): Promise<void>
  /** One round trip: checks that Redis replies and that it may run our scripts. */
  ping (): Promise<void>
}

export type StoreParts<R> = {
  redis: RedisClient
  /** Null: a write waits for no replica. */
  replicas?: Replicas | null
  sealer: Pick<Sealer, 'seal' | 'open'>
  encode: (record: R) => Buffer
  /** Throws when the bytes are not a record. */
  decode: (bytes: Buffer, id: string) => R
  namespace?: string
  /** Ms since the epoch; default: the clock of the process. */
  now?: () => number
  /** Is called with the duration and the error code of every round trip. */
  report?: (durationMs: number, code: UnavailableCode | null) => void
}

/** A record that keeps changing is compared with the replicas at most this often. */
const maxConfirmTries = 5

/**
 * Creates the store. Methods throw `StoreUnavailable` (`UNREPLICATED` when too few replicas have a result in time),
 * `SealError` when a record cannot be read, and `TypeError` for a text that does not have the form of an id.
 */
export function createStore<R> (parts: StoreParts<R>): Store<R> {
  const { redis, replicas = null, sealer, encode, decode, namespace = 'vg', now = Date.now, report = () => {} } = parts
  const keys = createKeys(namespace)
  const timed = createTimed(report)
  const scripts = createScripts({ redis, keys, timed, now })

  async function load (id: string): Promise<Stored<R> | null> {
    const sealed = await timed(redis.getBuffer(keys.ofId(id).recordPrefix + id))
    if (sealed === null) return null
    return { record: read(decode, sealer.open(sealed, id), id), version: versionOf(sealed).toString('base64') }
  }

  const replication = replicas === null
    ? null
    : createReplicationWait({
      keys, crossSlot: scripts.crossSlot, load, confirmKey: expected => timed(replicas.confirm(expected)) })

  const write = createWrite({ keys, sealer, encode, scripts })

  return {
    ...createIndexes({ redis, keys, timed, now }),
    load,
    async insert (id, record, options) {
      const result = await write(id, null, record, { ...options, publish: null })
      if (result === 'conflict') return { inserted: false, exists: true }
      return 'version' in result ? { inserted: true, ...result } : { inserted: false, ...result }
    },
    async save (id, version, record, options) {
      const result = await write(id, version, record, options)
      if (result === 'conflict') return { saved: false, conflict: true }
      return 'version' in result ? { saved: true, ...result } : { saved: false, ...result }
    },
    async erase (id, options) {
      await scripts.erase(id, options)
      await replication?.confirm(id, null)
    },
    waitsForReplicas: replication !== null,
    untilReplicated: async (id, claimsOf = () => []) => {
      await replication?.load(id, claimsOf)
    },
    loadReplicated: async (id, claimsOf = () => []) => replication?.load(id, claimsOf) ?? load(id),
    async release (release) {
      await scripts.operate([toRelease(release)])
    },
    async claimOf ({ partition, name, field = '' }) {
      const table = await timed(redis.getBuffer(keys.table(partition, name)))
      return readTable(table, now()).find(entry => entry.field === field)?.value ?? null
    },
    async ping () {
      await scripts.operate([toRelease({ name: 'ping', value: '', partition: 0 })])
    },
  }
}

type WriteParts<R> = Pick<StoreParts<R>, 'sealer' | 'encode'> & { keys: Keys, scripts: Pick<Scripts, 'write'> }

/** `before`: the version that the record must have; null: it must not exist. */
function createWrite<R> ({ keys, sealer, encode, scripts }: WriteParts<R>) {
  function seal (bytes: Buffer, id: string): Sealed {
    const sealed = sealer.seal(bytes, id)
    return { sealed, version: versionOf(sealed).toString('base64') }
  }

  return async function write (
    id: string, before: string | null, record: R, options: SaveOptions,
  ): Promise<Written | WriteRefusal> {
    const [home, member] = [keys.ofId(id), packId(id)]
    const expected = before === null ? '' as const : Buffer.from(before, 'base64')
    const sealed = sealer.seal(encode(record), id)
    const version = versionOf(sealed).toString('base64')
    const siblings = options.siblings?.map(sibling => ({ ...sibling, ...seal(sibling.bytes, sibling.id) })) ?? []
    const refusal = await scripts.write({ id, member, home, expected, sealed, siblings }, options)
    return refusal ?? { version, siblingVersions: siblings.map(sibling => sibling.version) }
  }
}

function read<R> (decode: StoreParts<R>['decode'], bytes: Buffer, id: string): R {
  try {
    return decode(bytes, id)
  } catch {
    throw new SealError('its content is not a record')
  }
}

type ReplicationWait<R> = {
  /** Waits until enough replicas have the record with this version; null: until they have none. False: it changed. */
  confirm (id: string, version: string | null, claims?: readonly ClaimRelease[]): Promise<boolean>
  load (id: string, claimsOf: (record: R) => readonly ClaimRelease[]): Promise<Stored<R> | null>
}

function createReplicationWait<R> ({ keys, crossSlot, load, confirmKey }: {
  keys: Keys
  crossSlot: CrossSlot | null
  load: Store<R>['load']
  confirmKey: Replicas['confirm']
}): ReplicationWait<R> {
  const confirm: ReplicationWait<R>['confirm'] = async (id, version, claims = []) => {
    const home = keys.ofId(id)
    const start = Buffer.from(version ?? '', 'base64')
    const answers = [confirmKey({ partition: home.partition, key: home.recordPrefix + id, start })]
    // Claims in the record's own slot are part of the history of the same server.
    const { elsewhere = [] } = crossSlot?.split(claims, home.partition) ?? {}
    for (const { name, field = '', value, partition = home.partition } of elsewhere) {
      answers.push(confirmKey({ partition, key: keys.table(partition, name), start: startOfTable(field, value) }))
    }
    return !(await Promise.all(answers)).includes(false)
  }
  return {
    confirm,
    async load (id, claimsOf) {
      for (let tries = 0; tries < maxConfirmTries; tries += 1) {
        const stored = await load(id)
        if (stored === null || await confirm(id, stored.version, claimsOf(stored.record))) return stored
      }
      throw new StoreUnavailable('UNREPLICATED')
    },
  }
}
