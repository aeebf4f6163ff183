import { createHmac } from 'node:crypto'
import t, { type Test } from 'tap'
import { type Answer, ask, setting, start, until } from '../receiver.ts'

type Started = Awaited<ReturnType<typeof start>>

const json = { 'content-type': 'application/json' }

function post (
  { simulators }: Started, path: string, body: unknown, headers: Record<string, string> = {},
): Promise<Answer> {
  const clientId = setting(simulators, 'OTPLESS_CLIENT_ID')
  const clientSecret = setting(simulators, 'OTPLESS_CLIENT_SECRET')
  return ask(`${simulators.url}${path}`, 'POST', { ...json, clientId, clientSecret, ...headers }, body)
}

const initiate = (started: Started, phoneNumber: string, more: object = {}) =>
  post(started, '/auth/v1/initiate/otp', { phoneNumber, channels: ['SMS'], ...more })
const verify = (started: Started, requestId: unknown, otp: unknown) =>
  post(started, '/auth/v1/verify/otp', { requestId, otp })
const validate = (started: Started, token: unknown) => post(started, '/auth/v1/validate/token', { token })

async function signIn ({ simulators }: Started, body: unknown): Promise<unknown> {
  return (await ask(`${simulators.url}/handset/otpless/token`, 'POST', json, body)).json['token']
}

function refused (t: Test, answer: Answer, status: number, errorCode: string, about = '') {
  t.equal(answer.status, status, about)
  t.match(answer.json, { errorCode, message: String, description: String }, about)
}

t.test('every call needs both headers, whatever its body', async t => {
  const started = await start(t)
  for (const path of ['/auth/v1/initiate/otp', '/auth/v1/verify/otp', '/auth/v1/validate/token']) {
    refused(t, await post(started, path, {}, { clientId: '' }), 401, '7012')
    refused(t, await post(started, path, {}, { clientSecret: '' }), 401, '7012')
    for (const wrong of [{ clientId: 'wrong' }, { clientSecret: 'wrong' }]) {
      const answer = await post(started, path, {}, wrong)
      t.equal(answer.status, 401)
      const members = path.includes('token') ? ['message'] : ['message', 'description']
      t.strictSame(Object.keys(answer.json), members, 'documented without a code')
    }
    refused(
      t, await ask(`${started.simulators.url}${path}`, 'POST', { ...json, authorization: 'Basic eDp5' }, {}), 401,
      '7012',
    )
  }
})

t.test('otp: initiate, a wrong one, the right one, once', async t => {
  const started = await start(t)
  const channels = ['WHATSAPP', 'SMS', 'VOICE_CALL', 'VIBER']
  const answer = await initiate(started, '+15551234066', { channels, expiry: 60, metadata: { a: 'b' } })
  t.equal(answer.status, 200)
  t.strictSame(Object.keys(answer.json), ['requestId'])
  const { requestId } = answer.json
  refused(t, await verify(started, requestId, '000000'), 400, '7118')
  refused(t, await verify(started, requestId, '4066'), 400, '7118')
  const verified = await verify(started, requestId, '234066')
  t.equal(verified.status, 200)
  t.strictSame(verified.json, { requestId, isOTPVerified: true, message: 'OTP verified successfully' })
  refused(t, await verify(started, requestId, '234066'), 400, '7115')
})

t.test('otp: a signed webhook tells that the message was delivered', async t => {
  const started = await start(t)
  const { gateway, simulators } = started
  const { json: { requestId } } = await initiate(
    started, '+15551234066', { channels: ['WHATSAPP', 'SMS'], metadata: { a: 'b' } },
  )
  const [webhook] = await gateway.first(1)
  t.equal(webhook?.path, '/callbacks/otpless')
  t.match(webhook?.body, {
    data: {
      requestId, authSessionId: String, traceId: String, status: 'DELIVERED', channel: 'WHATSAPP',
      identity: '+15551234066', metaData: { a: 'b' },
    },
    eventType: 'DLR', timestamp: Number,
  })
  const secret = setting(simulators, 'OTPLESS_WEBHOOK_SECRET')
  t.equal(webhook?.headers['x-signature'], createHmac('sha256', secret).update(webhook?.text ?? '').digest('base64'))
  for (
    const [number, channels] of [
      ['+15551234092', ['SMS']], ['+15551234067', ['SMS']], ['+15551234066', ['VOICE_CALL']],
    ] as const
  ) {
    t.equal((await initiate(started, number, { channels })).status, 200)
  }
  await initiate(started, '+15551234094')
  await gateway.first(4)
  t.equal(gateway.received.length, 4, 'three for suffix 94, none for what does not arrive or is spoken')
})

