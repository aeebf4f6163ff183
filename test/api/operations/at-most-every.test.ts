import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { atMostEvery } from '../../../src/api/operations/at-most-every.ts'

/** Counts its runs; each one takes `runMs`. */
function counter (intervalMs: number, runMs = 1) {
  const startedAt: number[] = []
  const run = atMostEvery(intervalMs, async () => {
    startedAt.push(performance.now())
    await delay(runMs)
    return startedAt.length
  })
  return { run, startedAt }
}

t.test('calls at the same time share one run', async t => {
  const { run, startedAt } = counter(60_000, 20)
  const results = await Promise.all(Array.from({ length: 100 }, () => run()))
  t.strictSame(new Set(results), new Set([1]))
  t.equal(startedAt.length, 1)
})

t.test('calls that come too soon wait together for the next run', async t => {
  const intervalMs = 200
  const { run, startedAt } = counter(intervalMs)
  t.equal(await run(), 1)
  t.strictSame(await Promise.all(Array.from({ length: 100 }, () => run())), Array.from({ length: 100 }, () => 2))
  t.equal(await run(), 3)
  const gaps = startedAt.slice(1).map((at, n) => at - (startedAt[n] ?? 0))
  // A timer may fire a millisecond early.
  for (const gap of gaps) t.ok(gap >= intervalMs - 2, `${gap} ms`)
})

t.test('a run that fails fails its callers, and the next one runs', async t => {
  let runs = 0
  const run = atMostEvery(1, async () => {
    runs += 1
    if (runs === 1) throw new RangeError('first')
    return runs
  })
  await Promise.all([t.rejects(run(), RangeError), t.rejects(run(), RangeError)])
  t.equal(await run(), 2)
})
