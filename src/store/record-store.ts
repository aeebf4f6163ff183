import type { Json } from '../adapters/adapter.ts'
import { partitionOf } from './ids.ts'
import { markOf } from './sealing.ts'
import type { Sealer } from './sealing.ts'
import { createKeys, partitions } from './keys.ts'
import type { RedisClient, WriteReply } from './redis.ts'
import type { Replicas } from './replication.ts'

/** A key to give up, but only while it holds this value. `partition` is the record's own unless told. */
export type Release = { name: string, value: string, partition?: number }
/**
 * A key that must be free, or hold this very value, for a write to happen; then it holds the value until `expiresAt`. Names are shown in
 * Redis: make them by `tag`. List claims of other partitions first: on Cluster they are taken first.
 */
export type Claim = Release & { expiresAt: number }
/**
 * A count beside the records, exact however many write at once. `below`: the write happens only while it is less than that. `add` is added by a
 * write that happens; it ends at the `expiresAt` of its first addition. Names are shown in Redis. Foreign partitions as for claims.
 */
export type Counter = { name: string, add: number, below: number | null, expiresAt: number, partition?: number }
/** A place in a list of ids by `score`, ms since the epoch. It drops places `keepMs` older; the list ends `keepMs` after its newest. */
export type IndexEntry = { name: string, score: number, keepMs: number }
/**
 * A claim that is held with another value; the value should tell by which id. Its record may not exist, yet or because its writer died:
 * the caller then goes on by creating that id itself.
 */
export type Taken = { name: string, value: string }
/** A counter that is not below what it must be, and when it ends. */
export type Full = { name: string, retryAfterMs: number }
/** A record as it was read; `mark` is what `save` compares. */
export type Stored<R> = { record: R, mark: string }

/** A new record of the same partition that is written in the same step. Its id is nobody else's, so that it need not be looked for. */
export type Companion = { id: string, record: Json, expiresAt: number, dueAt: number, indexes: IndexEntry[] }

export type CreateOptions = {
  expiresAt: number, dueAt: number | null, claims?: Claim[], counters?: Counter[], indexes?: IndexEntry[], companions?: Companion[]
}
/** `leaves`: lists that it leaves. */
export type SaveOptions = CreateOptions & { releases?: Release[], leaves?: string[], announce: string }
/** `also`: ids of records of the same partition that go in the same step. */
export type EraseOptions = { releases?: Release[], indexes?: string[], also?: string[], announce: string }
/** A place in a list, as it was entered; places with the same score are ordered by id. */
export type Place = { id: string, score: number }
/** `exists`: a record with this id was written before, by an earlier try whose answer was lost or by somebody who went on with the id. */
/** `companions`: the marks of those that were written with it. */
export type Created = { created: true, mark: string, companions: string[] } | { created: false, exists: true } | { created: false, taken: Taken } | { created: false, full: Full }
export type Saved = { saved: true, mark: string, companions: string[] } | { saved: false, conflict: true } | { saved: false, taken: Taken } | { saved: false, full: Full }

const codes = [
  'OOM', 'READONLY', 'LOADING', 'MISCONF', 'CLUSTERDOWN', 'MASTERDOWN', 'NOREPLICAS', 'TRYAGAIN', 'BUSY', 'NOAUTH', 'WRONGPASS', 'NOPERM',
  'UNREPLICATED',
] as const
/** Every way in which Redis can fail us. */
export const unavailableCodes = [...codes, 'TIMEOUT', 'DISCONNECTED', 'ERROR'] as const
export type UnavailableCode = typeof unavailableCodes[number]

