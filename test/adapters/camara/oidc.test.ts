import { createHash, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { decodeProtectedHeader, jwtVerify } from 'jose'
import t from 'tap'
import { camara } from '../../../src/adapters/camara/index.ts'
import { endingOf, openIo, openVendor } from '../../../src/conformance/index.ts'
import {
  accessToken, answerWell, attempt, clientId, code, error, failed, formOf, isDiscovery, isSend, isSwap, isToken,
  isVerify,
  noRepeat, open, phoneNumber, publicKey, redirectKey, redirectUrl, settings, smsAttempt,
} from './vendor.ts'
import { jumpWith } from '../../helpers/monotonic-clock.ts'

t.test('the requests to the operator are those of the documents', async t => {
  const vendor = await openVendor(t, answerWell)
  const adapter = open(t, vendor)
  const { action, state } = await adapter.start(attempt)
  if (action.type !== 'openUrlOnCellular') throw new Error('no URL')
  const { origin, pathname, searchParams } = new URL(action.url)
  t.equal(`${origin}${pathname}`, `${vendor.origin}/oidc/authorize`)
  const { code_challenge: challenge, ...asked } = Object.fromEntries(searchParams)
  t.same(asked, {
    response_type: 'code', client_id: clientId, redirect_uri: redirectUrl, state: redirectKey, prompt: 'none',
    scope: 'openid dpv:FraudPreventionAndDetection number-verification:verify', login_hint: 'tel:+34666111222',
    code_challenge_method: 'S256',
  })
  await adapter.resolve({ ...attempt, state }, { code }, noRepeat)
  const [discovery, exchange, verify, ...more] = vendor.calls
  t.same(more, [])
  t.ok(discovery !== undefined && isDiscovery(discovery) && exchange !== undefined && verify !== undefined)
  const { client_assertion: assertion = '', code_verifier: verifier = '', ...form } = formOf(exchange ?? { text: '' })
  t.equal(createHash('sha256').update(verifier).digest('base64url'), challenge, 'PKCE')
  t.match(verifier, /^[\w-]{43}$/)
  t.same(form, {
    grant_type: 'authorization_code', code, redirect_uri: redirectUrl, client_id: clientId,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
  })
  const { payload, protectedHeader } = await jwtVerify(assertion, publicKey, {
    issuer: clientId, subject: clientId, audience: `${vendor.origin}/oidc/token`, requiredClaims: ['jti', 'iat', 'exp'],
  })
  t.same(protectedHeader, { alg: 'ES256', kid: 'key-1' })
  t.ok((payload.exp ?? 0) - (payload.iat ?? 0) <= 300, 'not longer than the profile allows')
  t.same(verify?.body, { phoneNumber })
  t.match(verify?.headers, { authorization: `Bearer ${accessToken}`, 'x-correlator': attempt.id })
})

t.test('every kind of key signs by an algorithm that the operator takes', async t => {
  const vendor = await openVendor(t, answerWell)
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const supports = (...names: string[]) => (call: Parameters<typeof answerWell>[1]) => {
    const given = answerWell(vendor, call)
    return isDiscovery(call)
      ? { body: { ...given.body as object, token_endpoint_auth_signing_alg_values_supported: names } }
      : given
  }
  const pairs: [{ privateKey: KeyObject, publicKey: KeyObject }, string[], string][] = [
    [rsa, ['RS256', 'PS256'], 'RS256'], [rsa, ['PS256'], 'PS256'], [rsa, [], 'RS256'], [rsa, ['XY'], 'RS256'],
    [generateKeyPairSync('ec', { namedCurve: 'P-384' }), [], 'ES384'],
    [generateKeyPairSync('ec', { namedCurve: 'P-521' }), [], 'ES512'], [generateKeyPairSync('ed25519'), [], 'EdDSA'],
  ]
  for (const [{ privateKey, publicKey }, supported, algorithm] of pairs) {
    vendor.answer = supports(...supported)
    const der = privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64')
    const adapter = open(t, vendor, { CAMARA_PRIVATE_KEY: der, CAMARA_KEY_ID: '' })
    const { state } = await adapter.start(attempt)
    t.match(await adapter.resolve({ ...attempt, state }, { code }, noRepeat), { verdict: 'proven' })
    const assertion = formOf(vendor.calls.findLast(isToken) ?? { text: '' })['client_assertion'] ?? ''
    t.same(decodeProtectedHeader(assertion), { alg: algorithm })
    await t.resolves(jwtVerify(assertion, publicKey, { issuer: clientId }))
  }
})

t.test('the tokens of the client', async t => {
  const vendor = await openVendor(t, answerWell)
  let now = Date.now()
  jumpWith(t, () => now)
  const adapter = camara.open(settings(vendor), openIo(t, { now: () => now }), 'camara')
  if (adapter === null) throw new Error('off')
  const countTokens = (): number => vendor.calls.filter(isToken).length
  await adapter.start(smsAttempt)
  await adapter.start(smsAttempt)
  t.equal(countTokens(), 1, 'one for many requests')
  t.match(formOf(vendor.calls.find(isToken) ?? { text: '' }), {
    grant_type: 'client_credentials', scope: 'dpv:FraudPreventionAndDetection one-time-password-sms:send-validate',
  })
  t.same(vendor.calls.find(isSend)?.body, { phoneNumber, message: '{{code}} is your verification code.' })
  now += 290_000
  await adapter.start(smsAttempt)
  t.equal(countTokens(), 2, 'renewed before its end')
  let refused = 1
  vendor.answer = call => isSend(call) && refused-- > 0 ? error(401, 'UNAUTHENTICATED') : answerWell(vendor, call)
  await adapter.start(smsAttempt)
  t.equal(countTokens(), 3, 'one that is refused is replaced')
  vendor.answer = call => isSend(call) ? error(401, 'UNAUTHENTICATED') : answerWell(vendor, call)
  t.same(await endingOf(adapter.start(smsAttempt)), failed('provider_misconfigured'), 'but only once')
  vendor.answer = call => isToken(call) ? { status: 400, body: { error: 'invalid_grant' } } : answerWell(vendor, call)
  t.same(await endingOf(adapter.start(smsAttempt)), failed('provider_misconfigured'))
  const asked = { ...attempt, options: { signals: ['simSwap'] }, state: { verifier: 'v', accessToken } }
  t.same(await adapter.resolve(asked, { code }, noRepeat), { verdict: 'proven', phoneNumber })
  t.notOk(vendor.calls.some(isSwap))
})

t.test('the metadata of the issuer', async t => {
  const vendor = await openVendor(t, answerWell)
  let more: Record<string, unknown> = {}
  const read = () => {
    vendor.answer = call => isDiscovery(call)
      ? { body: { ...answerWell(vendor, call).body as object, ...more } }
      : answerWell(vendor, call)
    return endingOf(open(t, vendor).start(attempt))
  }
  for (const [change, ending] of [
    [{ issuer: `${vendor.origin}/oidc/` }, { started: { type: 'openUrlOnCellular' } }],
    [{ issuer: 'https://other.example' }, failed('provider_misconfigured')],
    [{ issuer: null }, failed('provider_bad_response')], [{ token_endpoint: null }, failed('provider_bad_response')],
    [{ token_endpoint: 'token' }, failed('provider_bad_response')],
    [{ token_endpoint: 'file:///etc/passwd' }, failed('provider_bad_response')],
    [{ authorization_endpoint: null }, failed('provider_bad_response')],
    [{ authorization_endpoint: 'javascript:alert(1)' }, failed('provider_bad_response')],
    [{ authorization_endpoint: 'https://login.example/a?b=c' }, {
      started: { url: /^https:\/\/login\.example\/a\?b=c&response_type=code&/ },
    }],
  ] as const) {
    more = change
    t.match(await read(), ending, JSON.stringify(change))
  }
  for (const status of [400, 401, 404]) {
    vendor.answer = () => ({ status })
    t.same(await endingOf(open(t, vendor).start(attempt)), failed('provider_misconfigured'), String(status))
  }
  vendor.answer = () => ({ status: 503 })
  t.same(await endingOf(open(t, vendor).start(attempt)), failed('provider_error', true))
  vendor.calls.length = 0
  const adapter = open(t, vendor)
  vendor.answer = call => answerWell(vendor, call)
  await adapter.start(attempt)
  await adapter.start(attempt)
  t.equal(vendor.calls.filter(isDiscovery).length, 1, 'read once')
})

t.test('the probe says whether the operator knows the client', async t => {
  const vendor = await openVendor(t, answerWell)
  const probe = (status: number, name: string) => {
    vendor.answer = call => isToken(call) ? { status, body: { error: name } } : answerWell(vendor, call)
    return Promise.resolve(open(t, vendor).probes?.['credentials']?.(attempt))
  }
  await t.resolves(probe(400, 'invalid_grant'), 'the code does not exist')
  for (const [status, name] of [[401, 'invalid_client'], [400, 'unauthorized_client']] as const) {
    const message = `camara exchange code: provider_misconfigured (status ${status})`
    await t.rejects(probe(status, name), { name: 'ProviderError', message })
  }
  const message = 'camara exchange code: provider_bad_response (status 404)'
  await t.rejects(probe(404, 'not_here'), { name: 'ProviderError', message }, 'nor is this a token endpoint')
  t.notOk(vendor.calls.some(isVerify), 'and verifies nothing')
})
