import t from 'tap'
import { signOfError } from '../../../src/adapters/call-health.ts'
import { firebase } from '../../../src/adapters/firebase/index.ts'
import {
  anAttempt, callbackKey, contract, endingOf, openAdapter, openIo, openVendor, type Ending,
} from '../../../src/conformance/index.ts'
import {
  answerWell, hashOf, issuer, jwk, phoneNumber, projectNumber, seconds, settings, sign, stranger, strangersJwk,
} from './documented.ts'
import { jumpWith } from '../../helpers/monotonic-clock.ts'

const denied = (reason: string) => ({ verdict: 'denied', reason }) as Partial<Ending>
const invalid = denied('evidence_invalid')
const unbound = { possession: 'sim', binding: 'none', restricted: false } as const
const good = await sign()
const [header = '', payload = '', signature = ''] = good.split('.')
const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const bad: [name: string, token: unknown, ends: Partial<Ending>][] = [
  ['of another attempt', await sign({ nonce: 'another' }), invalid],
  ['of another project', await sign({ iss: `${issuer}0`, aud: [`${issuer}0`] }), invalid],
  ['for another project', await sign({ aud: [`${issuer}0`] }), invalid],
  ['for the number of the project, and not its id', await sign({ aud: [issuer] }), invalid],
  ['for nobody', await sign({ aud: undefined }), invalid],
  ['of another issuer', await sign({ iss: issuer.replace('https', 'http') }), invalid],
  ['of no issuer', await sign({ iss: undefined }), invalid],
  ['expired', await sign({ exp: seconds() - 70 }), denied('evidence_expired')],
  ['without an end', await sign({ exp: undefined }), invalid],
  ['issued before the attempt', await sign({ iat: seconds() - 70 }), denied('evidence_expired')],
  ['issued in the future', await sign({ iat: seconds() + 70 }), invalid],
  ['issued at no time', await sign({ iat: undefined }), invalid],
  ['without a number', await sign({ sub: undefined }), { failed: 'provider_bad_response' }],
  ['with a number that cannot be read', await sign({ sub: 'ada' }), { failed: 'provider_bad_response' }],
  ['signed by a key that is not published', await sign({}, { key: stranger.privateKey }), invalid],
  ['of another type', await sign({}, { header: { typ: 'at+jwt' } }), invalid],
  ['of no type', await sign({}, { header: { typ: undefined } }), invalid],
  ['altered', `${header}.${encode({ ...JSON.parse(atob(payload)), sub: '+14155550101' })}.${signature}`, invalid],
  ['not signed', `${encode({ alg: 'none', typ: 'JWT' })}.${payload}.x`, invalid],
  ['of another algorithm', `${encode({ alg: 'HS256', typ: 'JWT', kid: 'k1' })}.${payload}.${signature}`, invalid],
  ['not a token', 'a.b.c', invalid],
  ['no text', 5, invalid],
]

t.test('firebase.pnv', t => contract(t, {
  provider: firebase,
  method: 'firebase.pnv',
  settings,
  secrets: [good, projectNumber],
  attempt: {},
  vendor: answerWell,
  action: () => ({ type: 'submitToken', sdk: 'firebase', params: { nonce: callbackKey } }),
  good: { evidence: { token: good }, proven: { phoneNumber } },
  assurance: { possession: 'sim', binding: 'session', restricted: false },
  singleUse: hashOf(good),
  bad: bad.map(([name, token, ends]) => ({ name, evidence: { token: token as string }, ends })),
  refusals: [{ call: () => true, phase: 'resolve', ends: () => null }],
}))

t.test('a token without a nonce proves the number, and belongs to no front end', async t => {
  const vendor = await openVendor(t, answerWell)
  const adapter = openAdapter(firebase, settings(vendor), openIo(t))
  for (const nonce of [undefined, null, '']) {
    const outcome = await adapter.resolve(anAttempt({}), { token: await sign({ nonce }) }, { repeated: false })
    t.same(outcome, { verdict: 'proven', phoneNumber, assurance: unbound })
  }
  t.equal(vendor.calls.length, 1, 'the keys are kept')
  t.match(vendor.calls, [{ method: 'GET', path: '/v1beta/jwks' }])
})

