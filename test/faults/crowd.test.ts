import { availableParallelism } from 'node:os'
import t, { type Test } from 'tap'
import { Agent, request } from 'undici'
import { startChild } from '../../scripts/child.ts'
import { keys } from '../helpers/gateway.ts'
import { scrape, sumOf } from '../helpers/metrics.ts'
import { until } from '../helpers/redis.ts'
import { startDeployment, isLong, longOrShort } from './deployment.ts'
import { createFaultInjector } from './injected-faults.ts'
import { pointedAt } from './killed-process.ts'
import { quantile } from './open-loop.ts'
import { numberOf } from './oracle.ts'
import { startProxy } from './proxy.ts'

const count = longOrShort(2_000, 300)
const initiate = '/auth/v1/initiate/otp'
/** A call may take five seconds. Of a slower provider it depends on the machine whether any answer comes in time. */
const slowestMs = 4_000
/** Far more than a process needs for so many requests that wait. */
const maxMemory = 800_000_000

/** A process that has just started, and a provider that takes its time. */
async function startCold (t: Test, delayMs: number) {
  const deployment = await startDeployment(t)
  const provider = await startProxy(t, deployment.simulators.url)
  provider.delayMs = delayMs
  const injector = await createFaultInjector(t)
  const gateway = await deployment.start({
    ...deployment.api, ...pointedAt(provider), ...injector.environment,
    // A busy machine may need longer than the default limit, which is not what these tests are about.
    QUEUE_LIMIT_SECONDS: '120', IDLE_CONNECTIONS_PER_IP: '10000',
  })
  return { ...deployment, provider, gateway, injector }
}

/**
 * Clients that make one create each, all at once, and no second request. `isConnected`: over connections that are open
 * already, as a balancer holds them.
 */
async function crowd (
  t: Test, { url, provider }: Awaited<ReturnType<typeof startCold>>, { isConnected = false } = {},
): Promise<void> {
  // Bounds against hanging: a busy machine needs a long time to accept thousands of connections.
  const dispatcher = new Agent({ connect: { timeout: 120_000 }, headersTimeout: 120_000 })
  t.teardown(() => dispatcher.destroy())
  const ask = async () => (await request(`${url}/livez`, { dispatcher })).body.dump()
  if (isConnected) await Promise.all(Array.from({ length: count }, ask))
  const create = async (n: number) => {
    const startedAt = performance.now()
    const { statusCode, body } = await request(`${url}/verifications`, {
      method: 'POST', dispatcher, headers: { authorization: `Bearer ${keys.shop}`, 'content-type': 'application/json' },
      body: JSON.stringify({ phoneNumber: numberOf(n, '10'), workflow: ['otpless.otp'] }),
    })
    const { nextAction, code, reason } = Object(await body.json())
    const isStarted = nextAction?.type === 'submitCode'
    return { status: statusCode, code, isStarted, reason, ms: performance.now() - startedAt }
  }
  const all = await Promise.all(Array.from({ length: count }, (_, n) => create(n)))
  t.strictSame([...new Set(all.map(({ status, code = '' }) => `${status} ${code}`))], ['201 '], 'each is served')
  const sent = provider.passed.filter(({ path }) => path === initiate).map(({ body }) => body['phoneNumber'])
  t.equal(new Set(sent).size, sent.length, 'nobody gets two messages')
  // This process is the provider as well: when the machine is busy it may take longer than a call may.
  const [started, others] = [all.filter(({ isStarted }) => isStarted), all.filter(({ isStarted }) => !isStarted)]
  t.strictSame([...new Set(others.map(({ reason }) => reason))].filter(one => one !== 'provider_unavailable'), [])
  t.ok(started.length > 0 || provider.delayMs > slowestMs, `${started.length} of ${count} started`)
  const memory = sumOf(await scrape(url), 'process_resident_memory_bytes') ?? 0
  t.ok(memory > 0 && memory < maxMemory, `${Math.round(memory / 1e6)} MB`)
  const times = all.map(({ ms }) => ms)
  t.comment(`${count} at once: p50 ${quantile(times, 0.5).toFixed()} ms, p99 ${quantile(times, 0.99).toFixed()} ms`)
}

for (const delayMs of isLong ? [200, 2_000, 4_900] : [200]) {
  t.test(`many users at once, and the provider takes ${delayMs} ms`, async t => {
    await crowd(t, await startCold(t, delayMs), { isConnected: true })
  })
}

t.test('the process is held up for longer than the timeout of Redis, in the middle of a crowd', async t => {
  const started = await startCold(t, 200)
  const { provider, injector, gateway } = started
  const served = crowd(t, started)
  await until(() => provider.passed.length > count / 10, 'many creates are in flight')
  await injector.inject(gateway, { block: 1_500 })
  await served
})

if (isLong) t.test('other programs keep every core busy', async t => {
  const started = await startCold(t, 200)
  for (let n = 0; n <= availableParallelism(); n += 1) {
    const burner = startChild(process.execPath, ['-e', 'for (;;) {}'], { stdio: 'ignore' })
    t.teardown(() => burner.stop(0))
  }
  await crowd(t, started)
})