t.test('otp: four digits on demand, and by e-mail', async t => {
  const started = await start(t)
  const short = await initiate(started, '+15551234066', { otpLength: 4 })
  t.equal((await verify(started, short.json['requestId'], '4066')).status, 200)
  const mail = await post(started, '/auth/v1/initiate/otp', { email: 'ada@example.com', channels: ['EMAIL'] })
  t.equal((await verify(started, mail.json['requestId'], '000000')).status, 200)
})

t.test('otp: it expires as asked, or after five minutes', async t => {
  let now = Date.now()
  const started = await start(t, { now: () => now })
  const minute = (await initiate(started, '+15551234066', { expiry: 60 })).json['requestId']
  const usual = (await initiate(started, '+15551234066')).json['requestId']
  now += 60_000
  refused(t, await verify(started, minute, '234066'), 400, '7303')
  now += 239_999
  t.equal((await verify(started, usual, '234066')).status, 200)
  now += 2 * 86_400_000
  refused(t, await verify(started, usual, '234066'), 400, '7136', 'forgotten')
})

t.test('otp: each member that strays has its code', async t => {
  const started = await start(t)
  const cases: [object, string][] = [
    [{ phoneNumber: '15551234066' }, '7102'], [{ phoneNumber: 15551234066 }, '7102'], [
      { phoneNumber: '+1555123406a' }, '7102',
    ],
    [{ phoneNumber: undefined }, '7106'], [{ email: 'ada@example.com' }, '7106'],
    [{ phoneNumber: undefined, email: 'ada' }, '7104'], [{ phoneNumber: undefined, email: 'ada@example.com' }, '7105'],
    [
      { channels: undefined }, '7103',
    ], [{ channels: [] }, '7103'], [{ channels: 'SMS' }, '7103'], [{ channels: ['sms'] }, '7103'],
    [{ channels: ['EMAIL'] }, '7103'], [{ channels: [5] }, '7103'],
    [{ expiry: '60' }, '7113'], [{ expiry: 29 }, '7113'], [{ expiry: 86_401 }, '7113'], [{ expiry: 60.5 }, '7113'],
    [{ otpLength: 5 }, '7116'], [{ otpLength: '6' }, '7116'], [
      { metadata: { a: 1 } }, '7101',
    ], [{ templateId: 'x' }, '7101'],
  ]
  for (const [more, code] of cases) refused(
    t, await initiate(started, '+15551234066', more), 400, code, JSON.stringify(more),
  )
  refused(t, await post(started, '/auth/v1/initiate/otp', '{'), 400, '7101')
  refused(
    t, await post(started, '/auth/v1/initiate/otp', 'a=b', { 'content-type': 'application/x-www-form-urlencoded' }),
    400, '7101',
  )
  refused(t, await verify(started, 'unknown', '123456'), 400, '7136')
  refused(t, await verify(started, '', '123456'), 400, '7119')
  refused(t, await verify(started, undefined, '123456'), 400, '7119')
  refused(t, await verify(started, 'x', ''), 400, '7112')
  refused(t, await verify(started, 'x', undefined), 400, '7112')
  refused(t, await verify(started, 'x', 123456), 400, '7112')
  refused(t, await post(started, '/auth/v1/verify/otp', { requestId: 'x', otp: '1', phoneNumber: '+1' }), 400, '7101')
})

t.test('otp: scenarios of the start call', async t => {
  const started = await start(t)
  refused(t, await initiate(started, '+15551234091'), 400, '7103')
  for (const suffix of ['96', '99']) {
    const answer = await initiate(started, `+155512340${suffix}`)
    t.equal(answer.status, 500)
    t.strictSame(answer.json, { message: 'Something went wrong. Please try again!' })
  }
  const malformed = await initiate(started, '+15551234098')
  t.equal(malformed.status, 200)
  t.match(malformed.type, /^text\/html/)
})

t.test('otp: scenarios of the code', async t => {
  const started = await start(t)
  for (const suffix of ['01', '92', '90']) {
    const { json: { requestId } } = await initiate(started, `+155512340${suffix}`)
    refused(t, await verify(started, requestId, `2340${suffix}`), 400, '7118', 'never right')
  }
  for (const suffix of ['94', '95']) {
    const { json: { requestId } } = await initiate(started, `+155512340${suffix}`)
    t.equal((await verify(started, requestId, `2340${suffix}`)).status, 200, 'nothing but the webhook to repeat')
  }
  const { json: { requestId } } = await initiate(started, '+15551234097')
  for (const status of [500, 500, 200]) t.equal((await verify(started, requestId, '234097')).status, status)
})

