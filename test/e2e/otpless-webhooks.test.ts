import { createHmac } from 'node:crypto'
import t, { type Test } from 'tap'
import { request } from 'undici'
import { startGateway, type TestGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/redis.ts'
import { startCapturing } from './captured-callbacks.ts'
import { itemsOf, numberEnding, post, pressAt, readMetric } from './end-user.ts'

const returnUrl = 'https://shop.example/verified'

t.test('a webhook changes nothing by itself, also with a valid signature', async t => {
  const caught = await startCapturing(t)
  const { shop, simulators, capture, deliver, counted, revisionOf } = caught
  const phoneNumber = numberEnding('02')
  await setManual(caught, phoneNumber)
  const call = await begin(caught, 'otpless.voice_approval', phoneNumber)
  const initiated = await capture(({ text }) => text.includes('VOICE_APPROVAL'))
  const secret = simulators.settings['OTPLESS_WEBHOOK_SECRET'] ?? ''
  const sign = (text: string, key = secret) =>
    ({ ...initiated, text, headers: { 'x-signature': createHmac('sha256', key).update(text).digest('base64') } })
  const success = initiated.text.replace('"INITIATED"', '"SUCCESS","token":"forged"')
  const queries = () => simulators.requests.filter(({ path }) => path === '/auth/v1/status').length
  const revision = await revisionOf(call.id)

  for (const [result, one] of [
    ['signature_missing', { ...initiated, text: success, headers: {} }],
    ['signature_invalid', { ...initiated, text: success }], ['signature_invalid', sign(success, 'another secret')],
    ['accepted', initiated], ['unknown', sign(success.replaceAll(/"requestId":"\w+"/g, '"requestId":"another"'))],
  ] as const) {
    t.strictSame(await counted(() => deliver(one), 'otpless'), { [result]: 1 })
  }
  t.equal(await revisionOf(call.id), revision)
  const before = queries()
  for (const one of [success, success, success.replace('"AUTH"', '"SNA"')]) await deliver(sign(one))
  await until(() => queries() > before, 'the gateway asks OTPLESS')
  t.hasStrict(await call.read(), { status: 'pending', verified: false }, 'which says that it is pending')

  await choose(caught, phoneNumber, 'approve')
  const real = await capture(({ text }) => text.includes('"SUCCESS"'))
  for (let copy = 0; copy < 3; copy += 1) await deliver(real)
  t.hasStrict(await shop.waitFor(call.id), { status: 'verified', result: { phoneNumber } })
  const settled = await revisionOf(call.id)
  for (const late of [real, initiated, sign(success.replace('"SUCCESS"', '"DECLINE"'))]) await deliver(late)
  t.equal(await revisionOf(call.id), settled, 'late ones change nothing')
})

t.test('what webhooks about a message do', async t => {
  const gateway = await startGateway(t)
  await t.test('one that announces a success does not replace the code', t => testAnnouncement(t, gateway))
  await t.test('receipts say how far the message came, in any order and number', t => testDelivery(t, gateway))
})

/** A verification by one method, and what the phone shows. */
async function begin (
  {
    shop, simulators,
  }: Pick<TestGateway, 'shop' | 'simulators'>, item: string | object, phoneNumber: string = numberEnding('02'),
) {
  const { status, body } = await shop.create({ phoneNumber, workflow: [item], returnUrl })
  if (status !== 201) throw new Error(`create answered ${status}: ${JSON.stringify(body)}`)
  const id = String(body['id'])
  return {
    id, body, phoneNumber, clientSecret: String(body['clientSecret']),
    read: async () => (await shop.call('GET', `/verifications/${id}`)).body,
    check: (evidence: object) => shop.call('POST', `/verifications/${id}/check`, evidence),
    items: () => itemsOf(simulators, phoneNumber),
    link: async () => String((await itemsOf(simulators, phoneNumber)).at(-1)?.url),
  }
}

/**
 * Of a link, SUCCESS says that somebody opened it; only the code shows that it was the user of this front end. With the
 * suffix 95, that webhook has been answered before the browser comes back.
 */
async function testAnnouncement (t: Test, gateway: TestGateway) {
  const accepted = () => readMetric(gateway.url, 'verigate_callbacks_total{provider="otpless",result="accepted"}')
  const queries = () => gateway.simulators.requests.filter(({ path }) => path === '/auth/v1/status').length
  const link = await begin(gateway, 'otpless.magic_link', numberEnding('95'))
  const [before, queriesBefore] = [await accepted(), queries()]
  const code = (await pressAt(await link.link()))?.code
  t.ok(await accepted() > before)
  t.hasStrict(await link.read(), { status: 'pending', attempts: [{ status: 'pending' }] })
  t.hasStrict((await link.check({ code })).body, { status: 'verified' })
  t.equal(queries(), queriesBefore, 'the gateway did not even ask')
}

async function testDelivery (t: Test, gateway: TestGateway) {
  const { url, shop } = gateway
  const counted = (status: string, channel: string) =>
    readMetric(url, `verigate_delivery_receipts_total{provider="otpless",channel="${channel}",status="${status}"}`)
  const deliveryOf = (id: string, status: string, channel: string) => shop.waitFor(
    id, ({ attempts }) => attempts[0].delivery?.status === status && attempts[0].delivery?.channel === channel,
  )
  const channels = ['WHATSAPP', 'SMS']
  for (const [method, number] of [
    ['otpless.magic_link', numberEnding('02')], ['otpless.otp', numberEnding('95')],
    ['otpless.otp_link', numberEnding('94')],
  ] as const) {
    const before = await counted('read', 'whatsapp')
    const { id } = await begin(gateway, { method, options: { channels } }, number)
    const { attempts } = await deliveryOf(id, 'read', 'whatsapp')
    t.ok(Math.abs(Date.parse(attempts[0].delivery.at) - Date.now()) < 60_000, method)
    t.ok(await counted('read', 'whatsapp') > before)
  }
  const lost = await begin(gateway, { method: 'otpless.magic_link', options: { channels } }, '+14155581192')
  await deliveryOf(lost.id, 'delivered', 'sms')
  t.ok(await counted('failed', 'whatsapp') > 0)
  t.hasStrict((await lost.check({ code: (await pressAt(await lost.link()))?.code })).body, { status: 'verified' })
  const silent = await begin(gateway, 'otpless.magic_link', '+14155681192')
  await deliveryOf(silent.id, 'failed', 'sms')
  t.hasStrict(await silent.read(), { status: 'pending' }, 'a receipt ends nothing')
}

/** The person with this number decides by hand. */
async function setManual ({ simulators }: Pick<TestGateway, 'simulators'>, phoneNumber: string): Promise<void> {
  const { statusCode, body } = await request(`${simulators.url}/handset/mode`, {
    method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ phoneNumber, manual: true }),
  })
  await body.dump()
  if (statusCode !== 204) throw new Error(`mode answered ${statusCode}`)
}

async function choose (
  { simulators }: Pick<TestGateway, 'simulators'>, phoneNumber: string, choice: string,
): Promise<void> {
  const item = (await itemsOf(simulators, phoneNumber)).at(-1)
  const { status } = await post(`${simulators.url}/handset/items/${item?.id}`, { choice })
  if (status !== 200) throw new Error(`the choice was answered with ${status}`)
}
