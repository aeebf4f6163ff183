import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { createApps, type App } from '../../src/apps/apps.ts'
import { createDeliveries } from '../../src/webhooks/deliveries.ts'
import { readDelivery, retryDelays, type Delivery } from '../../src/webhooks/delivery.ts'
import { ApiError } from '../../src/core/errors.ts'
import { createIds } from '../../src/store/ids.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { createSealer } from '../../src/store/sealing.ts'
import { createKeys, partitions } from '../../src/store/keys.ts'
import { createStore } from '../../src/store/record-store.ts'
import { noTracing } from '../../src/telemetry/tracing.ts'
import { type Verification } from '../../src/core/verification.ts'
import { viewVerification } from '../../src/api/views/verification.ts'
import { createWebhookSender } from '../../src/webhooks/sender.ts'
import { connectTo, startRedis, until } from '../helpers/redis.ts'
import { startReceiver } from '../sandbox/receiver.ts'
import { createVerification, decide } from '../../src/core/decide.ts'

const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
const [second, hour, day] = [1_000, 3_600_000, 86_400_000]
const phoneNumber = '+14155550182'

/** Deliveries over a real Redis and a real receiver, on a clock of the test's own. */
async function start (
  t: Test, { sealKeys = `k1:${randomBytes(32).toString('base64')}`, redisUrl = '', timeoutMs = 500 } = {},
) {
  const { url } = redisUrl === '' ? await startRedis(t) : { url: redisUrl }
  const redis = await connectTo(t, url)
  let answer: (path: string) => number | undefined = () => 204
  const receiver = await startReceiver(t, ({ path }) => answer(path))
  const sealer = createSealer(sealKeys)
  const ids = createIds(sealer, { partitions, randomBytes })
  const store = createStore({ redis, sealer, read: readDelivery })
  const app = (id: string, path = '/hooks'): App => (
    { id, name: id, keys: [], webhook: { url: `${receiver.url}${path}`, secrets: [secret] } }
  )
  const apps = createApps([app('shop'), app('bank', '/bank')])
  const sender = createWebhookSender({ timeoutMs })
  t.teardown(() => sender.close())
  const jobs: [id: string, name: string][] = []
  const lines: string[] = []
  const metrics = createMetrics({})
  let queueFails = false
  let time = Date.now()
  const deliveries = createDeliveries({
    store, apps, ids, sealer, send: sender.send, metrics, randomBytes, retentionMs: day, now: () => time,
    hands: null,
    queues: {
      async notify (id, name) {
        if (queueFails) throw new Error('away')
        jobs.push([id, name])
      },
    },
    log: createLogger('debug', { write: line => { lines.push(line) } }), tracing: noTracing,
    viewOf: verification => viewVerification(verification, { attemptId: ids.attemptId }),
  })

  const verify = (appId = 'shop'): Verification => {
    const { next } = createVerification({
      id: ids.newId(appId, 3), appId, phoneNumber, reference: null, metadata: {}, locale: null, device: {}, returnUrl: null, key: null, includeProfile: true,
      workflow: [
        { method: 'otpless.otp', timeoutMs: 60_000, options: {}, isRepeatable: false, continueWhenRejected: false },
      ], expiresAt: time + 600_000, wants: ['canceled'],
    }, time)
    return decide(next, { type: 'canceled', reason: 'app_canceled' }, time)?.next ?? next
  }
  const read = async (id: string): Promise<Delivery> => {
    const stored = await store.load(id)
    if (stored === null) throw new Error('gone')
    return stored.record
  }
  return {
    redis, url, sealer, ids, store, apps, app, deliveries, jobs, lines, receiver, verify, read,
    shop: () => app('shop'),
    open: async (appId = 'shop') => {
      const verification = verify(appId)
      return deliveries.open(verification, { type: 'canceled', revision: verification.revision })
    },
    answerWith: (with_: typeof answer) => { answer = with_ },
    failQueue: (fails: boolean) => { queueFails = fails },
    now: () => time,
    pass: (ms: number) => { time += ms },
    /** Goes to the time of the next try, and tries. */
    async next (id: string): Promise<Delivery> {
      time = Math.max(time, (await read(id)).nextTryAt ?? time)
      await deliveries.attempt(id)
      return read(id)
    },
    due: async (at = time) => (
      await Promise.all(Array.from({ length: partitions }, (_, partition) => store.due(partition, at, 100)))
    ).flat(),
    expiryOf: async (id: string) => redis.pexpiretime(createKeys('vg').record(ids.partitionOf(id) ?? -1, id)),
    async count (series: string) {
      const text = await metrics.registry.metrics()
      return Number(text.split('\n').find(line => line.startsWith(`${series} `))?.slice(series.length) ?? NaN)
    },
  }
}

