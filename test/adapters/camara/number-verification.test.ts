import { createHash } from 'node:crypto'
import t from 'tap'
import { camara } from '../../../src/adapters/camara/index.ts'
import { contract, endingOf, openIo, openVendor } from '../../../src/conformance/index.ts'
import {
  accessToken, answerWell, attempt, code, denied, error, failed, isToken, isVerify, misconfigured, noRepeat, open,
  phoneNumber, redirectKey, redirectUrl, say, secrets, settings,
} from './vendor.ts'

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
