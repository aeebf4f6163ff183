import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { createIds } from '../../src/store/ids.ts'
import { createRecordCodec } from '../../src/verifications/record-codec.ts'
import { createSealer } from '../../src/store/sealing.ts'
import { createKeys, partitions } from '../../src/store/keys.ts'
import { createStore } from '../../src/store/record-store.ts'
import { StoreUnavailable } from '../../src/store/unavailable.ts'
import { clientOf, keys } from '../helpers/gateway.ts'
import { scrape, sumOf } from '../helpers/metrics.ts'
import { readLine } from '../helpers/process.ts'
import { connectTo, until } from '../helpers/redis.ts'
import { numberOf, type Oracle } from './oracle.ts'
import { openAdmin } from './topology.ts'
import { isLong, longOrShort, startDeployment, type Deployment } from './deployment.ts'

const { decode: decodeRecord, encode: encodeRecord } = createRecordCodec()

t.jobs = 2

/** A busy Redis may take longer than the command timeout of the store. */
async function retryWhileUnavailable<T> (ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
    }
  }
}

/** Writes copies of a verification that all expire at `endsAt`. Their app has no webhook. */
async function fill (
  t: Test, { redisUrl, all }: Deployment, { like, count, endsAt }: { like: string, count: number, endsAt: number },
) {
  const redis = await connectTo(t, redisUrl)
  // Without the command timeout of the gateway's connections.
  const admin = openAdmin(t, Number(new URL(redisUrl).port))
  const sealer = createSealer(all['SEAL_KEYS'] ?? '')
  const ids = createIds(sealer, { partitions, randomBytes })
  const store = createStore({ redis, sealer, encode: encodeRecord, decode: decodeRecord })
  const stored = await store.load(like)
  if (stored?.record.status !== 'pending') throw new Error('the original is not pending')
  const { record } = stored
  const written: string[] = []
  for (let n = 0; n < count; n += 100) {
    await Promise.all(Array.from({ length: Math.min(100, count - n) }, async (_, m) => {
      const id = ids.newId(record.appId, (n + m) % partitions)
      const attempts = record.attempts.map(attempt => ({ ...attempt, endsAt }))
      const deadlines = { expiresAt: endsAt + 3_600_000, dueAt: endsAt }
      await retryWhileUnavailable(() => store.insert(id, { ...record, id, attempts }, deadlines))
      written.push(id)
    }))
  }
  const names = createKeys('vg')
  return {
    revision: record.revision,
    written,
    /** How many have not ended yet. */
    async remaining (): Promise<number> {
      const counts = await Promise.all(
        Array.from({ length: partitions }, (_, partition) => admin.zcount(names.due(partition), endsAt, endsAt)),
      )
      return counts.reduce((sum, count) => sum + count, 0)
    },
    /** Counts them by status and revision. */
    async looks (): Promise<Record<string, number>> {
      const looks: Record<string, number> = {}
      for (let n = 0; n < count; n += 500) {
        const batch = written.slice(n, n + 500).map(id => retryWhileUnavailable(() => store.load(id)))
        for (const one of await Promise.all(batch)) {
          const look = one === null ? 'gone' : `${one.record.status} ${one.record.revision}`
          looks[look] = (looks[look] ?? 0) + 1
        }
      }
      return looks
    },
  }
}

/** Creates verifications one after the other; `p99` is the 99th percentile in ms. */
async function sample (
  { shop, oracle }: Pick<Deployment, 'shop'> & { oracle: Oracle }, isOver: (taken: number) =>
    boolean | Promise<boolean>,
): Promise<{ p99: number, taken: number }> {
  const took: number[] = []
  while (!await isOver(took.length)) {
    const from = performance.now()
    const { status, body } = await shop.create({ workflow: [{ method: 'truecaller.web', timeoutSeconds: 5 }] })
    took.push(performance.now() - from)
    if (status !== 201) throw new Error(`create answered ${status}`)
    oracle.accept(body['id'], 'expired/attempt_timeout')
    await delay(100)
  }
  took.sort((a, b) => a - b)
  return { p99: Math.round(took[Math.ceil(took.length * 0.99) - 1] ?? NaN), taken: took.length }
}

