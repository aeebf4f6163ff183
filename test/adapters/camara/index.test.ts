import { createHash } from 'node:crypto'
import t from 'tap'
import { Compile } from 'typebox/compile'
import { camara } from '../../../src/adapters/camara/index.ts'
import { contract, endingOf, openIo, openVendor, type Contract } from '../../contract.ts'
import {
  accessToken, answerWell, attempt, authenticationId, code, denied, error, failed, isDiscovery, isSend, isSwap, isToken,
  isValidate, isVerify, noRepeat, open, phoneNumber, privateKey, redirectKey, redirectUrl, say, secrets, settings,
  smsAttempt,
} from './vendor.ts'

const misconfigured = (...statuses: number[]) => (status: number) =>
  statuses.includes(status) ? failed('provider_misconfigured') : null
const discovery = (phase: 'start' | 'resolve'): Contract['refusals'][number] =>
  ({ call: isDiscovery, phase, ends: status => status === 429 ? null : failed('provider_misconfigured') })
const oauthError = (name: string, status = 400) => say(isToken, { status, body: { error: name } })

/** Of the contract's random source. */
const challenge = createHash('sha256').update(Buffer.alloc(32, 1).toString('base64url')).digest('base64url')

const url = (origin: string): string => `${origin}/oidc/authorize?${new URLSearchParams({
  response_type: 'code', client_id: 's6BhdRkqt3', redirect_uri: redirectUrl, state: redirectKey,
  scope: 'openid dpv:FraudPreventionAndDetection number-verification:verify', prompt: 'none',
  login_hint: `tel:${phoneNumber}`, code_challenge: challenge,
  code_challenge_method: 'S256',
})}`

t.test('camara.number_verification', async t => {
  const state = redirectKey
  const iss = 'https://other.example'
  await contract(t, {
    provider: camara,
    method: 'camara.number_verification',
    settings,
    secrets,
    attempt: { phoneNumber, redirectUrl, redirectKey },
    vendor: answerWell,
    usesRandomness: true,
    action: ({ origin }) => ({ type: 'openUrlOnCellular', url: url(origin), finish: 'code' }),
    good: { evidence: { code }, proven: { phoneNumber } },
    assurance: { possession: 'sim', binding: 'session', restricted: false },
    singleUse: code,
    bad: [
      {
        name: 'another number', vendor: say(isVerify, { body: { devicePhoneNumberVerified: false } }),
        ends: denied('number_mismatch'),
      },
      { name: 'neither', vendor: say(isVerify, { body: {} }), ends: failed('provider_bad_response') },
      {
        name: 'a text', vendor: say(isVerify, { body: { devicePhoneNumberVerified: 'true' } }),
        ends: failed('provider_bad_response'),
      },
      {
        name: 'not by the network', ends: denied('not_on_cellular'),
        vendor: say(isVerify, error(403, 'NUMBER_VERIFICATION.USER_NOT_AUTHENTICATED_BY_MOBILE_NETWORK')),
      },
      {
        name: 'a line that may not be verified', vendor: say(isVerify, error(403, 'PERMISSION_DENIED')),
        ends: denied('carrier_unsupported'),
      },
      {
        name: 'version 1: no number in the token', vendor: say(isVerify, error(403, 'INVALID_TOKEN_CONTEXT')),
        ends: denied('carrier_unsupported'),
      },
      ...['NOT_FOUND', 'IDENTIFIER_NOT_FOUND'].map(name => ({
        name, vendor: say(isVerify, error(404, name)), ends: denied('carrier_unsupported'),
      })),
      {
        name: 'not for this number', vendor: say(isVerify, error(422, 'SERVICE_NOT_APPLICABLE')),
        ends: denied('carrier_unsupported'),
      },
      {
        name: 'an error in a 200', vendor: say(isVerify, { body: { code: 'NOT_FOUND' } }),
        ends: denied('carrier_unsupported'),
      },
      {
        name: 'our request', vendor: say(
          isVerify, error(400, 'INVALID_ARGUMENT'),
        ), ends: failed('provider_bad_response'),
      },
      {
        name: 'another token', vendor: say(isVerify, error(401, 'UNAUTHENTICATED')),
        ends: failed('provider_misconfigured'),
      },
      { name: 'a code that is not valid', vendor: oauthError('invalid_grant'), ends: denied('evidence_invalid') },
      {
        name: 'a code that an earlier try may have used up', vendor: oauthError('invalid_grant'), repeated: true,
        ends: failed('provider_timeout'),
      },
      ...['invalid_client', 'unauthorized_client', 'invalid_scope', 'unsupported_grant_type'].map(name => ({
        name, vendor: oauthError(name), ends: failed('provider_misconfigured'),
      })),
      { name: 'our request', vendor: oauthError('invalid_request'), ends: failed('provider_bad_response') },
      {
        name: 'less than was asked for', ends: failed('provider_misconfigured'),
        vendor: say(isToken, { body: { access_token: accessToken, scope: 'openid' } }),
      },
      {
        name: 'a token that is no header', vendor: say(isToken, { body: { access_token: 'a b' } }),
        ends: failed('provider_bad_response'),
      },
      {
        name: 'the number later', vendor: say(isVerify, { status: 503 }),
        ends: { verdict: 'pending', retryAfterMs: 1000 },
      },
      { name: 'no code', evidence: {}, ends: denied('evidence_invalid') },
      { name: 'a code too long', evidence: { code: 'x'.repeat(2049) }, ends: denied('evidence_invalid') },
      { name: 'a code with a blank', evidence: { code: `${code} ` }, ends: denied('evidence_invalid') },
    ],
    refusals: [
      discovery('resolve'),
      { call: isToken, phase: 'resolve', ends: misconfigured(401, 403) },
      {
        call: isVerify, phase: 'resolve', state: { verifier: 'v', accessToken },
        // The token of an earlier try: it may have been used up.
        ends: status => status === 401 ? failed('provider_timeout') : misconfigured(403, 404)(status),
      },
    ],
    returns: [
      { query: { state, code }, returned: { code }, key: state },
      { query: { state, code, session_state: 'x' }, returned: { code }, key: state },
      { query: { state, code, iss }, returned: null, key: state },
      { query: { state: 'x'.repeat(48), code }, returned: null, key: 'x'.repeat(48) },
      { query: { state: 'short', code }, returned: null, key: null },
      { query: { code }, returned: null, key: null },
      { query: { state }, returned: null, key: state },
      ...Object.entries({
        login_required: 'not_on_cellular', interaction_required: 'not_on_cellular',
        access_denied: 'carrier_unsupported',
        consent_required: 'carrier_unsupported', invalid_scope: 'provider_misconfigured',
        server_error: 'provider_error',
        temporarily_unavailable: 'provider_error', constructor: 'provider_error',
      } as const).map(([error, reason]) => ({ query: { state, error }, returned: { error: reason }, key: state })),
    ],
  })
})

