import t from 'tap'
import { truecaller } from '../../../src/adapters/truecaller/index.ts'
import type { Json } from '../../../src/core/vocabulary.ts'
import {
  anAttempt, callbackKey, contract, endingOf, openAdapter, openIo, openVendor, type Call, type Vendor,
} from '../../../src/conformance/index.ts'
import { badResponse, clientId, invalid, misconfigured, outage, settings, tooLate } from './vendor.ts'

const method = 'truecaller.oauth'
const withClientId = (vendor: Vendor) => ({ ...settings(vendor), TRUECALLER_OAUTH_CLIENT_ID: clientId })
const accessToken = 'some-access-token'
const evidence = {
  authorizationCode: 'a code/of+theirs', codeVerifier: 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk',
}
const isExchange = ({ path }: Call) => path === '/v1/token'
const isUserInfo = ({ path }: Call) => path === '/v1/userinfo'
const granted = { access_token: accessToken, expires_in: 3600, token_type: 'Bearer' }
// The documented sample, with a number.
const user = {
  sub: '13627101294235520', given_name: 'xyz', family_name: 'abc', phone_number: '919999999999', email: 'pqr@gmail.com',
  picture: 'https://www.truecaller.com/xyz', gender: 'male/female', phone_number_country_code: 'IN',
  phone_number_verified: true, address: { locality: 'Bangalore', postal_code: '560001' },
}
const profile = {
  name: { first: 'xyz', last: 'abc' }, email: 'pqr@gmail.com', gender: 'male/female',
  avatarUrl: 'https://www.truecaller.com/xyz', addresses: [{ city: 'Bangalore', zipcode: '560001' }],
}
const answer = (call: Call) => ({ body: isExchange(call) ? granted : user })
const says = (body: unknown) => (call: Call) => isUserInfo(call) ? { body } : null
const answers = (status: number, is: (call: Call) => boolean, body: unknown = {}) =>
  (call: Call) => is(call) ? { status, body } : null
const kept = { access_token: accessToken }

t.test(method, async t => {
  await contract(t, {
    provider: truecaller,
    method,
    settings: withClientId,
    secrets: [accessToken, evidence.authorizationCode, evidence.codeVerifier],
    attempt: {},
    vendor: (_vendor, call) => answer(call),
    action: () => ({
      type: 'submitToken', sdk: 'truecaller', params: { clientId, state: callbackKey, scopes: 'openid phone profile' },
    }),
    good: { evidence, proven: { phoneNumber: '+919999999999', profile } },
    assurance: { possession: 'account', binding: 'session', restricted: false },
    singleUse: evidence.authorizationCode,
    bad: [
      { name: 'not verified', vendor: says({ ...user, phone_number_verified: false }), ends: invalid },
      {
        name: 'not verified, and without the id of the user',
        vendor: says({ phone_number: user.phone_number, phone_number_verified: false }), ends: invalid,
      },
      { name: 'not said to be verified', vendor: says({ ...user, phone_number_verified: undefined }), ends: invalid },
      { name: 'verified by a text', vendor: says({ ...user, phone_number_verified: 'true' }), ends: invalid },
      { name: 'verified by a number', vendor: says({ ...user, phone_number_verified: 1 }), ends: invalid },
      { name: 'without the scope phone', vendor: says({ sub: user.sub }), ends: invalid },
      { name: 'a verified number that is absent', vendor: says({ ...user, phone_number: '' }), ends: badResponse },
      { name: 'a verified number of no country', vendor: says({ ...user, phone_number: '99' }), ends: badResponse },
      { name: 'no user', vendor: says({}), ends: badResponse },
      { name: 'no user but a number', vendor: says({ phone_number: user.phone_number }), ends: badResponse },
      { name: 'an error in a 200', vendor: says({ ...user, code: 401 }), ends: tooLate },
      {
        name: 'an outage, in a 200', vendor: says({ ...user, code: 500 }), ends: { verdict: 'pending', state: kept },
      },
      { name: 'no token', vendor: call => isExchange(call) ? { body: {} } : null, ends: badResponse },
      {
        name: 'a token that is no header', ends: badResponse,
        vendor: call => isExchange(call) ? { body: { access_token: 'a\r\nb' } } : null,
      },
      {
        name: 'an error in a 200 of the exchange', ends: invalid,
        vendor: call => isExchange(call) ? { body: { ...granted, code: 403 } } : null,
      },
      { name: 'a refused code', vendor: answers(403, isExchange), ends: invalid },
      {
        name: 'a refused code that was sent before', vendor: answers(403, isExchange), repeated: true,
        ends: { failed: 'provider_timeout', retryable: false },
      },
      {
        name: 'an outage after the exchange', vendor: answers(503, isUserInfo),
        ends: { verdict: 'pending', retryAfterMs: 1000, state: kept },
      },
      {
        name: 'a rate limit after the exchange', vendor: answers(429, isUserInfo),
        ends: { verdict: 'pending', state: kept },
      },
      { name: 'no evidence', evidence: {}, ends: invalid },
      { name: 'no verifier', evidence: { authorizationCode: 'a' }, ends: invalid },
      { name: 'no code', evidence: { codeVerifier: 'a' }, ends: invalid },
      { name: 'a token of push', evidence: { accessToken }, ends: invalid },
    ],
    refusals: [
      { call: isExchange, phase: 'resolve', ends: status => status === 400 || status === 403 ? invalid : null },
      {
        call: isUserInfo, phase: 'resolve', state: kept,
        ends: status => status === 401 ? tooLate : status === 404 ? invalid : status === 422 ? misconfigured : null,
      },
    ],
  })
})

