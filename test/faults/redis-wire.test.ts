import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { Answer } from '../helpers/gateway.ts'
import { startRedis, until } from '../helpers/redis.ts'
import { runLifecycle } from './lifecycle.ts'
import { retryUntilAnswered, numberOf } from './oracle.ts'
import { startWire } from './wire.ts'
import { isLong, longOrShort, startDeployment } from './deployment.ts'

t.jobs = 4

/** A proxy between Redis and the processes that are started with `wired`. */
async function startWired (t: Test) {
  const redis = await startRedis(t)
  const wire = await startWire(t, redis.port)
  const deployment = await startDeployment(
    t, { redisUrl: redis.url, simulatorOptions: { retryScale: longOrShort(0.6, 0.2) } },
  )
  return { ...deployment, redis, wire, wired: { REDIS_URL: wire.url } }
}

type Timed = Answer & { ms: number }
async function timed (call: () => Promise<Answer>): Promise<Timed> {
  const from = performance.now()
  return { ...await call(), ms: Math.round(performance.now() - from) }
}

/**
 * Starts a lifecycle every so often until the trouble is over, and waits for all. None is begun while `isPaused`:
 * hundreds that all ask again at once would measure themselves.
 */
async function liveDuring (
  one: (n: number) => Promise<void>, everyMs: number, trouble: () => Promise<void>, isPaused = () => false,
): Promise<void> {
  const lives: Promise<void>[] = []
  let isOver = false
  const ended = trouble().finally(() => { isOver = true })
  for (let n = 0; !isOver; n += 1) {
    lives.push(one(n))
    await delay(everyMs)
    await until(() => !isPaused(), 'it goes on')
  }
  await Promise.all([ended, ...lives])
}

t.test('a distant Redis: a request takes longer by one latency for each of its round trips', {
  buffered: true,
}, async t => {
  const { wire, wired, all, start, shop, oracle } = await startWired(t)
  await start({ ...all, ...wired })
  let n = 1_000
  const { body: { id } } = await shop.create({ workflow: ['truecaller.web'] })
  const requests: [name: string, roundTrips: number, call: () => Promise<Answer>][] = [
    ['GET', 1, () => shop.call('GET', `/verifications/${id}`)],
    ['create', 1, () => shop.create({ workflow: ['truecaller.web'] })],
    [
      'create that asks a provider', 2,
      () => shop.create({ phoneNumber: numberOf(n += 1, '10'), workflow: ['otpless.otp'] }),
    ],
  ]
  const measure = async (call: () => Promise<Answer>): Promise<number> => {
    const all: Timed[] = []
    // The proxy is in this process: when the machine holds it up, a command may take too long.
    for (let tries = 0; tries < longOrShort(15, 3); tries += 1) {
      await retryUntilAnswered(async () => {
        const answer = await timed(call)
        if (answer.status !== 503) all.push(answer)
        return answer
      })
    }
    t.same(all.filter(({ status }) => status >= 300), [], 'all succeed')
    // The fastest: the others also waited for the CPU.
    return Math.min(...all.map(({ ms }) => ms))
  }
  const latencyMs = 100
  for (const [name, roundTrips, call] of requests) {
    wire.latencyMs = 0
    const near = await measure(call)
    wire.latencyMs = latencyMs
    const added = await measure(call) - near
    t.comment(`+${latencyMs} ms: ${name} takes ${added} ms longer, for ${roundTrips} round trips`)
  }
  const usual = { latencyMs: 0, jitterMs: 0, isSliced: false, bytesPerSecond: 0 }
  const paces = Object.entries({
    '100 ms away': { latencyMs },
    '20 to 150 ms away': { latencyMs: 20, jitterMs: 130 },
    'one byte at a time': { isSliced: true },
    ...isLong ? { '500 ms away': { latencyMs: 500 }, '200 kB a second': { bytesPerSecond: 200_000 } } : {},
  })
  for (const [what, pace] of paces) {
    Object.assign(wire, usual, pace)
    const from = n += 100
    const live = (key: number): Promise<void> => runLifecycle(key, { ...shop, async create (body, headers) {
      const answer = await shop.create(body, headers)
      t.equal(answer.status, 201, `${what}: no error`)
      return answer
    } }, oracle)
    const all = Array.from({ length: longOrShort(10, 5) }, (_, m) => from + m)
    // On a busy machine thousands of packets at once take longer than a command may.
    if (wire.isSliced) for (const key of all) await live(key)
    else await Promise.all(all.map(live))
  }
  await oracle.judge(`Redis ${paces.map(([what]) => what).join(', ')}`)
})

if (isLong) t.test('slower than the command timeout, then fast again', { buffered: true }, async t => {
  const { wire, wired, all, start, shop, anybody, oracle } = await startWired(t)
  const gateway = await start({ ...all, ...wired })
  const body = { phoneNumber: numberOf(0, '10'), workflow: ['truecaller.push'] }
  const create = () => shop.create(body, { 'idempotency-key': 'slow' })
  wire.latencyMs = 2_000
  const [refused, alive] = await Promise.all([timed(create), timed(() => anybody.call('GET', '/livez'))])
  t.match(refused, { status: 503, body: { code: 'store_unavailable' }, headers: { 'retry-after': '1' } })
  t.equal(alive.status, 200)
  wire.latencyMs = 0
  const fastAt = performance.now()
  await until(async () => (await shop.create({ workflow: ['truecaller.web'] })).status === 201, 'creates succeed again')
  t.comment(
    `answers that come after 2 s: 503 after ${refused.ms} ms; `
      + `works ${Math.round(performance.now() - fastAt)} ms after it is fast again`,
  )
  // The timed-out write happened: the Idempotency-Key finds the same verification.
  const { status, body: { id } } = await retryUntilAnswered(create)
  t.equal(status, 201)
  oracle.accept(id, 'verified', 'failed/provider_unavailable')
  await oracle.judge('Redis answers after 2 s, with a command timeout of 1 s')
  t.notMatch(gateway.logs.join('\n'), /unexpected error/)
})

