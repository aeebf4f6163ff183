import type { Redis } from 'ioredis'

const create = `
local earlier = redis.call('GET', KEYS[2])
if earlier then return earlier end
redis.call('HSET', KEYS[1], 'a', ARGV[2], 'b', ARGV[3], 'c', ARGV[4], 'd', ARGV[5], 'e', ARGV[6], 'f', ARGV[7],
  'g', ARGV[8], 'h', ARGV[9], 'i', ARGV[10], 'j', ARGV[11], 'k', ARGV[12])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[1])
redis.call('SET', KEYS[3], ARGV[2], 'PX', ARGV[1])
return ARGV[2]
`
const link = `
if redis.call('HGET', KEYS[1], 'c') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'c', ARGV[3], 'l', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
`

/** The two writes of a create, as minimal scripts. */
export function defineScripts (redis: Redis): {
  create (id: string, idempotencyKey: string): Promise<unknown>, link (id: string, reference: string): Promise<unknown>,
} {
  redis.defineCommand('baselineCreate', { lua: create, numberOfKeys: 3 })
  redis.defineCommand('baselineLink', { lua: link, numberOfKeys: 1 })
  const call = (name: string, ...args: string[]): Promise<unknown> => {
    const command: unknown = Reflect.get(redis, name)
    if (typeof command !== 'function') throw new TypeError(`${name} is not defined`)
    return Reflect.apply(command, redis, args)
  }
  return {
    create: (id, key) => call(
      'baselineCreate', `v:${id}`, `k:${key}`, `i:${id}`, '600000', id, 'shop', 'pending', '+919000000000',
      'truecaller.web', '1764000000000', '1764000600000', '0', 'reference', 'en', 'none',
    ),
    link: (id, reference) => call('baselineLink', `v:${id}`, '600000', 'pending', 'started', reference),
  }
}
