import type { Timed } from './commands.ts'
import { packId, unpackId, type Keys, type PartitionKeys } from './keys.ts'
import type { RedisClient } from './redis.ts'
import { toBytes } from './scripts.ts'
import { readTable } from './tables.ts'
import type { IndexEntry } from './writes.ts'

/** An entry of an index. Entries with the same score are ordered by the bytes of the id. */
export type Place = { id: string, score: number }

/** Reads and changes the due times and indexes of all partitions. Scores and times are ms since the epoch. */
export type Indexes = {
  /** Ids of the partition that are due, the earliest first. An id without a record stays until it is erased. */
  due (partition: number, now: number, limit: number): Promise<string[]>
  /** The earliest due time of all partitions. */
  firstDue (): Promise<number | null>
  /** Moves the due time of a record that has one: for a record that cannot be read and would block the sweep. */
  reschedule (id: string, dueAt: number): Promise<void>
  /** Ids of a listing, newest first; of several, the keyed hashes of one text. Their records may be gone. */
  find (names: string | readonly string[], limit: number): Promise<string[]>
  /** Entries of one or several indexes, newest first: the first page, or the entries after `before`. */
  page (names: string | readonly string[], options: { limit: number, before: Place | null }): Promise<Place[]>
  /** The oldest entry of an index. */
  first (name: string): Promise<Place | null>
  /** Adds a record to an index, in a step of its own. */
  addToIndex (id: string, entry: IndexEntry): Promise<void>
  /** Removes a record from an index, in a step of its own. */
  removeFromIndex (id: string, name: string): Promise<void>
}

export type IndexesParts = { redis: RedisClient, keys: Keys, timed: Timed, now: () => number }

/** Methods throw `StoreUnavailable`, and `TypeError` for a text that does not have the form of an id. */
export function createIndexes ({ redis, keys, timed, now }: IndexesParts): Indexes {
  const inAll = (names: string | readonly string[], prefix: 'indexPrefix' | 'tablePrefix'): string[] =>
    [...new Set([names].flat())].flatMap(name => keys.all.map(partition => partition[prefix] + name))

  /** Newest first. Entries with the score of `before` are read separately, because Redis cannot compare their ids. */
  async function page (
    names: string | readonly string[], { limit, before }: { limit: number, before: Place | null },
  ): Promise<Place[]> {
    const score = before?.score ?? Infinity
    const ranges = inAll(names, 'indexPrefix').flatMap(set => [
      readNewest(set, before === null ? '+inf' : `(${score}`, limit),
      ...before === null ? [] : [redis.zrangebyscoreBuffer(set, score, score, 'WITHSCORES')],
    ])
    const last = before === null ? '' : packId(before.id)
    const members = newestFirst((await timed(Promise.all(ranges))).flatMap(readMembers))
    return members.filter(({ packed, score: each }) => before === null || each < score || packed < last)
      .slice(0, limit).map(toPlace)
  }

  const readNewest = (set: string, start: string, limit: number): Promise<Buffer[]> =>
    redis.zrangeBuffer(set, start, '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, limit, 'WITHSCORES')

  /** The lowest member of a sorted set of every partition. One command, on Cluster one for each slot. */
  async function lowest (keyOf: (partition: PartitionKeys) => string): Promise<Place | null> {
    const sets = keys.all.map(keyOf)
    const replies = redis.isCluster
      ? sets.map(set => redis.lowestMemberBuffer(1, set))
      : [redis.lowestMemberBuffer(sets.length, ...sets)]
    const members = (await timed(Promise.all(replies))).flatMap(readMembers)
    return members.sort((a, b) => a.score - b.score).map(toPlace)[0] ?? null
  }

  return {
    async due (partition, now, limit) {
      const members = await timed(redis.zrangebyscoreBuffer(keys.due(partition), '-inf', now, 'LIMIT', 0, limit))
      return members.map(member => unpackId(member.toString('latin1')))
    },
    firstDue: async () => (await lowest(({ due }) => due))?.score ?? null,
    async reschedule (id, dueAt) {
      await timed(redis.zadd(keys.ofId(id).due, 'XX', dueAt, toBytes(packId(id))))
    },
    async find (names, limit) {
      const [tables, indexes] = await timed(Promise.all([
        Promise.all(inAll(names, 'tablePrefix').map(table => redis.getBuffer(table))),
        Promise.all(inAll(names, 'indexPrefix').map(set => readNewest(set, '+inf', limit))),
      ]))
      const listed = tables.flatMap(table => readTable(table, now())).filter(({ value }) => value === '')
        .map(({ field, expiresAt }) => ({ packed: field, score: expiresAt }))
      return newestFirst([...listed, ...indexes.flatMap(readMembers)]).slice(0, limit).map(member => toPlace(member).id)
    },
    page,
    first: name => lowest(({ indexPrefix }) => indexPrefix + name),
    async addToIndex (id, { name, score }) {
      await timed(redis.zadd(keys.ofId(id).indexPrefix + name, score, toBytes(packId(id))))
    },
    async removeFromIndex (id, name) {
      await timed(redis.zrem(keys.ofId(id).indexPrefix + name, toBytes(packId(id))))
    },
  }
}

/** `packed`: the packed id. Redis orders members with the same score by it. */
type Member = { packed: string, score: number }

/** A reply with scores. */
const readMembers = (reply: Buffer[]): Member[] => reply.flatMap((member, at) =>
  at % 2 === 0 ? [{ packed: member.toString('latin1'), score: Number(reply[at + 1]) }] : [])

const toPlace = ({ packed, score }: Member): Place => ({ id: unpackId(packed), score })

/** Without repetitions. */
const newestFirst = (members: readonly Member[]): Member[] =>
  [...new Map(members.map(({ packed, score }) => [packed, score]))].map(([packed, score]) => ({ packed, score }))
    .sort((a, b) => b.score - a.score || (a.packed < b.packed ? 1 : -1))