/**
 * Redis did not do what was asked, or we cannot know whether it did: down, slow, full, read-only, loading. `code` says which
 * (`ERROR`: it refused the command itself; `UNREPLICATED`: it did it, but too few replicas have it). Has no `cause`, because ioredis errors carry keys and values.
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

/** Keeps records that it cannot read: sealed values with an id, a due time, claims and index entries. Times are ms since the epoch. */
export type Store<R> = {
  /** Writes a new record, or nothing at all. One round trip, and on Cluster one more for each claim and counter of another partition. */
  create (id: string, record: R, options: CreateOptions): Promise<Created>
  /** Null: never written, expired or erased. One round trip. */
  load (id: string): Promise<Stored<R> | null>
  /** If the record is still the one that was read with `mark`: replaces it, moves its due time and announces it in one step. */
  save (id: string, mark: string, record: R, options: SaveOptions): Promise<Saved>
  /** Removes the records, their due times and index entries and the claims they hold, whatever their state, and announces that. */
  erase (id: string, options: EraseOptions): Promise<void>
  /**
   * Waits until so many replicas as are asked for have the record as it was written, or read, with this mark (null: that it was erased), and claims that were
   * taken with it. False: it is another one by now. True at once where none are asked for.
   */
  confirm (id: string, mark: string | null, claims?: readonly Release[]): Promise<boolean>
  claimOf (partition: number, name: string): Promise<string | null>
  /** Gives up one claim, but only while it holds this value. */
  release (release: Required<Release>): Promise<void>
  /** Ids of the partition whose due time has come, the longest due first. One whose record is gone stays until it is erased. */
  due (partition: number, now: number, limit: number): Promise<string[]>
  /** The earliest due time there is. */
  firstDue (): Promise<number | null>
  /** Moves the due time of a record that has one, and touches nothing else: for what cannot be read and must not stand in the way. */
  postpone (id: string, dueAt: number): Promise<void>
  /** Ids of an index (of several: the tags of one text under every key), newest first, of all partitions. Their records may be gone. */
  find (names: string | readonly string[], limit: number): Promise<string[]>
  /** Places of an index likewise, with their scores; those that come after `before`, or the first. */
  page (names: string | readonly string[], options: { limit: number, before: Place | null }): Promise<Place[]>
  /** The oldest place of an index, of all partitions. */
  oldest (name: string): Promise<Place | null>
  /** Takes a record out of an index, in a step of its own. */
  unlist (id: string, name: string): Promise<void>
  /** Runs a script that finds nothing to do, in one round trip: Redis answers, and we may run our scripts on it. */
  ping (): Promise<void>
}

/**
 * Opens the store. `write` makes of a record what is sealed; `read` judges what was sealed, also by an older version, and throws when it cannot. Methods throw `StoreUnavailable`,
 * `SealBroken` when a record was tampered with, and `TypeError` for what is not written like an id. `report` hears of every round trip.
 * Without `replicas` what the master has is enough.
 */
