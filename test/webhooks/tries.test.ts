import { mock } from 'node:test'
import t from 'tap'
import { retryDelays } from '../../src/webhooks/schedule.ts'
import { StoreUnavailable } from '../../src/store/record-store.ts'
import { startRedis, until } from '../helpers/redis.ts'
import { day, hour, second, secret, startWebhooks } from './setup.ts'

const { url: redisUrl } = await startRedis(t)

t.test('the schedule, to its last try', async t => {
  const webhooks = await startWebhooks(t, { redisUrl })
  const { open, next, read, receiver, respondWith, now, due, deliveries, count, logged } = webhooks
  respondWith(() => 500)
  const id = await open()
  for (const [step, delay] of retryDelays.entries()) {
    const before = now()
    const { tries, status, nextTryAt } = await next(id)
    const waited = now() - before
    t.ok(waited >= delay * 0.9 && waited <= delay * 1.1, `try ${step + 1} after ${delay} ms ± 10 %: ${waited}`)
    t.equal(tries.length, step + 1)
    if (step === retryDelays.length - 1) break
    t.equal(status, 'pending')
    t.strictSame([await due((nextTryAt ?? 0) - 1), await due(nextTryAt ?? 0)], [[], [id]])
    await deliveries.attempt(id)
    t.equal((await read(id)).tries.length, step + 1, 'a job that comes too early makes no try')
  }
  t.match(await read(id), { status: 'failed', nextTryAt: null })
  t.equal(receiver.received.length, 10)
  const contents = receiver.received.map(({ headers, text }) => `${String(headers['webhook-id'])} ${text}`)
  t.equal(new Set(contents).size, 1, 'every try sends the same id and body')
  t.equal(new Set(receiver.received.map(({ headers }) => headers['webhook-timestamp'])).size, 10)
  t.strictSame([await due(now() + day - 1), await due(now() + day)], [[], [id]], 'retention counts from the last try')
  const series = [
    'verigate_webhook_tries_total{result="retry"}', 'verigate_webhook_tries_total{result="failed"}',
    'verigate_webhook_exhausted_total',
  ]
  t.strictSame(await Promise.all(series.map(count)), [9, 1, 1])
  t.match(logged('webhook failed: every try failed'), [{ level: 50, app: 'shop', deliveryId: id, tries: 10 }])
})

t.test('a receiver that fails, times out, redirects and recovers', async t => {
  const { open, next, respondWith } = await startWebhooks(t, { redisUrl, timeoutMs: 50 })
  const id = await open()
  const responses = [500, new Promise<number>(() => {}), 302, 200]
  respondWith(() => responses.shift() ?? 0)
  t.match(await next(id), { status: 'pending', tries: [{ statusCode: 500 }] })
  t.match(await next(id), { status: 'pending', tries: [{}, { statusCode: null, error: 'timeout' }] })
  t.match(await next(id), { status: 'pending', tries: [{}, {}, { statusCode: 302 }] })
  t.match(await next(id), { status: 'delivered', tries: [{}, {}, {}, { statusCode: 200 }] })
})

t.test('each try uses the current URL and secrets', async t => {
  const { open, next, respondWith, apps, receiver } = await startWebhooks(t, { redisUrl })
  respondWith(() => 500)
  const id = await open()
  await next(id)
  const other = `whsec_${Buffer.alloc(24, 9).toString('base64')}`
  const webhook = { url: `${receiver.url}/new?token=t`, secrets: [secret, other] }
  apps.replace([{ id: 'shop', name: 'Shop', keys: [], webhook }])
  t.match(await next(id), { url: `${receiver.url}/new` })
  t.match(receiver.received.at(-1), { path: '/new?token=t', headers: { 'webhook-signature': /^v1,\S+ v1,\S+$/ } })
  apps.replace([{ id: 'shop', name: 'Shop', keys: [] }])
  t.match(await next(id), { status: 'failed', tries: [{}, {}, { statusCode: null, error: 'no_endpoint' }] })
  const orphan = await open('bank')
  t.match(await next(orphan), { status: 'failed', tries: [{ error: 'no_endpoint', durationMs: 0 }] }, 'a removed app')
  t.equal(receiver.received.length, 2)
})

