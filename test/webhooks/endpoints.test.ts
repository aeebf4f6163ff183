import t from 'tap'
import { createEndpoints } from '../../src/webhooks/endpoints.ts'
import { startRedis } from '../helpers/redis.ts'
import { day, newSealKey, second, secret, startWebhooks } from './setup.ts'

const { url: redisUrl } = await startRedis(t)

t.test('a 410 disables the endpoint, but no other app and no other URL', async t => {
  const webhooks = await startWebhooks(t, { redisUrl })
  const { open, next, respondWith, apps, app, receiver, count, logged } = webhooks
  const [waiting, gone, later] = [await open(), await open(), await open()]
  respondWith(() => 500)
  t.match(await next(waiting), { status: 'pending', tries: [{ statusCode: 500 }] })
  respondWith(path => path === '/hooks' ? 410 : 204)
  t.match(await next(gone), { status: 'failed', nextTryAt: null, tries: [{ statusCode: 410 }] })
  t.equal(await count('verigate_webhook_endpoints_disabled_total'), 1)
  t.match(logged('webhook endpoint disabled: it returned 410'), [{ level: 40, app: 'shop', deliveryId: gone }])
  t.equal(await count('verigate_webhook_exhausted_total'), 0, 'an endpoint that is gone is no exhausted webhook')

  respondWith(() => 204)
  t.match(await next(later), { status: 'failed', tries: [{ statusCode: null, error: 'endpoint_disabled' }] })
  t.match(await next(waiting), { status: 'failed', tries: [{}, { error: 'endpoint_disabled' }] })
  t.equal(receiver.received.length, 2, 'nothing more was sent')
  t.match(await next(await open('bank')), { status: 'delivered' }, 'another app')
  apps.replace([app('shop', '/new'), app('bank', '/hooks')])
  t.match(await next(await open()), { status: 'delivered' }, 'another URL of the same app')
  t.match(await next(await open('bank')), { status: 'delivered' }, 'another app with the same URL')
  apps.replace([app('shop')])
  t.match(await next(await open()), { status: 'failed', tries: [{ error: 'endpoint_disabled' }] }, 'the first URL')
})

t.test('a test or replay that succeeds enables the endpoint', async t => {
  const webhooks = await startWebhooks(t, { redisUrl })
  const { open, next, respondWith, deliveryLog, shop, count } = webhooks
  const sendTest = async () => next((await deliveryLog.test(shop())).id)
  respondWith(() => 410)
  await next(await open())
  t.match(await sendTest(), { status: 'failed', tries: [{ statusCode: 410 }] }, 'a test is sent all the same')
  t.equal(await count('verigate_webhook_endpoints_disabled_total'), 1, 'it was disabled before')
  respondWith(() => 204)
  t.match(await next(await open()), { status: 'failed' }, 'a test that failed enables nothing')
  t.match(await sendTest(), { status: 'delivered' })
  t.match(await next(await open()), { status: 'delivered' })

  respondWith(() => 410)
  await next(await open())
  t.equal(await count('verigate_webhook_endpoints_disabled_total'), 2)
  const refused = await open()
  respondWith(() => 204)
  await next(refused)
  await deliveryLog.replay(shop(), refused)
  t.match(await next(refused), { status: 'delivered', tries: [{ error: 'endpoint_disabled' }, { statusCode: 204 }] })
  t.match(await next(await open()), { status: 'delivered' }, 'and so does a replay')
})

t.test('an endpoint stays disabled under another first seal key', async t => {
  const [one, two] = [newSealKey('k1'), newSealKey('k2')]
  const before = await startWebhooks(t, { redisUrl, sealKeys: one })
  before.respondWith(() => 410)
  const url = before.shop().webhook?.url ?? ''
  await before.next(await before.open())
  const after = await startWebhooks(t, { redisUrl, sealKeys: `${two},${one}`, namespace: before.namespace })
  after.apps.replace([{ id: 'shop', name: 'Shop', keys: [], webhook: { url, secrets: [secret] } }])
  t.match(await after.next(await after.open()), { tries: [{ error: 'endpoint_disabled' }] })
  before.respondWith(() => 204)
  await after.next((await after.deliveryLog.test(after.apps.byId('shop') ?? before.shop())).id)
  t.match(await after.next(await after.open()), { status: 'delivered' })
  t.equal((await after.deliveryLog.list(after.shop(), { limit: 10 })).data.length, 4, 'the log lists both times')
})

t.test('another process notices a 410 within a second', async t => {
  const { store, sealer, now, pass, open, next, respondWith, shop } = await startWebhooks(t, { redisUrl })
  const other = createEndpoints({ store, sealer, now })
  const url = shop().webhook?.url ?? ''
  t.equal(await other.findDisabled('shop', url), null)
  respondWith(() => 410)
  await next(await open())
  t.equal(await other.findDisabled('shop', url), null, 'it relies on its last lookup')
  pass(second)
  const claim = await other.findDisabled('shop', url)
  t.match(other.disable('shop', url), claim ?? { name: 'none' })
  pass(day)
  t.strictSame(await other.findDisabled('shop', url), claim)
  if (claim !== null) await store.release(claim)
  t.equal(await other.findDisabled('shop', url), null, 'a disabled endpoint is looked up every time')
})

t.test('a 410 of this process counts at once', async t => {
  const { store, sealer, now, ids, keys, verify } = await startWebhooks(t, { redisUrl })
  const endpoints = createEndpoints({ store, sealer, now })
  t.equal(await endpoints.findDisabled('shop', 'https://shop.example/'), null)
  const claim = endpoints.disable('shop', 'https://shop.example/')
  t.equal(claim.expiresAt, now() + 365 * day)
  const record = keys.ofEvent(verify(), { type: 'canceled', revision: 2 }, {}, now())
  await store.insert(ids.deliveryId(ids.newId('shop', 3), 1), record, {
    ...keys.deadlinesOf(record), claims: [claim],
  })
  t.match(await endpoints.findDisabled('shop', 'https://shop.example/'), { name: claim.name })
})