t.test('slow: the answer waits, and nothing is used up by a caller who hung up', async t => {
  const started = await start(t, { slowMs: 120 })
  const { json: { requestId } } = await initiate(started, '+15551234093')
  const begunAt = performance.now()
  const clientId = setting(started.simulators, 'OTPLESS_CLIENT_ID')
  const clientSecret = setting(started.simulators, 'OTPLESS_CLIENT_SECRET')
  const impatient = new AbortController()
  const hungUp = fetch(`${started.simulators.url}/auth/v1/verify/otp`, {
    method: 'POST',
    headers: { ...json, clientId, clientSecret },
    body: JSON.stringify({ requestId, otp: '234093' }),
    signal: impatient.signal,
  }).catch(() => 'hung up')
  await until(() => started.simulators.requests.at(-1)?.path === '/auth/v1/verify/otp')
  impatient.abort()
  t.equal(await hungUp, 'hung up')
  t.equal((await verify(started, requestId, '234093')).status, 200)
  t.ok(performance.now() - begunAt >= 115)
  refused(t, await verify(started, requestId, '234093'), 400, '7115')
  const token = await signIn(started, { phoneNumber: '+919999999993' })
  const askedAt = performance.now()
  t.equal((await validate(started, token)).status, 200)
  t.ok(performance.now() - askedAt >= 115)
})

t.test('token: one verified mobile identity, in the documented shape, once', async t => {
  const started = await start(t)
  const token = await signIn(started, { phoneNumber: '+919999999900' })
  const answer = await validate(started, token)
  t.equal(answer.status, 200)
  t.strictSame(
    Object.keys(answer.json),
    ['token', 'status', 'userId', 'timestamp', 'identities', 'network', 'deviceInfo', 'secureInfo'],
  )
  const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/
  t.match(answer.json, {
    token, status: 'SUCCESS', timestamp: time, network: {
      ip: String, ipLocation: {},
    }, deviceInfo: { deviceId: String },
    secureInfo: { emulator: { result: false }, suspectScore: { result: 5 } },
  })
  t.match(answer.json['identities'], [{
    identityType: 'MOBILE', identityValue: '919999999900', channel: 'OAUTH', methods: [
      'TRUE_CALLER',
    ], verified: true, verifiedAt: time,
  }])
  const again = await validate(started, token)
  t.equal(again.status, 400)
  t.strictSame(
    again.json, { message: 'Invalid Request', errorCode: '7114', description: 'Request error: Invalid token' },
  )
})

t.test('token: unknown, empty, ill-formed and expired ones', async t => {
  let now = Date.now()
  const started = await start(t, { now: () => now })
  for (const token of ['unknown', '', undefined, 5]) refused(
    t, await validate(started, token), 400, '7114', String(token),
  )
  refused(t, await post(started, '/auth/v1/validate/token', { token: 'x', client_id: 'y' }), 400, '7101')
  const token = await signIn(started, { phoneNumber: '919999999900' })
  now += 300_000
  const expired = await validate(started, token)
  t.equal(expired.status, 401)
  t.strictSame(expired.json, { message: 'Expired', errorCode: '7301', description: 'Request error: Token is expired' })
})

t.test('token: unverified, e-mail-only and multi-identity users', async t => {
  const started = await start(t)
  const identities = async (body: unknown) => (await validate(started, await signIn(started, body))).json['identities']
  const [unverified] = [await identities({ phoneNumber: '+919999999900', verified: false })].flat()
  t.match(unverified, { identityType: 'MOBILE', verified: false })
  t.notMatch(unverified, { verifiedAt: String })
  const email = 'ada@example.com'
  t.match(await identities({ email }), [{ identityType: 'EMAIL', identityValue: email, methods: ['GOOGLE'] }])
  const both = [await identities({ phoneNumber: '+919999999900', email })].flat()
  t.match(both, [{ identityType: 'EMAIL' }, { identityType: 'MOBILE', identityValue: '919999999900' }])
  t.equal(both.length, 2)
})

t.test('token: scenarios', async t => {
  const started = await start(t)
  const token = (suffix: string) => signIn(started, { phoneNumber: `+9199999999${suffix}` })
  t.match((await validate(started, await token('01'))).json, { identities: [{ identityValue: '919999999902' }] })
  for (const suffix of ['94', '95', '96']) t.equal((await validate(started, await token(suffix))).status, 200)
  const malformed = await validate(started, await token('98'))
  t.match(malformed, { status: 200, json: { status: 'SUCCESS' } })
  t.notOk('identities' in malformed.json)
  const failing = await token('99')
  for (let time = 0; time < 4; time += 1) {
    const answer = await validate(started, failing)
    t.equal(answer.status, 500)
    t.strictSame(answer.json, { message: 'Something went wrong. please try again!!' })
  }
  const flaky = await token('97')
  for (const status of [500, 500, 200]) t.equal((await validate(started, flaky)).status, status)
  for (const suffix of ['90', '91', '92']) {
    const answer = await ask(
      `${started.simulators.url}/handset/otpless/token`, 'POST', json, { phoneNumber: `+9199999999${suffix}` },
    )
    t.equal(answer.status, 204, 'the SDK never comes back')
  }
  t.equal((await ask(`${started.simulators.url}/handset/otpless/token`, 'POST', json, {})).status, 400)
})