t.test('camara.sms', async t => {
  const send = (status: number, name: string) => error(status, `ONE_TIME_PASSWORD_SMS.${name}`)
  const judged = (status: number, name: string) => say(isValidate, send(status, name))
  await contract(t, {
    provider: camara,
    method: 'camara.sms',
    settings,
    secrets,
    attempt: { phoneNumber },
    vendor: answerWell,
    action: () => ({ type: 'submitCode', length: 6, channels: ['SMS'] }),
    good: { evidence: { code: 'AJY3' }, proven: { phoneNumber } },
    assurance: { possession: 'message', binding: 'session', restricted: true },
    singleUse: null,
    bad: [
      { name: 'a wrong code', vendor: judged(400, 'INVALID_OTP'), ends: { verdict: 'incorrect' } },
      { name: 'in a 200', vendor: judged(200, 'INVALID_OTP'), ends: { verdict: 'incorrect' } },
      { name: 'too many', vendor: judged(400, 'VERIFICATION_FAILED'), ends: denied('code_attempts_exhausted') },
      { name: 'too late', vendor: judged(400, 'VERIFICATION_EXPIRED'), ends: denied('evidence_expired') },
      {
        name: 'not such a code', vendor: say(isValidate, error(400, 'INVALID_ARGUMENT')),
        ends: { verdict: 'incorrect' },
      },
      { name: 'out of range', vendor: say(isValidate, error(400, 'OUT_OF_RANGE')), ends: { verdict: 'incorrect' } },
      { name: 'forgotten', vendor: say(isValidate, error(404, 'NOT_FOUND')), ends: denied('evidence_expired') },
      {
        name: 'forgotten, or validated by an earlier try', vendor: say(isValidate, error(404, 'NOT_FOUND')),
        repeated: true, ends: failed('provider_timeout'),
      },
      {
        name: 'not permitted', vendor: say(isValidate, error(403, 'PERMISSION_DENIED')),
        ends: failed('provider_misconfigured'),
      },
      { name: 'a 200', vendor: say(isValidate, { body: {} }), ends: failed('provider_bad_response') },
      { name: 'too long', evidence: { code: '12345678901' }, ends: { verdict: 'incorrect' } },
      { name: 'a sign', evidence: { code: '12_4' }, ends: { verdict: 'incorrect' } },
      { name: 'no code', evidence: {}, ends: denied('evidence_invalid') },
    ],
    refusals: [
      discovery('start'), { call: isToken, phase: 'start', ends: misconfigured(401, 403) },
      { call: isSend, phase: 'start', ends: misconfigured(401, 403, 404) },
      { call: isToken, phase: 'resolve', ends: misconfigured(401, 403) },
    ],
  })

  const vendor = await openVendor(t, answerWell)
  await t.test('why no message was sent', async t => {
    for (const [answer, reason] of [
      [send(403, 'MAX_OTP_CODES_EXCEEDED'), 'recently_tried'],
      [send(403, 'PHONE_NUMBER_NOT_ALLOWED'), 'carrier_unsupported'],
      [send(403, 'PHONE_NUMBER_BLOCKED'), 'carrier_unsupported'],
      [error(403, 'PERMISSION_DENIED'), 'provider_misconfigured'], [error(404, 'NOT_FOUND'), 'carrier_unsupported'],
      [error(404, 'IDENTIFIER_NOT_FOUND'), 'carrier_unsupported'],
      [error(422, 'SERVICE_NOT_APPLICABLE'), 'carrier_unsupported'],
      [error(400, 'INVALID_ARGUMENT'), 'provider_bad_response'],
    ] as const) {
      vendor.answer = call => isSend(call) ? answer : answerWell(vendor, call)
      t.same(await endingOf(open(t, vendor).start(smsAttempt)), failed(reason), JSON.stringify(answer.body))
    }
  })

  await t.test('every status of the answer to a code', async t => {
    const evidence = { code: 'AJY3' }
    for (let status = 200; status < 600; status += 1) {
      vendor.answer = call => isValidate(call) ? { status } : answerWell(vendor, call)
      const ending = await endingOf(
        open(t, vendor).resolve({ ...smsAttempt, state: { authenticationId } }, evidence, noRepeat),
      )
      const expected = status === 204 ? { verdict: 'proven', phoneNumber }
        : status === 429 ? failed('rate_limited_by_provider', true)
          : status >= 500 ? failed('provider_error', true)
            : failed([401, 403, 404].includes(status) ? 'provider_misconfigured' : 'provider_bad_response')
      t.same(ending, expected, String(status))
    }
  })

  await t.test('a code that is sent again replaces the first one', async t => {
    vendor.answer = call => answerWell(vendor, call)
    const adapter = open(t, vendor)
    const first = await adapter.start(smsAttempt)
    vendor.answer = call => isSend(call) ? { body: { authenticationId: 'second' } } : answerWell(vendor, call)
    t.match(await adapter.resend?.({ ...smsAttempt, state: first.state }), {
      id: 'second', state: { authenticationId: 'second' }, action: { type: 'submitCode' },
    })
  })
})