t.test('half-open: data is dropped while connections look open', { buffered: true }, async t => {
  const { wire, wired, all, api, worker, start, shop, anybody, oracle } = await startWired(t)
  // A worker notices after fifteen seconds: in the short form only the api is behind the proxy.
  const gateway = await start({ ...(isLong ? all : api), ...wired })
  if (!isLong) await start(worker)
  const { body: { id } } = await shop.create(
    { phoneNumber: numberOf(0, '92'), workflow: [{ method: 'truecaller.push', timeoutSeconds: longOrShort(30, 8) }] },
  )
  oracle.accept(id, 'expired/attempt_timeout')
  const from = wire.connections()
  wire.blackhole()
  const calls = () => Promise.all([
    timed(
      () => shop.create({ phoneNumber: numberOf(1, '10'), workflow: ['truecaller.push'] }),
    ), timed(() => shop.call('GET', `/verifications/${id}`)),
    timed(
      () => shop.call('GET', `/verifications/${id}?wait=5`),
    ), timed(() => shop.call('GET', '/verifications?reference=x')), timed(() => anybody.call('GET', '/readyz')),
  ])
  const refused: Timed[] = []
  for (const _ of [1, 2]) {
    const [alive, ...rest] = await Promise.all(
      [timed(() => anybody.call('GET', '/livez')), calls()],
    ).then(([one, more]) => [one, ...more])
    t.match(alive, { status: 200 })
    refused.push(...rest)
  }
  t.same(new Set(refused.map(({ status }) => status)), new Set([503]))
  const slowest = Math.max(...refused.map(({ ms }) => ms))
  t.equal(wire.connections(), from, 'no connection was closed')
  wire.heal()
  const healedAt = performance.now()
  await until(
    async () => (await shop.call('GET', `/verifications/${id}`)).status === 200, 'it has reconnected')
  const apiMs = Math.round(performance.now() - healedAt)
  for (let n = 0; n < longOrShort(50, 10); n += 1) await runLifecycle(n + 10, shop, oracle)
  await oracle.judge('half-open connections to Redis')
  t.comment(
    `half-open: ${refused.length} requests answered 503 after at most ${slowest} ms; `
      + `new connections ${apiMs} ms after the network is whole`,
  )
  t.notMatch(gateway.logs.join('\n'), /unexpected error/)
})

if (isLong) t.test('a connection that is reset repeatedly', { buffered: true }, async t => {
  const { wire, wired, all, start, shop, oracle } = await startWired(t)
  await start({ ...all, ...wired })
  let cuts = 0
  await liveDuring(n => runLifecycle(n, shop, oracle), longOrShort(50, 100), async () => {
    const from = performance.now()
    for (; performance.now() - from < longOrShort(10_000, 3_000); cuts += wire.connections()) {
      await delay(300)
      wire.cut()
      await until(() => wire.connections() > 0, 'it reconnects')
    }
  })
  await oracle.judge(`every connection to Redis reset each 300 ms (${cuts} in all)`)
})

if (isLong) t.test('frozen for 5 s and 10 s under load', { buffered: true }, async t => {
  const { redis, start, all, shop, anybody, oracle } = await startWired(t)
  await start(all)
  const answers: Timed[] = []
  let frozenAt = Infinity
  await liveDuring(n => runLifecycle(n, shop, oracle), 60, async () => {
    for (const frozenMs of [5_000, 10_000]) {
      await delay(2_000)
      redis.pause()
      const from = frozenAt = performance.now()
      while (performance.now() - from < frozenMs - 1_500) {
        const [alive, ...refused] = await Promise.all([
          timed(() => anybody.call('GET', '/livez')), timed(() => shop.create({ workflow: ['truecaller.web'] })), timed(
            () => shop.call('GET', '/verifications?reference=x'),
          ),
        ])
        t.equal(alive.status, 200)
        answers.push(...refused)
        await delay(200)
      }
      await until(() => performance.now() - from >= frozenMs, 'frozen long enough')
      redis.resume()
      const resumedAt = performance.now()
      await until(
        async () => (await shop.create({ workflow: ['truecaller.web'] })).status === 201, 'creates succeed again')
      frozenAt = Infinity
      t.comment(
        `frozen for ${frozenMs} ms: creates answered ${Math.round(performance.now() - resumedAt)} ms after it goes on`,
      )
    }
  }, () => performance.now() - frozenAt > 500 && frozenAt < Infinity)
  t.same(new Set(answers.map(({ status }) => status)), new Set([503]))
  t.comment(
    `frozen: ${answers.length} requests answered 503 after at most ${Math.max(...answers.map(({ ms }) => ms))} ms`,
  )
  await oracle.judge('Redis SIGSTOPped for 5 s and 10 s under load')
})