t.test('a slow try extends its lease', async t => {
  const { deliveries, open, respondWith, due, now, pass, read, receiver } = await startWebhooks(t, { redisUrl })
  const response = Promise.withResolvers<number>()
  respondWith(() => response.promise)
  const id = await open()
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  const trying = deliveries.attempt(id)
  await receiver.arrived(1)
  pass(4_000)
  t.strictSame(await due(now() + second), [id], 'the first lease')
  mock.timers.tick(2_000)
  await until(async () => (await due(now() + 4_999)).length === 0, 'the lease is extended')
  t.strictSame(await due(now() + 5_000), [id])
  response.resolve(500)
  await trying
  const { nextTryAt } = await read(id)
  mock.timers.tick(10_000)
  t.strictSame([await due((nextTryAt ?? 0) - 1), await due(nextTryAt ?? 0)], [[], [id]], 'then the next try is due')
})

t.test('a delivery that is erased during a try stays erased', async t => {
  const webhooks = await startWebhooks(t, { redisUrl })
  const { verify, stage, erase, deliveries, store, respondWith, receiver, due, now } = webhooks
  const response = Promise.withResolvers<number>()
  respondWith(() => response.promise)
  const verification = verify()
  const { record: { id } } = await stage(verification)
  const trying = deliveries.attempt(id)
  await receiver.arrived(1)
  await erase(verification)
  response.resolve(500)
  await trying
  t.equal(await store.load(id), null)
  t.strictSame(await due(now() + 365 * day), [])
})

t.test('a try keeps its result when another process writes meanwhile', async t => {
  const { open, deliveries, deliveryLog, respondWith, receiver, read, shop } = await startWebhooks(t, { redisUrl })
  const response = Promise.withResolvers<number>()
  respondWith(() => response.promise)
  const id = await open()
  const trying = deliveries.attempt(id)
  await receiver.arrived(1)
  await deliveryLog.replay(shop(), id)
  response.resolve(500)
  await trying
  t.match(await read(id), { status: 'pending', step: 1, isManual: true, tries: [{ statusCode: 500 }] })
  t.equal((await read(id)).tries.length, 1)
})

t.test('a slow try changes nothing when another one has delivered', async t => {
  const webhooks = await startWebhooks(t, { redisUrl })
  const { open, deliveries, deliveryLog, respondWith, receiver, read, due, now, pass, shop } = webhooks
  const slow = Promise.withResolvers<number>()
  const responses = [slow.promise, 200]
  respondWith(() => responses.shift() ?? 0)
  const id = await open()
  const trying = deliveries.attempt(id)
  await receiver.arrived(1)
  await deliveryLog.replay(shop(), id)
  await deliveries.attempt(id)
  slow.resolve(500)
  await trying
  pass(5 * second)
  for (const each of await due()) await deliveries.requeue(each)
  t.match(await read(id), { status: 'delivered', tries: [{ statusCode: 200 }] })
  t.equal((await read(id)).tries.length, 1)
  t.strictSame(await due(now() + hour), [])
})