t.test('the access token survives a call that fails', async t => {
  const vendor = await openVendor(t, answerWell)
  const adapter = open(t, vendor)
  const { state } = await adapter.start(attempt)
  let at = 0
  const answers = [{ status: 503, headers: { 'retry-after': '7' } }, 'hang', null] as const
  vendor.answer = call => isVerify(call) ? answers[at++] ?? answerWell(vendor, call) : answerWell(vendor, call)
  const first = await adapter.resolve({ ...attempt, state }, { code }, noRepeat)
  t.match(first, { verdict: 'pending', retryAfterMs: 7000, state: { accessToken } })
  const known = 'state' in first && first.state !== undefined ? first.state : null
  // The operator may have judged the second request, whose answer is lost.
  const impatient = camara.open(settings(vendor), openIo(t, { timeoutMs: 300 }), 'camara')
  t.same(
    await endingOf(impatient?.resolve({ ...attempt, state: known }, { code }, { repeated: true }) ?? Promise.reject()),
    failed('provider_timeout', true),
  )
  vendor.calls.length = 0
  t.match(await adapter.resolve({ ...attempt, state: known }, { code }, { repeated: true }), { verdict: 'proven' })
  t.same(
    vendor.calls.map(({ path }) => path), ['/api/number-verification/v2/verify'], 'the code is not exchanged again',
  )
})

t.test('after a slow exchange the number is verified by the next call', async t => {
  const vendor = await openVendor(t, answerWell)
  let now = Date.now()
  const adapter = camara.open(settings(vendor), openIo(t, { now: () => now }), 'camara')
  if (adapter === null) throw new Error('off')
  const { state } = await adapter.start(attempt)
  vendor.answer = call => {
    if (isToken(call)) now += 2000
    return answerWell(vendor, call)
  }
  vendor.calls.length = 0
  t.match(
    await adapter.resolve({ ...attempt, state }, { code }, noRepeat), { verdict: 'pending', state: { accessToken } },
  )
  t.notOk(vendor.calls.some(isVerify))
})