/** The code of the `ApiError` that comes of it, and the fields that it names. */
const refusal = async (work: Promise<unknown>): Promise<string> => work.then(() => 'none', error => {
  if (!(error instanceof ApiError)) throw error
  return [error.apiCode, ...(error.extra.errors ?? []).map(({ field }) => field)].join(' ')
})

t.test('what is delivered at once', async t => {
  const { deliveries, verify, receiver, read, due, now, pass, expiryOf, count, jobs, lines } = await start(t)
  const verification = verify()
  const news = { type: 'canceled', revision: verification.revision } as const
  const id = await deliveries.open(verification, news)
  t.equal(id, `whd_${verification.id.slice(4)}_2`)
  t.equal(await deliveries.open({ ...verification, metadata: { plan: 'other' } }, news), id, 'taken over once')
  t.match(await read(id), { status: 'pending', tries: [], nextTryAt: now(), url: `${receiver.url}/hooks` })
  t.notMatch((await read(id)).body, 'other')
  t.strictSame(await due(now() + 4_999), [])
  t.strictSame(await due(now() + 5_000), [id], 'when whoever opened it died')

  await deliveries.attempt(id)
  t.match(
    await read(id), { status: 'delivered', nextTryAt: null, tries: [{ at: now(), statusCode: 204, error: null }] },
  )
  const [{ headers, text, body } = { headers: {}, text: '', body: {} }] = receiver.received
  t.match(
    headers,
    { 'webhook-id': `msg_${verification.id.slice(4)}_2`, 'webhook-timestamp': String(Math.floor(now() / 1000)) },
  )
  t.equal(text, (await read(id)).body)
  t.match(
    body,
    {
      type: 'verification.canceled', timestamp: new Date(verification.updatedAt).toISOString(),
      data: { id: verification.id, revision: 2, status: 'canceled', phoneNumber },
    },
  )
  t.strictSame(Object.keys(body), ['type', 'timestamp', 'data'])
  t.strictSame([await due(now() + day - 1), await due(now() + day)], [[], [id]], 'kept for the retention time')
  t.equal(await expiryOf(id), now() + day + hour, 'should nobody erase it, it goes by itself')

  pass(hour)
  await deliveries.attempt(id)
  t.equal(receiver.received.length, 1, 'once')
  t.strictSame(jobs, [])
  t.strictSame(
    await Promise.all(
      ['delivered', 'retry', 'failed'].map(result => count(`verigate_webhook_tries_total{result="${result}"}`)),
    ),
    [1, 0, 0],
  )
  t.equal(await count('verigate_webhook_try_seconds_count'), 1)
  const line = lines.find(text => text.includes('"webhook"'))
  t.match(
    JSON.parse(line ?? '{}'),
    {
      deliveryId: id, app: 'shop', type: 'verification.canceled', status: 'delivered', statusCode: 204, error: null,
      durationMs: Number, tries: 1, msg: 'webhook',
    },
  )
  t.notMatch(lines.join(''), /hooks|4155550182|127\.0\.0\.1/)
})

t.test('news that is told late has its own place in the order', async t => {
  const { deliveries, verify, read } = await start(t)
  const verification = verify()
  const id = await deliveries.open(verification, { type: 'created', revision: 1 })
  t.match(
    JSON.parse((await read(id)).body), { type: 'verification.created', data: { revision: 1, status: 'canceled' } },
  )
})

