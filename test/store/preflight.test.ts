import { createServer } from 'node:net'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { assertRedisConfig } from '../../src/store/preflight.ts'
import { connectTo, startRedis } from '../helpers/redis.ts'

/** The warnings of the check; rejects when it refuses. */
const check = async (t: Test, url: string): Promise<string[]> => {
  const warnings: string[] = []
  await assertRedisConfig(await connectTo(t, url), warning => { warnings.push(warning) })
  return warnings
}

t.test('a Redis that persists everything passes without a warning', async t => {
  const { url } = await startRedis(t, ['--appendonly', 'yes', '--maxmemory-policy', 'noeviction'])
  t.same(await check(t, url), [])
})

t.test('a Redis that loses data in a restart gets one warning', async t => {
  const { url } = await startRedis(t)
  const warnings = await check(t, url)
  t.equal(warnings.length, 1)
  t.match(warnings[0], /append-only file.*lost when it restarts/)
})

t.test('a Redis that may evict is refused, and the error names the variable', async t => {
  const { url } = await startRedis(t, ['--appendonly', 'yes'])
  const redis = await connectTo(t, url)
  const evicting = [
    'allkeys-lru', 'allkeys-lfu', 'allkeys-random', 'volatile-lru', 'volatile-lfu', 'volatile-random', 'volatile-ttl',
  ]
  for (const policy of evicting) {
    await redis.config('SET', 'maxmemory-policy', policy)
    await t.rejects(check(t, url), { message: `REDIS_URL: maxmemory-policy must be noeviction, it is ${policy}` })
  }
})

t.test('settings that a managed Redis hides are assumed to be correct', async t => {
  // The server speaks RESP, and its INFO is empty.
  const server = createServer(socket => socket.on('error', () => {}).on('data', data => {
    const commands = data.toString().split(/(?=\*\d+\r\n)/)
    for (const command of commands) socket.write(/\r\ninfo\r\n/i.test(command) ? '$0\r\n\r\n' : '+OK\r\n')
  })).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  t.same(await check(t, `redis://127.0.0.1:${address.port}`), [])
})
