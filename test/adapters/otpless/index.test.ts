import { createHmac } from 'node:crypto'
import t from 'tap'
import type { Callback } from '../../../src/adapters/adapter.ts'
import { otpless } from '../../../src/adapters/otpless/index.ts'
import {
  anAttempt, callbackKey, callbackUrl, contract, endingOf, openAdapter, openIo, openVendor, type Answer, type Call,
  type Contract, type Vendor,
} from '../../contract.ts'
import type { CallbackRefusal } from '../../../src/core/vocabulary.ts'

const phoneNumber = '+919999999999'
const secrets = ['client-1', 'secret-1', 'webhook-1', 'TOKEN_VALUE', '123456', 'unique_request_id']
const settings = ({ origin }: Vendor) => ({
  OTPLESS_CLIENT_ID: 'client-1',
  OTPLESS_CLIENT_SECRET: 'secret-1',
  OTPLESS_APP_ID: 'APP1',
  OTPLESS_AUTH_URL: origin,
  OTPLESS_USER_AUTH_URL: origin,
  OTPLESS_WEBHOOK_SECRET: 'webhook-1',
})
const isInitiate = ({ path }: Call) => path === '/auth/v1/initiate/otp'
const isVerify = ({ path }: Call) => path === '/auth/v1/verify/otp'
const isValidate = ({ path }: Call) => path === '/auth/v1/validate/token'
const verifiedAt = new Date().toISOString()
const identity = {
  identityType: 'MOBILE', identityValue: '919999999999', channel: 'OAUTH', methods: ['TRUE_CALLER'], verified: true,
  verifiedAt,
}
const success = { token: 'TOKEN_VALUE', status: 'SUCCESS', userId: 'U', timestamp: verifiedAt }
function answerWell (_vendor: Vendor, call: Call): Answer {
  if (isInitiate(call)) return { body: { requestId: 'unique_request_id' } }
  if (isVerify(call)) return {
    body: { requestId: 'unique_request_id', isOTPVerified: true, message: 'OTP verified successfully' },
  }
  return { body: { ...success, identities: [identity], network: { ip: '103.246.62.146' } } }
}
const denied = (reason: string) => ({ verdict: 'denied', reason }) as Contract['bad'][number]['ends']
const refuse = (status: number, errorCode?: string) => (call: Call): Answer | null => {
  return isInitiate(call) ? null : { status, body: { message: 'No', errorCode } }
}
/** A webhook as OTPLESS signs it, with the metadata that we gave it. */
function webhook (body: unknown, secret = 'webhook-1'): Pick<Callback, 'headers' | 'rawBody' | 'body'> {
  const rawBody = Buffer.from(JSON.stringify(body))
  return { headers: { 'x-signature': createHmac('sha256', secret).update(rawBody).digest('base64') }, rawBody, body }
}
const metaData = { verigate: callbackKey }
const delivered = (more: object = { metaData }) => ({
  data: {
    requestId: 'unique_request_id', authSessionId: 'unique_auth_session_id', traceId: 'unique_trace_id',
    status: 'DELIVERED', channel: 'SMS',
    identity: '919999999999', ...more,
  },
  eventType: 'DLR', timestamp: 1734513816000,
})
const signedIn = {
  data: {
    authSessionId: 'unique_auth_session_id', traceId: 'unique_trace_id', token: 'unique_token', status: 'SUCCESS',
    metaData,
    authenticationDetails: {
      phone: {
        requestId: 'unique_request_id', method: 'OTP', channel: ['SMS'], phoneNumber: '9999999999', countryCode: '+91',
      }, email: {},
    },
  },
  eventType: 'AUTH', timestamp: 1734513827,
}
const noted = (key: string) => ({ key, type: 'noted' }) as const
const refused = (cause: CallbackRefusal) => ({ type: 'refused', cause }) as const
const callbacks: Contract['callbacks'] = [
  { callback: webhook(delivered()), received: noted(callbackKey) },
  { callback: webhook(delivered({ metadata: metaData })), received: noted(callbackKey) },
  { callback: webhook(signedIn), received: noted(callbackKey) },
  { callback: webhook(delivered({})), received: noted('') },
  { callback: webhook(delivered({ metaData: { verigate: {} } })), received: noted('') },
  { callback: webhook(delivered({ metaData: null, metadata: metaData })), received: noted(callbackKey) },
  { callback: webhook({ status: 'DELIVERED', data: { referenceId: 'r' } }), received: noted('') },
  { callback: webhook({ eventType: null, data: null }), received: noted('') },
  { callback: webhook([]), received: null },
  { callback: webhook(null), received: null },
  { callback: { ...webhook(delivered()), headers: {} }, received: refused('signature_missing') },
  { callback: { ...webhook(delivered()), headers: { 'x-signature': '' } }, received: refused('signature_invalid') },
  {
    callback: { ...webhook(delivered()), headers: { 'x-signature': 'short' } }, received: refused('signature_invalid'),
  },
  {
    callback: { ...webhook(delivered()), headers: { 'x-signature': 'é'.repeat(22) } },
    received: refused('signature_invalid'),
  },
  { callback: webhook(delivered(), 'webhook-2'), received: refused('signature_invalid') },
  { callback: webhook(delivered(), ''), received: refused('signature_invalid') },
]
const misconfigured = { failed: 'provider_misconfigured', retryable: false }

