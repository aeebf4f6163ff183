import t from 'tap'
import { packId } from '../../src/store/keys.ts'
import { toBytes } from '../../src/store/scripts.ts'
import type { Delivery } from '../../src/webhooks/delivery.ts'
import { startRedis } from '../helpers/redis.ts'
import { hour, refusal, startWebhooks } from './setup.ts'

const { url: redisUrl } = await startRedis(t)

t.test('a replay restarts the schedule of a delivery', async t => {
  const webhooks = await startWebhooks(t, { redisUrl })
  const { open, next, deliveryLog, respondWith, receiver, jobs, now, due, shop, pass, keys } = webhooks
  const id = await open()
  respondWith(() => 500)
  await next(id)
  respondWith(() => 204)
  await next(id)
  pass(hour)
  const replayed = await deliveryLog.replay(shop(), id)
  t.match(replayed, { status: 'pending', step: 0, nextTryAt: now(), tries: { length: 2 } })
  t.strictSame(jobs, [[id, keys.jobName(id, now())]])
  t.strictSame([await due(now() + 4_999), await due(now() + 5_000)], [[], [id]], 'due when its writer died')
  respondWith(() => 500)
  const failed = await next(id)
  t.match(failed, { status: 'pending', tries: [{}, { statusCode: 204 }, { statusCode: 500 }] })
  const delay = (failed.nextTryAt ?? 0) - now()
  t.ok(delay >= 4_500 && delay <= 5_500, `the first delay of the schedule: ${delay}`)
  respondWith(() => 200)
  t.match(await next(id), { status: 'delivered', tries: { length: 4 } })
  const contents = receiver.received.map(({ headers, text }) => `${String(headers['webhook-id'])} ${text}`)
  t.equal(new Set(contents).size, 1, 'every try sends the same id and body')

  webhooks.breakQueue(true)
  t.match(await deliveryLog.replay(shop(), id), { status: 'pending' }, 'the sweeper will send it')
  t.equal(webhooks.logged('enqueue failed; the sweeper will retry it').length, 1)
})

t.test('an app can replay its own deliveries only', async t => {
  const { open, read, deliveryLog, shop, app, ids } = await startWebhooks(t, { redisUrl })
  const [own, other] = [await open(), await open('bank')]
  const unknown = ids.deliveryId(ids.newId('shop', 3), 4)
  for (const wrong of [other, unknown, 'whd_x', '', own.replace('whd_', 'ver_'), ids.newId('shop', 3)]) {
    t.equal(await refusal(deliveryLog.replay(shop(), wrong)), 'not_found', wrong)
  }
  t.equal(await refusal(deliveryLog.replay(app('bank'), own)), 'not_found')
  t.equal(await refusal(deliveryLog.replay({ id: 'shop', name: 'Shop', keys: [] }, own)), 'invalid_state')
  t.match(await read(other), { status: 'pending', isManual: false })
})

t.test('a test event', async t => {
  const { deliveryLog, next, receiver, shop, now, due, jobs, ids, keys } = await startWebhooks(t, { redisUrl })
  const sent = await deliveryLog.test(shop())
  t.match(sent, {
    type: 'webhook.test', verificationId: null, status: 'pending', nextTryAt: now(), url: `${receiver.url}/hooks`,
  })
  t.strictSame(jobs, [[sent.id, keys.jobName(sent.id, now())]])
  t.strictSame([await due(now() + 4_999), await due(now() + 5_000)], [[], [sent.id]])
  t.match(await next(sent.id), { status: 'delivered' })
  t.match(receiver.received, [{
    body: { type: 'webhook.test', timestamp: new Date(now()).toISOString(), data: { app: 'shop' } },
    headers: { 'webhook-id': sent.webhookId },
  }])
  t.notMatch(sent.webhookId, /\./)
  t.not((await deliveryLog.test(shop())).webhookId, sent.webhookId)
  t.ok(ids.checkId(ids.readDeliveryId(sent.id)?.id ?? '', 'shop'))
  t.equal(await refusal(deliveryLog.test({ id: 'shop', name: 'Shop', keys: [] })), 'invalid_state')
})

t.test('the pages of the list contain each delivery once, newest first', async t => {
  const webhooks = await startWebhooks(t, { redisUrl })
  const { open, next, deliveryLog, respondWith, shop, app, pass, redis, recordKey, keys, indexKey, now } = webhooks
  t.strictSame(await deliveryLog.list(shop(), { limit: 5 }), { data: [], nextCursor: null })
  respondWith(path => path === '/bank' ? 200 : 410)
  const made: string[] = []
  for (let count = 0; count < 7; count += 1) {
    made.push(await open())
    // Some have the same time of creation.
    if (count % 2 === 0) pass(1)
  }
  const foreign = await open('bank')
  const list = keys.listsOf('shop')[0] ?? ''
  await redis.zadd(indexKey(list), now(), toBytes(packId(foreign)))
  await next(made[3] ?? '')
  const all = async (limit: number, status?: Delivery['status']) => {
    const seen: Delivery[] = []
    const sizes: number[] = []
    let cursor: string | null = null
    do {
      const page: { data: Delivery[], nextCursor: string | null } = await deliveryLog.list(shop(), {
        limit, ...cursor === null ? {} : { cursor }, ...status === undefined ? {} : { status },
      })
      seen.push(...page.data)
      sizes.push(page.data.length)
      cursor = page.nextCursor
    } while (cursor !== null)
    return { seen, sizes, ids: seen.map(({ id }) => id) }
  }
  const { seen, ids: newest } = await all(100)
  t.strictSame(newest.toSorted(), made.toSorted())
  t.strictSame(seen.map(({ createdAt }) => createdAt), seen.map(({ createdAt }) => createdAt).toSorted((a, b) => b - a))
  t.notOk(newest.includes(foreign), 'an entry of another app is skipped')
  for (const limit of [1, 2, 3, 7]) {
    const { ids, sizes } = await all(limit)
    t.strictSame(ids, newest, `pages of ${limit}`)
    t.ok(sizes.every(size => size > 0 && size <= limit), `${sizes}`)
  }
  t.strictSame((await all(2, 'failed')).ids, [made[3]])
  t.strictSame((await all(100, 'pending')).ids, newest.filter(id => id !== made[3]))
  t.strictSame((await all(1, 'delivered')).ids, [])
  t.strictSame((await deliveryLog.list(app('bank'), { limit: 5 })).data.map(({ id }) => id), [foreign], 'its own only')

  await redis.del(recordKey(newest[0] ?? ''))
  t.strictSame((await all(3)).ids, newest.slice(1), 'without the ones whose record is gone')
  for (const text of ['1 ver_x', '-1 whd_x', 'x']) {
    const cursor = Buffer.from(text).toString('base64url')
    t.equal(await refusal(deliveryLog.list(shop(), { limit: 5, cursor })), 'invalid_request cursor')
  }
})

