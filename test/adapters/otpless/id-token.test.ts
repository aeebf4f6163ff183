import t, { type Test } from 'tap'
import { exportJWK } from 'jose/key/export'
import { generateKeyPair } from 'jose/key/generate/keypair'
import { SignJWT } from 'jose/jwt/sign'
import { createHttp } from '../../../src/adapters/http.ts'
import { createIdTokens, isIdToken, referenceOf } from '../../../src/adapters/otpless/id-token.ts'
import { endingOf, openVendor, type Answer } from '../../../src/conformance/index.ts'
import { jumpWith } from '../../helpers/monotonic-clock.ts'

const pair = await generateKeyPair('RS256', { extractable: true })
const stranger = await generateKeyPair('RS256', { extractable: true })
const jwk = { ...await exportJWK(pair.publicKey), kid: 'pk0183', use: 'sig' }
const other = { ...await exportJWK(stranger.publicKey), kid: 'pk0184', alg: 'RS256' }
const seconds = 1758622086
const claims = {
  sub: 'MO-1', aud: 'APP1', country_code: '+91', auth_time: '1758641886', iss: 'https://otpless.com',
  national_phone_number: '9999999999', phone_number_verified: true, phone_number: '919999999999',
  exp: seconds + 300, iat: seconds, token: 'xxxx4e11',
}
const number = '+919999999999'
const sign = (more: object = {}, { key = pair.privateKey, kid = 'pk0183' } = {}): Promise<string> =>
  new SignJWT({ ...claims, ...more }).setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid }).sign(key)
const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

const openIdTokens = async (t: Tap, answer: () => Answer = () => ({ body: { keys: [jwk, other] } })) => {
  const vendor = await openVendor(t, answer)
  const { openHttp, close } = createHttp({ allowInsecure: true })
  t.teardown(close)
  const clock = { ms: (seconds + 10) * 1000 }
  jumpWith(t, () => clock.ms)
  const idTokens = createIdTokens({
    keysOrigin: vendor.origin, appId: 'APP1', http: openHttp('otpless', [vendor.host]), now: () => clock.ms,
  })
  return { idTokens, vendor, clock }
}
type Tap = Test

t.test('an id token of OTPLESS for this app has claims', async t => {
  const { idTokens, vendor } = await openIdTokens(t)
  t.match(await idTokens.read(await sign()), { phone_number: '919999999999', token: 'xxxx4e11' }, 'the documented one')
  t.match(await idTokens.read(await sign({ aud: ['APP0', 'APP1'] })), { sub: 'MO-1' })
  t.match(vendor.calls.map(({ method, path }) => `${method} ${path}`), ['GET /.well-known/jwks'], 'the keys are kept')
})

t.test('every other token proves nothing', async t => {
  const { idTokens } = await openIdTokens(t)
  const good = await sign()
  const [, payload = '', signature = ''] = good.split('.')
  const bad: [string, string][] = [
    ['signed by another key', await sign({}, { key: stranger.privateKey })],
    ['of another app', await sign({ aud: 'APP2' })],
    ['of nobody', await sign({ aud: undefined })],
    ['of another issuer', await sign({ iss: 'https://otpless.com/' })],
    ['without an end', await sign({ exp: undefined })],
    ['without a beginning', await sign({ iat: undefined })],
    ['not valid yet', await sign({ nbf: seconds + 3600 })],
    ['issued in the future', await sign({ iat: seconds + 3600, exp: seconds + 7200 })],
    ['altered', good.replace(payload, encode({ ...claims, phone_number: '14155550100' }))],
    ['not signed', `${encode({ alg: 'none' })}.${payload}.${signature}`],
    ['of another algorithm', `${encode({ alg: 'HS256', kid: 'pk0183' })}.${payload}.${signature}`],
    ['not a token', 'a.b.c'],
  ]
  for (const [name, token] of bad) t.equal(await idTokens.read(token), 'evidence_invalid', name)
  t.equal(await idTokens.read(await sign({ exp: seconds - 51 })), 'evidence_expired')
  t.match(await idTokens.read(await sign({ exp: seconds - 49 })), { sub: 'MO-1' }, 'a minute of skew')
})

t.test('a key that is not known is looked up, but not too often', async t => {
  let keys: unknown[] = [other]
  const { idTokens, vendor, clock } = await openIdTokens(t, () => ({ body: { keys } }))
  const token = await sign()
  t.equal(await idTokens.read(token), 'evidence_invalid')
  keys = [null, 'x', { kty: 'EC', kid: 'pk0183' }, jwk]
  t.equal(await idTokens.read(token), 'evidence_invalid')
  t.equal(vendor.calls.length, 1)
  clock.ms += 10_000
  t.match(await idTokens.read(token), { sub: 'MO-1' }, 'the key is new')
  t.equal(vendor.calls.length, 2)
})

t.test('without keys nothing is decided', async t => {
  let answer: Answer = { status: 503 }
  const { idTokens, clock } = await openIdTokens(t, () => answer)
  const token = await sign()
  for (const [given, reason] of [
    [{ status: 503 }, 'provider_error'], [{ body: {} }, 'provider_bad_response'],
    [{ body: { keys: [] } }, 'provider_bad_response'], [
      { status: 404, body: { keys: [jwk] } }, 'provider_bad_response',
    ],
  ] as const) {
    answer = given
    clock.ms += 10_000
    t.match(await endingOf(idTokens.read(token) as never), { failed: reason })
    t.equal(await idTokens.contradicts(token, number), false, 'neither yes nor no')
  }
})

t.test('an id token beside a proof must say the same', async t => {
  const { idTokens } = await openIdTokens(t)
  for (const phone_number of ['919999999999', '+919999999999', 919999999999, null, '???']) {
    t.equal(await idTokens.contradicts(await sign({ phone_number }), number), false, String(phone_number))
  }
  for (const absent of [undefined, null, '', 5, {}]) t.equal(await idTokens.contradicts(absent, number), false)
  for (const token of [
    await sign({ phone_number: '14155550100' }), await sign({ aud: 'APP2' }), await sign({ exp: seconds - 100 }), 'x',
  ]) t.equal(await idTokens.contradicts(token, number), true)
})

t.test('what names a login', async t => {
  const token = await sign()
  t.equal(referenceOf('8xexxxxx54'), '8xexxxxx54')
  t.equal(referenceOf(token), 'xxxx4e11', 'the same for the id token and the token in it')
  const signed = `${encode({ alg: 'RS256' })}.${encode({ sub: 'MO-1' })}`
  t.equal(referenceOf(`${signed}.AAAA`), signed, 'whatever the spelling of the signature')
  t.equal(referenceOf('a.b.c'), 'a.b')
  t.ok(isIdToken(token))
  for (const text of ['8xexxxxx54', 'a.b', 'a.b.c.d', 'a..c', '']) t.notOk(isIdToken(text), text)
})
