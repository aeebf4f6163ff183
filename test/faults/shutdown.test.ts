import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { Agent, request } from 'undici'
import { openEvents } from '../helpers/events.ts'
import { clientOf, keys } from '../helpers/gateway.ts'
import { readLine, type GatewayProcess } from '../helpers/process.ts'
import { freePort, startRedis, until } from '../helpers/redis.ts'
import { runLifecycle } from './lifecycle.ts'
import { numberOf } from './oracle.ts'
import { startProxy } from './proxy.ts'
import { pointedAt, startKillable } from './killed-process.ts'
import { isLong, longOrShort, startDeployment } from './deployment.ts'

t.jobs = 4

async function startOne (t: Test, overrides: Record<string, string> = {}) {
  const redis = await startRedis(t)
  // The provider repeats callbacks for seventeen seconds, which is longer than a restart.
  const deployment = await startDeployment(t, { redisUrl: redis.url, simulatorOptions: { retryScale: 0.4 } })
  const wire = await startProxy(t, deployment.simulators.url)
  const own = { ...deployment.all, OTPLESS_AUTH_URL: wire.url, ...overrides }
  const gateway = await deployment.start(own)
  return { ...deployment, redis, gateway, wire, startAgain: () => deployment.start(own) }
}

/** Sends the signal; resolves with the exit code and the time until the end. */
async function end (
  gateway: GatewayProcess, signal: NodeJS.Signals = 'SIGTERM',
): Promise<{ code: number, ms: number }> {
  const from = performance.now()
  gateway.signal(signal)
  return { ...await gateway.ended, ms: performance.now() - from }
}

t.test('SIGTERM under load', { buffered: true }, async t => {
  const { gateway, wire, shop, oracle, startAgain } = await startOne(t)
  wire.delayMs = 300
  const lives = Array.from({ length: 10 }, (_, n) => runLifecycle(1_000 + 5 * n + 4, shop, oracle))
  const loading = (async () => {
    for (let n = 0; n < longOrShort(60, 20); n += 1) {
      lives.push(runLifecycle(n, shop, oracle))
      await delay(50)
    }
  })()
  await until(() => wire.passed.filter(({ status }) => status !== null).length >= 10, 'the provider has been asked')
  const { code } = await end(gateway)
  t.equal(code, 0)
  await startAgain()
  await loading
  await Promise.all(lives)
  await oracle.judge('SIGTERM under load')
})

t.test('SIGTERM: what was accepted is answered', { buffered: true }, async t => {
  const { gateway, wire, url, shop, startAgain } = await startOne(t)
  // One keep-alive connection each, as a load balancer holds them.
  const agent = new Agent({ connections: 100, pipelining: 1 })
  t.teardown(() => agent.destroy())
  wire.delayMs = 1_500
  const answered: { id: string, nextAction: unknown }[] = []
  let isEnding = false
  const create = async (n: number): Promise<number> => {
    const answer = await request(`${url}/verifications`, {
      method: 'POST', dispatcher: agent, headers: {
        authorization: `Bearer ${keys.shop}`, 'content-type': 'application/json',
      },
      body: JSON.stringify({ phoneNumber: numberOf(n, '10'), workflow: ['otpless.otp'] }),
    })
    const body = Object(await answer.body.json())
    // A process that has just started may shed load.
    if (body['code'] === 'overloaded' && !isEnding) return create(n)
    answered.push({ id: body['id'], nextAction: body['nextAction']?.type })
    return answer.statusCode
  }
  const answers = Promise.all(Array.from({ length: 20 }, (_, n) => create(n).catch((error: Error) => error.message)))
  const { body: { id } } = await shop.create({ phoneNumber: numberOf(99, '92'), workflow: ['truecaller.push'] })
  const polling = shop.call('GET', `/verifications/${id}?wait=30`).catch(() => null)
  await shop.call('GET', '/livez')
  await until(() => wire.passed.length === 20, 'the provider has been asked')
  isEnding = true
  const ending = end(gateway)
  const polledAt = performance.now()
  const polled = await polling
  const polledMs = performance.now() - polledAt
  t.match(polled, { status: 200, body: { id, status: 'pending' } }, 'a long poll is answered with the current state')
  t.ok(polledMs < 30_000, 'before its wait is over')
  t.same(new Set(await answers), new Set([201]), 'each accepted request is answered')
  const { code } = await ending
  t.equal(code, 0)
  await startAgain()
  const kept = await Promise.all(answered.map(async ({ id }) => {
    const { body } = await shop.call('GET', `/verifications/${id}`)
    return { id, nextAction: body['nextAction']?.type }
  }))
  t.same(kept, answered, 'and stored as it was answered')
  t.ok(kept.some(({ nextAction }) => nextAction === 'submitCode'), 'a code is awaited')
  t.comment('SIGTERM with 20 creates and a long poll of 30 s in flight: answered 21, failed 0')
})