t.test('a SIM swap is asked for after a proof, and never changes it', async t => {
  const vendor = await openVendor(t, answerWell)
  const options = { signals: ['simSwap'] }
  const outcomeOf = async (
    answer: ReturnType<typeof say>, method: 'number_verification' | 'sms' = 'number_verification',
  ) => {
    vendor.answer = call => answer(call) ?? answerWell(vendor, call)
    const adapter = open(t, vendor)
    const asked = { ...method === 'sms' ? smsAttempt : attempt, options }
    const { state } = await adapter.start(asked)
    vendor.calls.length = 0
    return adapter.resolve({ ...asked, state }, { code: 'AJY3' }, noRepeat)
  }
  for (const method of ['number_verification', 'sms'] as const) {
    for (const swapped of [true, false]) {
      t.same(await outcomeOf(say(isSwap, { body: { swapped } }), method), {
        verdict: 'proven', phoneNumber, signals: { simSwap: swapped },
      })
      const call = vendor.calls.find(isSwap)
      t.same(call?.body, { phoneNumber, maxAge: 240 })
      t.equal(call?.headers.authorization, `Bearer ${accessToken}`)
    }
  }
  for (const answer of [
    { status: 500 }, error(403, 'PERMISSION_DENIED'), error(422, 'SERVICE_NOT_APPLICABLE'), { body: {} },
    { body: { swapped: 'true' } }, { body: '<html>' }, error(200, 'NOT_FOUND'), { status: 429 },
  ]) {
    t.same(await outcomeOf(say(isSwap, answer)), { verdict: 'proven', phoneNumber }, JSON.stringify(answer))
  }
  t.match(await outcomeOf(say(isVerify, { body: { devicePhoneNumberVerified: false } })), { verdict: 'denied' })
  t.notOk(vendor.calls.some(isSwap), 'only after a proof')
  const adapter = open(t, vendor)
  vendor.answer = call => answerWell(vendor, call)
  const { state } = await adapter.start(attempt)
  t.same(await adapter.resolve({ ...attempt, state }, { code }, noRepeat), { verdict: 'proven', phoneNumber })
  t.notOk(vendor.calls.some(isSwap), 'only where it is asked for')
})

t.test('what the operator offers', async t => {
  const vendor = await openVendor(t, answerWell)
  for (const [text, methods, path] of [
    ['', ['number_verification'], 'number-verification/v2/verify'], ['sms', ['sms'], null],
    ['number_verification:v1, sms:v2', ['number_verification', 'sms'], 'number-verification/v1/verify'],
    ['sim_swap', [], null],
  ] as const) {
    const adapter = open(t, vendor, { CAMARA_SERVICES: text })
    t.same(Object.keys(adapter.methods), methods.map(name => `camara.${name}`), text)
    for (const { options } of Object.values(adapter.methods)) {
      t.notOk(Compile(options).Check({ signals: ['simSwap'] }), 'no signal without the service')
    }
    if (path === null) continue
    await endingOf(adapter.resolve({ ...attempt, state: { verifier: 'v', accessToken } }, { code }, noRepeat))
    t.equal(vendor.calls.at(-1)?.path, `/api/${path}`)
  }
  const { methods } = open(t, vendor)
  for (const { options } of Object.values(methods)) {
    t.ok(Compile(options).Check({ signals: ['simSwap'] }))
    t.notOk(Compile(options).Check({ signals: ['other'] }))
  }
})

t.test('settings that can never work name the variable', async t => {
  const vendor = await openVendor(t, answerWell)
  for (const [name, ...values] of [
    ['CAMARA_ISSUER', '', 'not a url', 'ftp://x.example', `${vendor.origin}/?a=1`, `${vendor.origin}/#a`],
    ['CAMARA_API_URL', '', 'https://user@x.example', 'https://x.example/a?b'],
    ['CAMARA_SERVICES', 'sms,sms', 'mail', 'sms:v9', 'sms,'], ['CAMARA_PURPOSE', 'FraudPrevention', 'dpv:a b'],
    ['CAMARA_PRIVATE_KEY', 'x'], ['CAMARA_CLIENT_ID', 'a b'], [
      'CAMARA_SMS_TEXT', 'no code', `{{code}}${'x'.repeat(153)}`,
    ],
    ['CAMARA_SMS_CODE_LENGTH', '3', '11', 'six'],
  ] as const) {
    for (const value of values) {
      t.throws(() => open(t, vendor, { [name]: value }), { message: new RegExp(`^${name} `) }, `${name}=${value}`)
    }
  }
  const io = { ...openIo(t), allowInsecure: false }
  t.throws(() => camara.open(settings(vendor), io, 'camara'), /^CAMARA_ISSUER must be an https URL/)
  t.equal(camara.open({ ...settings(vendor), CAMARA_CLIENT_ID: '', CAMARA_PRIVATE_KEY: '' }, io, 'camara'), null)
  t.match(privateKey, /^-----BEGIN PRIVATE KEY/)
})
