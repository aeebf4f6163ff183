import { createServer } from 'node:net'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { createKeys } from '../../src/store/keys.ts'
import { assertMode, assertRedisConfig, type Mode } from '../../src/store/preflight.ts'
import { connectTo, startCluster, startRedis, startSentinel, type TestRedis } from '../helpers/redis.ts'

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

t.test('it reports what Redis says of itself', async t => {
  const { url } = await startRedis(t, ['--appendonly', 'yes'])
  t.match(await assertRedisConfig(await connectTo(t, url), () => {}), {
    server: /^(redis|valkey)$/, version: /^\d+\.\d+/, hasAppendOnlyFile: true,
  })
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

const keys = createKeys('vg')

async function startMaster (t: Test): Promise<Pick<TestRedis, 'url'>> {
  const sentinel = await startSentinel(t, await startRedis(t))
  return { url: `redis+sentinel://127.0.0.1:${sentinel.port}/mymaster` }
}

const forms = [['standalone', startRedis], ['Sentinel', startMaster], ['Cluster', startCluster]] as const
for (const [form, start] of forms) {
  t.test(`${form}: the first process stamps Redis with its mode, and no other mode may use it`, async t => {
    const { url } = await start(t)
    const redis = await connectTo(t, url)
    for (const [mode, other] of [['production', 'sandbox'], ['sandbox', 'production']] as const) {
      await assertMode(redis, keys, mode)
      t.equal(await redis.get(keys.mode), mode)
      t.equal(await redis.ttl(keys.mode), -1, 'for good')
      await assertMode(redis, keys, mode)
      const message = `REDIS_URL: this Redis is used in the mode ${mode}; a ${other} needs its own`
      await t.rejects(assertMode(redis, keys, other), { message })
      t.equal(await redis.get(keys.mode), mode)
      await redis.del(keys.mode)
    }
  })
}

t.test('of processes that start together one mode wins, and every process of the other one is refused', async t => {
  const { url } = await startRedis(t)
  const modes: Mode[] = ['sandbox', 'production', 'sandbox', 'production', 'sandbox', 'production']
  const connections = await Promise.all(modes.map(() => connectTo(t, url)))
  for (let round = 0; round < 20; round += 1) {
    await connections[0]?.del(keys.mode)
    const results = await Promise.allSettled(modes.map((mode, at) => assertMode(connections[at]!, keys, mode)))
    const accepted = new Set(modes.filter((_mode, at) => results[at]?.status === 'fulfilled'))
    t.strictSame([...accepted], [await connections[0]?.get(keys.mode)])
    t.equal(results.filter(({ status }) => status === 'rejected').length, 3)
  }
})

t.test('records without a stamp are production\'s: a production process stamps them, a sandbox does not', async t => {
  const { url } = await startRedis(t)
  const redis = await connectTo(t, url)
  await redis.zadd(keys.due(7), 1, 'an id')
  await t.rejects(assertMode(redis, keys, 'sandbox'), { message: /^REDIS_URL: .* records .* that did not stamp it/ })
  t.equal(await redis.get(keys.mode), null)
  await assertMode(redis, keys, 'production')
  t.equal(await redis.get(keys.mode), 'production')
})
