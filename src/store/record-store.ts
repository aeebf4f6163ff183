import { createCrossSlot, type CrossSlot } from './cross-slot.ts'
import { createIndexes, type Indexes } from './indexes.ts'
import { createKeys, type Keys, type PartitionKeys } from './keys.ts'
import type { RedisClient } from './redis.ts'
import type { Replicas } from './replication.ts'
import { SealError, versionOf, type Sealer } from './sealing.ts'
import { createTimed, StoreUnavailable, type UnavailableCode } from './unavailable.ts'
import type {
  ClaimConflict, ClaimRelease, CounterExceeded, EraseOptions, InsertOptions, SaveOptions, SiblingRecord, WriteRefusal,
} from './writes.ts'

export type { Place } from './indexes.ts'
export { StoreUnavailable, unavailableCodes, type UnavailableCode } from './unavailable.ts'
export type {
  Claim, ClaimConflict, ClaimRelease, Counter, CounterExceeded, EraseOptions, IndexEntry, InsertOptions, SaveOptions,
  SiblingRecord,
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
  claimOf (partition: number, name: string): Promise<string | null>
  /** Releases one claim, if it still has this value. */
  release (release: Required<ClaimRelease>): Promise<void>
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
  /** Is called with the duration and the error code of every round trip. */
  report?: (durationMs: number, code: UnavailableCode | null) => void
}

/** A record that keeps changing is compared with the replicas at most this often. */
const maxConfirmTries = 5

type Sealed = { sealed: Buffer, version: string }
type Change = {
  id: string
  /** What the record must start with; `''`: it must not exist. */
  expected: Buffer | ''
  sealed: Buffer
  siblings: (SiblingRecord & Sealed)[]
}

/**
 * Creates the store. Methods throw `StoreUnavailable` (`UNREPLICATED` when too few replicas have a result in time),
 * `SealError` when a record cannot be read, and `TypeError` for a text that does not have the form of an id.
 */
export function createStore<R> (
  { redis, replicas = null, sealer, encode, decode, namespace = 'vg', report = () => {} }: StoreParts<R>,
): Store<R> {
  const keys = createKeys(namespace)
  const timed = createTimed(report)
  const crossSlot = redis.isCluster ? createCrossSlot({ redis, keys, timed }) : null

  function seal (bytes: Buffer, id: string): Sealed {
    const sealed = sealer.seal(bytes, id)
    return { sealed, version: versionOf(sealed).toString('base64') }
  }

  async function load (id: string): Promise<Stored<R> | null> {
    const sealed = await timed(redis.getBuffer(keys.ofId(id).recordPrefix + id))
    if (sealed === null) return null
    return { record: read(decode, sealer.open(sealed, id), id), version: versionOf(sealed).toString('base64') }
  }

  const replication = replicas === null
    ? null
    : createReplicationWait({ keys, crossSlot, load, confirmKey: expected => timed(replicas.confirm(expected)) })

  async function write (
    id: string, before: string | null, record: R, options: SaveOptions,
  ): Promise<Written | WriteRefusal> {
    const home = keys.ofId(id)
    const sealed = sealer.seal(encode(record), id)
    const version = versionOf(sealed).toString('base64')
    const siblings = options.siblings?.map(sibling => ({ ...sibling, ...seal(sibling.bytes, sibling.id) })) ?? []
    const change = { id, expected: before === null ? '' as const : Buffer.from(before, 'base64'), sealed, siblings }

    async function writeHere (options: SaveOptions): Promise<WriteRefusal | null> {
      const { names, values } = writeArguments(keys, home, change, options)
      const [result, detail = ''] = await timed(redis.writeRecord(names.length, ...names, ...values))
      return result === 1 ? null : refusalOf(result, detail, options)
    }
    const refusal = crossSlot === null ? await writeHere(options) : await crossSlot.write(options, home, writeHere)
    if (refusal !== null) return refusal
    return { version, siblingVersions: siblings.map(sibling => sibling.version) }
  }

  return {
    ...createIndexes({ redis, keys, timed }),
    load,
    async insert (id, record, options) {
      const result = await write(id, null, record, { ...options, publish: '' })
      if (result === 'conflict') return { inserted: false, exists: true }
      return 'version' in result ? { inserted: true, ...result } : { inserted: false, ...result }
    },
    async save (id, version, record, options) {
      const result = await write(id, version, record, options)
      if (result === 'conflict') return { saved: false, conflict: true }
      return 'version' in result ? { saved: true, ...result } : { saved: false, ...result }
    },
    async erase (id, options) {
      const home = keys.ofId(id)
      const releases = crossSlot?.split(options.releases ?? [], home)
      const erased = releases === undefined ? options : { ...options, releases: releases.here }
      const { names, values } = eraseArguments(keys, home, id, erased)
      await timed(redis.eraseRecord(names.length, ...names, ...values))
      if (releases !== undefined) await crossSlot?.release(releases.elsewhere, home)
      await replication?.confirm(id, null)
    },
    waitsForReplicas: replication !== null,
    untilReplicated: async (id, claimsOf = () => []) => {
      await replication?.load(id, claimsOf)
    },
    loadReplicated: async (id, claimsOf = () => []) => replication?.load(id, claimsOf) ?? load(id),
    async release ({ partition, name, value }) {
      await timed(redis.eraseRecord(1, keys.claim(partition, name), 0, 0, 0, '', '', value))
    },
    claimOf: (partition, name) => timed(redis.get(keys.claim(partition, name))),
    async ping () {
      await timed(redis.eraseRecord(1, keys.claim(0, 'ping'), 0, 0, 0, '', '', ''))
    },
  }
}

