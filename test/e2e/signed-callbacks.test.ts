import { createHmac } from 'node:crypto'
import t from 'tap'
import { createTruid } from '../../src/sandbox/truid/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { jumpWith } from '../helpers/monotonic-clock.ts'
import { until } from '../helpers/redis.ts'
import { startCapturing, type Capturing } from './captured-callbacks.ts'
import { begin, numberEnding, post, readMetric } from './end-user.ts'

const v01 = { workflow: [{ method: 'truid.phone_check', options: { version: 'v0.1' } }] }

/** A v0.1 check that the phone has finished, and the callback that says so. */
async function finish ({ shop, capture }: Capturing) {
  const { body } = await shop.create({ phoneNumber: numberEnding('02'), ...v01 })
  return {
    id: String(body['id']), callback: await capture(one => one.body['reference_id'] === body['attempts'][0].id),
  }
}

for (const [signatureForm, publicPath] of [['documented', ''], ['hexDigest', '/behind/a/proxy']] as const) {
  t.test(`tru.ID's callback, ${signatureForm}, counts for the address that is public`, async t => {
    const caught = await startCapturing(t, {}, { simulators: [createTruid({ signatureForm })] }, publicPath)
    const { id, callback } = await finish(caught)
    t.ok(callback.path.startsWith(`${publicPath}/callbacks/truid/`))
    t.not(new URL(caught.url).host, callback.headers.host)
    const arrived = { ...callback, path: callback.path.slice(publicPath.length) }
    t.strictSame(await caught.counted(() => caught.deliver(arrived), 'truid'), { accepted: 1 })
    t.hasStrict(await caught.shop.waitFor(id), { status: 'verified' })
    t.strictSame(await caught.counted(() => caught.deliver(arrived), 'truid'), { late: 1 }, 'again')
  })
}

t.test('what tru.ID did not sign', async t => {
  const caught = await startCapturing(t)
  const { id, callback } = await finish(caught)
  const revision = await caught.revisionOf(id)
  const { headers } = callback
  const without = (name: string) => ({ ...callback, headers: { ...headers, [name]: undefined } })
  const altered = (name: string, from: string, to: string) => (
    { ...callback, headers: { ...headers, [name]: String(headers[name]).replace(from, to) } }
  )
  const wrong = [
    ['signature_missing', without('authorization')],
    ['signature_invalid', without('date')],
    ['signature_invalid', without('x-tru-callback')],
    ['signature_invalid', altered('x-tru-callback', 'phone', 'other')],
    ['signature_invalid', altered('authorization', 'rsa-sha256', 'hmac-sha256')],
    ['signature_invalid', altered('authorization', ' digest', '')],
    ['signature_invalid', altered('authorization', 'signature="', 'signature="AAAA')],
    ['date_skewed', { ...callback, headers: { ...headers, date: new Date(Date.now() - 301_000).toUTCString() } }],
    ['signature_invalid', { ...callback, headers: { ...headers, date: new Date(Date.now() - 200_000).toUTCString() } }],
    ['digest_mismatch', { ...callback, text: callback.text.replace('COMPLETED', 'EXPIRED') }],
    ['digest_mismatch', { ...callback, text: `${callback.text} ` }],
    ['key_unknown', altered('authorization', 'sandbox-1', 'sandbox-9')],
  ] as const
  for (const [cause, one] of wrong) {
    t.strictSame(
      await caught.counted(async () => t.strictSame(await caught.deliver(one), { status: 200, body: {} }), 'truid'),
      { [cause]: 1 }, cause,
    )
  }
  t.strictSame(
    await caught.counted(
      () =>
        Promise.all(
          Array.from(
            { length: 50 }, (_, place) => caught.deliver(altered('authorization', 'sandbox-1', `made-up-${place}`)),
          ),
        ),
      'truid',
    ),
    { key_unknown: 50 },
  )
  t.equal(
    caught.simulators.requests.filter(({ path }) => path === '/.well-known/jwks.json').length, 1,
    'however many make up a key',
  )
  t.equal(await caught.revisionOf(id), revision, 'nothing changed')
  for (const [cause] of wrong) t.ok(
    caught.logs.some(line => line.includes(`"result":"${cause}"`) && line.includes('"callback"')), `${cause} is logged`,
  )
  t.notOk(
    caught.logs.some(line => line.includes(callback.path.split('/').at(-1) ?? '') || line.includes('Signature')),
    'and no key is',
  )
  await caught.deliver(callback)
  t.hasStrict(await caught.shop.waitFor(id), { status: 'verified' }, 'the real one counts')
})

