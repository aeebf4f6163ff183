import type { Sealer } from './sealing.ts'
import { createKeys, partitionOfHash } from './keys.ts'
import type { RedisClient } from './redis.ts'

/**
 * Counts that are added to from time to time and need be exact only in the end. Names may say anything: Redis sees
 * their tags.
 */
export type Counters = {
  /** Adds, and tells the sum. It is kept until `expiresAt` (ms since the epoch) of the first addition. */
  increment (name: string, count: number, expiresAt: number): Promise<number>
  /**
   * Adds to fields of one table, and tells all of it. It is kept until the newest `expiresAt`; fields that `isOld`
   * tells go.
   */
  incrementFields (
    name: string, fields: Readonly<Record<string, number>>,
    options: { expiresAt: number, isOld: (field: string) => boolean },
  ): Promise<Record<string, number>>
}

export const createCounters = (
  { redis, sealer, namespace = 'vg' }: { redis: RedisClient, sealer: Pick<Sealer, 'keyedHash'>, namespace?: string },
): Counters => {
  const keys = createKeys(namespace)
  const keyOf = (name: string): string => {
    const tag = sealer.keyedHash('count', name)
    return keys.counter(partitionOfHash(tag), tag)
  }
  return {
    async increment (name, count, expiresAt) {
      const key = keyOf(name)
      const [sum] = await Promise.all([redis.incrby(key, count), redis.pexpireat(key, expiresAt, 'NX')])
      return sum
    },
    async incrementFields (name, fields, { expiresAt, isOld }) {
      const key = keyOf(name)
      const added = Object.entries(fields).filter(([, count]) => count !== 0).map(
        ([field, count]) => redis.hincrby(key, field, count),
      )
      const [all] = await Promise.all(
        [redis.hgetall(key), ...added.length > 0 ? [redis.pexpireat(key, expiresAt)] : [], ...added],
      )
      const old = Object.keys(all).filter(isOld)
      if (old.length > 0) await redis.hdel(key, ...old)
      return Object.fromEntries(
        Object.entries(all).filter(([field]) => !old.includes(field)).map(([field, count]) => [field, Number(count)]),
      )
    },
  }
}