t.test('the schedule, to the end', async t => {
  const { open, next, read, receiver, answerWith, now, due, expiryOf, deliveries, count, lines, pass } = await start(t)
  answerWith(() => 500)
  const id = await open()
  for (const [step, delay] of retryDelays.entries()) {
    const before = now()
    const after = await next(id)
    const waited = now() - before
    t.ok(waited >= delay * 0.9 && waited <= delay * 1.1, `try ${step + 1} after ${delay} ms ± 10 %: ${waited}`)
    t.equal(after.tries.length, step + 1)
    if (step === 9) break
    t.equal(after.status, 'pending')
    t.strictSame([await due((after.nextTryAt ?? 0) - 1), await due(after.nextTryAt ?? 0)], [[], [id]])
    t.ok(await expiryOf(id) > (after.nextTryAt ?? 0) + 7 * day, 'kept while it is pending')
    await deliveries.attempt(id)
    t.equal((await read(id)).tries.length, step + 1, 'not before its time')
  }
  t.match(await read(id), { status: 'failed', nextTryAt: null })
  t.equal(receiver.received.length, 10)
  t.equal(
    new Set(receiver.received.map(({ headers, text }) => `${String(headers['webhook-id'])} ${text}`)).size, 1,
    'the same on every try',
  )
  t.equal(new Set(receiver.received.map(({ headers }) => headers['webhook-timestamp'])).size, 10, 'signed anew')
  t.strictSame([await due(now() + day - 1), await due(now() + day)], [[], [id]])
  t.strictSame(
    await Promise.all(
      [
        'verigate_webhook_tries_total{result="retry"}', 'verigate_webhook_tries_total{result="failed"}',
        'verigate_webhook_exhausted_total',
      ].map(count),
    ),
    [9, 1, 1],
  )
  t.match(
    lines.filter(line => line.includes('given up')).map(line => JSON.parse(line)),
    [{ level: 50, app: 'shop', deliveryId: id, tries: 10 }],
  )
  pass(30 * day)
  await deliveries.attempt(id)
  t.equal(receiver.received.length, 10)
})

t.test('a try that takes long holds the sweeper off, for as long as it takes', async t => {
  const { deliveries, open, answerWith, due, now, pass, read } = await start(t, { timeoutMs: 3_000 })
  answerWith(() => undefined)
  const id = await open()
  let isOver = false
  const trying = deliveries.attempt(id).then(() => { isOver = true })
  pass(4_000)
  t.strictSame(await due(now() + 1_000), [id])
  await until(async () => isOver || (await due(now() + 4_000)).length === 0, 'its due time is put off', 5_000)
  t.notOk(isOver, 'while it lasts')
  await trying
  const { status, tries, nextTryAt } = await read(id)
  t.match({ status, tries }, { status: 'pending', tries: [{ error: 'timeout' }] })
  t.strictSame(
    [await due((nextTryAt ?? 0) - 1), await due(nextTryAt ?? 0)], [[], [id]], 'then it waits for its next try',
  )
})

t.test('a receiver that comes back, and one that hangs', async t => {
  const { open, next, answerWith, deliveries, read } = await start(t)
  const id = await open()
  let count = 0
  answerWith(() => [500, undefined, 302, 200][count++])
  t.match(await next(id), { status: 'pending', tries: [{ statusCode: 500 }] })
  t.match(await next(id), { status: 'pending', tries: [{}, { statusCode: null, error: 'timeout' }] })
  t.match(await next(id), { status: 'pending', tries: [{}, {}, { statusCode: 302 }] })
  t.match(await next(id), { status: 'delivered', tries: [{}, {}, {}, { statusCode: 200 }] })
  await deliveries.attempt('whd_unknown_1').then(
    () => t.fail('not an id'), error => t.equal(error.message, 'not an id'),
  )
  t.equal((await read(id)).tries.length, 4)
})

t.test('the present URL and secrets count', async t => {
  const { open, next, answerWith, apps, app, receiver } = await start(t)
  answerWith(() => 500)
  const id = await open()
  await next(id)
  apps.replace(
    [{ ...app('shop', '/new?token=t'), webhook: { url: `${receiver.url}/new?token=t`, secrets: [secret, secret] } }],
  )
  t.match(await next(id), { url: `${receiver.url}/new` })
  t.match(receiver.received.at(-1), { path: '/new?token=t', headers: { 'webhook-signature': /^v1,\S+ v1,\S+$/ } })
  apps.replace([{ id: 'shop', name: 'Shop', keys: [] }])
  t.match(await next(id), { status: 'failed', tries: [{}, {}, { statusCode: null, error: 'no_endpoint' }] })
  const orphan = await open('bank')
  t.match(
    await next(orphan), { status: 'failed', tries: [{ error: 'no_endpoint', durationMs: 0 }] }, 'an app that is gone',
  )
  t.equal(receiver.received.length, 2)
})

