import fc from 'fast-check'
import t from 'tap'
import { createWindowCounters } from '../../src/store/window-counters.ts'

const minuteMs = 60_000

/** The shared counters. A slow sync ends when `answerAll` is called. */
function startShared () {
  const sums = new Map<string, number>()
  const waiting: (() => void)[] = []
  let isDown = false
  let isSlow = false
  return {
    sums,
    setDown: (down: boolean) => { isDown = down },
    setSlow: (slow: boolean) => { isSlow = slow },
    answerAll: () => { for (const answer of waiting.splice(0)) answer() },
    async sync (name: string, count: number): Promise<number> {
      if (isDown) throw new Error('down')
      const sum = (sums.get(name) ?? 0) + count
      sums.set(name, sum)
      if (isSlow) await new Promise<void>(resolve => { waiting.push(resolve) })
      return sum
    },
  }
}
/** Lets the syncs that have an answer end. */
const settle = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

t.test('one process counts, window by window', async t => {
  const shared = startShared()
  let time = 120_000 + 15_000
  const { count, increment } = createWindowCounters({ sync: shared.sync, now: () => time })
  const counter = { name: 'app shop', windowMs: minuteMs, syncEvery: 3 }
  t.equal(count(counter), 0)
  t.strictSame([increment(counter), increment(counter)], [{ count: 1, endsAt: 180_000 }, { count: 2, endsAt: 180_000 }])
  t.equal(increment({ ...counter, name: 'app bank' }).count, 1)
  t.strictSame([count(counter), count(counter)], [2, 2], 'reading adds nothing')
  t.equal(shared.sums.size, 0, 'nothing is synced before syncEvery')
  t.equal(increment(counter).count, 3)
  t.strictSame([...shared.sums], [['app shop 180000', 3]], 'syncEvery together are synced')
  await settle()
  t.equal(increment(counter).count, 4)
  time = 180_000
  t.equal(count(counter), 0, 'a new window')
  t.strictSame(increment(counter), { count: 1, endsAt: 240_000 })
})

t.test('the counts of other processes are known after a sync', async t => {
  const { sync } = startShared()
  const [one, other] = [1, 2].map(() => createWindowCounters({ sync, now: () => 0 }))
  const counter = { name: 'app shop', windowMs: minuteMs, syncEvery: 5 }
  for (let n = 0; n < 20; n += 1) {
    one?.increment(counter)
    await settle()
  }
  for (let n = 0; n < 5; n += 1) other?.increment(counter)
  await settle()
  t.equal(other?.increment(counter).count, 26)
})

t.test('n processes exceed a limit by at most n − 1 times syncEvery', async t => {
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

t.test('one sync at a time; what is counted meanwhile goes with the next one', async t => {
  const shared = startShared()
  shared.setSlow(true)
  const { increment } = createWindowCounters({ sync: shared.sync, now: () => 0 })
  const counter = { name: 'x', windowMs: minuteMs, syncEvery: 2 }
  for (let n = 0; n < 7; n += 1) increment(counter)
  t.equal(shared.sums.get('x 60000'), 2)
  shared.answerAll()
  await settle()
  t.equal(increment(counter).count, 8)
  t.equal(shared.sums.get('x 60000'), 8, 'nothing is counted twice')
})

t.test('counts of failed syncs are kept, and synced later', async t => {
  const shared = startShared()
  let time = 0
  const { increment } = createWindowCounters({ sync: shared.sync, now: () => time })
  const counter = { name: 'x', windowMs: minuteMs, syncEvery: 1 }
  shared.setDown(true)
  for (let n = 1; n <= 10; n += 1) {
    t.equal(increment(counter).count, n)
    await settle()
  }
  shared.setDown(false)
  increment(counter)
  t.equal(shared.sums.size, 0, 'no retry within a second')
  time = 1_000
  t.equal(increment(counter).count, 12)
  t.equal(shared.sums.get('x 60000'), 12)
})

t.test('many names do not fill the memory', async t => {
  const { increment } = createWindowCounters({ sync: startShared().sync, now: () => 0 })
  const name = (n: number) => ({ name: `ip ${n}`, windowMs: minuteMs, syncEvery: 30 })
  for (let n = 0; n < 100_000; n += 1) increment(name(n))
  t.equal(increment(name(0)).count, 2)
  increment(name(100_000))
  t.equal(increment(name(0)).count, 1, 'the oldest one starts again')
})