t.test('tru.ID\'s keys change, and cannot always be had', async t => {
  let aheadMs = 0
  jumpWith(t, () => aheadMs)
  const gateway = await startGateway(t, { now: () => Date.now() + aheadMs })
  const { shop, simulators, url } = gateway
  const counted = (result: string) => readMetric(url, `verigate_callbacks_total{provider="truid",result="${result}"}`)
  const finishCheck = () => begin(gateway, 'truid.phone_check', v01)
  simulators.fail({ provider: 'truid', path: '/.well-known', answer: 503 })
  await finishCheck()
  await until(async () => await counted('keys_unavailable') === 1, 'the first callback comes while there are no keys')
  aheadMs += 30_000
  const first = await finishCheck()
  t.hasStrict(await shop.waitFor(first.id), { status: 'verified' })
  t.equal(await counted('accepted'), 1)
  await post(`${simulators.url}/control/truid/rotate-key`, {})
  aheadMs += 30_000
  const second = await finishCheck()
  t.hasStrict(await shop.waitFor(second.id), { status: 'verified' })
  t.equal(await counted('accepted'), 2)
  t.equal(simulators.requests.filter(({ path }) => path === '/.well-known/jwks.json').length, 3)
})

t.test('OTPLESS webhooks prove nothing, and only OTPLESS can send them', async t => {
  const caught = await startCapturing(t)
  const { shop, simulators, deliver, counted, capture, revisionOf } = caught
  const { body } = await shop.create({ phoneNumber: numberEnding('02'), workflow: ['otpless.otp'] })
  const webhook = await capture(({ path, body: { eventType } }) =>
    path === '/callbacks/otpless' && eventType === 'DLR')
  const secret = simulators.settings['OTPLESS_WEBHOOK_SECRET'] ?? ''
  const sign = (message: unknown) => {
    const text = JSON.stringify(message)
    return { ...webhook, text, headers: { 'x-signature': createHmac('sha256', secret).update(text).digest('base64') } }
  }
  const { metaData } = JSON.parse(webhook.text).data
  t.strictSame(await counted(() => deliver(webhook), 'otpless'), { accepted: 1 })
  t.hasStrict((await shop.call('GET', `/verifications/${body['id']}`)).body, {
    status: 'pending', nextAction: body['nextAction'],
    attempts: [{ delivery: { status: 'delivered', channel: 'sms' } }],
  })
  const revision = await revisionOf(body['id'])
  const signedIn = {
    data: {
      authSessionId: 'a', traceId: 't', token: 'unique_token', status: 'SUCCESS', metaData,
      authenticationDetails: { phone: { requestId: 'r', method: 'OTP', channel: ['SMS'] }, email: {} },
    }, eventType: 'AUTH', timestamp: 1734513827,
  }
  const unrelated = {
    data: { requestId: 'unique_request_id', status: 'READ', metaData: {} }, eventType: 'DLR', timestamp: 1734513816000,
  }
  for (const [result, one] of [
    ['duplicate', webhook], ['accepted', sign(signedIn)], ['unknown', sign(unrelated)],
    ['unknown', sign({ status: 'DELIVERED' })], ['malformed', sign([])],
    ['signature_missing', { ...webhook, headers: {} }], [
      'signature_invalid', { ...webhook, headers: { 'x-signature': '' } },
    ],
    [
      'signature_invalid', { ...webhook, headers: { 'x-signature': 'AAAA' } },
    ], ['signature_invalid', { ...webhook, text: `${webhook.text} ` }],
    ['signature_invalid', { ...sign(signedIn), text: webhook.text }],
  ] as const) {
    t.strictSame(
      await counted(async () => t.strictSame(await deliver(one), { status: 200, body: {} }), 'otpless'),
      { [result]: 1 },
    )
  }
  t.equal(await revisionOf(body['id']), revision)
  t.notOk(caught.logs.some(line => line.includes(secret) || line.includes('x-signature')))
})

t.test('without OTPLESS_WEBHOOK_SECRET they are counted', async t => {
  const { url, shop } = await startGateway(t, { environment: { OTPLESS_WEBHOOK_SECRET: '' } })
  const counted = () => readMetric(url, 'verigate_callbacks_total{provider="otpless",result="secret_not_set"}')
  const workflow = [{ method: 'otpless.otp', options: { channels: ['SMS'] } }]
  await shop.create({ phoneNumber: numberEnding('02'), workflow })
  await until(async () => await counted() === 2, 'the webhooks about the start and the delivery come')
  const signature = createHmac('sha256', '').update('{}').digest('base64')
  t.strictSame(await post(`${url}/callbacks/otpless`, {}, { 'x-signature': signature }), { status: 200, body: {} })
  t.equal(await counted(), 3)
})
