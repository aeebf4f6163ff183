import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { findRedis, launchRedis } from '../../scripts/redis.ts'
import type { App } from '../../src/apps/apps.ts'
import { clientOf, keys, webhookSecret } from '../helpers/gateway.ts'
import { startRedis, until } from '../helpers/redis.ts'
import { startReceiver } from '../sandbox/receiver.ts'
import { outages, startBadProvider, type Fault } from './bad-provider.ts'
import { createClock } from './shared-clock.ts'
import { quantile } from './open-loop.ts'
import { retryUntilAnswered, numberOf } from './oracle.ts'
import { isLong, longOrShort, startDeployment } from './deployment.ts'

t.jobs = 2

const hourMs = 3_600_000
const fault = (name: string): Fault => {
  const found = outages[name]
  if (found === undefined) throw new Error('no such fault')
  return found
}

/** An api and a worker process on one clock; a proxy causes faults between them and the app's webhook endpoint. */
async function startBoth (t: Test, redisUrl: string) {
  const clock = await createClock(t)
  const deployment = await startDeployment(t, {
    redisUrl, environment: {
      ...clock.environment, RETENTION_SECONDS: String(30 * 86_400),
    }, simulatorOptions: { now: clock.now },
  })
  const { receiver, shop, oracle, start } = deployment
  const wire = await startBadProvider(t, receiver.url)
  const others = await startReceiver(t)
  const file = deployment.api['APPS_FILE'] ?? ''
  const apps: App[] = JSON.parse(await readFile(file, 'utf8'))
  const webhookOf = ({ id }: App): App['webhook'] => (
    { url: id === 'shop' ? wire.url : others.url, secrets: [webhookSecret] }
  )
  await writeFile(file, JSON.stringify(apps.map(app => ({ ...app, webhook: webhookOf(app) }))))
  await Promise.all([start(deployment.api), start(deployment.worker)])
  return {
    ...deployment, clock, wire, others, oracle, bank: clientOf(deployment.url, keys.bank),
    verify: async (n: number): Promise<string> => {
      const { body: { id } } = await retryUntilAnswered(
        () =>
          shop.create(
            { phoneNumber: numberOf(n, '10'), workflow: ['truecaller.push'] }, { 'idempotency-key': `key-${n}` },
          ),
      )
      oracle.accept(id, 'verified')
      return id
    },
    deliveries: async (): Promise<Record<string, any>[]> => (
      await retryUntilAnswered(() => shop.call('GET', '/webhooks/deliveries?limit=100'))
    ).body['data'],
    sent: (id: string): number => wire.asked.filter(({ body }) => Object(body['data'])['id'] === id).length,
  }
}

t.test('away for a day, and Redis restarted meanwhile', { buffered: true }, async t => {
  const dir = await mkdtemp(join(tmpdir(), 'verigate-aof-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const binary = await findRedis()
  const launch = async (port?: number) => {
    const redis = await launchRedis({ binary, dir, persistent: true, ...(port === undefined ? {} : { port }) })
    t.teardown(redis.stop)
    const admin = new Redis(redis.url)
    await admin.config('SET', 'appendfsync', 'always')
    admin.disconnect()
    return redis
  }
  const redis = await launch()
  const { clock, wire, verify, deliveries, sent, oracle, receiver } = await startBoth(t, redis.url)
  wire.spoil('/', null, fault('a connection reset when the request is there'), Infinity)
  const goneAt = clock.now()
  const count = longOrShort(30, 5)
  const ids: string[] = []
  for (let n = 0; n < count; n += 1) ids.push(await verify(n))

  let tries = 0
  const waitsMs: number[] = []
  while (clock.now() < goneAt + 24 * hourMs) {
    tries += 1
    let all: Record<string, any>[] = []
    await until(
      async () => (all = await deliveries()).length === count && all.every(one => one['tries'].length === tries),
      `try ${tries} of each is recorded`)
    t.ok(all.every(({ status }) => status === 'pending'), `pending after ${tries} tries`)
    if (tries === 4) {
      process.kill(redis.pid, 'SIGKILL')
      await redis.ended
      await launch(Number(new URL(redis.url).port))
    }
    const waitMs = Math.max(...all.map(one => Date.parse(one['nextTryAt']))) - clock.now()
    waitsMs.push(waitMs)
    clock.advance(waitMs + 1_000)
  }
  wire.heal()
  const settled = await oracle.judge(
    `app's endpoint away for ${((clock.now() - goneAt) / hourMs).toFixed(1)} h, Redis SIGKILLed meanwhile: `
      + `${tries} failed tries`,
  )
  t.equal(settled.length, count)
  await until(async () => (await deliveries()).every(({ status }) => status === 'delivered'), 'all are delivered')
  t.equal(receiver.received.length, count, 'each once')
  t.same(new Set(ids.map(sent)), new Set([tries + 1]), 'no extra tries')
  const waits = waitsMs.map(ms => ms < hourMs ? `${Math.round(ms / 60_000)} min` : `${(ms / hourMs).toFixed(1)} h`)
  t.comment(`waited ${waits.join(', ')}`)
})

t.test('receives it, and is cut off before its response', { buffered: true }, async t => {
  const { clock, wire, verify, sent, oracle, receiver, deliveries } = await startBoth(t, (await startRedis(t)).url)
  const count = longOrShort(50, 8)
  const cut: Fault = async (response, ask) => {
    await ask()
    response.socket?.resetAndDestroy()
  }
  wire.spoil('/', null, cut, count)
  const ids = await Promise.all(Array.from({ length: count }, (_, n) => verify(n)))
  await until(async () => {
    const all = await deliveries()
    return all.length === count && all.every(({ tries }) => tries.length === 1 && tries[0].error === 'reset')
  }, 'all have failed')
  t.equal(receiver.received.length, count, 'although all were received')
  clock.advance(6_000)
  await oracle.judge(`${count} webhooks cut off after the app had them`)
  await until(async () => (await deliveries()).every(({ status }) => status === 'delivered'), 'all are delivered')
  t.same(new Set(ids.map(sent)), new Set([2]))
  t.equal(
    new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size, count,
    'the app can recognize duplicates',
  )
})

if (isLong) t.test('hangs: the webhooks of others do not wait for it', { buffered: true }, async t => {
  const { wire, verify, oracle, bank, others } = await startBoth(t, (await startRedis(t)).url)
  const send = async (n: number): Promise<number> => {
    const { body: { id } } = await bank.create({ phoneNumber: numberOf(1_000 + n, '10'), workflow: ['otpless.otp'] })
    const from = performance.now()
    await bank.call('POST', `/verifications/${id}/cancel`)
    await until(
      () => others.received.some(({ body }) => Object(body['data'])['id'] === id), 'the other app receives it')
    return performance.now() - from
  }
  const measure = async (from: number): Promise<number[]> => {
    const took: number[] = []
    for (let n = 0; n < 100; n += 1) took.push(await send(from + n))
    return took
  }
  const alone = await measure(0)
  wire.spoil('/', null, fault('no answer'), Infinity)
  const count = 150
  for (let n = 0; n < count; n += 1) await verify(n)
  await until(() => wire.asked.length >= 25, 'all its slots are occupied')
  const meanwhile = await measure(100)
  const [p99, p99Meanwhile] = [quantile(alone, 0.99), quantile(meanwhile, 0.99)]
  t.comment(
    `the other app gets its webhooks after ${p99.toFixed(0)} ms (p99), `
      + `while ${count} webhooks hang after ${p99Meanwhile.toFixed(0)} ms`,
  )
  wire.heal()
  await oracle.judge(`${count} webhooks of one app hang`)
})