t.test('SIGTERM: unready at once, and in service until balancers have noticed', { buffered: true }, async t => {
  const operationsPort = await freePort()
  const { gateway, url, shop } = await startOne(
    t, { SHUTDOWN_DELAY_SECONDS: '15', OPERATIONS_PORT: String(operationsPort) },
  )
  const operations = clientOf(`http://127.0.0.1:${operationsPort}`, null)
  const { body: { id } } = await shop.create({ phoneNumber: numberOf(1, '92'), workflow: ['truecaller.push'] })
  const stream = await openEvents(t, `${url}/verifications/${id}/events`, { authorization: `Bearer ${keys.shop}` })
  await stream.received(0)
  t.notOk('close' === (await shop.call('GET', '/readyz')).headers['connection'])
  const ending = end(gateway)
  await until(async () => (await shop.call('GET', '/readyz')).status === 503, 'it is unready at once')
  for (const client of [shop, operations]) {
    t.match(
      await client.call('GET', '/readyz'),
      {
        status: 503, headers: { connection: 'close' },
        body: { status: 'unavailable', checks: { draining: true, redis: 'ok', workers: 'ok' } },
      },
    )
    t.match(await client.call('GET', '/livez'), { status: 200 }, 'it is still alive')
  }
  const otp = await shop.create({ phoneNumber: numberOf(2, '10'), workflow: ['otpless.otp'] })
  t.match(otp, { status: 201, headers: { connection: 'close' } }, 'a late request is served')
  const push = await shop.create({ phoneNumber: numberOf(3, '10'), workflow: ['truecaller.push'] })
  t.match(await shop.waitFor(push.body.id), { status: 'verified' }, 'also inline work')
  t.equal(stream.hasEnded(), false)
  const { code, ms } = await ending
  t.equal(code, 0)
  t.ok(ms >= 15_000, `ended after ${Math.round(ms)} ms`)
  t.equal(await stream.ended, 'ended', 'the stream ends properly')
})

t.test('SIGTERM with everything stuck', { buffered: true }, async t => {
  const { gateway, simulators, wire, shop, url } = await startOne(t)
  simulators.fail({ provider: 'truecaller', answer: 'hang', path: '/v1/default', times: 10 })
  await shop.create({ phoneNumber: numberOf(1, '10'), workflow: ['truecaller.push'] })
  wire.lose('/auth/', 10)
  const answer = shop.create({ phoneNumber: numberOf(2, '10'), workflow: ['otpless.otp'] })
  const silent = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => {})
  t.teardown(() => silent.destroy())
  const isFetching = (): boolean => simulators.requests.some(({ path }) => path === '/v1/default')
  await until(() => silent.readyState === 'open' && isFetching() && wire.passed.length === 1,
    'an idle connection; inline work and a request that wait for a provider')
  const { code } = await end(gateway)
  t.equal(code, 0)
  t.match(await answer, { status: 201, body: { status: 'failed', reason: 'provider_unavailable' } })
})

