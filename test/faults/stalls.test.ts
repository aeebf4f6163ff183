import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import t from 'tap'
import { request } from 'undici'
import { readMetric } from '../e2e/end-user.ts'
import { clientOf, keys } from '../helpers/gateway.ts'
import { readLine } from '../helpers/process.ts'
import { until } from '../helpers/redis.ts'
import { createFaultInjector } from './injected-faults.ts'
import { runLifecycle } from './lifecycle.ts'
import { codeOf, retryUntilAnswered, numberOf } from './oracle.ts'
import { pointedAt, startKillable } from './killed-process.ts'
import { startProxy } from './proxy.ts'
import { isLong, longOrShort, startDeployment } from './deployment.ts'

t.jobs = 3

const profile = '/v1/default'
const initiate = '/auth/v1/initiate/otp'

/** Resolves once a request to this process takes over a second: it is stalled. */
async function untilDeaf (address: string): Promise<void> {
  await until(async () => {
    const from = performance.now()
    await request(`${address}/livez`, { headersTimeout: 1_200 }).then(({ body }) => body.dump()).catch(() => {})
    return performance.now() - from > 1_000
  }, 'it stalls')
}

/** A frozen process, and one with a blocked event loop: both continue as if no time had passed. */
const stalls = [
  { name: 'SIGSTOP of a worker for 8 s', how: 'frozen', stallMs: 8_000, inShort: true },
  { name: 'the event loop of a worker blocked for 12 s', how: 'blocked', stallMs: 12_000, inShort: false },
  { name: 'the event loop of a worker blocked for 3 s', how: 'blocked', stallMs: 3_000, inShort: false },
] as const

for (const { name, how, stallMs, inShort } of stalls) {
  if (isLong || inShort) t.test(`${name}, during its jobs`, { buffered: true }, async t => {
    const deployment = await startDeployment(t)
    const { shop, oracle } = deployment
    const intruder = await createFaultInjector(t)
    const [victim, later] = await Promise.all(
      [
        startKillable(
          t, deployment, { ...deployment.worker, ...intruder.environment }
        ), startProxy(t, deployment.simulators.url),
        deployment.start(deployment.api),
      ],
    )
    const { gateway, providers } = victim
    const redis = new Redis(deployment.redisUrl)
    t.teardown(() => redis.disconnect())
    const address = await gateway.listening
    // The responses arrive while it is stalled.
    providers.delayMs = 500
    const count = 5
    const fetches = (proxy: typeof providers): number => proxy.passed.filter(({ path }) => path === profile).length
    for (let n = 0; n < count; n += 1) {
      const { body } = await shop.create({ phoneNumber: numberOf(n, '10'), workflow: ['truecaller.push'] })
      oracle.accept(body['id'], 'verified')
    }
    await until(() => fetches(providers) > 0, 'it is at it')
    const stalledAt = performance.now()
    if (how === 'frozen') gateway.signal('SIGSTOP')
    else await intruder.inject(gateway, { block: stallMs })
    await untilDeaf(address)
    const [fetching, locked] = [fetches(providers), await redis.llen('{vg}:resolve:active')]
    t.ok(locked > 0, `${locked} jobs are its own`)
    await deployment.start({ ...deployment.worker, ...pointedAt(later) })
    await until(
      () => performance.now() - stalledAt > stallMs && (how === 'blocked' || fetches(later) > 0), 'it stalls')
    if (how === 'frozen') gateway.signal('SIGCONT')
    const settled = await oracle.judge(name)
    const lost = (): Promise<number> => readMetric(address, 'verigate_jobs_lost_lock_total')
    if (stallMs > 5_000) {
      await until(async () => await lost() > 0, 'it notices that it lost the locks of its jobs')
      t.ok(fetches(later) >= 1, 'another worker ran them, too')
    }
    // A callback that overtakes the response to the start saves a revision.
    for (const { verification: { revision, attempts } } of settled) {
      t.ok(revision <= 4 && attempts.length === 1, `and it ends once, with revision ${revision}`)
    }
    t.comment(
      `${name}: ${locked} running jobs, ${fetching} of them fetching; ${fetches(providers)} profile fetches by it, `
        + `${fetches(later)} by the other one; ${await lost()} locks lost`,
    )
  })
}

