import type { Cluster, Redis } from 'ioredis'

/** Every key and every value of a Redis, whatever its type, as Latin-1 text. */
export async function dump (redis: Redis | Cluster): Promise<{ text: string, types: Set<string>, count: number }> {
  const readers: Record<string, (key: string) => Promise<unknown>> = {
    string: key =>
      redis.getBuffer(key), hash: key => redis.callBuffer('HGETALL', key), list: key => redis.lrangeBuffer(key, 0, -1),
    set: key => redis.smembersBuffer(key),
    zset: key =>
      redis.callBuffer('ZRANGE', key, '0', '-1', 'WITHSCORES'), stream: key =>
        redis.callBuffer('XRANGE', key, '-', '+'),
  }
  const names = await redis.keys('*')
  const types = new Set<string>()
  const parts = await Promise.all(names.map(async name => {
    const type = await redis.type(name)
    // Claims and finished jobs may expire meanwhile.
    if (type === 'none') return name
    const read = readers[type]
    if (read === undefined) throw new Error(`a key of type ${type}`)
    types.add(type)
    return `${name} ${show(await read(name))}`
  }))
  return { text: parts.join('\n'), types, count: names.length }
}

function show (value: unknown): string {
  if (Buffer.isBuffer(value)) return value.toString('latin1')
  return Array.isArray(value) ? value.map(show).join(' ') : String(value)
}