t.test('otpless.token', async t => {
  const identities = (...given: unknown[]) => (): Answer => ({ body: { ...success, identities: given } })
  await contract(t, {
    provider: otpless,
    method: 'otpless.token',
    settings,
    secrets,
    attempt: { phoneNumber },
    vendor: answerWell,
    action: () => ({ type: 'submitToken', sdk: 'otpless', params: { appId: 'APP1' } }),
    good: {
      evidence: { token: 'TOKEN_VALUE' },
      proven: {
        phoneNumber,
        signals: {
          network: { ip: '103.246.62.146' }, identity: { channel: 'OAUTH', methods: ['TRUE_CALLER'], verifiedAt },
        },
      },
    },
    assurance: { possession: 'account', binding: 'session', restricted: false },
    singleUse: 'TOKEN_VALUE',
    callbacks,
    sign: webhook,
    bad: [
      { name: 'invalid', vendor: refuse(400, '7114'), ends: denied('evidence_invalid') },
      { name: 'expired', vendor: refuse(401, '7301'), ends: denied('evidence_expired') },
      { name: 'credentials', vendor: refuse(401, '7002'), ends: misconfigured },
      { name: '401 without a code', vendor: refuse(401), ends: misconfigured },
      { name: '400 without a code', vendor: refuse(400), ends: denied('evidence_invalid') },
      { name: 'a code in a 200', vendor: refuse(200, '7301'), ends: denied('evidence_expired') },
      {
        name: 'used, when we ask again', repeated: true, vendor: refuse(400, '7114'), ends: denied('evidence_invalid'),
      },
      { name: 'limited', vendor: refuse(400, '7024'), ends: { failed: 'rate_limited_by_provider', retryable: true } },
      {
        name: 'another number',
        vendor: identities({ ...identity, identityValue: '14155550100' }),
        ends: { verdict: 'proven', phoneNumber: '+14155550100' },
      },
      { name: 'unverified', vendor: identities({ ...identity, verified: false }), ends: denied('number_mismatch') },
      {
        name: 'verified before the attempt', vendor: identities({ ...identity, verifiedAt: '2019-01-01T00:00:00Z' }),
        ends: denied('evidence_expired'),
      },
      { name: 'unclear', vendor: identities({ ...identity, verified: 'true' }), ends: denied('evidence_invalid') },
      {
        name: 'e-mail only', vendor: identities({ ...identity, identityType: 'EMAIL' }),
        ends: denied('evidence_invalid'),
      },
      { name: 'no token', evidence: { code: '123456' }, ends: denied('evidence_invalid') },
    ],
    refusals: [{
      call: isValidate, phase: 'resolve',
      ends: status => status === 400 ? denied('evidence_invalid') : status === 401 ? misconfigured : null,
    }],
  })

  const vendor = await openVendor(t, answerWell)
  const adapter = openAdapter(otpless, settings(vendor), openIo(t))
  await adapter.resolve(anAttempt({ method: 'otpless.token' }), { token: 'TOKEN_VALUE' }, { repeated: false })
  t.match(vendor.calls, [{
    method: 'POST', path: '/auth/v1/validate/token', text: '{"token":"TOKEN_VALUE"}',
    headers: { clientid: 'client-1', clientsecret: 'secret-1', 'content-type': 'application/json' },
  }])
  const { methods } = openAdapter(otpless, { ...settings(vendor), OTPLESS_APP_ID: '' }, openIo(t))
  t.same(Object.keys(methods), ['otpless.otp'], 'needs an app id')
})

