import { Registry } from 'prom-client'
import t, { type Test } from 'tap'
import type { Health } from '../../../src/adapters/guard.ts'
import { registerGauges, type GaugesParts } from '../../../src/api/operations/gauges.ts'
import type { QueueState } from '../../../src/jobs/queues.ts'
import { readSeries, sumOf, type Series } from '../../helpers/metrics.ts'

const now = 1_000_000
const jobs = { waiting: 3, active: 2, delayed: 1 }
const never = (): Promise<never> => new Promise(() => {})

/** Gauges over answers of the test's own; `asked` counts how often each was asked for. */
function open ({ breaker = () => 'closed', ...answers }: Partial<{
  breaker: () =>
    Health['breaker'], look: () =>
      Promise<QueueState[]>, firstDue: () => Promise<number | null>, pendingSince: () => Promise<number | null>,
}> = {}) {
  const asked = { look: 0, firstDue: 0, pendingSince: 0 }
  const registry = new Registry()
  const {
    look = async () => [
      { queue: 'resolve', jobs, oldestAt: now - 7_000 },
      { queue: 'notify', jobs: { ...jobs, waiting: 0 }, oldestAt: null },
    ],
  } = answers
  const { firstDue = async () => now - 2_500, pendingSince = async () => now - 90_000 } = answers
  const health = (): Health => ({ breaker: breaker(), errorRate: 0, lastSuccessAt: null, lastFailure: null })
  const idle = (): never => { throw new Error('nothing is asked of providers') }
  const adapters: GaugesParts['adapters'] = new Map(
    [['truid', { provider: 'truid', methods: {}, start: idle, resolve: idle, isOpen: idle, health }]],
  )
  const count = <T>(name: keyof typeof asked, answer: () => Promise<T>) => async (): Promise<T> => {
    asked[name] += 1
    return answer()
  }
  registerGauges(registry, {
    adapters, now: () => now,
    queues: { stats: count('look', look) }, store: { firstDue: count('firstDue', firstDue) }, deliveries: {
      pendingSince: count('pendingSince', pendingSince),
    },
  })
  return { asked, registry, read: async (): Promise<Series[]> => readSeries(await registry.metrics()) }
}

t.test('what is', async t => {
  const series = await open().read()
  t.equal(sumOf(series, 'verigate_redis_up'), 1)
  for (const [state, count] of Object.entries(jobs)) t.equal(
    sumOf(series, 'verigate_queue_jobs', { queue: 'resolve', state }), count, state,
  )
  t.equal(sumOf(series, 'verigate_queue_oldest_job_seconds', { queue: 'resolve' }), 7)
  t.equal(sumOf(series, 'verigate_queue_oldest_job_seconds', { queue: 'notify' }), 0, 'none waits')
  t.equal(sumOf(series, 'verigate_sweep_lag_seconds'), 2.5)
  t.equal(sumOf(series, 'verigate_webhook_oldest_undelivered_seconds'), 90)
})

t.test('nothing due, nothing pending, and a clock that is behind', async t => {
  const none = await open({ firstDue: async () => null, pendingSince: async () => null }).read()
  const behind = await open({ firstDue: async () => now + 60_000, pendingSince: async () => now + 1 }).read()
  for (const series of [none, behind]) {
    for (
      const name of ['verigate_sweep_lag_seconds', 'verigate_webhook_oldest_undelivered_seconds']
    ) t.equal(sumOf(series, name), 0, name)
  }
})

t.test('the breaker, in one state at a time', async t => {
  let breaker: Health['breaker'] = 'closed'
  const { read } = open({ breaker: () => breaker })
  for (breaker of ['closed', 'open', 'halfOpen'] as const) {
    const series = await read()
    t.equal(sumOf(series, 'verigate_breaker_state', { provider: 'truid', state: breaker }), 1, breaker)
    t.equal(sumOf(series, 'verigate_breaker_state'), 1)
  }
})

t.test('however often and however many scrape, Redis is asked once a second', async t => {
  const { read, asked } = open()
  await Promise.all(Array.from({ length: 20 }, read))
  await read()
  t.strictSame(asked, { look: 1, firstDue: 1, pendingSince: 1 })
  const until = performance.now() + 5_000
  while (asked.look < 2 && performance.now() < until) await read()
  t.strictSame(asked, { look: 2, firstDue: 2, pendingSince: 2 })
})

const names = [
  'verigate_queue_jobs', 'verigate_queue_oldest_job_seconds', 'verigate_sweep_lag_seconds',
  'verigate_webhook_oldest_undelivered_seconds',
]

async function expectNothingOfRedis (t: Test, read: () => Promise<Series[]>): Promise<void> {
  const from = performance.now()
  const series = await read()
  const ms = performance.now() - from
  t.ok(ms < 1_500, `${Math.round(ms)} ms`)
  t.equal(sumOf(series, 'verigate_redis_up'), 0)
  t.equal(sumOf(series, 'verigate_breaker_state'), 1, 'the others are there')
  for (const name of names) t.equal(sumOf(series, name), null, `${name} is not there, rather than wrong`)
}

t.test('Redis that refuses, or never answers, takes no other metric with it', async t => {
  let isAway = false
  const { read } = open({ firstDue: async () => {
    if (isAway) throw new Error('away')
    return now
  } })
  for (const name of names) t.type(sumOf(await read(), name), 'number', name)
  isAway = true
  await t.test('refuses', async t => {
    const until = performance.now() + 5_000
    while (sumOf(await read(), 'verigate_redis_up') === 1 && performance.now() < until);
    await expectNothingOfRedis(t, read)
  })
  await t.test('never answers', async t => {
    // As a connection does.
    const awake = setInterval(() => {}, 1_000)
    t.teardown(() => clearInterval(awake))
    await expectNothingOfRedis(t, open({ look: never }).read)
  })
  isAway = false
  const until = performance.now() + 5_000
  while (sumOf(await read(), 'verigate_redis_up') === 0 && performance.now() < until);
  for (const name of names) t.type(sumOf(await read(), name), 'number', `${name} is there again`)
})
