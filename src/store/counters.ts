import { createKeys, partitionOfHash } from './keys.ts'
import type { RedisClient } from './redis.ts'
import type { Sealer } from './sealing.ts'

/** Shared counters that are synced now and then and need not be exact in between. Redis sees only hashes of names. */
export type Counters = {
  /** Adds, and returns the sum. The counter expires at the `expiresAt` (ms since the epoch) of its first addition. */
  increment (name: string, count: number, expiresAt: number): Promise<number>
  /**
   * Adds to the fields of a table, and returns the whole table. The table expires at the newest `expiresAt`; fields
   * for which `isOld` is true are removed.
   */
  incrementFields (
    name: string, fields: Readonly<Record<string, number>>,
    options: { expiresAt: number, isOld: (field: string) => boolean },
  ): Promise<Record<string, number>>
}

/** Methods reject with the error of ioredis. The counts of a rejected call may have been added. */
export const createCounters = (
  { redis, sealer, namespace = 'vg' }: { redis: RedisClient, sealer: Pick<Sealer, 'keyedHash'>, namespace?: string },
): Counters => {
  const keys = createKeys(namespace)
  const keyOf = (name: string): string => {
    const hash = sealer.keyedHash('count', name)
    return keys.counter(partitionOfHash(hash), hash)
  }
  return {
    async increment (name, count, expiresAt) {
      const key = keyOf(name)
      // In one transaction, so that no counter stays for ever.
      const transaction = redis.multi().incrby(key, count).pexpireat(key, expiresAt, 'NX')
      const [[error, sum] = [null]] = await transaction.exec() ?? []
      if (error !== null) throw error
      return Number(sum)
    },
    async incrementFields (name, fields, { expiresAt, isOld }) {
      const key = keyOf(name)
      // Commands are sent in the order of these lines: the table that is read contains what was added.
      const additions = Object.entries(fields).filter(([, count]) => count !== 0)
        .map(([field, count]) => redis.hincrby(key, field, count))
      const expiry = additions.length > 0 ? [redis.pexpireat(key, expiresAt)] : []
      const [table] = await Promise.all([redis.hgetall(key), ...expiry, ...additions])
      const oldFields = Object.keys(table).filter(isOld)
      if (oldFields.length > 0) await redis.hdel(key, ...oldFields)
      return Object.fromEntries(
        Object.entries(table).filter(([field]) => !isOld(field)).map(([field, count]) => [field, Number(count)]),
      )
    },
  }
}
