import { randomBytes } from 'node:crypto'
import { mock } from 'node:test'
import t, { type Test } from 'tap'
import type { Traffic } from '../../src/apps/traffic-table.ts'
import {
  budgetOf, createUnverifiedBudget, defaultRule, untilNextHour, usedShare, type BudgetRule,
} from '../../src/apps/unverified-budget.ts'
import { createCounters, type Counters } from '../../src/store/counters.ts'
import { createSealer } from '../../src/store/sealing.ts'
import { connectTo, startRedis, until } from '../helpers/redis.ts'

const hour = 3_600_000
const day = 24 * hour
const syncEveryMs = 2_000
const { url } = await startRedis(t)
/** The figures of authgear's specification: a fifth, and twenty a day. */
const rule = { share: 0.2, leastPerDay: 20 }

const traffic = (
  hourCreated: number, hourVerified: number, dayCreated: number, dayVerified: number, bestDay: number,
): Traffic => ({
  hour: { created: hourCreated, verified: hourVerified }, day: { created: dayCreated, verified: dayVerified }, bestDay,
})

t.test('the budget of a country depends on its verified traffic', async t => {
  const table: [name: string, traffic: Traffic, perDay: number, perHour: number][] = [
    ['a launch: 300 verified in the first hour', traffic(300, 300, 300, 300, 0), 60, 60],
    ['a usual day of 1,000', traffic(200, 200, 900, 900, 1000), 200, 40],
    ['twice the usual', traffic(400, 400, 2000, 2000, 1000), 400, 80],
    ['a quiet day after usual ones', traffic(10, 10, 500, 500, 1000), 200, 200 / 6],
    ['little traffic', traffic(5, 5, 15, 15, 15), 20, 20 / 6],
    ['no traffic', traffic(0, 0, 0, 0, 0), 20, 20 / 6],
  ]
  for (const [name, seen, perDay, perHour] of table) t.match(budgetOf(seen, rule), { perDay, perHour }, name)
})

t.test('when the budget is used up', async t => {
  const share = (seen: Traffic, of: BudgetRule = rule): number => Math.round(1000 * usedShare(seen, of)) / 1000
  t.equal(share(traffic(3, 0, 3, 0, 0)), 0.9, 'of the hour')
  t.equal(share(traffic(4, 0, 4, 0, 0)), 1.2)
  t.equal(share(traffic(2, 2, 30, 10, 0)), 1, 'of the day')
  t.equal(share(traffic(100, 90, 1000, 900, 1000)), 0.5)
  t.equal(share(traffic(1000, 0, 1900, 900, 1000)), 30, 'an attack on top of usual traffic')
  t.equal(share(traffic(0, 0, 0, 0, 0), { share: 0, leastPerDay: 0 }), Infinity, 'no budget at all')
  t.equal(share(traffic(0, 5, 0, 5, 0)), 0, 'those of an earlier hour are verified')
  t.equal(share(traffic(83, 0, 83, 0, 0), defaultRule), 0.996, 'by default 500 a day, 83.3 an hour')
  t.strictSame([0, 1, hour - 1, 5 * hour + 60_000].map(untilNextHour), [hour, hour - 1, 1, hour - 60_000])
})

/** Processes with shared counters in Redis. The test moves the clock and the timers. */
async function start (t: Test) {
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  const sealer = createSealer(`k1:${randomBytes(32).toString('base64')}`)
  const counters = createCounters({ redis: await connectTo(t, url), sealer, namespace: randomBytes(4).toString('hex') })
  let syncs = 0
  const counted: Pick<Counters, 'incrementFields'> = {
    async incrementFields (...args) {
      const sums = await counters.incrementFields(...args)
      syncs += 1
      return sums
    },
  }
  // Redis expires by its own clock, so the one of the test must not be behind.
  let time = Date.now() - Date.now() % day + 30 * day
  const open = (rules: Record<string, BudgetRule>) => {
    const budget = createUnverifiedBudget({
      counters: counted, now: () => time, onError: error => { throw error }, ruleOf: appId => rules[appId] ?? null,
    })
    t.teardown(() => budget.close())
    return {
      close: budget.close,
      ready: () => budget.ready('shop', 'GB'),
      count (what: 'created' | 'verified', times: number, country = 'GB'): void {
        for (let n = 0; n < times; n += 1) budget.count('shop', country, what, time)
      },
      takeBack: () => budget.count('shop', 'GB', 'created', time, -1),
      used: (country = 'GB', appId = 'shop') => budget.usedShare(appId, country, time),
      highest: () => budget.highestShare(time),
    }
  }
  /** Waits for `count` syncs, of all processes together. */
  const synced = async (count: number, work: () => void = () => mock.timers.tick(syncEveryMs)): Promise<void> => {
    const before = syncs
    work()
    await until(() => syncs >= before + count, `${count} syncs`)
  }
  return { open, synced, pass: (ms: number) => { time += ms }, syncs: () => syncs }
}

