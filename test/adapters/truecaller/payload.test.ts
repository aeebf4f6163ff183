import { createHmac } from 'node:crypto'
import t from 'tap'
import { truecaller } from '../../../src/adapters/truecaller/index.ts'
import type { Json } from '../../../src/core/vocabulary.ts'
import {
  anAttempt, callbackKey, contract, endingOf, openAdapter, openIo, openVendor, type Call,
} from '../../../src/conformance/index.ts'
import { createSigner, encode } from './signer.ts'
import { appKey, badResponse, invalid, settings, tooLate } from './vendor.ts'
import { jumpWith } from '../../helpers/monotonic-clock.ts'

const method = 'truecaller.payload'
const [ours, old, stranger] = [createSigner(), createSigner(2048), createSigner()]
const isKey = ({ path }: Call) => path === '/v1/key'
const seconds = (ms: number): number => Math.floor(ms / 1000)
const now = seconds(Date.now())
const profile = {
  requestNonce: callbackKey, requestTime: now, phoneNumber: '+919999999999', firstName: 'Rajat', lastName: 'Kapoor',
  gender: 'N', countryCode: 'in', email: 'someone@example.com', isTrueName: true, isAmbassador: false,
}
const good = ours.sign(profile)
const signed = (more: object) => ours.sign({ ...profile, ...more })
const keys = [old.key, ours.key]
const flip = (text: string): string => `${text.startsWith('A') ? 'B' : 'A'}${text.slice(1)}`

t.test(method, async t => {
  await contract(t, {
    provider: truecaller,
    method,
    settings,
    secrets: [appKey, good.payload, good.signature],
    attempt: {},
    vendor: () => ({ body: keys }),
    action: () => ({ type: 'submitToken', sdk: 'truecaller', params: { requestNonce: callbackKey } }),
    good: {
      evidence: good,
      proven: {
        phoneNumber: '+919999999999',
        profile: {
          name: { first: 'Rajat', last: 'Kapoor' }, email: 'someone@example.com', gender: 'N',
          addresses: [{ countryCode: 'in' }],
        },
      },
    },
    assurance: { possession: 'account', binding: 'session', restricted: false },
    singleUse: null,
    bad: [
      { name: 'signed by another key', evidence: stranger.sign(profile), ends: invalid },
      {
        name: 'an altered text', ends: invalid,
        evidence: { ...good, payload: signed({ phoneNumber: '+919999999998' }).payload },
      },
      { name: 'an altered signature', evidence: { ...good, signature: flip(good.signature) }, ends: invalid },
      { name: 'no signature', evidence: { ...good, signature: '' }, ends: invalid },
      {
        name: 'a signature of what the text contains', ends: invalid,
        evidence: { ...good, signature: ours.signText(JSON.stringify(profile)) },
      },
      ...['SHA256withRSA', 'none', 'NONE', '', 'sha512withrsa', 'HmacSHA512'].map(signatureAlgorithm =>
        ({ name: `the algorithm ${signatureAlgorithm}`, evidence: { ...good, signatureAlgorithm }, ends: invalid })),
      {
        name: 'the algorithm and the signature of SHA-256', ends: invalid,
        evidence: {
          ...good, signature: ours.signText(good.payload, 'RSA-SHA256'), signatureAlgorithm: 'SHA256withRSA',
        },
      },
      {
        name: 'the signature of SHA-1', ends: invalid,
        evidence: { ...good, signature: ours.signText(good.payload, 'RSA-SHA1') },
      },
      { name: 'a nonce of another attempt', evidence: signed({ requestNonce: flip(callbackKey) }), ends: invalid },
      { name: 'no nonce', evidence: signed({ requestNonce: undefined }), ends: invalid },
      { name: 'two minutes before the attempt', evidence: signed({ requestTime: now - 120 }), ends: tooLate },
      { name: 'years before the attempt', evidence: signed({ requestTime: 1510251862 }), ends: tooLate },
      { name: 'in two minutes', evidence: signed({ requestTime: now + 120 }), ends: invalid },
      { name: 'in milliseconds', evidence: signed({ requestTime: now * 1000 }), ends: invalid },
      { name: 'without a time', evidence: signed({ requestTime: undefined }), ends: invalid },
      { name: 'at no time', evidence: signed({ requestTime: null }), ends: invalid },
      { name: 'without a number', evidence: signed({ phoneNumber: undefined }), ends: invalid },
      { name: 'no profile', evidence: { ...good, payload: 'x', signature: ours.signText('x') }, ends: invalid },
      { name: 'a list', evidence: ours.sign([profile]), ends: invalid },
      { name: 'no evidence', evidence: {}, ends: invalid },
      { name: 'a token of push', evidence: { accessToken: 'a' }, ends: invalid },
    ],
    refusals: [{ call: isKey, phase: 'resolve', ends: () => null }],
  })
})