t.test('the number in another spelling, and another number', async t => {
  const vendor = await openVendor(t, answerWell)
  const { FIREBASE_PROJECT_ID: _id, ...env } = settings(vendor)
  const adapter = openAdapter(firebase, env, openIo(t))
  const resolve = async (sub: string) =>
    adapter.resolve(anAttempt({ phoneNumber }), { token: await sign({ sub, aud: issuer }) }, { repeated: false })
  t.same(await resolve('14155550100'), { verdict: 'proven', phoneNumber })
  t.same(await resolve('+14155550101'), { verdict: 'proven', phoneNumber: '+14155550101' }, 'the core compares it')
})

t.test('a key that is not known is looked up, but not too often', async t => {
  let now = Date.now()
  jumpWith(t, () => now)
  let keys: unknown[] = [strangersJwk]
  const vendor = await openVendor(t, () => ({ body: { keys } }))
  const adapter = openAdapter(firebase, settings(vendor), openIo(t, { now: () => now }))
  const resolve = () => endingOf(adapter.resolve(anAttempt({}), { token: good }, { repeated: false }))
  t.match(await resolve(), invalid, 'the keys were fetched for this token')
  keys = [null, 'x', { ...jwk, x: 'AA' }, { ...jwk, kid: null }, { kty: 'RSA', kid: 'k1', n: 'AA', e: 'AQAB' }, jwk]
  t.match(await resolve(), { verdict: 'pending', retryAfterMs: 2_000 }, 'the key may be new')
  t.equal(vendor.calls.length, 1)
  now += 2_000
  t.match(await Promise.all([resolve(), resolve()]), [{ verdict: 'proven' }, { verdict: 'proven' }])
  t.equal(vendor.calls.length, 2, 'one fetch at a time')
  now += 600_000
  keys = [{ ...jwk, x: 'AA' }]
  t.match(await resolve(), { failed: 'provider_bad_response' }, 'no key that can be used')
})

t.test('a token is claimed by what is signed, because its signature has a second form', async t => {
  const adapter = openAdapter(firebase, { FIREBASE_PROJECT_NUMBER: projectNumber }, openIo(t))
  const other = `${header}.${payload}.${'A'.repeat(86)}`
  t.equal(adapter.singleUse?.(anAttempt({}), { token: good }), adapter.singleUse?.(anAttempt({}), { token: other }))
  t.equal(adapter.singleUse?.(anAttempt({}), { token: 'x' }), null)
})

t.test('settings that cannot be used', async t => {
  const open = (env: Record<string, string>) => () => firebase.open(env, openIo(t), 'firebase')
  for (const number of ['my-project', '12 34', '0123456', 'projects/1']) {
    t.throws(open({ FIREBASE_PROJECT_NUMBER: number }), /^FIREBASE_PROJECT_NUMBER must/)
  }
  const on = { FIREBASE_PROJECT_NUMBER: projectNumber }
  t.throws(open({ ...on, FIREBASE_PROJECT_ID: 'My project' }), /^FIREBASE_PROJECT_ID must/)
  t.throws(open({ ...on, FIREBASE_API_URL: 'https://x.example/v1beta' }), /^FIREBASE_API_URL must/)
})

t.test('a genuine token that names no number costs no other user the method', async t => {
  const vendor = await openVendor(t, answerWell)
  const adapter = openAdapter(firebase, settings(vendor), openIo(t))
  const token = await sign({ sub: 'ada' })
  const error = await adapter.resolve(anAttempt({}), { token }, { repeated: false }).catch((error: unknown) => error)
  t.match(error, { reason: 'provider_bad_response' })
  t.equal(signOfError(error, 'resolve'), 'none')
})
