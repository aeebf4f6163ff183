import { partitionOf } from './ids.ts'
import { versionOf } from './sealing.ts'
import type { Sealer } from './sealing.ts'
import { createKeys, partitions } from './keys.ts'
import type { RedisClient, WriteReply } from './redis.ts'
import type { Replicas } from './replication.ts'

/** A key to give up, but only while it holds this value. `partition` is the record's own unless told. */
export type ClaimRelease = { name: string, value: string, partition?: number }
/**
 * A key that must be free, or hold this very value, for a write to happen; then it holds the value until `expiresAt`.
 * Names are shown in
 * Redis: make them by `tag`. List claims of other partitions first: on Cluster they are taken first.
 */
export type Claim = ClaimRelease & { expiresAt: number }
/**
 * A count beside the records, exact however many write at once. `below`: the write happens only while it is less than
 * that. `add` is added by a
 * write that happens; it ends at the `expiresAt` of its first addition. Names are shown in Redis. Foreign partitions as
 * for claims.
 */
export type Counter = { name: string, add: number, below: number | null, expiresAt: number, partition?: number }
/**
 * A place in a list of ids by `score`, ms since the epoch. It drops places `keepMs` older; the list ends `keepMs` after
 * its newest.
 */
export type IndexEntry = { name: string, score: number, keepMs: number }
/**
 * A claim that is held with another value; the value should tell by which id. Its record may not exist, yet or because
 * its writer died:
 * the caller then goes on by creating that id itself.
 */
export type ClaimConflict = { name: string, value: string }
/** A counter that is not below what it must be, and when it ends. */
export type CounterExceeded = { name: string, retryAfterMs: number }
/** A record as it was read; `version` is what `save` compares. */
export type Stored<R> = { record: R, version: string }

/**
 * A new record of the same partition that is written in the same step. Its id is nobody else's, so that it need not be
 * looked for.
 */
export type SiblingRecord = { id: string, bytes: Buffer, expiresAt: number, dueAt: number, indexes: IndexEntry[] }

export type InsertOptions = {
  expiresAt: number, dueAt: number
    | null, claims?: Claim[], counters?: Counter[], indexes?: IndexEntry[], siblings?: SiblingRecord[]
}
/** `leaves`: lists that it leaves. */
export type SaveOptions = InsertOptions & { releases?: ClaimRelease[], removeFromIndexes?: string[], publish: string }
/** `also`: ids of records of the same partition that go in the same step. */
export type EraseOptions = { releases?: ClaimRelease[], indexes?: string[], alsoDelete?: string[], publish: string }
/** A place in a list, as it was entered; places with the same score are ordered by id. */
export type Place = { id: string, score: number }
/**
 * `exists`: a record with this id was written before, by an earlier try whose answer was lost or by somebody who went
 * on with the id.
 */
/** `siblings`: the marks of those that were written with it. */
export type Inserted = {
  inserted: true, version: string, siblingVersions: string[],
} | { inserted: false, exists: true } | { inserted: false, claimConflict: ClaimConflict } | { inserted: false, counterExceeded: CounterExceeded }
export type Saved = {
  saved: true, version: string, siblingVersions: string[],
} | { saved: false, conflict: true } | { saved: false, claimConflict: ClaimConflict } | { saved: false, counterExceeded: CounterExceeded }

/** How often a record that other processes keep changing is asked for at the replicas. */
const maxConfirmTries = 5

const codes = [
  'OOM', 'READONLY', 'LOADING', 'MISCONF', 'CLUSTERDOWN', 'MASTERDOWN', 'NOREPLICAS', 'TRYAGAIN', 'BUSY', 'NOAUTH', 'WRONGPASS', 'NOPERM',
  'UNREPLICATED',
] as const
/** Every way in which Redis can fail us. */
export const unavailableCodes = [...codes, 'TIMEOUT', 'DISCONNECTED', 'ERROR'] as const
export type UnavailableCode = typeof unavailableCodes[number]

/**
 * Redis did not do what was asked, or we cannot know whether it did: down, slow, full, read-only, loading. `code` says
 * which
 * (`ERROR`: it refused the command itself; `UNREPLICATED`: it did it, but too few replicas have it). Has no `cause`,
 * because ioredis errors carry keys and values.
 */