export const createStore = <R extends Json>({ redis, replicas = null, sealer, read, write: express = record => record, namespace = 'vg', report = () => {} }: {
  redis: RedisClient
  replicas?: Replicas | null
  sealer: Pick<Sealer, 'seal' | 'open'>
  read: (value: Json, id: string) => R
  write?: (record: R) => Json
  namespace?: string
  report?: (durationMs: number, code: UnavailableCode | null) => void
}): Store<R> => {
  const keys = createKeys(namespace)

  const ask = async <T>(answer: Promise<T>): Promise<T> => {
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
  const seal = (id: string, record: Json): { sealed: Buffer, mark: string } => {
    const sealed = sealer.seal(record, id)
    return { sealed, mark: markOf(sealed).toString('base64') }
  }
  const sealAll = (companions: readonly Companion[]): SealedCompanion[] => companions.map((companion) => ({ ...companion, ...seal(companion.id, companion.record) }))
  const keyOf = (home: number, { name, partition = home }: Release): string => keys.claim(partition, name)
  const keysOf = (home: number, claims: readonly Release[]): string[] => claims.map((claim) => keyOf(home, claim))
  const isForeign = (home: number) => ({ partition = home }: { partition?: number }): boolean => redis.isCluster && partition !== home
  const counterKey = (home: number, { name, partition = home }: Counter): string => keys.counter(partition, name)

  // What cannot be released expires by itself; what it was released after is done, and stays done.
  const releaseForeign = (home: number, releases: readonly Release[]): Promise<unknown> =>
    Promise.allSettled(releases.map((release) => redis.eraseRecord(1, keyOf(home, release), 0, 0, 0, '', '', release.value)))

  const uncount = (home: number, counters: readonly Counter[]): Promise<unknown> =>
    Promise.allSettled(counters.map((counter) => {
      const key = counterKey(home, counter)
      return redis.multi().decrby(key, counter.add).pexpireat(key, counter.expiresAt, 'NX').exec()
    }))

  /** Adds first and looks then, so that however many come at once none is let through too many. */
  const countForeign = async (home: number, counter: Counter): Promise<Full | null> => {
    const { name, add, below, expiresAt } = counter
    const key = counterKey(home, counter)
    const transaction = redis.multi().incrby(key, add).pexpireat(key, expiresAt, 'NX').pttl(key)
    const [[, count] = [], , [, leftMs] = []] = await ask(transaction.exec()) ?? []
    if (below === null || Number(count) - add < below) return null
    await uncount(home, [counter])
    return { name, retryAfterMs: Math.max(0, Number(leftMs)) }
  }

  type Refusal = { taken: Taken } | { full: Full } | 'refused'

  /**
   * Takes the claims and counts the counters that the record's script cannot reach (another slot), then writes, and gives them back if another
   * claim or counter stands in the way. When the answer is lost they stay: the write may have happened. When somebody else wrote the record
   * first the claims stay, too: with the same values in hand he counts on them.
   */
  const writeWith = async (
    home: number, { claims = [], counters = [] }: Pick<CreateOptions, 'claims' | 'counters'>, write: (local: Claim[], here: Counter[]) => Promise<WriteReply>,
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
      const held = await ask(redis.set(keyOf(home, claim), claim.value, 'PXAT', claim.expiresAt, 'NX', 'GET'))
      if (held === null) taken.push(claim)
      else if (held !== claim.value) return giveBack({ taken: { name: claim.name, value: held } })
    }
    for (const counter of away) {
      const full = await countForeign(home, counter)
      if (full !== null) return giveBack({ full })
      counted.push(counter)
    }
    const [result, word = ''] = await ask(write(local, here))
    if (result === 1) return null
    if (result === 0) {
      await uncount(home, counted)
      return 'refused'
    }
    const claim = local[-result - 1]
    if (claim !== undefined) return giveBack({ taken: { name: claim.name, value: word } })
    const counter = here[-result - local.length - 1]
    if (counter === undefined) throw new StoreUnavailable('ERROR')
    return giveBack({ full: { name: counter.name, retryAfterMs: Number(word) } })
  }

  type SealedCompanion = Companion & { sealed: Buffer, mark: string }
  type Change = Omit<SaveOptions, 'companions'> & { mark: Buffer | '', sealed: Buffer, companions: SealedCompanion[] }

  const write = async (id: string, { mark, sealed, expiresAt, dueAt, releases = [], indexes = [], leaves = [], companions, announce, ...options }: Change): Promise<Refusal | null> => {
    const home = place(id)
    const [away, here] = splitBy(releases, isForeign(home))
    const refusal = await writeWith(home, options, (claims, counters) => {
      const named = [keys.record(home, id), keys.due(home)]
      const values: (string | Buffer | number)[] = [
        mark, sealed, expiresAt, dueAt ?? '', id, announce === '' ? '' : keys.channel, announce === '' ? '' : `${id} ${announce}`,
        claims.length, here.length, counters.length, indexes.length + companions.reduce((sum, other) => sum + other.indexes.length, 0), leaves.length,
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
      for (const one of [{ id, indexes }, ...companions]) {
        for (const { name, score, keepMs } of one.indexes) {
          named.push(keys.index(home, name))
          values.push(one.id, score, score - keepMs, score + keepMs)
        }
      }
      for (const name of leaves) named.push(keys.index(home, name))
      for (const other of companions) {
        named.push(keys.record(home, other.id))
        values.push(other.sealed, other.expiresAt, other.dueAt, other.id)
      }
      return redis.writeRecord(named.length, ...named, ...values)
    })
    if (refusal === null && away.length > 0) await releaseForeign(home, away)
    return refusal
  }

  const page: Store<R>['page'] = async (names, { limit, before }) => {
    const lists = [...new Set([names].flat())].flatMap((name) =>
      Array.from({ length: partitions }, (_, partition) => keys.index(partition, name)))
    const score = before?.score ?? Infinity
    const ranges = lists.flatMap((list) => [
      redis.zrange(list, before === null ? '+inf' : `(${score}`, '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, limit, 'WITHSCORES'),
      ...before === null ? [] : [redis.zrangebyscore(list, score, score, 'WITHSCORES')],
    ])
    const scores = new Map((await ask(Promise.all(ranges))).flatMap((answer) =>
      answer.flatMap((id, at): [string, number][] => at % 2 === 0 ? [[id, Number(answer[at + 1])]] : [])))
    return [...scores].map(([id, score]) => ({ id, score }))
      .filter((place) => before === null || place.score < score || place.id < before.id)
      .sort((a, b) => b.score - a.score || (a.id < b.id ? 1 : -1))
      .slice(0, limit)
  }

  /** The first member of a sorted set of each partition, and of those the first. */
  const first = async (keyOfSet: (partition: number) => string): Promise<Place | null> => {
    const heads = await ask(Promise.all(Array.from({ length: partitions }, (_, partition) => redis.zrange(keyOfSet(partition), '0', '0', 'WITHSCORES'))))
    const places = heads.flatMap(([id, score]) => id === undefined ? [] : [{ id, score: Number(score) }])
    return places.sort((a, b) => a.score - b.score)[0] ?? null
  }

  return {
    async create (id, record, options) {
      const { sealed, mark } = seal(id, express(record))
      const companions = sealAll(options.companions ?? [])
      const refusal = await write(id, { ...options, companions, mark: '', sealed, announce: '' })
      if (refusal === null) return { created: true, mark, companions: companions.map((companion) => companion.mark) }
      return refusal === 'refused' ? { created: false, exists: true } : { created: false, ...refusal }
    },
    async load (id) {
      const sealed = await ask(redis.getBuffer(keys.record(place(id), id)))
      return sealed === null ? null : { record: read(sealer.open(sealed, id), id), mark: markOf(sealed).toString('base64') }
    },
    async save (id, mark, record, options) {
      const { sealed, mark: newMark } = seal(id, express(record))
      const companions = sealAll(options.companions ?? [])
      const refusal = await write(id, { ...options, companions, mark: Buffer.from(mark, 'base64'), sealed })
      if (refusal === null) return { saved: true, mark: newMark, companions: companions.map((companion) => companion.mark) }
      return refusal === 'refused' ? { saved: false, conflict: true } : { saved: false, ...refusal }
    },
    async erase (id, { releases = [], indexes = [], also = [], announce }) {
      const home = place(id)
      const [away, here] = splitBy(releases, isForeign(home))
      await ask(redis.eraseRecord(
        2 + also.length + indexes.length + here.length,
        keys.record(home, id), ...also.map((other) => keys.record(home, other)), keys.due(home), ...indexes.map((name) => keys.index(home, name)), ...keysOf(home, here),
        1 + also.length, 1 + indexes.length, 1 + also.length, keys.channel, `${id} ${announce}`, id, ...also, ...here.map(({ value }) => value),
      ))
      await releaseForeign(home, away)
    },
    async confirm (id, mark, claims = []) {
      if (replicas === null) return true
      const home = place(id)
      const answers = await Promise.all([
        ask(replicas.confirm({ partition: home, key: keys.record(home, id), start: Buffer.from(mark ?? '', 'base64') })),
        ...claims.filter(isForeign(home)).map((claim) =>
          ask(replicas.confirm({ partition: claim.partition ?? home, key: keyOf(home, claim), start: claim.value }))),
      ])
      return !answers.includes(false)
    },
    async release ({ partition, name, value }) {
      await ask(redis.eraseRecord(1, keys.claim(partition, name), 0, 0, 0, '', '', value))
    },
    claimOf: (partition, name) => ask(redis.get(keys.claim(partition, name))),
    due: (partition, now, limit) => ask(redis.zrangebyscore(keys.due(partition), '-inf', now, 'LIMIT', 0, limit)),
    async postpone (id, dueAt) {
      await ask(redis.zadd(keys.due(place(id)), 'XX', dueAt, id))
    },
    find: async (names, limit) => (await page(names, { limit, before: null })).map(({ id }) => id),
    page,
    firstDue: async () => (await first(keys.due))?.score ?? null,
    oldest: (name) => first((partition) => keys.index(partition, name)),
    async unlist (id, name) {
      await ask(redis.zrem(keys.index(place(id), name), id))
    },
    async ping () {
      await ask(redis.eraseRecord(1, keys.claim(0, 'ping'), 0, 0, 0, '', '', ''))
    },
  }
}
