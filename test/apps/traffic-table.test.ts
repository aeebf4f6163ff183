import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { createTrafficTable } from '../../src/apps/traffic-table.ts'
import { createCounters, type Counters } from '../../src/store/counters.ts'
import { createSealer } from '../../src/store/sealing.ts'
import { connectTo, startRedis } from '../helpers/redis.ts'

const hour = 3_600_000
const day = 24 * hour
const { url } = await startRedis(t)

/** Two processes that share counters in Redis, on a clock that only the test moves. */
async function start (t: Test) {
  const redis = await connectTo(t, url)
  const namespace = randomBytes(4).toString('hex')
  const sealer = createSealer(`k1:${randomBytes(32).toString('base64')}`)
  const real = createCounters({ redis, sealer, namespace })
  let isDown = false
  let beforeSync = async (): Promise<void> => {}
  const counters: Pick<Counters, 'incrementFields'> = {
    async incrementFields (...args) {
      await beforeSync()
      if (isDown) throw new Error('Redis is down')
      return real.incrementFields(...args)
    },
  }
  // Redis expires by its own clock, so the one of the test must not be behind.
  let time = Date.now() - Date.now() % day + 30 * day
  const errors: unknown[] = []
  const open = () => {
    const table = createTrafficTable({
      name: 'traffic shop GB', counters, now: () => time, onError: error => { errors.push(error) },
    })
    const count = (what: 'created' | 'verified', times: number): void => {
      for (let n = 0; n < times; n += 1) table.count(what, time)
    }
    return { ...table, count, read: () => table.read(time) }
  }
  return {
    open, errors, pass: (ms: number) => { time += ms },
    breakRedis: (down: boolean) => { isDown = down },
    holdSync: (until: () => Promise<void>) => { beforeSync = until },
    /** When Redis drops the table. */
    expiresAt: async (): Promise<number> => redis.pexpiretime((await redis.keys(`${namespace}:*`))[0] ?? ''),
    now: () => time,
    /** The fields that Redis keeps. */
    fields: async (): Promise<number> => {
      const [key = ''] = await redis.keys(`${namespace}:*`)
      return redis.hlen(key)
    },
  }
}

t.test('processes see their own counts at once, and those of the others after a sync', async t => {
  const { open } = await start(t)
  const [one, other] = [open(), open()]
  t.equal(one.read(), null, 'nothing is known before the first sync')
  one.count('created', 3)
  await one.sync()
  one.count('created', 1)
  one.count('verified', 2)
  const seen = { created: 4, verified: 2 }
  t.strictSame(one.read(), { hour: seen, day: seen, bestDay: 0 })
  await other.sync()
  t.match(other.read(), { hour: { created: 3, verified: 0 } })
  await one.sync()
  await one.sync()
  t.strictSame(one.read(), { hour: seen, day: seen, bestDay: 0 }, 'a sync counts nothing twice')
  await other.sync()
  t.strictSame(other.read(), { hour: seen, day: seen, bestDay: 0 })
})

t.test('an hour counts for its own hour, and for 24 hours', async t => {
  const { open, pass } = await start(t)
  const table = open()
  table.count('created', 2)
  table.count('verified', 1)
  await table.sync()
  pass(hour - 1)
  t.match(table.read(), { hour: { created: 2, verified: 1 } })
  pass(1)
  t.match(table.read(), { hour: { created: 0, verified: 0 }, day: { created: 2, verified: 1 } })
  table.count('created', 1)
  t.match(table.read(), { hour: { created: 1, verified: 0 }, day: { created: 3, verified: 1 } })
  pass(22 * hour)
  t.match(table.read(), { hour: { created: 0 }, day: { created: 3 } })
  pass(hour)
  t.match(table.read(), { day: { created: 1, verified: 0 } }, 'the first hour has expired')
  await table.sync()
  t.match(table.read(), { day: { created: 1, verified: 0 } }, 'also after a sync')
})

t.test('the best day is one of the 14 days before today', async t => {
  const { open, pass, fields, expiresAt, now } = await start(t)
  const table = open()
  table.count('verified', 5)
  await table.sync()
  t.match(table.read(), { day: { verified: 5 }, bestDay: 0 }, 'today does not count')
  t.equal(await expiresAt(), now() + 15 * day)
  pass(day)
  t.match(table.read(), { day: { verified: 0 }, bestDay: 5 })
  table.count('verified', 7)
  await table.sync()
  t.match(table.read(), { bestDay: 5 })
  pass(13 * day)
  t.match(table.read(), { bestDay: 7 })
  await table.sync()
  t.match(table.read(), { bestDay: 7 })
  pass(2 * day)
  t.match(table.read(), { bestDay: 0 })
  await table.sync()
  t.equal(await fields(), 0, 'old fields are removed')
})

t.test('the best day is kept for all of the 14 days', async t => {
  const { open, pass } = await start(t)
  const table = open()
  table.count('verified', 5)
  await table.sync()
  pass(14 * day)
  for (let n = 0; n < 2; n += 1) await table.sync()
  t.match(table.read(), { bestDay: 5 })
})

t.test('a failed sync loses no count', async t => {
  const { open, errors, breakRedis } = await start(t)
  const table = open()
  breakRedis(true)
  table.count('created', 5)
  await table.sync()
  t.match(errors, [{ message: 'Redis is down' }])
  t.equal(table.read(), null)
  table.count('created', 1)
  breakRedis(false)
  await table.sync()
  t.match(table.read(), { hour: { created: 6 } })
  breakRedis(true)
  table.count('verified', 2)
  await table.sync()
  t.match(table.read(), { hour: { created: 6, verified: 2 } })
  breakRedis(false)
  await table.sync()
  const other = open()
  await other.sync()
  t.match(other.read(), { hour: { created: 6, verified: 2 } }, 'the other process sees all of them')
})

t.test('counts during a sync are kept, and a flush shares them', async t => {
  const { open, holdSync } = await start(t)
  const table = open()
  await table.sync()
  const held = Promise.withResolvers<void>()
  holdSync(() => held.promise)
  table.count('created', 2)
  const syncing = table.sync()
  table.count('created', 1)
  t.match(table.read(), { hour: { created: 3 } })
  t.equal(table.sync(), syncing, 'one sync at a time')
  const flushing = table.flush()
  held.resolve()
  await flushing
  t.match(table.read(), { hour: { created: 3 } })
  const other = open()
  await other.sync()
  t.match(other.read(), { hour: { created: 3 } })
})