t.test('an endpoint that answers 410', async t => {
  const { open, next, answerWith, apps, app, receiver, deliveries, count, lines, shop } = await start(t)
  const disabledCount = () => count('verigate_webhook_endpoints_disabled_total')
  const [waiting, first, second] = [await open(), await open(), await open()]
  answerWith(() => 500)
  await next(waiting)
  answerWith(path => path === '/hooks' ? 410 : 200)
  t.match(await next(first), { status: 'failed', tries: [{ statusCode: 410, error: null }] })
  t.equal(await disabledCount(), 1)
  t.equal(lines.filter(line => line.includes('endpoint disabled')).length, 1)
  t.match(await next(second), { status: 'failed', tries: [{ statusCode: null, error: 'endpoint_disabled' }] })
  t.match(await next(waiting), { status: 'failed', tries: [{ statusCode: 500 }, { error: 'endpoint_disabled' }] })
  t.equal(receiver.received.length, 2, 'nothing more is sent')
  t.equal(await count('verigate_webhook_exhausted_total'), 0)
  t.match(await next(await open('bank')), { status: 'delivered' }, 'another app is not concerned')
  apps.replace([app('bank')])
  answerWith(() => 200)
  t.match(await next(await open('bank')), { status: 'delivered' }, 'also at the same URL')
  answerWith(path => path === '/hooks' ? 410 : 200)

  apps.replace([app('shop', '/new')])
  t.match(await next(await open()), { status: 'delivered' }, 'another URL')
  apps.replace([app('shop')])
  t.match(
    await next(await open()), { status: 'failed', tries: [{ error: 'endpoint_disabled' }] }, 'and the old one again',
  )

  t.match(
    await next((await deliveries.test(shop())).id), { status: 'failed', tries: [{ statusCode: 410 }] },
    'a test is sent all the same',
  )
  t.equal(await disabledCount(), 1, 'it was disabled before')
  answerWith(() => 200)
  t.match(await next(await open()), { status: 'failed' }, 'a test that failed enables nothing')
  t.match(await next((await deliveries.test(shop())).id), { status: 'delivered' })
  t.match(await next(await open()), { status: 'delivered' }, 'a test that succeeded does')

  answerWith(() => 410)
  await next(await open())
  t.equal(await disabledCount(), 2)
  answerWith(() => 200)
  await deliveries.replay(shop(), second)
  t.match(await next(second), { status: 'delivered', tries: [{ error: 'endpoint_disabled' }, { statusCode: 200 }] })
  t.match(await next(await open()), { status: 'delivered' }, 'and so does a replay')
})

t.test('a disabled endpoint stays so under another first seal key', async t => {
  const [one, two] = ['k1', 'k2'].map(id => `${id}:${randomBytes(32).toString('base64')}`)
  const before = await start(t, { sealKeys: `${one}` })
  before.answerWith(() => 410)
  const url = before.apps.byId('shop')?.webhook?.url ?? ''
  await before.next(await before.open())
  const after = await start(t, { sealKeys: `${two},${one}`, redisUrl: before.url })
  after.apps.replace([{ id: 'shop', name: 'Shop', keys: [], webhook: { url, secrets: [secret] } }])
  t.match(await after.next(await after.open()), { tries: [{ error: 'endpoint_disabled' }] })
  before.answerWith(() => 200)
  await after.next((await after.deliveries.test(after.apps.byId('shop') ?? before.shop())).id)
  t.match(await after.next(await after.open()), { status: 'delivered' })
  t.equal((await after.deliveries.list(after.shop(), { limit: 10 })).data.length, 4, 'and the list shows both times')
})

t.test('the sweeper reminds', async t => {
  const { open, deliveries, due, pass, now, jobs, failQueue, redis, ids, read, sealer, lines } = await start(t)
  const id = await open()
  const { nextTryAt } = await read(id)
  pass(15 * second)
  await deliveries.requeue(id)
  t.strictSame(jobs, [[id, sealer.keyedHash('job', `${id} ${nextTryAt}`)]])
  t.strictSame([await due(now() + 19_999), await due(now() + 20_000)], [[], [id]])
  pass(20 * second)
  await deliveries.requeue(id)
  t.strictSame(jobs[1], jobs[0], 'the same try is the same job')
  failQueue(true)
  pass(20 * second)
  await deliveries.requeue(id)
  t.strictSame(
    [await due(now() + 19_999), await due(now() + 20_000)], [[], [id]],
    'a queue that is away is no fault of the delivery\'s: it is tried again as soon',
  )
  t.match(JSON.parse(lines.at(-1) ?? '{}'), { level: 40, deliveryId: id, msg: 'job not queued, left to the sweeper' })

  await redis.del(createKeys('vg').record(ids.partitionOf(id) ?? -1, id))
  await deliveries.requeue(id)
  t.strictSame(await due(), [], 'what is gone is not due')
})