export class StoreUnavailable extends Error {
  readonly code: UnavailableCode
  constructor (code: UnavailableCode) {
    super(`store unavailable: ${code}`)
    this.name = 'StoreUnavailable'
    this.code = code
  }
}

const codeOf = (error: unknown): UnavailableCode => {
  if (!(error instanceof Error)) return 'ERROR'
  if (error.message === 'Command timed out') return 'TIMEOUT'
  // Inside a script an older Redis puts the word later in the sentence.
  const code = codes.find((word) => new RegExp(`(^|[\\s-])${word}\\b`).test(error.message))
  // While a slot moves, ioredis is sent to and fro until it gives up.
  if (code === undefined && /^Too many Cluster redirections/.test(error.message)) return 'TRYAGAIN'
  return code ?? (error.name === 'ReplyError' ? 'ERROR' : 'DISCONNECTED')
}

const splitBy = <T>(items: readonly T[], isFirst: (item: T) => boolean): [T[], T[]] =>
  [items.filter(isFirst), items.filter((item) => !isFirst(item))]

/**
 * Keeps records that it cannot read: sealed values with an id, a due time, claims and index entries. Times are ms since
 * the epoch.
 */
export type Store<R> = {
  /**
   * Writes a new record, or nothing at all. One round trip, and on Cluster one more for each claim and counter of
   * another partition.
   */
  insert (id: string, record: R, options: InsertOptions): Promise<Inserted>
  /** Null: never written, expired or erased. One round trip. */
  load (id: string): Promise<Stored<R> | null>
  /**
   * If the record is still the one that was read with `version`: replaces it, moves its due time and announces it in
   * one step.
   */
  save (id: string, version: string, record: R, options: SaveOptions): Promise<Saved>
  /**
   * Removes the records, their due times and index entries and the claims they hold, whatever their state, and
   * announces that.
   */
  erase (id: string, options: EraseOptions): Promise<void>
  /**
   * As `load`, once enough replicas have the record and the claims that it names. Throws `StoreUnavailable`
   * UNREPLICATED when
   * they do not have them in time.
   */
  loadReplicated (id: string, claimsOf?: (record: R) => readonly ClaimRelease[]): Promise<Stored<R> | null>
  claimOf (partition: number, name: string): Promise<string | null>
  /** Gives up one claim, but only while it holds this value. */
  release (release: Required<ClaimRelease>): Promise<void>
  /**
   * Ids of the partition whose due time has come, the longest due first. One whose record is gone stays until it is
   * erased.
   */
  due (partition: number, now: number, limit: number): Promise<string[]>
  /** The earliest due time there is. */
  firstDue (): Promise<number | null>
  /**
   * Moves the due time of a record that has one, and touches nothing else: for what cannot be read and must not stand
   * in the way.
   */
  reschedule (id: string, dueAt: number): Promise<void>
  /**
   * Ids of an index (of several: the tags of one text under every key), newest first, of all partitions. Their records
   * may be gone.
   */
  find (names: string | readonly string[], limit: number): Promise<string[]>
  /** Places of an index likewise, with their scores; those that come after `before`, or the first. */
  page (names: string | readonly string[], options: { limit: number, before: Place | null }): Promise<Place[]>
  /** The oldest place of an index, of all partitions. */
  first (name: string): Promise<Place | null>
  /** Takes a record out of an index, in a step of its own. */
  removeFromIndex (id: string, name: string): Promise<void>
  /** Runs a script that finds nothing to do, in one round trip: Redis answers, and we may run our scripts on it. */
  ping (): Promise<void>
}

/**
 * Opens the store. `decode` throws when the bytes are not a record. Methods throw `StoreUnavailable`,
 * `SealError` when a record was tampered with, and `TypeError` for what is not written like an id. `report` hears of
 * every round trip.
 * Without `replicas` what the master has is enough.
 */
