import t from 'tap'
import { ask, setting, start, until } from '../receiver.ts'
import { get, itemsOf, json, post, refused, type Started } from './client.ts'

const form = { 'content-type': 'application/x-www-form-urlencoded' }
const number = '+919999999900'

const account = ({ simulators }: Started) => ({
  client_id: setting(simulators, 'OTPLESS_CLIENT_ID'), client_secret: setting(simulators, 'OTPLESS_CLIENT_SECRET'),
})
const postForm = (started: Started, path: string, fields: Record<string, string>) =>
  ask(`${started.simulators.url}${path}`, 'POST', form, new URLSearchParams(fields).toString())
const authorize = (started: Started, query: Record<string, string>) => ask(
  `${started.simulators.url}/auth/v1/authorize?${new URLSearchParams({ ...account(started), ...query }).toString()}`,
  'GET',
)
async function tokenOf (started: Started, user: object): Promise<string> {
  return String((await ask(`${started.simulators.url}/handset/otpless/token`, 'POST', json, user)).json['token'])
}

t.test('userInfo: every documented member, once', async t => {
  const started = await start(t)
  const userInfo = (token: string, more: object = {}) =>
    postForm(started, '/auth/userInfo', { token, ...account(started), ...more })
  const token = await tokenOf(started, { phoneNumber: number, email: 'ada@example.com' })
  const answer = await userInfo(token)
  t.equal(answer.status, 200)
  t.match(answer.json, {
    name: String, email: 'ada@example.com', phone_number: number, national_phone_number: '9999999900',
    country_code: '+91', email_verified: true, auth_time: /^\d{10}$/, authentication_details: {
      phone: { mode: 'TRUE_CALLER', phone_number: '9999999900', country_code: '+91', auth_state: String },
      email: { email: 'ada@example.com' },
    },
  })
  for (const [used, more, status, message] of [
    [token, {}, 400, 'token is expired'], ['unknown', {}, 400, 'token is expired'],
    [token, { client_secret: 'wrong' }, 401, 'Invalid secrets'],
  ] as const) {
    const { status: code, json: error } = await userInfo(used, more)
    t.strictSame([code, error], [status, { message }])
  }
  t.equal((await post(started, '/auth/userInfo', {})).status, 400)
  t.match((await userInfo(await tokenOf(started, { email: 'ada@example.com' }))).json, { phone_number: null })
})

t.test('authorize: a link, whose code the token endpoint takes once', async t => {
  const started = await start(t)
  const answer = await authorize(
    started, { mobile_number: '919999999900', redirect_uri: 'https://shop.example/back', channel: 'WHATSAPP' },
  )
  t.equal(answer.status, 200)
  const [first] = [answer.json['requestIds']].flat() as Record<string, unknown>[]
  t.match(first, { type: 'MOBILE', value: String, destinationUri: String })
  t.equal((await itemsOf(started, number)).at(-1)?.['url'], first?.['destinationUri'])
  const back = await postForm(started, new URL(String(first?.['destinationUri'])).pathname, {})
  const code = new URL(back.headers.get('location') ?? '').searchParams.get('code') ?? ''
  const { json: { token_endpoint: endpoint } } = await get(started, '/.well-known/openid-configuration')
  const exchange = (fields: object) =>
    postForm(started, new URL(String(endpoint)).pathname, { code, ...account(started), ...fields })
  t.equal((await exchange({ client_id: 'wrong' })).status, 401)
  const exchanged = await exchange({})
  t.strictSame([exchanged.status, Object.keys(exchanged.json)], [200, ['id_token']])
  t.equal((await exchange({})).status, 400)
  for (const [query, status] of [
    [{ redirect_uri: 'https://a.example' }, 400], [{ mobile_number: '919999999900' }, 400],
    [{ mobile_number: '919999999900', email: 'a@b.example', redirect_uri: 'https://a.example' }, 400],
    [{ mobile_number: '919999999900', redirect_uri: 'https://a.example', client_secret: 'wrong' }, 401],
  ] as const) {
    const { status: code, json: error, text } = await authorize(started, query)
    t.strictSame([code, Object.keys(error)], [status, ['message']])
    t.notMatch(text, account(started).client_secret)
  }
})

t.test('OTP orders', async t => {
  let now = Date.now()
  const started = await start(t, { now: () => now })
  const send = (body: object) => post(started, '/auth/otp/v1/send', body)
  const verify = (orderId: unknown, otp: string, more: object = { phoneNumber: number }) =>
    post(started, '/auth/otp/v1/verify', { orderId, otp, ...more })
  const order = { phoneNumber: number, channel: 'SMS', orderId: 'order-1', otpLength: 4, expiry: 60 }
  const sent = await send(order)
  t.match(sent, { status: 200, json: { orderId: 'order-1', refId: String } })
  t.strictSame((await post(started, '/auth/otp/v1/resend', { orderId: 'order-1' })).json, { orderId: 'order-1' })
  t.match(await itemsOf(started, number), [{ code: '9900' }, { code: '9900' }])
  const wrong = await verify('order-1', '0000')
  t.strictSame([wrong.status, wrong.json], [200, { isOTPVerified: false, reason: 'Incorrect OTP' }])
  t.equal((await verify('order-1', '9900', { phoneNumber: '+919999999902' })).status, 400)
  t.strictSame((await verify('order-1', '9900')).json, { isOTPVerified: true })
  t.match((await verify('order-1', '9900')).json, { isOTPVerified: false, reason: String })
  await until(() => started.gateway.received.some(({ text }) => text.includes('SUCCESS')))

  const { json: { orderId } } = await send({ email: 'ada@example.com' })
  t.strictSame((await verify(orderId, '000000', { email: 'ada@example.com' })).json, { isOTPVerified: true })
  await send({ ...order, orderId: 'order-2', phoneNumber: '+919999999901' })
  t.match((await verify('order-2', '9901', { phoneNumber: '+919999999901' })).json, { isOTPVerified: false })
  await send({ ...order, orderId: 'order-3' })
  now += 60_000
  t.match((await verify('order-3', '9900')).json, { isOTPVerified: false, reason: 'OTP is expired' })

  const strict = await post(started, '/auth/otp/v1/send', order, { clientSecret: 'wrong' })
  t.strictSame([strict.status, strict.json], [401, { message: 'Invalid secrets' }])
  for (const body of [{}, { phoneNumber: 'x' }, { ...order, otpLength: 5 }, { ...order, other: 1 }]) {
    const { status, json: error } = await send(body)
    t.strictSame([status, Object.keys(error)], [400, ['message']], JSON.stringify(body))
  }
  t.equal((await post(started, '/auth/otp/v1/resend', { orderId: 'unknown' })).status, 400)
  refused(t, await post(started, '/auth/v1/verify/otp', { requestId: 'order-1', otp: '9900' }), 400, '7136')
})
