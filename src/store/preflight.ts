import type { RedisClient } from './redis.ts'

/**
 * Looks at how Redis is set up before anything is entrusted to it. Throws when it may evict what we keep (any
 * `maxmemory-policy` but `noeviction`);
 * warns when it keeps nothing over a restart. What a managed Redis does not tell is taken as right.
 */
export async function assertRedisConfig (redis: RedisClient, warn: (message: string) => void): Promise<void> {
  const info = await redis.info()
  const read = (name: string): string | undefined => new RegExp(`^${name}:(\\S+)`, 'm').exec(info)?.[1]
  const policy = read('maxmemory_policy')
  if (policy !== undefined && policy !== 'noeviction') throw new Error(
    `REDIS_URL: maxmemory-policy must be noeviction, it is ${policy}`,
  )
  if (read('aof_enabled') === '0') warn('Redis keeps no append-only file: what was accepted is lost when it restarts')
}
