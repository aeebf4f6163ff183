import type { RedisClient } from './redis.ts'

/**
 * Checks how Redis is configured. Throws when it may evict keys (any `maxmemory-policy` but `noeviction`); warns when
 * it loses data in a restart. Settings that a managed Redis hides are assumed to be correct.
 */
export async function assertRedisConfig (redis: RedisClient, warn: (message: string) => void): Promise<void> {
  const info = await redis.info()
  const read = (name: string): string | undefined => new RegExp(`^${name}:(\\S+)`, 'm').exec(info)?.[1]
  const policy = read('maxmemory_policy')
  if (policy !== undefined && policy !== 'noeviction') {
    throw new Error(`REDIS_URL: maxmemory-policy must be noeviction, it is ${policy}`)
  }
  if (read('aof_enabled') === '0') warn('Redis has no append-only file: what was accepted is lost when it restarts')
}