function read<R> (decode: StoreParts<R>['decode'], bytes: Buffer, id: string): R {
  try {
    return decode(bytes, id)
  } catch {
    throw new SealError('its content is not a record')
  }
}

type ScriptArguments = { names: string[], values: (string | Buffer | number)[] }

/** The KEYS and ARGV of write.lua. */
function writeArguments (keys: Keys, home: PartitionKeys, change: Change, options: SaveOptions): ScriptArguments {
  const { id, expected, sealed, siblings } = change
  const { claims = [], releases = [], counters = [], indexes = [], removeFromIndexes = [], publish } = options
  const entries = siblings.reduce((sum, sibling) => sum + sibling.indexes.length, indexes.length)
  const names = [home.recordPrefix + id, home.due]
  const values: ScriptArguments['values'] = [
    expected, sealed, options.expiresAt, options.dueAt ?? '', id,
    ...publish === '' ? ['', ''] : [keys.channel, `${id} ${publish}`],
    claims.length, releases.length, counters.length, entries, removeFromIndexes.length,
  ]
  for (const { name, value, expiresAt, partition } of claims) {
    names.push(keysIn(keys, partition, home).claimPrefix + name)
    values.push(value, expiresAt)
  }
  for (const { name, value, partition } of releases) {
    names.push(keysIn(keys, partition, home).claimPrefix + name)
    values.push(value)
  }
  for (const { name, add, below, expiresAt, partition } of counters) {
    names.push(keysIn(keys, partition, home).counterPrefix + name)
    values.push(add, below ?? '', expiresAt)
  }
  for (const indexed of [{ id, indexes }, ...siblings]) {
    for (const { name, score, keepMs } of indexed.indexes) {
      names.push(home.indexPrefix + name)
      values.push(indexed.id, score, score - keepMs, score + keepMs)
    }
  }
  for (const name of removeFromIndexes) names.push(home.indexPrefix + name)
  for (const sibling of siblings) {
    names.push(home.recordPrefix + sibling.id)
    values.push(sibling.sealed, sibling.expiresAt, sibling.dueAt, sibling.id)
  }
  return { names, values }
}

/** The KEYS and ARGV of erase.lua. */
function eraseArguments (keys: Keys, home: PartitionKeys, id: string, options: EraseOptions): ScriptArguments {
  const { releases = [], indexes = [], alsoDelete = [], publish } = options
  const ids = [id, ...alsoDelete]
  return {
    names: [
      ...ids.map(each => home.recordPrefix + each), home.due, ...indexes.map(name => home.indexPrefix + name),
      ...releases.map(({ name, partition }) => keysIn(keys, partition, home).claimPrefix + name),
    ],
    values: [
      ids.length, 1 + indexes.length, ids.length, keys.channel, `${id} ${publish}`, ...ids,
      ...releases.map(({ value }) => value),
    ],
  }
}

function keysIn (keys: Keys, partition: number | undefined, home: PartitionKeys): PartitionKeys {
  const found = partition === undefined ? home : keys.all[partition]
  if (found === undefined) throw new RangeError('no such partition')
  return found
}

/** What a reply of write.lua means; null: it wrote. */
function refusalOf (result: number, detail: string, { claims = [], counters = [] }: SaveOptions): WriteRefusal | null {
  if (result === 1) return null
  if (result === 0) return 'conflict'
  const claim = claims[-result - 1]
  if (claim !== undefined) return { claimConflict: { name: claim.name, value: detail } }
  const counter = counters[-result - claims.length - 1]
  if (counter === undefined) throw new StoreUnavailable('ERROR')
  return { counterExceeded: { name: counter.name, retryAfterMs: Number(detail) } }
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
    for (const { name, value, partition = home.partition } of crossSlot?.split(claims, home).elsewhere ?? []) {
      answers.push(confirmKey({ partition, key: keys.claim(partition, name), start: value }))
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