if (isLong) t.test('many end in the same second, and a worker is killed meanwhile', { buffered: true }, async t => {
  const deployment = await startDeployment(t)
  const { start, api, worker, url, oracle } = deployment
  await start(api)
  const { body: { id: like } } = await clientOf(url, keys.bank).create({ workflow: ['truecaller.web'] })
  const count = 10_000
  const endsAt = Date.now() + 60_000
  const { written, revision, remaining, looks } = await fill(t, deployment, { like, count, endsAt })
  t.ok(Date.now() < endsAt, 'all are written before the first is due')
  t.equal(await remaining(), count)
  const crew = await Promise.all([start(worker), start(worker)])
  const calm = await sample(deployment, taken => taken >= 50)
  await until(() => Date.now() >= endsAt, 'they are due', 300_000)

  const from = performance.now()
  let isOver = false
  const storm = sample(deployment, () => isOver)
  await until(async () => await remaining() < count * 0.8, 'some have ended')
  await crew[0]?.kill()
  const left = await remaining()
  t.ok(left > 0, `${count - left} had ended when a worker was killed`)
  crew.push(await start(worker))
  await until(async () => {
    await delay(200)
    return await remaining() === 0
  }, 'all end', 600_000)
  isOver = true
  const seconds = (performance.now() - from) / 1000
  const stormy = await storm

  t.strictSame(await looks(), { [`expired ${revision + 1}`]: count }, 'each has ended in one transition')
  const ended = Map.groupBy(
    crew.flatMap(({ logs }) => logs).filter(line => line.includes('"verification ended"') && line.endsWith('}')),
    line => String(readLine(line)['verificationId']),
  )
  const ends = written.map(id => ended.get(id)?.length ?? 0)
  t.same(ends.filter(times => times > 1), [], 'none ended twice')
  t.comment([
    `${count} due in one second, a worker SIGKILLed: all expired once in ${seconds.toFixed(1)} s `
      + `(${Math.round(count / seconds)} a second)`,
    `p99 of creates ${calm.p99} ms before (${calm.taken}), ${stormy.p99} ms meanwhile (${stormy.taken})`,
  ].join('; '))
  await oracle.judge(`${count} deadlines in one second beside these, a worker SIGKILLed meanwhile`)
})

t.test('no worker for a while: callbacks are accepted, and resolved when a worker is back', {
  buffered: true,
}, async t => {
  const deployment = await startDeployment(t)
  const { start, api, worker, url, shop, oracle, receiver } = deployment
  const [, gone] = await Promise.all([start(api), start(worker)])
  gone.signal('SIGTERM')
  await gone.ended
  const count = longOrShort(2_000, 60)
  for (let n = 0; n < count; n += 20) {
    await Promise.all(Array.from({ length: 20 }, async (_, m) => {
      const { status, body } = await shop.create({ phoneNumber: numberOf(n + m, '10'), workflow: ['truecaller.push'] })
      if (status !== 201) throw new Error(`create answered ${status}`)
      oracle.accept(body['id'], 'verified')
    }))
  }
  const callbacks = async (status_class: string): Promise<number> =>
    sumOf(await scrape(url), 'verigate_http_requests_total', { route: '/callbacks/:provider', status_class }) ?? 0
  await until(async () => await callbacks('2xx') >= count, 'every callback is accepted')
  await delay(longOrShort(10_000, 1_000))
  t.equal(await callbacks('5xx'), 0, 'and none refused')
  const waiting = sumOf(await scrape(url), 'verigate_queue_jobs', { queue: 'resolve', state: 'waiting' })
  t.equal(waiting, count, 'the metric shows the backlog')
  t.equal(receiver.received.length, 0)

  await start(worker)
  const backAt = performance.now()
  await until(() => receiver.received.length >= count, 'the app has the end of each')
  const seconds = (performance.now() - backAt) / 1000
  t.comment(
    `no worker: ${count} callbacks taken and waiting; processed within ${seconds.toFixed(1)} s of a worker's return `
      + `(${Math.round(count / seconds)} a second, each with a call to the provider)`,
  )
  await oracle.judge('all workers gone, callbacks taken meanwhile')
})
