import { createHmac } from 'node:crypto'
import t from 'tap'
import { setting, start, type Received } from '../receiver.ts'
import { itemsOf, post, statusOf, type Started } from './client.ts'

type Webhook = { data: Record<string, unknown>, eventType: string, timestamp: unknown }

/** What a webhook says in short: `DLR SENT`, `AUTH INITIATED`. */
const kindOf = ({ body }: Received): string => {
  const { eventType, data } = body as Webhook
  return `${eventType} ${String(data['status'])}`
}
const kindsOf = (received: readonly Received[]): string[] => received.map(kindOf)

const initiate = (started: Started, phoneNumber: string, channels: readonly string[], more: object = {}) =>
  post(started, '/auth/v1/initiate/otp', { phoneNumber, channels, ...more })
const verify = (started: Started, requestId: unknown, otp: string) =>
  post(started, '/auth/v1/verify/otp', { requestId, otp })

t.test('a message is reported step by step, signed, to the one registered URL', async t => {
  const started = await start(t)
  const { gateway, simulators } = started
  const metadata = { a: 'b' }
  const { json: { requestId } } = await initiate(started, '+919999999900', ['WHATSAPP', 'SMS'], { metadata })
  const events = await gateway.first(4)
  t.strictSame(kindsOf(events), ['AUTH INITIATED', 'DLR SENT', 'DLR DELIVERED', 'DLR READ'])
  t.strictSame([...new Set(events.map(({ path }) => path))], ['/callbacks/otpless'])
  const secret = setting(simulators, 'OTPLESS_WEBHOOK_SECRET')
  for (const { headers, text } of events) {
    t.equal(headers['x-signature'], createHmac('sha256', secret).update(text).digest('base64'))
  }
  t.match(events[0]?.body, {
    data: {
      authSessionId: String, traceId: String, status: 'INITIATED', authenticationDetails: {
        phone: { requestId, method: 'OTP', channel: ['WHATSAPP'], phoneNumber: '9999999900', countryCode: '+91' },
        email: {},
      },
    }, eventType: 'AUTH',
  })
  t.match(events[1]?.body, {
    data: {
      requestId, authSessionId: String, traceId: String, status: 'SENT', channel: 'WHATSAPP',
      identity: '+919999999900', metaData: metadata,
    }, eventType: 'DLR',
  })
  const [inSeconds, inMs] = events.map(({ body }) => Number((body as Webhook).timestamp))
  t.ok(Math.abs(Number(inMs) / 1000 - Number(inSeconds)) < 60, 'AUTH in seconds, DLR in milliseconds')
  const [first, second] = events.map(({ body }) => (body as Webhook).data['authSessionId'])
  t.equal(first, second)

  t.equal((await verify(started, requestId, '999900')).status, 200)
  const success = (await gateway.first(5))[4]
  t.match(
    success?.body, { data: { status: 'SUCCESS', token: String, authenticationDetails: { phone: { requestId } } } },
  )
  const { token } = (success?.body as Webhook).data
  const validated = await post(started, '/auth/v1/validate/token', { token })
  t.match(validated, {
    status: 200, json: {
      identities: [{ identityType: 'MOBILE', identityValue: '919999999900', channel: 'OTP', methods: ['WHATSAPP'] }],
    },
  })
})

t.test('each channel has its own receipts, and a call has none', async t => {
  const started = await start(t)
  let count = 0
  for (const [channel, expected] of [
    ['VIBER', ['AUTH INITIATED', 'DLR SENT', 'DLR DELIVERED', 'DLR READ']],
    ['SMS', ['AUTH INITIATED', 'DLR DELIVERED']],
  ] as const) {
    await initiate(started, '+919999999900', [channel])
    const all = await started.gateway.first(count += expected.length)
    t.strictSame(kindsOf(all.slice(-expected.length)), expected, channel)
  }
  const { json: { requestId } } = await initiate(started, '+919999999900', ['VOICE_CALL'])
  await verify(started, requestId, '999900')
  const spoken = (await started.gateway.first(8)).slice(6)
  t.strictSame(kindsOf(spoken), ['AUTH INITIATED', 'AUTH SUCCESS'])
})

t.test('a message that the first channel does not deliver', async t => {
  const started = await start(t)
  const number = '+919998881192'
  const { json: { requestId } } = await initiate(started, number, ['WHATSAPP', 'SMS'])
  const events = await started.gateway.first(4)
  t.strictSame(kindsOf(events), ['AUTH INITIATED', 'DLR FAILED', 'AUTH FALLBACK', 'DLR DELIVERED'])
  t.match(events[2]?.body, { data: { requestId, fromChannel: 'WHATSAPP', toChannel: 'SMS' }, eventType: 'AUTH' })
  t.ok(Number((events[2]?.body as Webhook).timestamp) > 1e12, 'this one in milliseconds')
  t.match(await itemsOf(started, number), [{ kind: 'message', title: 'SMS', code: number.slice(-6) }])
  t.equal((await verify(started, requestId, number.slice(-6))).status, 200)

  const other = '+919997781192'
  await initiate(started, other, ['SMS'])
  t.strictSame(kindsOf((await started.gateway.first(7)).slice(5)), ['AUTH INITIATED', 'DLR FAILED'])
  t.strictSame(await itemsOf(started, other), [], 'with one channel it never arrives')
})

t.test('94: each event three times; 95: in the wrong order; 92: none', async t => {
  const started = await start(t)
  await initiate(started, '+919999999994', ['SMS'])
  t.strictSame(kindsOf(await started.gateway.first(6)), [
    ...Array.from({ length: 3 }, () => 'AUTH INITIATED'), ...Array.from({ length: 3 }, () => 'DLR DELIVERED'),
  ])
  await initiate(started, '+919999999992', ['SMS'])
  const { json: { requestId } } = await initiate(started, '+919999999995', ['WHATSAPP'])
  const early = (await started.gateway.first(9)).slice(6)
  t.strictSame(kindsOf(early), ['DLR READ', 'DLR DELIVERED', 'DLR SENT'])
  t.equal((await verify(started, requestId, '999995')).status, 200)
  t.strictSame(kindsOf(started.gateway.received.slice(9)), ['AUTH SUCCESS', 'AUTH INITIATED'], 'before the answer')
})

t.test('a webhook is tried again, and one that says success tells nothing new to who asks', async t => {
  let tries = 0
  const started = await start(t, { answer: () => ++tries <= 2 ? 500 : 200 })
  const { json: { requestId } } = await initiate(started, '+919999999900', ['VOICE_CALL'])
  const events = await started.gateway.first(3)
  t.strictSame(kindsOf(events), ['AUTH INITIATED', 'AUTH INITIATED', 'AUTH INITIATED'])
  t.strictSame((await statusOf(started, requestId)).json, {
    status: 'PENDING', message: 'Authentication not completed, please try again later.',
  })
})

t.test('the gateway\'s own secret signs, where it has one', async t => {
  const started = await start(t, { settings: { OTPLESS_WEBHOOK_SECRET: 'another' } })
  await initiate(started, '+919999999900', ['SMS'])
  const [event] = await started.gateway.first(1)
  t.equal(
    event?.headers['x-signature'], createHmac('sha256', 'another').update(event?.text ?? '').digest('base64'),
  )
})

t.test('an unusual event: the time is a text', async t => {
  const started = await start(t)
  await initiate(started, '+15551281198', ['SMS'])
  const [event] = await started.gateway.first(1)
  t.type((event?.body as Webhook).timestamp, 'string')
})