t.test('otpless.otp', async t => {
  await contract(t, {
    provider: otpless,
    method: 'otpless.otp',
    settings,
    secrets,
    attempt: { phoneNumber },
    vendor: answerWell,
    action: () => ({ type: 'submitCode', length: 6, channels: ['SMS'] }),
    good: { evidence: { code: '123456' }, proven: { phoneNumber } },
    assurance: { possession: 'message', binding: 'session', restricted: true },
    singleUse: null,
    callbacks,
    sign: webhook,
    bad: [
      { name: 'wrong', vendor: refuse(400, '7118'), ends: { verdict: 'incorrect' } },
      { name: 'wrong, in a 200', vendor: () => ({ body: { isOTPVerified: false } }), ends: { verdict: 'incorrect' } },
      { name: 'no digits', evidence: { code: 'abcdef' }, ends: { verdict: 'incorrect' } },
      { name: 'nothing', evidence: { code: '' }, ends: { verdict: 'incorrect' } },
      { name: 'used', vendor: refuse(400, '7115'), ends: denied('evidence_invalid') },
      {
        name: 'used by ourselves', repeated: true, vendor: refuse(400, '7115'),
        ends: { verdict: 'proven', phoneNumber },
      },
      { name: 'wrong, repeated', repeated: true, vendor: refuse(400, '7118'), ends: { verdict: 'incorrect' } },
      { name: 'expired', vendor: refuse(400, '7303'), ends: denied('evidence_expired') },
      { name: 'unknown request', vendor: refuse(404, '7168'), ends: denied('evidence_invalid') },
      { name: 'credentials', vendor: refuse(401, '7012'), ends: misconfigured },
      { name: '401 without a code', vendor: refuse(401), ends: misconfigured },
      { name: 'wrong, in a 200', vendor: refuse(200, '7118'), ends: { verdict: 'incorrect' } },
      {
        name: 'limited, in a 200', vendor: refuse(200, '7020'),
        ends: { failed: 'rate_limited_by_provider', retryable: true },
      },
      { name: 'a token', evidence: { token: '123456' }, ends: denied('evidence_invalid') },
    ],
    refusals: [
      { call: isInitiate, phase: 'start', ends: status => status === 401 ? misconfigured : null },
      { call: isVerify, phase: 'resolve', ends: status => status === 401 ? misconfigured : null },
    ],
  })
})

t.test('a code is sent, sent again and checked as documented', async t => {
  let now = 1_000_000
  const vendor = await openVendor(t, ({ calls }) => ({ body: { requestId: `r${calls.length}` } }))
  const adapter = openAdapter(otpless, settings(vendor), openIo(t, { now: () => now }))
  const options = { channels: ['WHATSAPP', 'SMS'], codeLength: 4 }
  const attempt = anAttempt({ method: 'otpless.otp', phoneNumber, expiresAt: 1_300_900, options })
  const first = await adapter.start(attempt)
  t.same(
    first,
    { id: 'r1', state: { requestId: 'r1' }, action: { type: 'submitCode', length: 4, channels: ['WHATSAPP', 'SMS'] } },
  )
  now += 280_000
  const second = await adapter.resend?.({ ...attempt, state: first.state })
  t.same(second, { ...first, id: 'r2', state: { requestId: 'r2' } })
  await adapter.start({ ...attempt, expiresAt: now + 1e9, options: { channels: ['PIGEON'] } })
  vendor.answer = () => ({ body: { isOTPVerified: true } })
  await adapter.resolve({ ...attempt, state: second?.state ?? null }, { code: '1234' }, { repeated: false })
  const sent = { phoneNumber, channels: ['WHATSAPP', 'SMS'], otpLength: 4, expiry: 300, metadata: metaData }
  t.strictSame(vendor.calls.map(({ body }) => body), [
    sent, { ...sent, expiry: 30 }, {
      ...sent, channels: ['SMS'], otpLength: 6, expiry: 86_400,
    }, { requestId: 'r2', otp: '1234' },
  ])
  t.match(
    vendor.calls[0]?.headers, { clientid: 'client-1', clientsecret: 'secret-1', 'content-type': 'application/json' },
  )

  vendor.calls.length = 0
  const unsent = await adapter.resolve(attempt, { code: '1234' }, { repeated: false })
  t.same(unsent, { verdict: 'denied', reason: 'evidence_invalid' }, 'nothing was sent')
  t.same(
    await adapter.resolve({ ...attempt, state: { requestId: 'r2' } }, { code: 'abcd' }, { repeated: false }),
    { verdict: 'incorrect' },
  )
  t.equal(vendor.calls.length, 0, 'without asking')
})

