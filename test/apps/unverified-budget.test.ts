import { randomBytes } from 'node:crypto'
import t from 'tap'
import { budgetOf, createUnverifiedBudget, exceededPeriod, type Traffic } from '../../src/apps/unverified-budget.ts'
import type { App } from '../../src/apps/apps.ts'
import { createSealer } from '../../src/store/sealing.ts'
import { createCounters } from '../../src/store/counters.ts'
import { connectTo, startRedis, until } from '../helpers/redis.ts'

const hour = 3_600_000
const day = 24 * hour
/** The figures of authgear's specification: a fifth, and twenty a day. */
const theirs = { share: 0.2, leastPerDay: 20 }

const traffic = (
  hourCreated: number, hourVerified: number, dayCreated: number, dayVerified: number, bestDay: number,
): Traffic =>
  (
    {
      hour: { created: hourCreated, verified: hourVerified }, day: { created: dayCreated, verified: dayVerified },
      bestDay,
    }
  )

t.test('how much a country\'s traffic carries', async t => {
  const table: [name: string, traffic: Traffic, perDay: number, perHour: number][] = [
    ['a launch: 300 verified in the first hour', traffic(300, 300, 300, 300, 0), 60, 60],
    ['a usual day of 1,000', traffic(200, 200, 900, 900, 1000), 200, 40],
    ['twice the usual', traffic(400, 400, 2000, 2000, 1000), 400, 80],
    ['a quiet day after usual ones', traffic(10, 10, 500, 500, 1000), 200, 200 / 6],
    ['next to nothing', traffic(5, 5, 15, 15, 15), 20, 20 / 6],
    ['nothing at all', traffic(0, 0, 0, 0, 0), 20, 20 / 6],
  ]
  for (const [name, seen, perDay, perHour] of table) t.match(budgetOf(seen, theirs), { perDay, perHour }, name)
})

t.test('when it is used up', async t => {
  t.equal(exceededPeriod(traffic(3, 0, 3, 0, 0), theirs), null)
  t.equal(exceededPeriod(traffic(4, 0, 4, 0, 0), theirs), 'hour')
  t.equal(exceededPeriod(traffic(2, 2, 30, 10, 0), theirs), 'day')
  t.equal(exceededPeriod(traffic(100, 90, 1000, 900, 1000), theirs), null)
  t.equal(exceededPeriod(traffic(1000, 0, 1900, 900, 1000), theirs), 'day', 'an attack on top of usual traffic')
  t.equal(exceededPeriod(traffic(1, 0, 1, 0, 0), { share: 0, leastPerDay: 0 }), 'day')
})

const app = (unverifiedBudget: NonNullable<App['unverifiedBudget']>): App => (
  { id: 'shop', name: 'Shop', keys: [], unverifiedBudget }
)

t.test('two processes and fifteen days', async t => {
  const sealer = createSealer(`k1:${randomBytes(32).toString('base64')}`)
  const { url } = await startRedis(t)
  const redis = await connectTo(t, url)
  const counts = createCounters({ redis, sealer })
  // The tables must outlive this test, also where its clock is behind.
  let time = Date.now() - Date.now() % day + 30 * day
  const start = () => {
    const budget = createUnverifiedBudget({ counts, now: () => time, onError: error => { throw error } })
    t.teardown(() => budget.close())
    return budget
  }
  const [one, other] = [start(), start()]
  const rule = app({ mode: 'enforce', share: 0.2, leastPerDay: 60 })
  t.equal(one.exceeded(rule, 'GB'), null, 'before anything is known')
  for (let n = 0; n < 10; n += 1) one.count('shop', 'GB', 'created')
  await until(() => one.exceeded(rule, 'GB') !== null, 'it knows by itself')
  t.equal(one.exceeded(rule, 'FR'), null, 'another country')
  t.equal(one.exceeded({ ...rule, id: 'bank' }, 'GB'), null, 'another app')
  t.equal(other.exceeded(rule, 'GB'), null)
  await until(() => other.exceeded(rule, 'GB') !== null, 'the other process hears of it')
  t.match(other.exceeded(rule, 'GB'), { retryAfterMs: hour })
  t.not(other.exceeded(app({ mode: 'enforce' }), 'GB'), null, 'by default 50 a day, 8.3 an hour')
  t.equal(other.exceeded(app({ mode: 'enforce', leastPerDay: 66 }), 'GB'), null)

  for (let n = 0; n < 100; n += 1) other.count('shop', 'GB', 'verified')
  t.equal(other.exceeded(rule, 'GB'), null, 'verified ones carry it')
  await other.close()

  // A new process, a day later: what is left is what that day was like.
  time += day
  const next = start()
  for (let n = 0; n < 10; n += 1) next.count('shop', 'GB', 'created')
  await until(
    () => next.exceeded(app({ mode: 'enforce', share: 0.5, leastPerDay: 0 }), 'GB') !== null,
    'half of the best day: 50 a day, 8.3 an hour',
  )
  t.equal(
    next.exceeded(app({ mode: 'enforce', share: 1, leastPerDay: 0 }), 'GB'), null, 'all of it: 100 a day, 16.7 an hour',
  )
  await next.close()
  time += 15 * day
  const last = start()
  last.count('shop', 'GB', 'created')
  await until(
    () => last.exceeded(app({ mode: 'enforce', share: 1, leastPerDay: 1 }), 'GB') !== null,
    'two weeks later that day counts no more',
  )
})

t.test('while the store is away nothing is refused, and nothing is forgotten', async t => {
  let isAway = true
  let told: Record<string, number> = {}
  const errors: unknown[] = []
  const budget = createUnverifiedBudget({
    counts: {
      async incrementFields (_name, fields) {
        if (isAway) throw new Error('away')
        told = { ...fields }
        return told
      },
    },
    now: () => 10 * hour, onError: error => { errors.push(error) },
  })
  t.teardown(() => budget.close())
  const strict = app({ mode: 'enforce', share: 0, leastPerDay: 0 })
  for (let n = 0; n < 5; n += 1) budget.count('shop', 'GB', 'created')
  await until(() => errors.length > 0, 'it was tried')
  t.equal(budget.exceeded(strict, 'GB'), null)
  isAway = false
  await until(() => budget.exceeded(strict, 'GB') !== null, 'tried again')
  t.strictSame(told, { c10: 5 })
})
