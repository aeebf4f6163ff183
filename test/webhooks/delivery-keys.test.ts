import t from 'tap'
import { startRedis } from '../helpers/redis.ts'
import { day, hour, secret, startWebhooks } from './setup.ts'

const { url: redisUrl } = await startRedis(t)

t.test('the record and its index entries outlive the schedule and the retention', async t => {
  const { keys, verify, now } = await startWebhooks(t, { redisUrl })
  const at = now()
  const verification = verify()
  const pending = keys.ofEvent(verification, { type: 'canceled', revision: 2 }, { status: 'canceled' }, at)
  const late = keys.ofEvent(verification, { type: 'canceled', revision: 2 }, {}, at + 5_000)
  t.match(JSON.parse(late.body), { timestamp: new Date(verification.updatedAt).toISOString() }, 'of the change')
  t.strictSame(keys.deadlinesOf(pending), { dueAt: at, expiresAt: at + 31 * day })
  t.strictSame(keys.leasedDeadlinesOf(pending, at), { dueAt: at + 5_000, expiresAt: at + 31 * day })
  const [tried, waiting] = [at + hour, at + 2 * hour]
  const tries = [
    { at, statusCode: 500, durationMs: 1, error: null }, { at: tried, statusCode: 204, durationMs: 1, error: null },
  ]
  t.strictSame(keys.deadlinesOf({ ...pending, tries, nextTryAt: waiting }), {
    dueAt: waiting, expiresAt: waiting + 31 * day,
  })
  t.strictSame(keys.deadlinesOf({ ...pending, tries, nextTryAt: null, status: 'delivered' }), {
    dueAt: tried + day, expiresAt: tried + day + hour,
  }, 'retention counts from the last try; the sweeper has an hour more')
  t.strictSame(keys.deadlinesOf({ ...pending, nextTryAt: null }), { dueAt: at + day, expiresAt: at + day + hour })
  t.strictSame(keys.indexesOf(pending), [{ name: keys.listsOf('shop')[0], score: at }])
  t.strictSame(keys.pendingEntry(at), { name: 'pending', score: at })
  const leaves = keys.leavesOf('shop', at)
  t.strictSame(leaves.map(({ name }) => name), ['pending', ...keys.listsOf('shop')])
  t.ok(leaves.every(({ lowest }, n) => lowest < at - (n === 0 ? 33 : 4) * day), 'only what is older than any')
})

t.test('what a verification relates to', async t => {
  const { keys, verify, ids } = await startWebhooks(t, { redisUrl })
  const verification = verify()
  const { alsoDelete, indexes } = keys.relatedTo(verification, 5)
  t.strictSame(indexes, keys.leavesOf('shop', 5))
  t.strictSame(alsoDelete, Array.from({ length: 10 }, (_, at) => ids.deliveryId(verification.id, at + 1)))
  t.strictSame(keys.relatedTo({ ...verification, webhookEvents: [] }, 5), { alsoDelete: [], indexes: [] })
})

t.test('the job of a try has its own name, which does not show the delivery', async t => {
  const { keys, ids } = await startWebhooks(t, { redisUrl })
  const id = ids.deliveryId(ids.newId('shop', 3), 2)
  t.equal(keys.jobName(id, 1), keys.jobName(id, 1))
  t.not(keys.jobName(id, 1), keys.jobName(id, 2))
  t.notMatch(keys.jobName(id, 1), id.slice(4, 20))
})

t.test('Redis shows no content of deliveries', async t => {
  const { open, next, redis, namespace, respondWith, apps, receiver } = await startWebhooks(t, { redisUrl })
  const webhook = { url: `${receiver.url}/of-the-shop`, secrets: [secret] }
  apps.replace([{ id: 'shop', name: 'Shop', keys: [], webhook }])
  await next(await open())
  respondWith(() => 410)
  await next(await open())
  const names = await redis.keys(`${namespace}:*`)
  const values = await Promise.all(names.map(async name => (await redis.type(name)) === 'string'
    ? (await redis.getBuffer(name))?.toString('latin1')
    : (await redis.zrangebyscore(name, '-inf', '+inf')).join(' ')))
  const text = [...names, ...values].join('\n')
  t.ok(names.length >= 4)
  for (const word of ['4155550182', 'of-the-shop', '127.0.0.1', secret.slice(6), 'canceled', 'shop']) {
    t.notOk(text.includes(word), word)
  }
})
