import { exportJWK } from 'jose/key/export'
import { generateKeyPair } from 'jose/key/generate/keypair'
import { SignJWT } from 'jose/jwt/sign'
import t from 'tap'
import { otpless } from '../../../src/adapters/otpless/index.ts'
import {
  anAttempt, callbackUrl, contract, endingOf, openAdapter, openIo, openVendor, type Answer,
} from '../../../src/conformance/index.ts'
import {
  answerWell, callbacks, completedAt, delivered, denied, identity, isCode, isValidate, misconfigured, phoneNumber,
  refuse, refused, secrets, settings, success, userDetails, verifiedAt, verifiedCode, webhook,
} from './documented.ts'

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
  t.notOk(Object.keys(methods).includes('otpless.token'), 'needs an app id')
})

t.test('an id token is checked, and its token exchanged', async t => {
  const { privateKey, publicKey } = await generateKeyPair('RS256')
  const jwk = { ...await exportJWK(publicKey), kid: 'pk0183' }
  const sign = (more: object = {}) => new SignJWT({
    iss: 'https://otpless.com', aud: 'APP1', phone_number: '919999999999', token: 'reference-1',
    exp: completedAt / 1000 + 300, ...more,
  }).setProtectedHeader({ alg: 'RS256', kid: 'pk0183' }).setIssuedAt().sign(privateKey)
  let idToken: unknown
  const vendor = await openVendor(t, (vendor, call) => {
    if (call.path === '/.well-known/jwks') return { body: { keys: [jwk] } }
    return isCode(call)
      ? { body: verifiedCode({ userDetails: { ...userDetails, idToken } }) }
      : answerWell(vendor, call)
  })
  const adapter = openAdapter(otpless, settings(vendor), openIo(t))
  const attempt = anAttempt({ method: 'otpless.token', phoneNumber, startedAt: completedAt })
  const resolve = (token: string) => endingOf(adapter.resolve(attempt, { token }, { repeated: false }))

  t.match(await resolve(await sign()), { verdict: 'proven', phoneNumber, assurance: { possession: 'account' } })
  t.strictSame(vendor.calls.filter(isValidate).map(({ body }) => body), [{ token: 'reference-1' }])
  t.equal(adapter.singleUse?.(attempt, { token: await sign() }), 'reference-1', 'one login is good for one attempt')
  for (const token of [await sign({ aud: 'APP2' }), await sign({ token: undefined }), await sign({ token: 'a b' })]) {
    t.same(await resolve(token), denied('evidence_invalid'))
  }
  t.same(await resolve(await sign({ exp: 1 })), denied('evidence_expired'))
  t.equal(vendor.calls.filter(isValidate).length, 1)

  const link = anAttempt({
    method: 'otpless.magic_link', phoneNumber, startedAt: completedAt, state: { requestIds: ['unique_request_id'] },
  })
  const exchange = () => endingOf(adapter.resolve(link, { code: 'c' }, { repeated: false }))
  for (const token of [undefined, null, await sign()]) {
    idToken = token
    t.match(await exchange(), { verdict: 'proven' })
  }
  for (const token of ['forged', await sign({ aud: 'APP2' }), await sign({ phone_number: '14155550100' })]) {
    idToken = token
    t.same(await exchange(), { failed: 'provider_bad_response', retryable: false }, 'an answer that contradicts itself')
  }
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

t.test('settings that cannot be used are named, and their values are not', async t => {
  const io = { ...openIo(t), allowInsecure: false }
  const both = { OTPLESS_CLIENT_ID: 'a', OTPLESS_CLIENT_SECRET: 'b' }
  const unusable: [string, Record<string, string>][] = [
    ['OTPLESS_CLIENT_SECRET', { OTPLESS_CLIENT_ID: 'evil' }], ['OTPLESS_CLIENT_ID', { OTPLESS_CLIENT_SECRET: 'evil' }],
    ['OTPLESS_CLIENT_SECRET', { ...both, OTPLESS_CLIENT_SECRET: 'evil\nevil' }],
    ['OTPLESS_CLIENT_ID', { ...both, OTPLESS_CLIENT_ID: 'evil evil' }],
    ['OTPLESS_AUTH_URL', { ...both, OTPLESS_AUTH_URL: 'http://evil.example' }],
    ['OTPLESS_USER_AUTH_URL', { ...both, OTPLESS_USER_AUTH_URL: 'https://evil.example/auth' }],
    ['OTPLESS_JWKS_URL', { ...both, OTPLESS_JWKS_URL: 'https://evil.example/.well-known/jwks' }],
  ]
  for (const [name, env] of unusable) {
    const error = t.throws(() => otpless.open(env, io, 'otpless'), { message: new RegExp(`^${name} `) }, name)
    t.notMatch(String(error), 'evil')
  }
  const hosts: string[][] = []
  const openHttp: typeof io.openHttp = (provider, allowed) => (hosts.push(allowed), io.openHttp(provider, allowed))
  otpless.open(both, { ...io, openHttp }, 'otpless')
  t.same(hosts, [['auth.otpless.app', 'user-auth.otpless.app', 'otpless.com']])
  const OTPLESS_USER_AUTH_URL = 'https://vendor.example'
  for (const allowInsecure of [true, false]) {
    otpless.open({ ...both, OTPLESS_USER_AUTH_URL }, { ...io, allowInsecure, openHttp }, 'otpless')
    const keysHost = allowInsecure ? 'vendor.example' : 'otpless.com'
    t.same(hosts.pop(), ['auth.otpless.app', 'vendor.example', keysHost], 'a test server signs the id tokens')
  }
})
