import t from 'tap'
import { startRedis, until } from '../helpers/redis.ts'
import { day, hour, phoneNumber, second, startWebhooks } from './setup.ts'

const { url: redisUrl } = await startRedis(t)
const enqueueFailed = 'enqueue failed; the sweeper will retry it'

t.test('an event is delivered once, signed, logged and counted', async t => {
  const webhooks = await startWebhooks(t, { redisUrl })
  const { deliveries, verify, stage, receiver, read, due, now, pass, count, jobs, lines, logged, redis } = webhooks
  const verification = verify()
  const { record: { id } } = await stage(verification)
  t.equal(id, `whd_${verification.id.slice(4)}_2`)
  t.match(await read(id), { status: 'pending', tries: [], nextTryAt: now(), url: `${receiver.url}/hooks` })
  t.strictSame([await due(now() + 4_999), await due(now() + 5_000)], [[], [id]], 'due when its writer died')
  t.equal(await redis.pexpiretime(webhooks.recordKey(id)), now() + 31 * day)

  await deliveries.attempt(id)
  t.match(await read(id), {
    status: 'delivered', nextTryAt: null, tries: [{ at: now(), statusCode: 204, error: null }],
  })
  const [{ headers, text, body } = { headers: {}, text: '', body: {} }] = receiver.received
  t.match(headers, {
    'webhook-id': `msg_${verification.id.slice(4)}_2`, 'webhook-timestamp': String(Math.floor(now() / 1000)),
    'webhook-signature': /^v1,\S+$/,
  })
  t.equal(text, (await read(id)).body)
  t.match(body, {
    type: 'verification.canceled', timestamp: new Date(verification.updatedAt).toISOString(),
    data: { id: verification.id, revision: 2, status: 'canceled', phoneNumber },
  })
  t.strictSame(Object.keys(body), ['type', 'timestamp', 'data'])

  pass(hour)
  await deliveries.attempt(id)
  t.equal(receiver.received.length, 1, 'once')
  t.strictSame(jobs, [])
  const results = ['delivered', 'retry', 'failed'].map(result => `verigate_webhook_tries_total{result="${result}"}`)
  t.strictSame(await Promise.all(results.map(count)), [1, 0, 0])
  t.equal(await count('verigate_webhook_try_seconds_count'), 1)
  t.match(logged('webhook'), [{
    deliveryId: id, app: 'shop', type: 'verification.canceled', status: 'delivered', statusCode: 204, error: null,
    durationMs: Number, tries: 1,
  }])
  t.notMatch(lines.join(''), /hooks|4155550182|127\.0\.0\.1/)
})

t.test('an event carries its own revision', async t => {
  const { verify, stage } = await startWebhooks(t, { redisUrl })
  const { record } = await stage(verify(), { type: 'created', revision: 1 })
  t.match(JSON.parse(record.body), { type: 'verification.created', data: { revision: 1, status: 'canceled' } })
})

t.test('a job of an invalid id throws, and one of an unknown delivery does nothing', async t => {
  const { deliveries, ids, receiver } = await startWebhooks(t, { redisUrl })
  await t.rejects(deliveries.attempt('whd_unknown_1'), { message: 'not an id' })
  await deliveries.attempt(ids.deliveryId(ids.newId('shop', 3), 4))
  t.equal(receiver.received.length, 0)
})

t.test('the sweeper enqueues a due delivery', async t => {
  const webhooks = await startWebhooks(t, { redisUrl })
  const { open, deliveries, due, pass, now, jobs, breakQueue, redis, recordKey, keys, read, logged } = webhooks
  const id = await open()
  const { nextTryAt } = await read(id)
  pass(15 * second)
  await deliveries.requeue(id)
  t.strictSame(jobs, [[id, keys.jobName(id, nextTryAt)]])
  t.strictSame([await due(now() + 19_999), await due(now() + 20_000)], [[], [id]])
  pass(20 * second)
  await deliveries.requeue(id)
  t.strictSame(jobs[1], jobs[0], 'the same try is the same job')
  breakQueue(true)
  pass(20 * second)
  await deliveries.requeue(id)
  t.strictSame([await due(now() + 19_999), await due(now() + 20_000)], [[], [id]], 'also when the queue is down')
  t.match(logged(enqueueFailed), [{ level: 40, deliveryId: id, cause: 'Error' }])

  await redis.del(recordKey(id))
  await deliveries.requeue(id)
  t.strictSame(await due(now() + day), [], 'a delivery without a record is not due any more')
})

t.test('the sweeper erases a delivery only after its retention', async t => {
  const webhooks = await startWebhooks(t, { redisUrl })
  const { open, next, read, deliveries, due, now, pass, store, redis, indexKey, keys } = webhooks
  const id = await open()
  pass(hour)
  await next(id)
  pass(second)
  await deliveries.requeue(id)
  t.match(await read(id), { status: 'delivered' }, 'a try came before the sweeper')
  t.strictSame([await due(now() + day - 1_001), await due(now() + day - 1_000)], [[], [id]])
  pass(day)
  await deliveries.requeue(id)
  t.equal(await store.load(id), null)
  t.strictSame(await due(now() + day), [])
  const names = ['pending', ...keys.listsOf('shop')].map(indexKey)
  t.equal(await redis.exists(...names), 0, 'no index lists it')
})

t.test('a first try runs inline, or as a job when that is not possible', async t => {
  const inline = await startWebhooks(t, { redisUrl, isInline: true })
  const staged = await inline.stage(inline.verify())
  await inline.deliveries.dispatch(staged)
  await until(async () => (await inline.read(staged.record.id)).status === 'delivered', 'it is delivered')
  t.strictSame(inline.jobs, [])

  const { stage, verify, deliveries, jobs, keys, breakQueue, logged, receiver } = await startWebhooks(t, { redisUrl })
  const queued = await stage(verify())
  await deliveries.dispatch(queued)
  t.strictSame(jobs, [[queued.record.id, keys.jobName(queued.record.id, queued.record.nextTryAt)]])
  breakQueue(true)
  await deliveries.dispatch(await stage(verify()))
  t.match(logged(enqueueFailed), [{ level: 40 }])
  t.equal(receiver.received.length, 0)
})