t.test('a budget is per app and country, over all processes', async t => {
  const { open, synced, pass } = await start(t)
  const strict = { share: 0.2, leastPerDay: 60 }
  const [one, other] = [open({ shop: strict, bank: strict }), open({ shop: strict })]
  t.equal(one.highest(), 0)
  await synced(1, () => t.equal(one.used(), null, 'not known before the first sync'))
  one.count('created', 9)
  t.equal(one.used(), 0.9)
  one.count('created', 1)
  t.equal(one.used(), 1)
  one.takeBack()
  t.equal(one.used(), 0.9, 'what was not sent is taken back')
  one.count('created', 1)
  await synced(2, () => { one.used('FR'); one.used('GB', 'bank') })
  t.equal(one.used('FR'), 0, 'another country')
  t.equal(one.used('GB', 'bank'), 0, 'another app')
  t.equal(one.used('GB', 'else'), null, 'an app without a budget')
  t.equal(one.highest(), 1)
  await synced(4)
  await synced(1, () => t.equal(other.used(), null))
  pass(90_000)
  t.equal(other.used(), 1, 'the other process knows')
  other.count('verified', 100)
  t.equal(other.used(), 0, 'verified ones increase the budget')
  t.equal(one.used(), 1)
  await synced(4)
  await synced(4)
  t.equal(one.used(), 0, 'in all processes')
})

t.test('a process that knows nothing yet waits for the counts of the others', async t => {
  const { open, synced } = await start(t)
  const [one, other] = [open({ shop: defaultRule }), open({ shop: defaultRule })]
  one.count('created', 90)
  await one.close()
  await synced(1, () => { void other.ready() })
  await other.ready()
  t.ok(Number(other.used()) > 1)
})

t.test('the best of the last days carries a budget, for two weeks', async t => {
  const { open, synced, pass } = await start(t)
  const first = open({})
  first.count('verified', 100)
  await first.close()
  pass(day)
  const half = open({ shop: { share: 0.5, leastPerDay: 0 } })
  half.count('created', 10)
  await synced(1)
  t.equal(half.used(), 1.2, '50 a day, 8.3 an hour')
  await half.close()
  const whole = open({ shop: { share: 1, leastPerDay: 0 } })
  await synced(1, () => whole.used())
  t.equal(whole.used(), 0.6, '100 a day, 16.7 an hour')
  await whole.close()
  pass(15 * day)
  const last = open({ shop: { share: 1, leastPerDay: 1 } })
  last.count('created', 1)
  await synced(1)
  t.ok(Number(last.used()) >= 1)
})

t.test('close shares the last counts, and a table that is not used is dropped', async t => {
  const { open, synced, pass, syncs } = await start(t)
  const strict = { shop: { share: 0, leastPerDay: 1 } }
  const one = open(strict)
  await synced(1, () => one.count('created', 1, 'FR'))
  one.count('created', 2)
  await one.close()
  const other = open(strict)
  await synced(1, () => other.used())
  t.ok(Number(other.used()) >= 1)
  pass(2 * hour + 1)
  const before = syncs()
  mock.timers.tick(10 * syncEveryMs)
  await synced(1, () => other.used('FR'))
  t.equal(syncs(), before + 1, 'only the table in use syncs')
  pass(1.5 * hour)
  other.used('FR')
  pass(1.5 * hour)
  await synced(1)
  t.equal(syncs(), before + 2, 'it is in use until two hours after its last use')
})

t.test('while Redis is down nothing is exceeded, and no count is lost', async t => {
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  let isDown = true
  const sums: Record<string, number> = {}
  const errors: unknown[] = []
  const budget = createUnverifiedBudget({
    counters: {
      async incrementFields (_name, fields) {
        if (isDown) throw new Error('Redis is down')
        for (const [field, count] of Object.entries(fields)) sums[field] = (sums[field] ?? 0) + count
        return { ...sums }
      },
    },
    ruleOf: () => ({ share: 0, leastPerDay: 1 }), now: () => 10 * hour, onError: error => { errors.push(error) },
  })
  t.teardown(() => budget.close())
  for (let n = 0; n < 5; n += 1) budget.count('shop', 'GB', 'created', 10 * hour)
  await budget.ready('shop', 'GB')
  t.ok(errors.length > 0, 'the first sync fails')
  t.equal(budget.usedShare('shop', 'GB', 10 * hour), null)
  t.equal(budget.highestShare(10 * hour), 0)
  isDown = false
  mock.timers.tick(syncEveryMs)
  await until(() => budget.usedShare('shop', 'GB', 10 * hour) !== null, 'the next sync succeeds')
  mock.timers.tick(syncEveryMs)
  await budget.close()
  t.strictSame(sums, { c10: 5 }, 'each count is shared exactly once')
})