t.test('a slow receiver occupies 25 slots, and leaves the others to other apps', async t => {
  const webhooks = await startWebhooks(t, { redisUrl })
  const { open, deliveries, receiver, respondWith, due, now, read, replaceSender } = webhooks
  const response = Promise.withResolvers<number>()
  respondWith(path => path === '/hooks' ? response.promise : 200)
  const slow = await Promise.all(Array.from({ length: 30 }, () => open()))
  const ended = Promise.allSettled(slow.map(async id => deliveries.attempt(id)))
  await receiver.arrived(25)
  const quick = await open('bank')
  await deliveries.attempt(quick)
  t.equal((await read(quick)).status, 'delivered')
  await until(async () => (await due(now() + 2 * second)).length === 5, 'the five others are due in two seconds')
  t.strictSame(await due(now() + 2 * second - 1), [])
  t.equal(receiver.received.length, 26)

  await replaceSender()
  const results = await ended
  const aborted = slow.filter((_, index) => results[index]?.status === 'rejected')
  t.equal(aborted.length, 25)
  respondWith(() => 200)
  await Promise.all(aborted.map(async id => deliveries.attempt(id)))
  t.equal(receiver.received.length, 51, 'a try that throws releases its slot')
})

t.test('a first try that waited for a slot is not made when another process has delivered meanwhile', async t => {
  const webhooks = await startWebhooks(t, { redisUrl, isInline: true })
  const { open, verify, stage, deliveries, receiver, respondWith, read, store, keys } = webhooks
  const running = Promise.withResolvers<number>()
  respondWith(() => running.promise)
  const ids = await Promise.all(Array.from({ length: 25 }, () => open()))
  const trying = ids.map(async id => deliveries.attempt(id))
  await receiver.arrived(25)
  const waiting = [await stage(verify()), await stage(verify())]
  for (const staged of waiting) await deliveries.dispatch(staged)
  const [first, second] = waiting.map(({ record }) => record)
  if (first === undefined || second === undefined) throw new Error('not staged')
  const delivered = { ...first, status: 'delivered' as const, nextTryAt: null }
  await store.save(first.id, waiting[0]?.version ?? '', delivered, { ...keys.deadlinesOf(delivered), publish: null })
  running.resolve(200)
  await Promise.all(trying)
  await until(async () => (await read(second.id)).status === 'delivered', 'the other one is sent')
  t.equal(receiver.received.length, 26)
  t.strictSame((await read(first.id)).tries, [])
})

t.test('a first try that waited for a slot is not sent when its verification was erased meanwhile', async t => {
  const webhooks = await startWebhooks(t, { redisUrl, isInline: true })
  const { open, verify, stage, erase, deliveries, receiver, respondWith, read, store } = webhooks
  const first = Promise.withResolvers<number>()
  const others = Promise.withResolvers<number>()
  const responses = [first.promise]
  respondWith(() => responses.shift() ?? others.promise)
  const running = await Promise.all(Array.from({ length: 25 }, () => open()))
  const trying = running.map(async id => deliveries.attempt(id))
  await receiver.arrived(25)
  const [erased, kept] = [verify(), verify()]
  const waiting = [await stage(erased), await stage(kept)]
  for (const staged of waiting) await deliveries.dispatch(staged)
  await erase(erased)
  others.resolve(200)
  first.resolve(200)
  await Promise.all(trying)
  const id = waiting[1]?.record.id ?? ''
  await until(async () => (await read(id)).status === 'delivered', 'the other one is sent')
  t.equal(receiver.received.length, 26)
  t.equal(await store.load(waiting[0]?.record.id ?? ''), null)
})

t.test('nothing is sent before enough replicas have the change that it reports', async t => {
  let isBehind = true
  const { stage, verify, deliveries, receiver, read, logged } = await startWebhooks(t, {
    redisUrl, isInline: true,
    async untilReplicated () { if (isBehind) throw new StoreUnavailable('UNREPLICATED') },
  })
  const staged = await stage(verify())
  await deliveries.dispatch(staged)
  await until(() => logged('inline work failed; the sweeper will retry it').length === 1, 'the first try is given up')
  const { id } = staged.record
  await t.rejects(deliveries.attempt(id), { code: 'UNREPLICATED' }, 'so is that of a job')
  t.strictSame([receiver.received.length, (await read(id)).tries], [0, []])
  isBehind = false
  await deliveries.attempt(id)
  t.match(await read(id), { status: 'delivered' })
})
