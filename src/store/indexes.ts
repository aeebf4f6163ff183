import type { Keys, PartitionKeys } from './keys.ts'
import type { RedisClient } from './redis.ts'
import type { Timed } from './unavailable.ts'

/** An entry of an index. Entries with the same score are ordered by id. */
export type Place = { id: string, score: number }

/** Reads and changes the due times and indexes of all partitions. Scores and times are ms since the epoch. */
export type Indexes = {
  /** Ids of the partition that are due, the earliest first. An id without a record stays until it is erased. */
  due (partition: number, now: number, limit: number): Promise<string[]>
  /** The earliest due time of all partitions. */
  firstDue (): Promise<number | null>
  /** Moves the due time of a record that has one: for a record that cannot be read and would block the sweep. */
  reschedule (id: string, dueAt: number): Promise<void>
  /** Ids of an index, newest first; of several, the keyed hashes of one text. Their records may be gone. */
  find (names: string | readonly string[], limit: number): Promise<string[]>
  /** Entries of an index likewise: the first page, or the entries after `before`. */
  page (names: string | readonly string[], options: { limit: number, before: Place | null }): Promise<Place[]>
  /** The oldest entry of an index. */
  first (name: string): Promise<Place | null>
  /** Removes a record from an index, in a step of its own. */
  removeFromIndex (id: string, name: string): Promise<void>
}

/** Methods throw `StoreUnavailable`, and `TypeError` for a text that does not have the form of an id. */
export function createIndexes ({ redis, keys, timed }: { redis: RedisClient, keys: Keys, timed: Timed }): Indexes {
  /** Newest first. Entries with the score of `before` are read separately, because Redis cannot compare their ids. */
  async function page (
    names: string | readonly string[], { limit, before }: { limit: number, before: Place | null },
  ): Promise<Place[]> {
    const sets = [...new Set([names].flat())].flatMap(name => keys.all.map(({ indexPrefix }) => indexPrefix + name))
    const score = before?.score ?? Infinity
    const start = before === null ? '+inf' : `(${score}`
    const ranges = sets.flatMap(set => [
      redis.zrange(set, start, '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, limit, 'WITHSCORES'),
      ...before === null ? [] : [redis.zrangebyscore(set, score, score, 'WITHSCORES')],
    ])
    const scores = new Map((await timed(Promise.all(ranges))).flatMap(reply =>
      reply.flatMap((id, at): [string, number][] => at % 2 === 0 ? [[id, Number(reply[at + 1])]] : [])))
    return [...scores].map(([id, score]) => ({ id, score }))
      .filter(place => before === null || place.score < score || place.id < before.id)
      .sort((a, b) => b.score - a.score || (a.id < b.id ? 1 : -1))
      .slice(0, limit)
  }

  /** The lowest member of a sorted set of every partition. */
  async function lowest (keyOf: (partition: PartitionKeys) => string): Promise<Place | null> {
    const replies = keys.all.map(partition => redis.zrange(keyOf(partition), '0', '0', 'WITHSCORES'))
    const places = (await timed(Promise.all(replies)))
      .flatMap(([id, score]) => id === undefined ? [] : [{ id, score: Number(score) }])
    return places.sort((a, b) => a.score - b.score)[0] ?? null
  }

  return {
    due: (partition, now, limit) => timed(redis.zrangebyscore(keys.due(partition), '-inf', now, 'LIMIT', 0, limit)),
    firstDue: async () => (await lowest(({ due }) => due))?.score ?? null,
    async reschedule (id, dueAt) {
      await timed(redis.zadd(keys.ofId(id).due, 'XX', dueAt, id))
    },
    find: async (names, limit) => (await page(names, { limit, before: null })).map(({ id }) => id),
    page,
    first: name => lowest(({ indexPrefix }) => indexPrefix + name),
    async removeFromIndex (id, name) {
      await timed(redis.zrem(keys.ofId(id).indexPrefix + name, id))
    },
  }
}