t.test('a payload is judged as a reader would', async t => {
  const vendor = await openVendor(t, () => ({ body: keys }))
  const adapter = openAdapter(truecaller, settings(vendor), openIo(t))
  const resolve = (evidence: Json, phoneNumber: string | null = null) =>
    endingOf(adapter.resolve(anAttempt({ method, phoneNumber, startedAt: now * 1000 }), evidence, { repeated: false }))
  const broken = good.payload.replace(/.{76}/g, '$&\r\n')
  const alike: [string, Json][] = [
    ['by the other key', old.sign(profile)],
    ['a time as a text', signed({ requestTime: String(now) })],
    ['a minute ago', signed({ requestTime: now - 59 })],
    ['in a minute', signed({ requestTime: now + 50 })],
    ['unknown members', signed({ more: { deep: [1] }, verifier: null })],
    ['a number without +', signed({ phoneNumber: '919999999999' })],
    ['line breaks that were added', { ...good, payload: `${broken}\n` }],
    ['line breaks that were signed', { ...good, payload: broken, signature: ours.signText(broken) }],
    ['line breaks in the signature', { ...good, signature: good.signature.replace(/.{76}/g, '$&\n') }],
    ['a signature in base64url', { ...good, signature: Buffer.from(good.signature, 'base64').toString('base64url') }],
  ]
  for (const [name, evidence] of alike) {
    t.match(await resolve(evidence), { verdict: 'proven', phoneNumber: '+919999999999' }, name)
  }
  t.match(await resolve(good, '+919999999998'), { phoneNumber: '+919999999999' }, 'of another number, which is named')
})

t.test('evidence that is not ours costs no request', async t => {
  const vendor = await openVendor(t, () => ({ body: keys }))
  const adapter = openAdapter(truecaller, settings(vendor), openIo(t))
  const others = [
    signed({ requestNonce: 'another' }), signed({ requestTime: 1510251862 }), { ...good, signatureAlgorithm: 'none' },
  ]
  for (const evidence of others) await adapter.resolve(anAttempt({ method }), evidence, { repeated: false })
  t.equal(vendor.calls.length, 0)
})

t.test('the keys are fetched again once when none of them has signed', async t => {
  let at = Date.now()
  jumpWith(t, () => at)
  let served: unknown[] = [old.key]
  const vendor = await openVendor(t, () => ({ body: served }))
  const adapter = openAdapter(truecaller, settings(vendor), openIo(t, { now: () => at }))
  const attempt = anAttempt({ method, startedAt: at })
  const run = (evidence: Json, state: Json = null) => endingOf(
    adapter.resolve({ ...attempt, state }, evidence, { repeated: false }),
  )
  t.match(await run(good), invalid, 'the keys that were just fetched')
  t.equal(vendor.calls.length, 1)
  t.match(vendor.calls, [{ method: 'GET', path: '/v1/key' }])

  at += 1
  served = keys
  t.match(await run(good), { verdict: 'proven' }, 'after a rotation')
  t.match(await run(old.sign(profile)), { verdict: 'proven' }, 'the old one too')
  t.equal(vendor.calls.length, 2)

  const forged = stranger.sign(profile)
  for (const fetches of [3, 4]) {
    at += 1
    t.match(await run(forged), invalid)
    t.equal(vendor.calls.length, fetches)
  }
  at += 1
  const waiting = await run(forged)
  t.match(waiting, { verdict: 'pending', retryAfterMs: 2000, state: { since: at } }, 'not without end')
  const state = 'verdict' in waiting && waiting.verdict === 'pending' ? waiting.state ?? null : null
  t.match(await run(good), { verdict: 'proven' }, 'which costs nobody else anything')
  at += 2000
  t.match(await run(forged, state), { verdict: 'pending', state }, 'still not')
  t.equal(vendor.calls.length, 4)
  at += 8000
  t.match(await run(forged, state), invalid, 'the keys of after the signature decide')
  t.equal(vendor.calls.length, 5)
  at += 1
  t.match(await run(forged, state), invalid, 'for good')
  t.equal(vendor.calls.length, 5)
  at += 3_600_000
  t.match(await endingOf(adapter.resolve({ ...attempt, startedAt: at }, ours.sign({
    ...profile, requestTime: seconds(at),
  }), { repeated: false })), { verdict: 'proven' })
  t.equal(vendor.calls.length, 6, 'keys are trusted for an hour')
})

