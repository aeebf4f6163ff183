import { randomBytes } from 'node:crypto'
import t from 'tap'
import { createSealer } from '../../src/store/sealing.ts'
import { createCounters } from '../../src/store/counters.ts'
import { connectTo, startCluster, startRedis } from '../helpers/redis.ts'

const sealer = createSealer(`k1:${randomBytes(32).toString('base64')}`)
const hour = 3_600_000

for (const [name, start] of [['standalone', startRedis], ['Cluster', startCluster]] as const) {
  t.test(name, async t => {
    const { url } = await start(t)
    const [one, other] = await Promise.all([connectTo(t, url), connectTo(t, url)])
    const counts = [one, other].map(redis => createCounters({ redis, sealer }))
    const later = Date.now() + hour

    await t.test('sums of all who add', async t => {
      const sums = await Promise.all(
        Array.from({ length: 20 }, (_, n) => counts[n % 2]?.increment('ip 203.0.113.7', 2, later)),
      )
      t.strictSame(sums.toSorted((a = 0, b = 0) => a - b), Array.from({ length: 20 }, (_, n) => 2 * n + 2))
      t.equal(await counts[0]?.increment('ip 203.0.113.8', 1, later), 1)
    })

    await t.test('a table of sums', async t => {
      const isOld = (field: string): boolean => field === 'old'
      const options = { expiresAt: later, isOld }
      t.strictSame(await counts[0]?.incrementFields('traffic', { a: 2, old: 1, none: 0 }, options), { a: 2 })
      t.strictSame(
        await counts[1]?.incrementFields('traffic', { a: 3, b: 1 }, options), { a: 5, b: 1 }, 'what is old is gone',
      )
      t.strictSame(await counts[1]?.incrementFields('traffic', {}, options), { a: 5, b: 1 })
      t.strictSame(await counts[1]?.incrementFields('unknown', {}, options), {})
    })

    if (name === 'Cluster') return
    const keys = await one.keys('*')
    t.equal(keys.length, 3)
    t.notMatch(keys.join(), /ip 203|203\.0|traffic/, 'Redis sees tags')
    for (const key of keys) t.ok(await one.pexpiretime(key) <= later && await one.pexpiretime(key) > Date.now())
  })
}
