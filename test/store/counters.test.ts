import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import t from 'tap'
import { createCounters } from '../../src/store/counters.ts'
import { createKeys, partitionOfHash } from '../../src/store/keys.ts'
import { createSealer } from '../../src/store/sealing.ts'
import { connectTo, startCluster, startRedis } from '../helpers/redis.ts'

const sealer = createSealer(`k1:${randomBytes(32).toString('base64')}`)
const hour = 3_600_000
const keyOf = (name: string): string => {
  const hash = sealer.keyedHash('count', name)
  return createKeys('vg').counter(partitionOfHash(hash), hash)
}

for (const [name, start] of [['standalone', startRedis], ['Cluster', startCluster]] as const) {
  t.test(name, async t => {
    const { url } = await start(t)
    const [redis, otherRedis] = await Promise.all([connectTo(t, url), connectTo(t, url)])
    const [one, other] = [createCounters({ redis, sealer }), createCounters({ redis: otherRedis, sealer })]
    const later = Date.now() + hour

    await t.test('all processes add to one sum', async t => {
      const sums = await Promise.all(
        Array.from({ length: 20 }, (_, n) => [one, other][n % 2]?.increment('ip 203.0.113.7', 2, later)),
      )
      t.strictSame(sums.toSorted((a = 0, b = 0) => a - b), Array.from({ length: 20 }, (_, n) => 2 * n + 2))
      t.equal(await one.increment('ip 203.0.113.8', 1, later), 1)
    })

    await t.test('a counter expires at the time of its first addition', async t => {
      t.equal(await one.increment('first', 1, later), 1)
      t.equal(await other.increment('first', 1, later + hour), 2)
      t.equal(await one.increment('first', 1, later - 60_000), 3)
      t.equal(await redis.pexpiretime(keyOf('first')), later)
    })

    await t.test('a table of sums', async t => {
      const isOld = (field: string): boolean => field === 'old'
      const options = { expiresAt: later, isOld }
      t.strictSame(await one.incrementFields('traffic', { a: 2, old: 1, none: 0 }, options), { a: 2 })
      t.strictSame(await other.incrementFields('traffic', { a: 3, b: 1 }, options), { a: 5, b: 1 })
      t.strictSame(
        await redis.hgetall(keyOf('traffic')), { a: '5', b: '1' }, 'old fields are removed, zeros are not written',
      )
      t.strictSame(await other.incrementFields('traffic', {}, { ...options, expiresAt: later + hour }), { a: 5, b: 1 })
      t.equal(await redis.pexpiretime(keyOf('traffic')), later, 'a read does not prolong it')
      await other.incrementFields('traffic', { a: 1 }, { ...options, expiresAt: later + hour })
      t.equal(await redis.pexpiretime(keyOf('traffic')), later + hour, 'an addition does')
      t.strictSame(await other.incrementFields('unknown', {}, options), {})
    })

    if (name === 'Cluster') return
    const names = ['ip 203.0.113.7', 'ip 203.0.113.8', 'first', 'traffic']
    t.strictSame((await redis.keys('*')).toSorted(), names.map(keyOf).toSorted())
    t.notMatch((await redis.keys('*')).join(), /ip 203|203\.0|traffic/, 'Redis sees only hashes')
  })
}

t.test('a counter that Redis cannot add to rejects', async t => {
  const { url } = await startRedis(t)
  const redis = await connectTo(t, url)
  await redis.set(keyOf('broken'), 'text')
  await t.rejects(createCounters({ redis, sealer }).increment('broken', 1, Date.now() + hour), /not an integer/)
})

t.test('a call rejects while Redis is unavailable, so that its caller keeps the counts', async t => {
  const server = await startRedis(t)
  const redis = await connectTo(t, server.url)
  const counters = createCounters({ redis, sealer })
  const closed = once(redis, 'close')
  await server.stop()
  await closed
  await t.rejects(counters.increment('ip', 1, Date.now() + hour))
  await t.rejects(counters.incrementFields('traffic', { a: 1 }, { expiresAt: Date.now() + hour, isOld: () => false }))
})
