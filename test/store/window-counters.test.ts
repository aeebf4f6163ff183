import fc from 'fast-check'
import t from 'tap'
import { createWindowCounters } from '../../src/store/window-counters.ts'

const minuteMs = 60_000

/** What all processes sync; it answers when `answer` is called, or at once. */
function startShared () {
  const sums = new Map<string, number>()
  const waiting: (() => void)[] = []
  let isAway = false
  let isSlow = false
  return {
    sums,
    goAway: (away: boolean) => { isAway = away },
    beSlow: (slow: boolean) => { isSlow = slow },
    answerAll: () => { for (const answer of waiting.splice(0)) answer() },
    async sync (name: string, count: number): Promise<number> {
      if (isAway) throw new Error('away')
      const sum = (sums.get(name) ?? 0) + count
      sums.set(name, sum)
      if (isSlow) await new Promise<void>(resolve => { waiting.push(resolve) })
      return sum
    },
  }
}
/** Lets the exchanges that were begun, and have an answer, end. */
const settle = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

t.test('one process counts what comes, window by window', async t => {
  const shared = startShared()
  let time = 120_000 + 15_000
  const { increment } = createWindowCounters({ sync: shared.sync, now: () => time })
  const tally = { name: 'app shop', windowMs: minuteMs, syncEvery: 3 }
  t.strictSame([increment(tally), increment(tally)], [{ count: 1, endsAt: 180_000 }, { count: 2, endsAt: 180_000 }])
  t.equal(increment({ ...tally, name: 'app bank' }).count, 1)
  t.equal(shared.sums.size, 0, 'small counts are nobody else\'s business')
  t.equal(increment(tally).count, 3)
  t.strictSame([...shared.sums], [['app shop 180000', 3]], 'a syncEvery is shared')
  await settle()
  t.equal(increment(tally).count, 4)
  time = 180_000
  t.strictSame(increment(tally), { count: 1, endsAt: 240_000 })
})

t.test('what others counted is known after the next syncEvery', async t => {
  const { sync } = startShared()
  const [one, other] = [1, 2].map(() => createWindowCounters({ sync, now: () => 0 }))
  const tally = { name: 'app shop', windowMs: minuteMs, syncEvery: 5 }
  for (let n = 0; n < 20; n += 1) {
    one?.increment(tally)
    await settle()
  }
  for (let n = 0; n < 5; n += 1) other?.increment(tally)
  await settle()
  t.equal(other?.increment(tally).count, 26)
})

t.test('n processes let through at most n − 1 steps too many', async t => {
  await t.resolves(fc.assert(fc.asyncProperty(
    fc.integer({ min: 1, max: 5 }), fc.integer({ min: 20, max: 200 }), fc.array(
      fc.nat({ max: 4 }), { minLength: 300, maxLength: 600 },
    ),
    async (processes, limit, arrivals) => {
      const { sync } = startShared()
      const all = Array.from({ length: processes }, () => createWindowCounters({ sync, now: () => 0 }))
      const syncEvery = Math.max(1, Math.floor(limit * 0.05))
      let passed = 0
      for (const at of arrivals) {
        if (
          (all[at % processes]?.increment({ name: 'x', windowMs: minuteMs, syncEvery }).count ?? 0) <= limit
        ) passed += 1
        await settle()
      }
      return passed >= Math.min(limit, arrivals.length) && passed <= limit + (processes - 1) * syncEvery
    },
  ), { numRuns: 40 }))
})

t.test('an exchange at a time; what comes meanwhile goes with the next one', async t => {
  const shared = startShared()
  shared.beSlow(true)
  const { increment } = createWindowCounters({ sync: shared.sync, now: () => 0 })
  const tally = { name: 'x', windowMs: minuteMs, syncEvery: 2 }
  for (let n = 0; n < 7; n += 1) increment(tally)
  t.equal(shared.sums.get('x 60000'), 2)
  shared.answerAll()
  await settle()
  t.equal(increment(tally).count, 8)
  t.equal(shared.sums.get('x 60000'), 8, 'nothing is counted twice')
})

t.test('while nothing can be shared the limit is kept here, and shared later', async t => {
  const shared = startShared()
  let time = 0
  const { increment } = createWindowCounters({ sync: shared.sync, now: () => time })
  const tally = { name: 'x', windowMs: minuteMs, syncEvery: 1 }
  shared.goAway(true)
  for (let n = 1; n <= 10; n += 1) {
    t.equal(increment(tally).count, n)
    await settle()
  }
  shared.goAway(false)
  increment(tally)
  t.equal(shared.sums.size, 0, 'not asked again within the second')
  time = 1_000
  t.equal(increment(tally).count, 12)
  t.equal(shared.sums.get('x 60000'), 12)
})

t.test('a flood of names does not fill the memory', async t => {
  const { increment } = createWindowCounters({ sync: startShared().sync, now: () => 0 })
  const name = (n: number) => ({ name: `ip ${n}`, windowMs: minuteMs, syncEvery: 30 })
  for (let n = 0; n < 100_000; n += 1) increment(name(n))
  t.equal(increment(name(0)).count, 2)
  increment(name(100_000))
  t.equal(increment(name(0)).count, 1, 'the oldest is forgotten')
})
