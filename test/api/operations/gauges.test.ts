import { Registry } from 'prom-client'
import t, { type Test } from 'tap'
import type { Health } from '../../../src/adapters/guard.ts'
import { registerGauges, type GaugesParts } from '../../../src/api/operations/gauges.ts'
import type { QueueState } from '../../../src/jobs/queues.ts'
import { readSeries, sumOf, type Series } from '../../helpers/metrics.ts'

const now = 1_000_000
const jobs = { waiting: 3, active: 2, delayed: 1 }
const never = (): Promise<never> => new Promise(() => {})

/** Gauges over values of the test; `reads` counts the reads of each one. */
function createGauges ({ breaker = () => 'closed', sandbox = false, acceptsAnySender, ...answers }: Partial<{
  sandbox: boolean, acceptsAnySender: boolean, breaker: () => Health['breaker'], stats: () => Promise<QueueState[]>
  firstDue: () => Promise<number | null>, pendingSince: () => Promise<number | null>
}> = {}) {
  const reads = { stats: 0, firstDue: 0, pendingSince: 0 }
  const registry = new Registry()
  const {
    stats = async () => [
      { queue: 'resolve', jobs, oldestAt: now - 7_000 },
      { queue: 'notify', jobs: { ...jobs, waiting: 0 }, oldestAt: null },
    ],
  } = answers
  const { firstDue = async () => now - 2_500, pendingSince = async () => now - 90_000 } = answers
  const health = (): Health => ({
    breaker: breaker(), errorRate: 0, lastSuccessAt: null, lastFailure: null,
    breakers: [{ call: 'start', breaker: 'closed' }, { call: 'resolve', breaker: breaker() }],
  })
  const idle = (): never => { throw new Error('providers are not called') }
  const adapters: GaugesParts['adapters'] = new Map(
    [['truid', {
      provider: 'truid', methods: {}, start: idle, resolve: idle, isOpen: idle, health,
      ...acceptsAnySender === undefined ? {} : { receive: idle, acceptsAnySender },
    }]],
  )
  const count = <T>(name: keyof typeof reads, answer: () => Promise<T>) => async (): Promise<T> => {
    reads[name] += 1
    return answer()
  }
  registerGauges(registry, {
    adapters, sandbox, now: () => now, budget: { highestShare: () => 0.75 },
    queues: { stats: count('stats', stats) }, store: { firstDue: count('firstDue', firstDue) }, deliveries: {
      pendingSince: count('pendingSince', pendingSince),
    },
  })
  return { reads, registry, read: async (): Promise<Series[]> => readSeries(await registry.metrics()) }
}

t.test('the values of a scrape', async t => {
  const series = await createGauges().read()
  t.equal(sumOf(series, 'verigate_redis_up'), 1)
  for (const [state, count] of Object.entries(jobs)) t.equal(
    sumOf(series, 'verigate_queue_jobs', { queue: 'resolve', state }), count, state,
  )
  t.equal(sumOf(series, 'verigate_queue_oldest_job_seconds', { queue: 'resolve' }), 7)
  t.equal(sumOf(series, 'verigate_queue_oldest_job_seconds', { queue: 'notify' }), 0, 'no waiting job')
  t.equal(sumOf(series, 'verigate_sweep_lag_seconds'), 2.5)
  t.equal(sumOf(series, 'verigate_webhook_oldest_undelivered_seconds'), 90)
  t.equal(sumOf(series, 'verigate_unverified_budget_used_ratio'), 0.75)
})

t.test('a provider whose callbacks anybody can send is reported, except in the sandbox', async t => {
  const valueFor = async (options: Parameters<typeof createGauges>[0]) =>
    sumOf(await createGauges(options).read(), 'verigate_unauthenticated_callbacks', { provider: 'truid' })
  t.equal(await valueFor({ acceptsAnySender: true }), 1)
  t.equal(await valueFor({ acceptsAnySender: false }), 0)
  t.equal(await valueFor({ acceptsAnySender: true, sandbox: true }), 0)
})

t.test('lags are 0 when nothing is due, and when the clock is behind', async t => {
  const none = await createGauges({ firstDue: async () => null, pendingSince: async () => null }).read()
  const behind = await createGauges({ firstDue: async () => now + 60_000, pendingSince: async () => now + 1 }).read()
  for (const series of [none, behind]) {
    for (
      const name of ['verigate_sweep_lag_seconds', 'verigate_webhook_oldest_undelivered_seconds']
    ) t.equal(sumOf(series, name), 0, name)
  }
})

t.test('the breaker of each kind of call has one state', async t => {
  let breaker: Health['breaker'] = 'closed'
  const { read } = createGauges({ breaker: () => breaker })
  for (breaker of ['closed', 'open', 'halfOpen'] as const) {
    const series = await read()
    const labels = { provider: 'truid', call: 'resolve' }
    t.equal(sumOf(series, 'verigate_breaker_state', { ...labels, state: breaker }), 1, breaker)
    t.equal(sumOf(series, 'verigate_breaker_state', labels), 1)
    t.equal(sumOf(series, 'verigate_breaker_state', { provider: 'truid', call: 'start', state: 'closed' }), 1)
  }
})

t.test('Redis is read at most once a second', async t => {
  const { read, reads } = createGauges()
  await Promise.all(Array.from({ length: 20 }, read))
  await read()
  t.strictSame(reads, { stats: 1, firstDue: 1, pendingSince: 1 })
  const until = performance.now() + 5_000
  while (reads.stats < 2 && performance.now() < until) await read()
  t.strictSame(reads, { stats: 2, firstDue: 2, pendingSince: 2 })
})

const names = [
  'verigate_queue_jobs', 'verigate_queue_oldest_job_seconds', 'verigate_sweep_lag_seconds',
  'verigate_webhook_oldest_undelivered_seconds',
]

async function expectNoRedisValues (t: Test, read: () => Promise<Series[]>): Promise<void> {
  const from = performance.now()
  const series = await read()
  const ms = performance.now() - from
  t.ok(ms < 1_500, `${Math.round(ms)} ms`)
  t.equal(sumOf(series, 'verigate_redis_up'), 0)
  t.equal(sumOf(series, 'verigate_breaker_state', { call: 'start' }), 1, 'the other gauges remain')
  for (const name of names) t.equal(sumOf(series, name), null, `${name} is absent`)
}

t.test('a failing Redis does not affect the other metrics', async t => {
  let isDown = false
  const { read } = createGauges({ firstDue: async () => {
    if (isDown) throw new Error('down')
    return now
  } })
  for (const name of names) t.type(sumOf(await read(), name), 'number', name)
  isDown = true
  await t.test('refuses', async t => {
    const until = performance.now() + 5_000
    while (sumOf(await read(), 'verigate_redis_up') === 1 && performance.now() < until);
    await expectNoRedisValues(t, read)
  })
  await t.test('never answers', async t => {
    // Keeps the process alive, as a connection would.
    const awake = setInterval(() => {}, 1_000)
    t.teardown(() => clearInterval(awake))
    await expectNoRedisValues(t, createGauges({ stats: never }).read)
  })
  isDown = false
  const until = performance.now() + 5_000
  while (sumOf(await read(), 'verigate_redis_up') === 0 && performance.now() < until);
  for (const name of names) t.type(sumOf(await read(), name), 'number', `${name} is present again`)
})