t.test('without its secret no webhook is believed', async t => {
  const vendor = await openVendor(t, answerWell)
  const adapter = openAdapter(otpless, { ...settings(vendor), OTPLESS_WEBHOOK_SECRET: '' }, openIo(t))
  for (const secret of ['', 'webhook-1']) {
    const received = await adapter.receive?.({ key: null, url: callbackUrl, ...webhook(delivered(), secret) })
    t.strictSame(received, refused('secret_not_set'))
  }
  t.equal(vendor.calls.length, 0)
})

t.test('why a code cannot be sent', async t => {
  const vendor = await openVendor(t, answerWell)
  const adapter = openAdapter(otpless, settings(vendor), openIo(t))
  const attempt = anAttempt({ method: 'otpless.otp', phoneNumber })
  const refusals: [number, string | undefined, string][] = [
    [400, '7103', 'carrier_unsupported'], [400, '7102', 'carrier_unsupported'], [401, '7025', 'carrier_unsupported'],
    [401, '7002', 'provider_misconfigured'], [401, '7301', 'provider_bad_response'],
    [401, undefined, 'provider_misconfigured'], [400, undefined, 'provider_bad_response'],
    [400, '7115', 'provider_bad_response'], [400, '7101', 'provider_bad_response'],
    [200, '7103', 'carrier_unsupported'], [200, '7118', 'provider_bad_response'],
  ]
  for (const [status, errorCode, failed] of refusals) {
    vendor.answer = () => ({ status, body: { message: 'No', errorCode } })
    t.same(await endingOf(adapter.start(attempt)), { failed, retryable: false }, `${status} ${errorCode}`)
  }
})

t.test('settings that cannot be used are named, and their values are not', async t => {
  const io = { ...openIo(t), allowInsecure: false }
  const both = { OTPLESS_CLIENT_ID: 'a', OTPLESS_CLIENT_SECRET: 'b' }
  const unusable: [string, Record<string, string>][] = [
    ['OTPLESS_CLIENT_SECRET', { OTPLESS_CLIENT_ID: 'evil' }], ['OTPLESS_CLIENT_ID', { OTPLESS_CLIENT_SECRET: 'evil' }],
    ['OTPLESS_CLIENT_SECRET', { ...both, OTPLESS_CLIENT_SECRET: 'evil\nevil' }],
    ['OTPLESS_CLIENT_ID', { ...both, OTPLESS_CLIENT_ID: 'evil evil' }],
    ['OTPLESS_AUTH_URL', { ...both, OTPLESS_AUTH_URL: 'http://evil.example' }],
    ['OTPLESS_USER_AUTH_URL', { ...both, OTPLESS_USER_AUTH_URL: 'https://evil.example/auth' }],
  ]
  for (const [name, env] of unusable) {
    const error = t.throws(() => otpless.open(env, io, 'otpless'), { message: new RegExp(`^${name} `) }, name)
    t.notMatch(String(error), 'evil')
  }
  const hosts: string[][] = []
  const openHttp: typeof io.openHttp = (provider, allowed) => (hosts.push(allowed), io.openHttp(provider, allowed))
  otpless.open(both, { ...io, openHttp }, 'otpless')
  t.same(hosts, [['auth.otpless.app', 'user-auth.otpless.app']])
})