export const createStore =
  <R>({ redis, replicas = null, sealer, encode, decode, namespace = 'vg', report = () => {} }: {
  redis: RedisClient
  replicas?: Replicas | null
  sealer: Pick<Sealer, 'seal' | 'open'>
  encode: (record: R) => Buffer
  decode: (bytes: Buffer, id: string) => R
  namespace?: string
  report?: (durationMs: number, code: UnavailableCode | null) => void
}): Store<R> => {
  const keys = createKeys(namespace)

  const timed = async <T>(answer: Promise<T>): Promise<T> => {
    const askedAt = performance.now()
    try {
      const value = await answer
      report(performance.now() - askedAt, null)
      return value
    } catch (error) {
      const code = codeOf(error)
      report(performance.now() - askedAt, code)
      throw new StoreUnavailable(code)
    }
  }

  const place = (id: string): number => {
    const partition = partitionOf(id, partitions)
    if (partition === null) throw new TypeError('not an id')
    return partition
  }
  const seal = (id: string, bytes: Buffer): { sealed: Buffer, version: string } => {
    const sealed = sealer.seal(bytes, id)
    return { sealed, version: versionOf(sealed).toString('base64') }
  }
  const sealAll = (siblings: readonly SiblingRecord[]): SealedCompanion[] =>
    siblings.map((sibling) => ({ ...sibling, ...seal(sibling.id, sibling.bytes) }))
  const keyOf = (home: number, { name, partition = home }: ClaimRelease): string => keys.claim(partition, name)
  const keysOf = (home: number, claims: readonly ClaimRelease[]): string[] => claims.map((claim) => keyOf(home, claim))
  const isForeign = (home: number) => (
    { partition = home }: { partition?: number },
  ): boolean => redis.isCluster && partition !== home
  const counterKey = (home: number, { name, partition = home }: Counter): string => keys.counter(partition, name)

  // What cannot be released expires by itself; what it was released after is done, and stays done.
  const releaseForeign = (home: number, releases: readonly ClaimRelease[]): Promise<unknown> =>
    Promise.allSettled(
      releases.map((release) => redis.eraseRecord(1, keyOf(home, release), 0, 0, 0, '', '', release.value)),
    )

  const uncount = (home: number, counters: readonly Counter[]): Promise<unknown> =>
    Promise.allSettled(counters.map((counter) => {
      const key = counterKey(home, counter)
      return redis.multi().decrby(key, counter.add).pexpireat(key, counter.expiresAt, 'NX').exec()
    }))

  /** Adds first and looks then, so that however many come at once none is let through too many. */
  const countForeign = async (home: number, counter: Counter): Promise<CounterExceeded | null> => {
    const { name, add, below, expiresAt } = counter
    const key = counterKey(home, counter)
    const transaction = redis.multi().incrby(key, add).pexpireat(key, expiresAt, 'NX').pttl(key)
    const [[, count] = [], , [, leftMs] = []] = await timed(transaction.exec()) ?? []
    if (below === null || Number(count) - add < below) return null
    await uncount(home, [counter])
    return { name, retryAfterMs: Math.max(0, Number(leftMs)) }
  }

  type Refusal = { claimConflict: ClaimConflict } | { counterExceeded: CounterExceeded } | 'refused'

  /**
   * Takes the claims and counts the counters that the record's script cannot reach (another slot), then writes, and
   * gives them back if another
   * claim or counter stands in the way. When the answer is lost they stay: the write may have happened. When somebody
   * else wrote the record
   * first the claims stay, too: with the same values in hand he counts on them.
   */
  const writeWith = async (
    home: number, { claims = [], counters = [] }: Pick<InsertOptions, 'claims' | 'counters'>, write: (
      local: Claim[], here: Counter[],
    ) => Promise<WriteReply>,
  ): Promise<Refusal | null> => {
    const [foreign, local] = splitBy(claims, isForeign(home))
    const [away, here] = splitBy(counters, isForeign(home))
    const taken: Claim[] = []
    const counted: Counter[] = []
    const giveBack = async <R extends Refusal>(refusal: R): Promise<R> => {
      await Promise.all([releaseForeign(home, taken), uncount(home, counted)])
      return refusal
    }
    for (const claim of foreign) {
      const held = await timed(redis.set(keyOf(home, claim), claim.value, 'PXAT', claim.expiresAt, 'NX', 'GET'))
      if (held === null) taken.push(claim)
      else if (held !== claim.value) return giveBack({ claimConflict: { name: claim.name, value: held } })
    }
    for (const counter of away) {
      const full = await countForeign(home, counter)
      if (full !== null) return giveBack({ counterExceeded: full })
      counted.push(counter)
    }
    const [result, word = ''] = await timed(write(local, here))
    if (result === 1) return null
    if (result === 0) {
      await uncount(home, counted)
      return 'refused'
    }
    const claim = local[-result - 1]
    if (claim !== undefined) return giveBack({ claimConflict: { name: claim.name, value: word } })
    const counter = here[-result - local.length - 1]
    if (counter === undefined) throw new StoreUnavailable('ERROR')
    return giveBack({ counterExceeded: { name: counter.name, retryAfterMs: Number(word) } })
  }

  type SealedCompanion = SiblingRecord & { sealed: Buffer, version: string }
  type Change = Omit<SaveOptions, 'siblings'> & { version: Buffer | '', sealed: Buffer, siblings: SealedCompanion[] }

  const write = async (
    id: string,
    {
      version, sealed, expiresAt, dueAt, releases = [], indexes = [], removeFromIndexes = [], siblings, publish,
      ...options
    }: Change
  ): Promise<Refusal | null> => {
    const home = place(id)
    const [away, here] = splitBy(releases, isForeign(home))
    const refusal = await writeWith(home, options, (claims, counters) => {
      const named = [keys.record(home, id), keys.due(home)]
      const values: (string | Buffer | number)[] = [
        version, sealed, expiresAt, dueAt ?? '', id, publish === ''
          ? ''
          : keys.channel, publish === ''
          ? ''
          : `${id} ${publish}`,
        claims.length, here.length, counters.length, indexes.length + siblings.reduce(
          (sum, other) => sum + other.indexes.length, 0,
        ), removeFromIndexes.length,
      ]
      for (const claim of claims) {
        named.push(keyOf(home, claim))
        values.push(claim.value, claim.expiresAt)
      }
      for (const release of here) {
        named.push(keyOf(home, release))
        values.push(release.value)
      }
      for (const counter of counters) {
        named.push(counterKey(home, counter))
        values.push(counter.add, counter.below ?? '', counter.expiresAt)
      }
      for (const one of [{ id, indexes }, ...siblings]) {
        for (const { name, score, keepMs } of one.indexes) {
          named.push(keys.index(home, name))
          values.push(one.id, score, score - keepMs, score + keepMs)
        }
      }
      for (const name of removeFromIndexes) named.push(keys.index(home, name))
      for (const other of siblings) {
        named.push(keys.record(home, other.id))
        values.push(other.sealed, other.expiresAt, other.dueAt, other.id)
      }
      return redis.writeRecord(named.length, ...named, ...values)
    })
    if (refusal === null && away.length > 0) await releaseForeign(home, away)
    return refusal
  }

  const load = async (id: string): Promise<Stored<R> | null> => {
    const sealed = await timed(redis.getBuffer(keys.record(place(id), id)))
    return sealed === null
      ? null
      : { record: decode(sealer.open(sealed, id), id), version: versionOf(sealed).toString('base64') }
  }

  /**
   * Waits until enough replicas have the record with this version (null: that it is erased). False: it is another one
   * by now.
   */
  const confirm = async (
    id: string, version: string | null, claims: readonly ClaimRelease[] = [],
  ): Promise<boolean> => {
    if (replicas === null) return true
    const home = place(id)
    const answers = await Promise.all([
      timed(
        replicas.confirm({ partition: home, key: keys.record(home, id), start: Buffer.from(version ?? '', 'base64') }),
      ),
      ...claims.filter(isForeign(home)).map((claim) =>
        timed(replicas.confirm({ partition: claim.partition ?? home, key: keyOf(home, claim), start: claim.value }))),
    ])
    return !answers.includes(false)
  }

  /** What was written counts only once enough replicas have it; a later write of the same record contains it. */
  const awaitReplicas = async (id: string, version: string, claims: readonly ClaimRelease[] = []): Promise<void> => {
    if (replicas === null) return
    let newest: string | null = version
    for (let tries = 0; tries < maxConfirmTries && newest !== null; tries += 1) {
      if (await confirm(id, newest, claims)) return
      newest = (await load(id))?.version ?? null
    }
    throw new StoreUnavailable('UNREPLICATED')
  }

  const page: Store<R>['page'] = async (names, { limit, before }) => {
    const lists = [...new Set([names].flat())].flatMap((name) =>
      Array.from({ length: partitions }, (_, partition) => keys.index(partition, name)))
    const score = before?.score ?? Infinity
    const ranges = lists.flatMap((list) => [
      redis.zrange(
        list, before === null ? '+inf' : `(${score}`, '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, limit, 'WITHSCORES',
      ),
      ...before === null ? [] : [redis.zrangebyscore(list, score, score, 'WITHSCORES')],
    ])
    const scores = new Map((await timed(Promise.all(ranges))).flatMap((answer) =>
      answer.flatMap((id, at): [string, number][] => at % 2 === 0 ? [[id, Number(answer[at + 1])]] : [])))
    return [...scores].map(([id, score]) => ({ id, score }))
      .filter((place) => before === null || place.score < score || place.id < before.id)
      .sort((a, b) => b.score - a.score || (a.id < b.id ? 1 : -1))
      .slice(0, limit)
  }

  /** The first member of a sorted set of each partition, and of those the first. */
  const first = async (keyOfSet: (partition: number) => string): Promise<Place | null> => {
    const heads = await timed(
      Promise.all(
        Array.from({ length: partitions }, (_, partition) => redis.zrange(keyOfSet(partition), '0', '0', 'WITHSCORES')),
      ),
    )
    const places = heads.flatMap(([id, score]) => id === undefined ? [] : [{ id, score: Number(score) }])
    return places.sort((a, b) => a.score - b.score)[0] ?? null
  }

  return {
    async insert (id, record, options) {
      const { sealed, version } = seal(id, encode(record))
      const siblings = sealAll(options.siblings ?? [])
      const refusal = await write(id, { ...options, siblings, version: '', sealed, publish: '' })
      if (refusal === null) await awaitReplicas(id, version, options.claims)
      if (refusal === null) return {
        inserted: true, version, siblingVersions: siblings.map((companion) => companion.version),
      }
      return refusal === 'refused' ? { inserted: false, exists: true } : { inserted: false, ...refusal }
    },
    load,
    async save (id, version, record, options) {
      const { sealed, version: newVersion } = seal(id, encode(record))
      const siblings = sealAll(options.siblings ?? [])
      const refusal = await write(id, { ...options, siblings, version: Buffer.from(version, 'base64'), sealed })
      if (refusal === null) await awaitReplicas(id, newVersion)
      if (refusal === null) return {
        saved: true, version: newVersion, siblingVersions: siblings.map((companion) => companion.version),
      }
      return refusal === 'refused' ? { saved: false, conflict: true } : { saved: false, ...refusal }
    },
    async erase (id, { releases = [], indexes = [], alsoDelete = [], publish }) {
      const home = place(id)
      const [away, here] = splitBy(releases, isForeign(home))
      await timed(redis.eraseRecord(
        2 + alsoDelete.length + indexes.length + here.length,
        keys.record(home, id), ...alsoDelete.map(
          (other) => keys.record(home, other),
        ), keys.due(home), ...indexes.map((name) => keys.index(home, name)), ...keysOf(home, here),
        1 + alsoDelete.length, 1 + indexes.length, 1 + alsoDelete.length, keys.channel, `${id} ${publish}`, id, ...alsoDelete, ...here.map(({ value }) => value),
      ))
      await releaseForeign(home, away)
      await confirm(id, null)
    },
    async loadReplicated (id, claimsOf = () => []) {
      for (let tries = 0; tries < maxConfirmTries; tries += 1) {
        const stored = await load(id)
        if (stored === null || await confirm(id, stored.version, claimsOf(stored.record))) return stored
      }
      throw new StoreUnavailable('UNREPLICATED')
    },
    async release ({ partition, name, value }) {
      await timed(redis.eraseRecord(1, keys.claim(partition, name), 0, 0, 0, '', '', value))
    },
    claimOf: (partition, name) => timed(redis.get(keys.claim(partition, name))),
    due: (partition, now, limit) => timed(redis.zrangebyscore(keys.due(partition), '-inf', now, 'LIMIT', 0, limit)),
    async reschedule (id, dueAt) {
      await timed(redis.zadd(keys.due(place(id)), 'XX', dueAt, id))
    },
    find: async (names, limit) => (await page(names, { limit, before: null })).map(({ id }) => id),
    page,
    firstDue: async () => (await first(keys.due))?.score ?? null,
    first: (name) => first((partition) => keys.index(partition, name)),
    async removeFromIndex (id, name) {
      await timed(redis.zrem(keys.index(place(id), name), id))
    },
    async ping () {
      await timed(redis.eraseRecord(1, keys.claim(0, 'ping'), 0, 0, 0, '', '', ''))
    },
  }
}