for (const { stallMs, inShort } of [{ stallMs: 8_000, inShort: false }, { stallMs: 2_000, inShort: true }]) {
  const name = `SIGSTOP of an api for ${stallMs / 1_000} s in the middle of a create, asked again elsewhere`
  if (isLong || inShort) t.test(name, { buffered: true }, async t => {
    const deployment = await startDeployment(t)
    const { shop, oracle } = deployment
    const [{ gateway, providers, shop: frozen }] = await Promise.all(
      [startKillable(t, deployment, deployment.api), deployment.start(deployment.all)],
    )
    // The responses arrive while it is stalled.
    providers.delayMs = 1_500
    const count = longOrShort(10, 5)
    const numbers = Array.from({ length: count }, (_, n) => n)
    const create = (n: number, client: typeof shop) =>
      client.create(
        { phoneNumber: numberOf(n, '10'), workflow: ['otpless.otp'], reference: `order-${n}` },
        { 'idempotency-key': `key-${n}` },
      )
    let heard = 0
    const first = numbers.map(n => create(n, frozen).finally(() => { heard += 1 }))
    const isAnswered = ({ path, status }: { path: string, status: number | null }): boolean =>
      path === initiate && status !== null
    await until(() => providers.passed.filter(isAnswered).length === count, 'all messages are sent')
    gateway.signal('SIGSTOP')
    t.equal(heard, 0, 'none of them got a response')
    const begun = await Promise.all(
      numbers.map(async n => (await shop.call('GET', `/verifications?reference=order-${n}`)).body['data']),
    )
    t.match(
      begun, numbers.map(() => [{ revision: 1, status: 'pending' }]),
      'only the start is written',
    )
    const again = numbers.map(n => retryUntilAnswered(() => create(n, shop)))
    await delay(stallMs)
    gateway.signal('SIGCONT')
    const [answers, repeated] = [await Promise.all(first), await Promise.all(again)]
    for (const n of numbers) {
      const [one, other] = [answers[n]?.body, repeated[n]?.body]
      t.equal(one?.['id'], other?.['id'], 'both responses have the same id')
      oracle.accept(one?.['id'], other?.['status'] === 'pending' ? 'verified' : 'failed/provider_unavailable')
      if (other?.['status'] === 'pending') await shop.call(
        'POST', `/verifications/${one?.['id']}/check`, { code: codeOf(numberOf(n, '10')) },
      )
    }
    await oracle.judge(`SIGSTOP of an api for ${stallMs / 1_000} s in the middle of a create`)
    t.equal(deployment.simulators.requests.filter(({ path }) => path === initiate).length, count, 'one message each')
    t.comment(`${repeated.filter(({ body }) => body['status'] === 'pending').length} of ${count} went on`)
  })
}

if (isLong) t.test('SIGSTOP of a worker for 7 s in the middle of a sweep', { buffered: true }, async t => {
  const { shop, oracle, api, worker, start } = await startDeployment(t)
  await start(api)
  const count = 200
  for (let n = 0; n < count; n += 25) {
    await Promise.all(Array.from({ length: 25 }, async (_, m) => {
      const { body } = await retryUntilAnswered(
        () =>
          shop.create({ phoneNumber: numberOf(n + m, '10'), workflow: [{ method: 'otpless.otp', timeoutSeconds: 1 }] }),
      )
      oracle.accept(body['id'], 'expired/attempt_timeout')
    }))
  }
  await delay(1_000)
  const frozen = await start(worker)
  await until(() => oracle.reached(3) > 0, 'the first ones end')
  frozen.signal('SIGSTOP')
  const ended = oracle.reached(3)
  t.ok(ended < count, `${ended} of ${count} had ended when the worker froze`)
  await start(worker)
  await until(() => oracle.reached(3) === count, 'another worker continues')
  frozen.signal('SIGCONT')
  const settled = await oracle.judge(`SIGSTOP of a worker in the middle of a sweep (${ended} of ${count} done)`)
  t.same(new Set(settled.map(({ verification }) => verification['revision'])), new Set([3]), 'each once')
})

if (isLong) t.test('the event loop of the only process blocked for 3 s', { buffered: true }, async t => {
  const { shop, oracle, all, url, start } = await startDeployment(t)
  const intruder = await createFaultInjector(t)
  const gateway = await start({ ...all, ...intruder.environment })
  const probe = clientOf(url, keys.shop)
  // A request that was not received in time gets a 408, and is repeated.
  const lives = Array.from({ length: 20 }, (_, n) => runLifecycle(n, shop, oracle).catch((error: Error) => {
    if (!error.message.startsWith('create answered 408')) throw error
    return runLifecycle(n, shop, oracle)
  }))
  await until(() => oracle.reached(2) > 3, 'the load is under way')
  await intruder.inject(gateway, { block: 3_000 })
  await untilDeaf(url)
  // A request that takes longer to arrive is cut off.
  const ask = (path: string) => probe.call('GET', path).catch(() => null)
  const [ready, alive] = await Promise.all([ask('/readyz'), ask('/livez')])
  t.comment(`asked while it was blocked: /readyz ${ready?.status ?? 'cut off'}, /livez ${alive?.status ?? 'cut off'}`)
  await until(async () => (await ask('/livez'))?.status === 200, 'it is alive')
  await until(async () => (await ask('/readyz'))?.status === 200, 'it is ready again')
  await Promise.all(lives)
  await oracle.judge('the event loop of the only process blocked for 3 s')
})

t.test('an uncaught error', { buffered: true }, async t => {
  for (const fail of longOrShort(2, 1) === 2 ? ['throw', 'reject'] as const : ['throw'] as const) {
    const { shop, oracle, all, start } = await startDeployment(t, { simulatorOptions: { retryScale: 0.4 } })
    const intruder = await createFaultInjector(t)
    const gateway = await start({ ...all, ...intruder.environment })
    const lives = Array.from({ length: 20 }, (_, n) => runLifecycle(n, shop, oracle))
    await until(() => oracle.reached(2) > 3, 'the load is under way')
    await intruder.inject(gateway, { fail })
    const { code } = await gateway.ended
    t.not(code, 0, `${fail}: it ends with ${code}`)
    const last = gateway.logs.filter(line => line.endsWith('}')).map(readLine).find(({ level }) => level === 60)
    t.match(last, { level: 60, err: { message: 'uncaught, for the test' } }, 'and says why')
    await start(all)
    await Promise.all(lives)
    await oracle.judge(
      `${fail === 'throw' ? 'uncaughtException' : 'unhandledRejection'} in the only process, started again`,
    )
  }
})