t.test('SIGTERM of a worker during its jobs', { buffered: true }, async t => {
  const deployment = await startDeployment(t)
  const { shop, oracle, redisUrl } = deployment
  const profile = '/v1/default'
  const [count, hanging] = [5, longOrShort(2, 0)]
  const gate = Promise.withResolvers<void>()
  const [{ gateway, providers }, later] = await Promise.all([
    startKillable(t, deployment, deployment.worker, ({ providers }) => {
      providers.gate = gate.promise
      if (hanging > 0) providers.lose(profile, hanging)
    }),
    startProxy(t, deployment.simulators.url), deployment.start(deployment.api),
  ])
  const redis = new Redis(redisUrl)
  t.teardown(() => redis.disconnect())
  const fetches = (proxy: typeof providers): number => proxy.passed.filter(({ path }) => path === profile).length
  await Promise.all(Array.from({ length: count }, async (_, n) => {
    const { body } = await shop.create({ phoneNumber: numberOf(n, '10'), workflow: ['truecaller.push'] })
    oracle.accept(body['id'], 'verified')
  }))
  await until(() => fetches(providers) === count, 'each profile is being fetched')
  const ending = end(gateway)
  t.equal(await redis.llen('{vg}:resolve:active'), count, 'in as many jobs')
  t.equal(oracle.reached(4), 0, 'none of them done')
  gate.resolve()
  const { code } = await ending
  t.equal(code, 0)
  t.equal(oracle.reached(4), count - hanging, 'the others are finished')
  const [active, delayed] = [await redis.llen('{vg}:resolve:active'), await redis.zcard('{vg}:resolve:delayed')]
  t.equal(active + delayed, hanging, `what is left is in the queue: ${active} active, ${delayed} delayed`)
  await deployment.start({ ...deployment.worker, ...pointedAt(later) })
  await oracle.judge(`SIGTERM of a worker with ${count} running jobs, ${hanging} of which hang`)
  t.same([fetches(providers), fetches(later)], [count, hanging], 'and only the rest is repeated')
})

t.test('SIGTERM with Redis stopped', { buffered: true }, async t => {
  for (const how of isLong ? ['frozen', 'gone'] as const : ['frozen'] as const) {
    const { redis, gateway, shop } = await startOne(t)
    await shop.create({ phoneNumber: numberOf(1, '10'), workflow: ['truecaller.push'] })
    const { body: { id } } = await shop.create({ phoneNumber: numberOf(2, '92'), workflow: ['truecaller.push'] })
    const polling = shop.call('GET', `/verifications/${id}?wait=30`).then(({ status }) => status, () => null)
    await shop.call('GET', '/livez')
    if (how === 'frozen') redis.pause()
    else await redis.stop()
    const { code } = await end(gateway)
    t.equal(code, 0, how)
    t.equal(await polling, 503)
  }
})

t.test('a second SIGTERM ends the process at once', { buffered: true }, async t => {
  const { gateway, wire, shop } = await startOne(t)
  wire.lose('/auth/', 1)
  const unheard = shop.create(
    { phoneNumber: numberOf(1, '10'), workflow: ['otpless.otp'] },
  ).then(() => true, () => false)
  await until(() => wire.passed.length === 1, 'a request is in flight')
  gateway.signal('SIGTERM')
  await until(
    async () => (await shop.call('GET', '/livez').then(({ status }) => status, () => null)) !== 200, 'it is closing',
  )
  const { code } = await end(gateway)
  t.equal(code, 1)
  t.equal(await unheard, false)
  t.ok(gateway.logs.some(line => /second SIGTERM/.test(String(readLine(line)['cause']))), 'it says so')
})

if (isLong) t.test('SIGKILL leaves nothing that prevents a restart', { buffered: true }, async t => {
  const { gateway, shop, oracle, startAgain } = await startOne(t)
  await Promise.all(Array.from({ length: 20 }, (_, n) => runLifecycle(n, shop, oracle)))
  t.equal((await gateway.kill()).code, 137)
  const from = performance.now()
  await startAgain()
  t.comment(`listens again after ${Math.round(performance.now() - from)} ms`)
  await runLifecycle(20, shop, oracle)
  await oracle.judge('SIGKILL of the only process, started again')
})