t.test('what the sweeper comes to late is kept for its time', async t => {
  const { open, next, read, deliveries, due, now, pass, store } = await start(t)
  const id = await open()
  await next(id)
  pass(second)
  await deliveries.requeue(id)
  t.match(await read(id), { status: 'delivered' }, 'tried since it was found due')
  t.strictSame([await due(now() + day - 1_001), await due(now() + day - 1_000)], [[], [id]])
  pass(day)
  await deliveries.requeue(id)
  t.equal(await store.load(id), null)
})

t.test('what was delivered while a slow try lasts is kept for its time', async t => {
  const { open, deliveries, answerWith, receiver, read, due, now, pass, shop } = await start(t, { timeoutMs: 3_000 })
  let count = 0
  answerWith(() => [undefined, 200][count++])
  const id = await open()
  const slow = deliveries.attempt(id)
  await receiver.first(1)
  await deliveries.replay(shop(), id)
  await deliveries.attempt(id)
  t.match(await read(id), { status: 'delivered', tries: { length: 1 } })
  await slow
  pass(5 * second)
  for (const each of await due()) await deliveries.requeue(each)
  t.match(await read(id), { status: 'delivered', tries: { length: 1 } })
  t.strictSame(await due(now() + hour), [])
})

t.test('tries at the same time are all at the same delivery', async t => {
  const { open, deliveries, read, receiver } = await start(t)
  const id = await open()
  await Promise.all([1, 2, 3].map(() => deliveries.attempt(id)))
  t.match(await read(id), { status: 'delivered', tries: { length: 1 } })
  t.ok(receiver.received.length >= 1)
})

t.test('a slow receiver leaves hands for the others', async t => {
  const { open, deliveries, receiver, answerWith, due, now, read } = await start(t)
  answerWith(path => path === '/hooks' ? undefined : 200)
  const slow = await Promise.all(Array.from({ length: 30 }, () => open()))
  const quick = await open('bank')
  const trying = Promise.all(slow.map(id => deliveries.attempt(id)))
  await deliveries.attempt(quick)
  t.equal((await read(quick)).status, 'delivered')
  await trying
  t.equal(receiver.received.filter(({ path }) => path === '/hooks').length, 25)
  t.equal((await due(now() + 2 * second)).length, 5, 'the others soon')
  answerWith(() => 200)
  await Promise.all(slow.map(id => deliveries.attempt(id)))
  t.equal(receiver.received.length, 31, 'and the hands are free again')
})

t.test('replay', async t => {
  const {
    open, next, read, deliveries, answerWith, receiver, jobs, now, due, shop, app, ids, failQueue, lines, pass, sealer,
  } = await start(t)
  const id = await open()
  await next(id)
  pass(hour)
  t.match(await deliveries.replay(shop(), id), { status: 'pending', nextTryAt: now(), tries: { length: 1 } })
  t.strictSame(jobs, [[id, sealer.keyedHash('job', `${id} ${now()}`)]])
  t.strictSame([await due(now() + 4_999), await due(now() + 5_000)], [[], [id]])
  answerWith(() => 500)
  t.match(
    await next(id), { status: 'pending', tries: [{ statusCode: 204 }, { statusCode: 500 }] }, 'by the schedule again',
  )
  answerWith(() => 200)
  t.match(await next(id), { status: 'delivered', tries: { length: 3 } })
  t.equal(new Set(receiver.received.map(({ headers, text }) => `${String(headers['webhook-id'])} ${text}`)).size, 1)

  failQueue(true)
  t.match(await deliveries.replay(shop(), id), { status: 'pending' }, 'the sweeper will do it')
  t.match(JSON.parse(lines.at(-1) ?? '{}'), { msg: 'job not queued, left to the sweeper' })
  failQueue(false)

  const other = await open('bank')
  const unknown = ids.deliveryId(ids.newId('shop', 3), 4)
  for (
    const wrong of [other, unknown, 'whd_x', '', id.replace('whd_', 'ver_'), ids.newId('shop', 3)]
  ) t.equal(await refusal(deliveries.replay(shop(), wrong)), 'not_found', wrong)
  t.equal(await refusal(deliveries.replay(app('bank'), id)), 'not_found')
  t.equal(await refusal(deliveries.replay({ id: 'shop', name: 'Shop', keys: [] }, id)), 'invalid_state')
  t.match(await read(other), { status: 'pending', isManual: false })
})

