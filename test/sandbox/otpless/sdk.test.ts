import t from 'tap'
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose'
import { ask, start } from '../receiver.ts'
import { get, json, post, refused, type Started } from './client.ts'

const validate = (started: Started, token: unknown) => post(started, '/auth/v1/validate/token', { token })

const openSdk = ({ simulators }: Started, body: unknown) =>
  ask(`${simulators.url}/handset/otpless/token`, 'POST', json, body)
const signIn = async (started: Started, body: unknown): Promise<unknown> => (await openSdk(started, body)).json['token']

t.test('one verified mobile identity, in the documented shape, once', async t => {
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

t.test('unknown, empty, ill-formed and expired ones', async t => {
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

t.test('unverified, e-mail-only and multi-identity users', async t => {
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

t.test('scenarios', async t => {
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

t.test('what was verified is as old as the handset says, and else new', async t => {
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

t.test('slow, and other outcomes of 98 and 99', async t => {
  const started = await start(t, { slowMs: 120 })
  const token = (phoneNumber: string) => signIn(started, { phoneNumber })
  const slow = await token('+919999999993')
  const askedAt = performance.now()
  t.equal((await validate(started, slow)).status, 200)
  t.ok(performance.now() - askedAt >= 115)
  const invalid = await validate(started, await token('+15551281199'))
  t.equal(invalid.status, 400)
  t.strictSame(Object.keys(invalid.json), ['message'])
  refused(t, await validate(started, await token('+15551282199')), 401, '7301')
  t.match((await validate(started, await token('+15551281198'))).json, {
    status: 'SUCCESS', network: null, secureInfo: null,
    identities: [null, { identityType: 'MOBILE', identityValue: 15551281198, verified: true, verifiedAt: String }],
  })
})

t.test('the ID token of the SDK, as a server verifies it', async t => {
  const started = await start(t)
  const { simulators: { url, settings } } = started
  const { json: discovered } = await get(started, '/.well-known/openid-configuration')
  t.match(discovered, { issuer: 'https://otpless.com', jwks_uri: `${url}/.well-known/jwks`, token_endpoint: String })
  const keys = createRemoteJWKSet(new URL(`${url}/.well-known/jwks`), { cooldownDuration: 0 })
  const verify = async (idToken: unknown) => (await jwtVerify(String(idToken), keys, {
    issuer: 'https://otpless.com', audience: settings['OTPLESS_APP_ID'] ?? '', algorithms: ['RS256'],
  })).payload
  const { json: { token, idToken } } = await openSdk(started, { phoneNumber: '+919999999900' })
  const payload = await verify(idToken)
  t.match(payload, {
    sub: /^MO-/, country_code: '+91', national_phone_number: '9999999900', phone_number: '919999999900',
    phone_number_verified: true, token,
  })
  t.type(payload['auth_time'], 'string')
  t.equal(Number(payload.exp) - Number(payload.iat), 300)
  t.equal((await validate(started, payload['token'])).status, 200, 'its token can be validated')

  const published = [(await get(started, '/.well-known/jwks')).json['keys']].flat() as Record<string, unknown>[]
  t.match(published, [{ kty: 'RSA', kid: String, alg: 'RS256' }, { kty: 'RSA', kid: String, alg: 'RS256' }])
  t.notOk(published.some(key => 'd' in key), 'only the public part')
  await ask(`${url}/control/otpless/rotate-key`, 'POST')
  const { json: { idToken: next } } = await openSdk(started, { phoneNumber: '+919999999900' })
  t.match(await verify(next), { phone_number: '919999999900' }, 'by the new key')
  t.match(await verify(idToken), { phone_number: '919999999900' }, 'the former key is still published')

  const claims = async (body: unknown) => decodeJwt(String((await openSdk(started, body)).json['idToken']))
  t.match(await claims({ phoneNumber: '+919999999901' }), { phone_number: '919999999902' })
  t.match(await claims({ phoneNumber: '+919999999900', verified: false }), { phone_number_verified: false })
  t.match(
    await claims({ phoneNumber: '+15551281198' }),
    { phone_number: '+15551281198', phone_number_verified: 'true', auth_time: Number },
  )
  const mail = await claims({ email: 'ada@example.com' })
  t.match(mail, { email: 'ada@example.com', email_verified: true })
  t.notOk('phone_number' in mail)
})