t.test('the requests are those of the documentation', async t => {
  const vendor = await openVendor(t, (_vendor, call) => answer(call))
  const adapter = openAdapter(truecaller, withClientId(vendor), openIo(t))
  const attempt = anAttempt({ method })
  t.match(await adapter.resolve(attempt, evidence, { repeated: false }), { verdict: 'proven' })
  const [exchange, userInfo] = vendor.calls
  t.match(exchange, {
    method: 'POST', path: '/v1/token', headers: { 'content-type': 'application/x-www-form-urlencoded' },
  })
  t.strictSame([...new URLSearchParams(exchange?.text)], [
    ['grant_type', 'authorization_code'], ['client_id', clientId], ['code', evidence.authorizationCode],
    ['code_verifier', evidence.codeVerifier],
  ], 'exactly the four fields')
  t.equal(exchange?.headers['authorization'], undefined)
  t.match(userInfo, { method: 'GET', path: '/v1/userinfo', headers: { authorization: `Bearer ${accessToken}` } })
  t.equal(vendor.calls.length, 2)
})

t.test('a number in every spelling is the number', async t => {
  const vendor = await openVendor(t, (_vendor, call) => answer(call))
  const adapter = openAdapter(truecaller, withClientId(vendor), openIo(t))
  for (const phone_number of ['919999999999', '+919999999999', 919999999999, '0091 99999 99999']) {
    vendor.answer = call => isExchange(call) ? { body: granted } : { body: { ...user, phone_number } }
    for (const phoneNumber of [null, '+919999999999']) {
      const outcome = await adapter.resolve(anAttempt({ method, phoneNumber }), evidence, { repeated: false })
      t.match(outcome, { verdict: 'proven', phoneNumber: '+919999999999' }, String(phone_number))
    }
  }
  const other = anAttempt({ method, phoneNumber: '+919999999998' })
  const outcome = await adapter.resolve(other, evidence, { repeated: false })
  t.match(outcome, { verdict: 'proven', phoneNumber: '+919999999999' }, 'another number is not the expected one')
})

t.test('a code is exchanged once, however often the user has to be read', async t => {
  const vendor = await openVendor(t, (_vendor, call) => isExchange(call) ? { body: granted } : { status: 503 })
  const adapter = openAdapter(truecaller, withClientId(vendor), openIo(t))
  let state: Json = null
  const run = (repeated: boolean) => endingOf(adapter.resolve(anAttempt({ method, state }), evidence, { repeated }))
  const first = await run(false)
  t.match(first, { verdict: 'pending', state: kept })
  state = 'verdict' in first && first.verdict === 'pending' ? first.state ?? null : null
  t.match(await run(true), outage, 'the guard learns of the outage by the second try at the latest')
  vendor.answer = answer
  t.match(await run(true), { verdict: 'proven', phoneNumber: '+919999999999' })
  t.equal(vendor.calls.filter(isExchange).length, 1)
  vendor.calls.length = 0
  vendor.answer = answers(503, () => true) as Vendor['answer']
  state = null
  t.match(await run(false), outage, 'an exchange without an answer is tried again')
  t.equal(vendor.calls.length, 1)
})

t.test('a slow exchange leaves the second request to the next call', async t => {
  let at = Date.now()
  const vendor = await openVendor(t, (_vendor, call) => {
    if (isExchange(call)) at += 1501
    return answer(call)
  })
  const adapter = openAdapter(truecaller, withClientId(vendor), openIo(t, { now: () => at }))
  const outcome = await adapter.resolve(anAttempt({ method }), evidence, { repeated: false })
  t.strictSame(outcome, { verdict: 'pending', retryAfterMs: 0, state: kept })
  t.notOk(vendor.calls.some(isUserInfo))
})

t.test('each attempt has its own state', async t => {
  const vendor = await openVendor(t, () => ({}))
  const adapter = openAdapter(truecaller, withClientId(vendor), openIo(t))
  const other = callbackKey.replace('A', 'B')
  t.match(await adapter.start(anAttempt({ method, callbackKey: other })), { action: { params: { state: other } } })
  t.equal(vendor.calls.length, 0, 'and nothing is asked for it')
})
