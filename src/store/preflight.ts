import type { Keys } from './keys.ts'
import type { RedisClient } from './redis.ts'

/** `server`: `redis` or `valkey`. Null: Redis does not say. */
export type RedisFacts = { server: 'redis' | 'valkey', version: string | null, hasAppendOnlyFile: boolean | null }

/**
 * Checks how Redis is configured. Throws when it may evict keys (any `maxmemory-policy` but `noeviction`); warns when
 * it loses data in a restart. Settings that a managed Redis hides are assumed to be correct.
 */
export async function assertRedisConfig (redis: RedisClient, warn: (message: string) => void): Promise<RedisFacts> {
  const info = await redis.info()
  const read = (name: string): string | undefined => new RegExp(`^${name}:(\\S+)`, 'm').exec(info)?.[1]
  const policy = read('maxmemory_policy')
  if (policy !== undefined && policy !== 'noeviction') {
    throw new Error(`REDIS_URL: maxmemory-policy must be noeviction, it is ${policy}`)
  }
  const file = read('aof_enabled')
  if (file === '0') warn('Redis has no append-only file: what was accepted is lost when it restarts')
  const valkey = read('valkey_version')
  return {
    server: valkey === undefined ? 'redis' : 'valkey', version: valkey ?? read('redis_version') ?? null,
    hasAppendOnlyFile: file === undefined ? null : file === '1',
  }
}

/** The sandbox verifies any number, so it must never work on what others rely on. */
export type Mode = 'production' | 'sandbox'

/**
 * Stamps Redis with the mode of this process. Throws when it has the stamp of the other mode, or when it has records
 * and no stamp and this is a sandbox: they can be those of an earlier version, or of before a failover that lost the
 * stamp.
 */
export async function assertMode (redis: RedisClient, { mode: key, all }: Keys, mode: Mode): Promise<void> {
  const stamp = await redis.get(key)
  if (stamp === null && mode === 'sandbox') {
    const counts = await Promise.all(all.map(({ due }) => redis.exists(due)))
    if (counts.includes(1)) {
      throw new Error('REDIS_URL: this Redis has records of processes that did not stamp it; a sandbox needs its own')
    }
  }
  // One command, so that of two processes that start together the second sees the stamp of the first.
  const found = stamp ?? await redis.set(key, mode, 'NX', 'GET') ?? mode
  if (found !== mode) throw new Error(`REDIS_URL: this Redis is used in the mode ${found}; a ${mode} needs its own`)
}