t.test('a failed fetch of keys says nothing about a payload', async t => {
  let at = Date.now()
  jumpWith(t, () => at)
  const vendor = await openVendor(t, () => ({ body: [old.key] }))
  const adapter = openAdapter(truecaller, settings(vendor), openIo(t, { now: () => at }))
  const attempt = anAttempt({ method, startedAt: at })
  const run = (evidence: Json) => endingOf(adapter.resolve(attempt, evidence, { repeated: false }))
  t.match(await run(old.sign(profile)), { verdict: 'proven' })
  at += 1
  vendor.answer = () => ({ status: 503 })
  t.match(await run(good), { failed: 'provider_error', retryable: true })
  t.match(await run(old.sign(profile)), { verdict: 'proven' }, 'nor about others')
  vendor.answer = () => ({ body: { keys } })
  at += 2000
  t.match(await run(good), badResponse, 'no list of keys')
  at += 2000
  vendor.answer = () => ({ body: [null, { keyType: 'EC', key: ours.key.key }] })
  t.match(await run(good), badResponse, 'no key that can be used')
  at += 10_000
  vendor.answer = () => ({ body: { code: 429, message: 'slow down' } })
  t.match(await run(good), { failed: 'rate_limited_by_provider', retryable: true })
})

t.test('with a package name, a payload must have been made for that app', async t => {
  const vendor = await openVendor(t, () => ({ body: keys }))
  const named = { ...settings(vendor), TRUECALLER_PACKAGE_NAME: 'com.example.app, com.example.other' }
  const adapter = openAdapter(truecaller, named, openIo(t))
  const run = (verifier: unknown) => endingOf(
    adapter.resolve(anAttempt({ method }), signed({ verifier }), { repeated: false }),
  )
  const hmac = (name: string, key = appKey): Buffer => createHmac('sha256', key).update(name).digest()
  const right = hmac('com.example.app')
  const spellings = [
    right.toString('hex'), right.toString('hex').toUpperCase(), right.toString('base64'), right.toString('base64url'),
    hmac('com.example.other').toString('hex'),
  ]
  for (const verifier of spellings) t.match(await run(verifier), { verdict: 'proven' }, verifier)
  const others = [
    undefined, null, '', 1, right.toString('hex').slice(2), `${right.toString('hex')}00`, 'com.example.app',
    hmac('com.example.evil').toString('hex'), hmac('com.example.app', 'another').toString('base64'),
    hmac('com.example.app, com.example.other').toString('hex'),
  ]
  for (const verifier of others) t.match(await run(verifier), invalid, String(verifier))
  const forged = { ...stranger.sign({ ...profile, verifier: spellings[0] }) }
  t.match(await endingOf(adapter.resolve(anAttempt({ method }), forged, { repeated: false })), invalid)
})

t.test('the text is what its own signer encoded', async t => {
  t.equal(encode(profile), good.payload)
  t.match(JSON.parse(Buffer.from(good.payload, 'base64').toString()), profile)
})