t.test('token: what was verified is as old as the handset says, and else new', async t => {
  let now = Date.now()
  const started = await start(t, { now: () => now })
  const phoneNumber = '+919999999900'
  const fresh = await signIn(started, { phoneNumber })
  const old = await signIn(started, { phoneNumber, email: 'ada@example.com', verifiedAt: '2019-01-02T03:04:05Z' })
  const signedInAt = now
  now += 60_000
  const { json } = await validate(started, fresh)
  const seconds = (text: unknown) => Date.parse(String(text)) / 1000
  const [identity] = [json['identities']].flat() as Record<string, unknown>[]
  t.equal(seconds(identity?.['verifiedAt']), Math.floor(signedInAt / 1000), 'the sign-in')
  t.equal(seconds(json['timestamp']), Math.floor(now / 1000), 'the answer')
  const [email, mobile] = [(await validate(started, old)).json['identities']].flat() as Record<string, unknown>[]
  t.equal(seconds(email?.['verifiedAt']), Math.floor(signedInAt / 1000), 'the e-mail address only now')
  t.equal(mobile?.['verifiedAt'], '2019-01-02T03:04:05Z')
})

t.test('other outcomes of 96, 98 and 99', async t => {
  const started = await start(t)
  refused(t, await initiate(started, '+15551281196'), 429, '7020')
  const credentials = await initiate(started, '+15551282196')
  t.equal(credentials.status, 401)
  t.strictSame(Object.keys(credentials.json), ['message', 'description'])
  const hanging = new AbortController()
  const unanswered = fetch(`${started.simulators.url}/auth/v1/initiate/otp`, {
    method: 'POST', signal: hanging.signal,
    headers: {
      ...json, clientId: setting(started.simulators, 'OTPLESS_CLIENT_ID'),
      clientSecret: setting(started.simulators, 'OTPLESS_CLIENT_SECRET'),
    },
    body: JSON.stringify({ phoneNumber: '+15551283196', channels: ['SMS'] }),
  }).then(({ status }) => status, () => 'none')
  await until(() => started.simulators.requests.length === 3)
  const { json: { requestId: expired } } = await initiate(started, '+15551282199')
  refused(t, await verify(started, expired, '282199'), 400, '7303')
  hanging.abort()
  t.equal(await unanswered, 'none')

  const unusual = await initiate(started, '+15551281198')
  const { requestId } = unusual.json
  t.strictSame(unusual.json, { requestId, message: null, errorCode: null })
  refused(t, await verify(started, requestId, '000000'), 200, '7118', 'an error inside a 200')
  const verified = await verify(started, requestId, '281198')
  t.strictSame(verified.json, { requestId: null, isOTPVerified: true, message: null, errorCode: null })

  const token = (number: string) => signIn(started, { phoneNumber: number })
  const invalid = await validate(started, await token('+15551281199'))
  t.equal(invalid.status, 400)
  t.strictSame(Object.keys(invalid.json), ['message'])
  refused(t, await validate(started, await token('+15551282199')), 401, '7301')
  t.match((await validate(started, await token('+15551281198'))).json, {
    status: 'SUCCESS', network: null, secureInfo: null,
    identities: [null, { identityType: 'MOBILE', identityValue: 15551281198, verified: true, verifiedAt: String }],
  })
})

t.test('a limit to another provider leaves the number to this one', async t => {
  const started = await start(t)
  const { json: { requestId } } = await initiate(started, '+15551230391')
  t.equal((await verify(started, requestId, '230391')).status, 200)
  refused(t, await initiate(started, '+15551230491'), 400, '7103')
})

t.test('unknown routes repeat nothing of the query', async t => {
  const { simulators } = await start(t)
  for (const path of ['/auth/v1/authorize', '/auth/v9/x', '/nowhere', '/%zz']) {
    const answer = await ask(`${simulators.url}${path}?client_secret=hunter2`, 'GET')
    t.ok(answer.status === 404 || answer.status === 400, path)
    t.strictSame(Object.keys(answer.json), ['message'])
    t.notMatch(answer.text, /hunter2|authorize|zz/)
  }
})
