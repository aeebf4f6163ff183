import { randomBytes } from 'node:crypto'
import t from 'tap'
import { Compile } from 'typebox/compile'
import { readConfig } from '../../../src/config.ts'
import { createIds } from '../../../src/store/ids.ts'
import { DeliveryList, DeliveryView } from '../../../src/api/schemas/responses.ts'
import { createSealer } from '../../../src/store/sealing.ts'
import { partitions } from '../../../src/store/keys.ts'
import { clientOf, keys, startGateway, withWebhook } from '../../helpers/gateway.ts'
import { until } from '../../helpers/redis.ts'
import { startReceiver } from '../../sandbox/receiver.ts'

t.test('the delivery log, replays and tests', async t => {
  const receiver = await startReceiver(t)
  const { shop, bank, url, environment } = await startGateway(
    t, { apps: withWebhook(`${receiver.url}/hooks?token=of-the-shop`) },
  )
  const reader = clientOf(url, keys.reader)
  const ids = createIds(createSealer(readConfig(environment).sealKeys), { partitions, randomBytes })
  const list = async (query = '', client = shop) => client.call('GET', `/webhooks/deliveries${query}`)
  const post = async (path: string, client = shop, body?: unknown) => client.call('POST', `/webhooks/${path}`, body)

  t.match(await list(), { status: 200, body: { data: [], nextCursor: null } })

  const test = await post('test')
  t.match(
    test,
    {
      status: 202,
      body: {
        id: /^whd_/, webhookId: /^msg_/, type: 'webhook.test', verificationId: null, url: `${receiver.url}/hooks`,
        status: 'pending', tries: [],
      },
    },
  )
  t.same(Compile(DeliveryView).Errors(test.body), [])
  await receiver.first(1)
  const { body: verification } = await shop.create({ phoneNumber: '+14155550182', workflow: ['otpless.otp'] })
  await shop.call('POST', `/verifications/${verification['id']}/cancel`)
  await receiver.first(2)
  await until(async () => (await list('?status=delivered')).body['data'].length === 2, 'both are delivered')

  const { body } = await list()
  t.same(Compile(DeliveryList).Errors(body), [])
  t.match(
    body,
    {
      data: [
        {
          type: 'verification.canceled', verificationId: verification['id'], status: 'delivered', nextTryAt: null,
          tries: [{ at: /Z$/, statusCode: 204, error: null }],
        },
        { id: test.body['id'] },
      ],
      nextCursor: null,
    },
  )
  t.notMatch(JSON.stringify(body), /of-the-shop|4155550182|whsec/, 'no secret, no number')
  const [newest] = body['data']
  t.equal(receiver.received.at(-1)?.headers['webhook-id'], newest.webhookId)

  const first = await list('?limit=1')
  t.match(first.body, { data: [{ id: newest.id }], nextCursor: /^[A-Za-z0-9_-]+$/ })
  t.match(
    (await list(`?limit=1&cursor=${first.body['nextCursor']}`)).body,
    { data: [{ id: test.body['id'] }], nextCursor: null },
  )
  t.match((await list('?status=failed')).body, { data: [], nextCursor: null })
  for (
    const query of [
      '?limit=0', '?limit=101', '?limit=x', '?status=lost', '?cursor=', '?cursor=a%20b', '?cursor=nonsense', '?from=1',
    ]
  ) {
    t.match(
      await list(query),
      { status: 400, body: { code: 'invalid_request', errors: [{ field: query.slice(1).replace(/=.*/, '') }] } }, query,
    )
  }

  t.match(
    await post(`deliveries/${newest.id}/replay`),
    {
      status: 202,
      body: { id: newest.id, webhookId: newest.webhookId, status: 'pending', tries: [{ statusCode: 204 }] },
    },
  )
  const [, sent, again] = await receiver.first(3)
  t.strictSame([again?.text, again?.headers['webhook-id']], [sent?.text, sent?.headers['webhook-id']])
  await until(async () => (await list('?status=delivered')).body['data'][0].tries.length === 2, 'the replay is listed')

  const foreign = ids.deliveryId(ids.newId('bank', 3), 4)
  const unknown = ids.deliveryId(ids.newId('shop', 3), 4)
  for (const id of [foreign, unknown, verification['id'], 'whd_x', newest.id.replace(/_\d+$/, '_99')]) {
    t.match(await post(`deliveries/${id}/replay`), { status: 404, body: { code: 'not_found' } }, id)
  }
  t.match(
    await post(`deliveries/${newest.id}/replay`, bank), { status: 404, body: { code: 'not_found' } }, 'of another app',
  )
  t.match((await list('', bank)).body, { data: [], nextCursor: null })
  t.match(await post('test', bank), { status: 409, body: { code: 'invalid_state' } }, 'an app without a webhook')
  for (
    const answer of [
      await list('', reader), await post('test', reader), await post(`deliveries/${newest.id}/replay`, reader)
    ]
  ) t.match(answer, { status: 403, body: { code: 'forbidden' } })
  for (
    const answer of [await list('', clientOf(url, null)), await post('test', clientOf(url, null))]
  ) t.match(answer, { status: 401 })
  t.match(await list('', clientOf(url, verification['clientSecret'])), { status: 403 })
  t.match(
    await post('test', shop, { url: 'https://evil.example' }), { status: 400, body: { errors: [{ field: 'url' }] } },
  )
  t.match(await shop.call('GET', `/verifications/${newest.id}`), { status: 404 }, 'a delivery is not a verification')
  t.match(await shop.call('DELETE', `/verifications/${newest.id}`), { status: 404 })
})