t.test('a test', async t => {
  const { deliveries, next, receiver, shop, now, jobs, ids, sealer } = await start(t)
  const made = await deliveries.test(shop())
  t.match(
    made,
    { type: 'webhook.test', verificationId: null, status: 'pending', nextTryAt: now(), url: `${receiver.url}/hooks` },
  )
  t.strictSame(jobs, [[made.id, sealer.keyedHash('job', `${made.id} ${now()}`)]])
  t.match(await next(made.id), { status: 'delivered' })
  t.match(
    receiver.received,
    [
      {
        body: { type: 'webhook.test', timestamp: new Date(now()).toISOString(), data: { app: 'shop' } },
        headers: { 'webhook-id': made.webhookId },
      },
    ],
  )
  t.notMatch(made.webhookId, /\./)
  t.not((await deliveries.test(shop())).webhookId, made.webhookId)
  t.ok(ids.checkId(ids.readDeliveryId(made.id)?.id ?? '', 'shop'))
  t.equal(await refusal(deliveries.test({ id: 'shop', name: 'Shop', keys: [] })), 'invalid_state')
})

t.test('the list', async t => {
  const { open, next, deliveries, answerWith, shop, app, pass, redis } = await start(t)
  t.strictSame(await deliveries.list(shop(), { limit: 5 }), { data: [], nextCursor: null })
  answerWith(path => path === '/bank' ? 200 : 410)
  const made: string[] = []
  for (let count = 0; count < 7; count += 1) {
    made.push(await open())
    if (count % 2 === 0) pass(1)
  }
  const foreign = await open('bank')
  await next(made[3] ?? '')
  const all = async (limit: number, status?: Delivery['status']) => {
    const seen: string[] = []
    const sizes: number[] = []
    let cursor: string | null = null
    do {
      const page: { data: Delivery[], nextCursor: string | null } = await deliveries.list(
        shop(), { limit, ...cursor === null ? {} : { cursor }, ...status === undefined ? {} : { status } },
      )
      seen.push(...page.data.map(({ id }) => id))
      sizes.push(page.data.length)
      cursor = page.nextCursor
    } while (cursor !== null)
    return { seen, sizes }
  }
  const times = new Map(
    await Promise.all(
      made.map(
        async id => [
          id, (await deliveries.list(shop(), { limit: 100 })).data.find(one => one.id === id)?.createdAt ?? 0,
        ] as const,
      ),
    ),
  )
  const newest = made.toSorted((a, b) => (times.get(b) ?? 0) - (times.get(a) ?? 0) || (a < b ? 1 : -1))
  t.strictSame(await all(100), { seen: newest, sizes: [7] })
  t.strictSame(await all(3), { seen: newest, sizes: [3, 3, 1] })
  t.strictSame(await all(7), { seen: newest, sizes: [7] })
  t.strictSame((await all(1)).seen, newest)
  t.strictSame((await all(2, 'failed')).seen, [made[3]])
  t.strictSame((await all(100, 'pending')).seen, newest.filter(id => id !== made[3]))
  t.strictSame((await all(1, 'delivered')).seen, [])
  t.strictSame((await deliveries.list(app('bank'), { limit: 5 })).data.map(({ id }) => id), [foreign], 'its own only')

  await redis.del(createKeys('vg').record(3, newest[0] ?? ''))
  t.strictSame((await all(3)).seen, newest.slice(1), 'what is gone is left out')
  for (
    const cursor of ['x', Buffer.from('1 ver_x').toString('base64url'), Buffer.from('-1 whd_x').toString('base64url')]
  ) {
    t.equal(await refusal(deliveries.list(shop(), { limit: 5, cursor })), 'invalid_request cursor')
  }
})

t.test('a long list of others is not read to its end at once', async t => {
  const { open, deliveries, shop } = await start(t)
  for (let count = 0; count < 25; count += 1) await open()
  const { data, nextCursor } = await deliveries.list(shop(), { limit: 1, status: 'failed' })
  t.strictSame(data, [])
  t.type(nextCursor, 'string', 'there is more to look at')
})