t.test('one call reads a bounded number of deliveries, however few of them match', async t => {
  const { open, deliveryLog, shop } = await startWebhooks(t, { redisUrl })
  for (let count = 0; count < 25; count += 1) await open()
  const { data, nextCursor } = await deliveryLog.list(shop(), { limit: 1, status: 'failed' })
  t.strictSame(data, [])
  t.type(nextCursor, 'string')
})

t.test('deliveries of other apps do not fill the page', async t => {
  const { open, deliveryLog, shop, pass } = await startWebhooks(t, { redisUrl })
  const own = await open()
  pass(1)
  for (let count = 0; count < 25; count += 1) await open('bank')
  const { data, nextCursor } = await deliveryLog.list(shop(), { limit: 1 })
  t.strictSame([data.map(({ id }) => id), nextCursor], [[own], null])
})

t.test('since when the oldest pending delivery is pending', async t => {
  const webhooks = await startWebhooks(t, { redisUrl })
  const { open, next, deliveries, deliveryLog, now, pass, respondWith, store, shop, read } = webhooks
  t.equal(await deliveryLog.pendingSince(), null)
  respondWith(path => path === '/bank' ? 204 : 500)
  const firstAt = now()
  const first = await open()
  t.equal(await deliveryLog.pendingSince(), null, 'before its first try')
  pass(60_000)
  const secondAt = now()
  const second = await open()
  await next(first)
  await next(second)
  pass(hour)
  t.equal(await deliveryLog.pendingSince(), firstAt, 'tries do not change it')
  await next(await open('bank'))
  t.equal(await deliveryLog.pendingSince(), firstAt)
  pass(-2 * hour)
  respondWith(() => 204)
  const early = await open()
  await deliveries.requeue(early)
  t.equal(await deliveryLog.pendingSince(), now(), 'one that the sweeper had to enqueue')
  await next(early)
  pass(2 * hour)
  t.equal(await deliveryLog.pendingSince(), firstAt, 'until it is delivered')
  t.equal((await next(first)).status, 'delivered')
  t.equal((await store.first('pending'))?.id, second, 'the write of the result removes it from the index')
  t.equal(await deliveryLog.pendingSince(), secondAt)
  t.equal((await next(second)).status, 'delivered')
  t.equal(await deliveryLog.pendingSince(), null)

  pass(hour)
  const replayed = await deliveryLog.replay(shop(), first)
  t.equal(await deliveryLog.pendingSince(), now(), 'a replay counts from its own time')
  t.equal((await next(replayed.id)).status, 'delivered')
  t.equal(await deliveryLog.pendingSince(), null)

  respondWith(() => 500)
  const exhausted = await open()
  while ((await read(exhausted)).status === 'pending') await next(exhausted)
  t.equal(await deliveryLog.pendingSince(), null, 'an exhausted delivery is not pending')
})

t.test('leftovers in the index of pending deliveries are skipped and removed', async t => {
  const webhooks = await startWebhooks(t, { redisUrl })
  const { open, next, deliveries, deliveryLog, now, verify, stage, erase, redis, ids, indexKey, recordKey, store } =
    webhooks
  const [delivered, at] = [await open(), now()]
  await next(delivered)
  const list = (id: string, score: number) => redis.zadd(indexKey('pending'), score, toBytes(packId(id)))
  for (let n = 0; n < 15; n += 1) await list(ids.deliveryId(verify().id, 1), at - 1_000 - n)
  await list(delivered, at - 500)
  t.equal(await deliveryLog.pendingSince(), null)
  t.equal(await store.first('pending'), null, 'one call removes a few')
  for (let n = 0; n < 30; n += 1) await list(ids.deliveryId(verify().id, 1), at - 1_000 - n)
  const verification = verify()
  const { record: { id } } = await stage(verification)
  await deliveries.requeue(id)
  await deliveryLog.pendingSince()
  t.equal(await deliveryLog.pendingSince(), at, 'many take a second call')
  await redis.set(recordKey(id), Buffer.alloc(64))
  t.equal(await deliveryLog.pendingSince(), at, 'a record that cannot be read is not delivered')
  await erase(verification)
  t.equal(await store.first('pending'), null, 'an erasure removes the entry')
})