t.test('what is pending of other apps does not stand before an app’s own', async t => {
  const { open, deliveries, shop, pass } = await start(t)
  const own = await open()
  pass(1)
  for (let count = 0; count < 25; count += 1) await open('bank')
  const { data, nextCursor } = await deliveries.list(shop(), { limit: 1 })
  t.strictSame([data.map(({ id }) => id), nextCursor], [[own], null])
})

t.test('what was erased in the middle of a try stays so', async t => {
  const { open, deliveries, store, answerWith, receiver, due, now } = await start(t)
  const id = await open()
  answerWith(() => undefined)
  const trying = deliveries.attempt(id)
  await receiver.first(1)
  await deliveries.drop('shop', id)
  await trying
  t.equal(await store.load(id), null)
  t.strictSame(await due(now() + 365 * day), [])
})

t.test('since when the one that is pending longest is', async t => {
  const { open, next, deliveries, now, pass, answerWith, verify, redis, ids, store, shop, read } = await start(t)
  t.equal(await deliveries.pendingSince(), null)
  answerWith(path => path === '/bank' ? 204 : 500)
  const first = now()
  const id = await open()
  t.equal(await deliveries.pendingSince(), first, 'before it is tried')
  pass(60_000)
  const later = now()
  const second = await open()
  await next(id)
  await next(second)
  pass(hour)
  t.equal(await deliveries.pendingSince(), first, 'the tries make it no younger')
  await next(await open('bank'))
  t.equal(await deliveries.pendingSince(), first)
  answerWith(() => 204)
  t.equal((await next(id)).status, 'delivered')
  t.equal((await store.first('pending'))?.id, second, 'what is settled leaves the list')
  t.equal(await deliveries.pendingSince(), later)
  t.equal((await next(second)).status, 'delivered')
  t.equal(await deliveries.pendingSince(), null)

  pass(hour)
  const replayed = await deliveries.replay(shop(), id)
  t.equal(await deliveries.pendingSince(), now(), 'a replay is as old as the wish for it')
  t.equal((await next(replayed.id)).status, 'delivered')
  t.equal(await deliveries.pendingSince(), null)

  answerWith(() => 500)
  const given = await open()
  while ((await read(given)).status === 'pending') await next(given)
  t.equal(await deliveries.pendingSince(), null, 'what was given up is not pending')

  await t.test('whatever is left in the list', async t => {
    const at = now()
    const list = (name: string, score: number) => redis.zadd(createKeys('vg').index(3, 'pending'), score, name)
    for (let n = 0; n < 15; n += 1) await list(ids.deliveryId(verify().id, 1), at - 1_000 - n)
    await list(given, at - 500)
    t.equal(await deliveries.pendingSince(), null, 'what is gone, or settled, is passed over')
    t.equal(await store.first('pending'), null, 'and taken out')
    for (let n = 0; n < 30; n += 1) await list(ids.deliveryId(verify().id, 1), at - 1_000 - n)
    const real = await open()
    await deliveries.pendingSince()
    t.equal(await deliveries.pendingSince(), at, 'at the second look, where there are many')
    await redis.set(createKeys('vg').record(3, real), Buffer.alloc(64))
    t.equal(await deliveries.pendingSince(), at, 'one that cannot be read is not delivered')
    await deliveries.drop('shop', real)
    t.equal(await store.first('pending'), null, 'what is erased leaves the list')
  })
})

t.test('Redis shows nothing of it', async t => {
  const { open, next, redis, answerWith, apps, receiver } = await start(t)
  apps.replace(
    [{ id: 'shop', name: 'Shop', keys: [], webhook: { url: `${receiver.url}/of-the-shop`, secrets: [secret] } }],
  )
  await next(await open())
  answerWith(() => 410)
  await next(await open())
  const names = await redis.keys('*')
  const values = await Promise.all(
    names.map(
      async name => (await redis.type(name)) === 'string'
        ? (await redis.getBuffer(name))?.toString('latin1')
        : (await redis.zrangebyscore(name, '-inf', '+inf')).join(' '),
    ),
  )
  const text = [...names, ...values].join('\n')
  t.ok(names.length >= 4)
  for (
    const word of ['4155550182', 'of-the-shop', '127.0.0.1', secret.slice(6), 'canceled', 'shop']
  ) t.notOk(text.includes(word), word)
})
