import { generateKeyPairSync } from 'node:crypto'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import t from 'tap'
import { ask, until } from '../receiver.ts'
import {
  askClientToken, askToken, assertionOf, authorize, build, call, clientOf, issuerOf, numberVerification, redeem,
  redirectUriOf, returned, tokenOfPhone, verifierOf,
} from './client.ts'

const credentials = { grant_type: 'client_credentials', scope: 'dpv:FraudPreventionAndDetection sim-swap' }

t.test('discovery, the whole flow, and an ID token that its keys verify', async t => {
  const started = await build(t)
  const issuer = issuerOf(started)
  const { json: metadata } = await ask(`${issuer}/.well-known/openid-configuration`, 'GET')
  t.match(metadata, {
    issuer, authorization_endpoint: `${issuer}/authorize`, token_endpoint: `${issuer}/token`,
    token_endpoint_auth_methods_supported: ['private_key_jwt'], code_challenge_methods_supported: ['S256'],
  })
  const back = await authorize(started)
  t.equal(back.status, 302)
  const { code, ...rest } = returned(back)
  t.strictSame(rest, { state: 'the state' })
  const { status, json, headers } = await redeem(started, code)
  t.equal(status, 200)
  t.equal(headers.get('cache-control'), 'no-store')
  t.match(json, { token_type: 'Bearer', expires_in: 300, access_token: String, id_token: String })
  t.notOk('refresh_token' in json)
  const keys = createRemoteJWKSet(new URL(String(metadata['jwks_uri'])))
  const { payload } = await jwtVerify(
    String(json['id_token']), keys, { issuer, audience: clientOf(started), maxTokenAge: '1 min' },
  )
  t.equal(payload['nonce'], 'the nonce')
  t.notMatch(JSON.stringify(payload), /4155550100/)
  t.match(
    await call(started, 'POST', `${numberVerification}/verify`, {
      token: String(json['access_token']), body: { phoneNumber: '+14155550100' },
    }), { status: 200, json: { devicePhoneNumberVerified: true } },
  )
})

t.test('the client proves itself by private_key_jwt, once for each assertion', async t => {
  const now = 1_800_000_000_000
  const started = await build(t, { now: () => now })
  const seconds = now / 1000
  const ask = (assertion?: string) => askToken(started, credentials, assertion)
  const sign = (claims: object, header: object = {}) =>
    assertionOf(started, { claims: { ...claims }, header: { ...header } })
  for (const claims of [
    {}, { aud: issuerOf(started) }, { aud: [`${issuerOf(started)}/token`] }, { iat: undefined },
    { exp: seconds + 300 },
  ]) t.equal((await ask(await sign(claims))).status, 200, JSON.stringify(claims))
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const other = privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64')
  const once = await sign({})
  t.equal((await ask(once)).status, 200)
  const refused = [
    once, '', 'x.y.z', `${(await sign({})).slice(0, -8)}AAAAAAAA`, await assertionOf(started, { key: other }),
    await sign({ aud: 'https://other.example/token' }), await sign({ aud: undefined }), await sign({ jti: undefined }),
    await sign({ exp: undefined }), await sign({ exp: seconds - 1 }), await sign({ exp: seconds + 301 }),
    await sign({ iat: seconds - 250 }), await sign({ iss: 'other' }), await sign({ sub: 'other' }),
    await sign({}, { kid: 'other' }),
  ]
  // A lifetime of 250 + 60 seconds is too long by `iat`.
  for (const [place, assertion] of refused.entries()) {
    const answer = await ask(assertion)
    t.match(answer, { status: 401, json: { error: 'invalid_client' } }, `refused ${place}`)
  }
  for (const changes of [{ client_id: 'other' }, { client_assertion_type: 'other' }]) {
    const answer = await askToken(started, [...Object.entries({ ...credentials, ...changes })])
    t.ok(answer.status >= 400, JSON.stringify(changes))
  }
})

t.test('the token endpoint answers as RFC 6749 and CAMARA\'s profile say', async t => {
  let now = Date.now()
  const started = await build(t, { now: () => now })
  const refused = async (error: string, answer: Promise<{ status: number, json: object }>, status = 400) =>
    t.match(await answer, { status, json: { error } }, error)
  const codeOf = async (changes = {}) => String(returned(await authorize(started, changes))['code'])
  await refused('unsupported_grant_type', askToken(started, { grant_type: 'password' }))
  await refused('unsupported_grant_type', askToken(started, {}))
  await refused('invalid_request', askToken(started, [['grant_type', 'a'], ['grant_type', 'b']]))
  const json = { 'content-type': 'application/json' }
  await refused('invalid_request', ask(`${issuerOf(started)}/token`, 'POST', json, {}))
  for (const scope of ['', 'sim-swap', 'dpv:A dpv:B sim-swap', 'dpv:A', 'dpv:A everything']) {
    await refused('invalid_scope', askToken(started, { grant_type: 'client_credentials', scope }))
  }
  await refused('invalid_request', askToken(started, { grant_type: 'authorization_code', code: 'x' }))
  await refused('invalid_grant', redeem(started, 'unknown'))
  const code = await codeOf()
  await refused('invalid_grant', redeem(started, code, { code_verifier: verifierOf('another') }))
  await refused('invalid_grant', redeem(started, code, { redirect_uri: `${started.gateway.url}/callbacks/camara-x` }))
  t.equal((await redeem(started, code)).status, 200)
  await refused('invalid_grant', redeem(started, code))
  const withoutPkce = await codeOf({ code_challenge: undefined, code_challenge_method: undefined })
  t.equal((await redeem(started, withoutPkce, { code_verifier: '' })).status, 200)
  const late = await codeOf()
  now += 60_000
  await refused('invalid_grant', redeem(started, late))
})

t.test('without a client or a registered redirect URI, nothing is redirected', async t => {
  const started = await build(t)
  const { gateway } = started
  for (const changes of [
    { client_id: undefined }, { client_id: 'other' }, { redirect_uri: undefined },
    { redirect_uri: 'https://evil.example/callbacks/camara' }, { redirect_uri: `${gateway.url}/callbacks/camara/key` },
    { redirect_uri: `${gateway.url}/callbacks/camara?x=1` }, { redirect_uri: `${gateway.url}/callbacks/truid` },
  ]) {
    const answer = await authorize(started, changes)
    t.equal(answer.status, 400, JSON.stringify(changes))
    t.equal(answer.headers.get('location'), null)
    t.notMatch(answer.text, /evil|the state/)
  }
  const ofInstance = await authorize(started, { redirect_uri: `${gateway.url}/callbacks/camara-north` })
  t.match(ofInstance.headers.get('location'), /\/callbacks\/camara-north\?code=/)
})

t.test('every other error returns to the client, with its state', async t => {
  const started = await build(t)
  const scope = 'openid dpv:A number-verification:verify'
  const cases: [string, Record<string, string | undefined>][] = [
    ['unsupported_response_type', { response_type: 'token' }], ['invalid_request', { response_type: undefined }],
    ['invalid_request', { code_challenge_method: 'plain' }], ['invalid_request', { code_challenge: 'short' }],
    ['invalid_request', { code_challenge: undefined, nonce: undefined }],
    ['invalid_scope', { scope: 'openid number-verification:verify' }], ['invalid_scope', { scope: undefined }],
    ['invalid_scope', { scope: 'dpv:A number-verification:verify' }], ['invalid_scope', { scope: `${scope} dpv:B` }],
    ['interaction_required', { prompt: 'login' }], ['login_required', { login_hint: undefined }],
    ['login_required', { login_hint: '14155550100' }], ['request_not_supported', { request: 'x' }],
    ['request_uri_not_supported', { request_uri: 'x' }],
  ]
  for (const [error, changes] of cases) {
    const answer = await authorize(started, changes)
    t.strictSame(returned(answer), { error, state: 'the state' }, JSON.stringify(changes))
  }
  t.strictSame(Object.keys(returned(await authorize(started, { state: undefined }))), ['code'])
  t.strictSame(Object.keys(returned(await authorize(started, { prompt: undefined, scope }))), ['code', 'state'])
  const twice = new URLSearchParams([
    ['client_id', clientOf(started)], ['redirect_uri', redirectUriOf(started)], ['state', 'a'], ['state', 'b'],
  ])
  t.match(returned(await ask(`${issuerOf(started)}/authorize?${twice}`, 'GET')), { error: 'invalid_request' })
})

t.test('what the network says about a phone', async t => {
  const started = await build(t, { silenceMs: 20 })
  for (const [suffix, error] of [
    ['81191', 'login_required'], ['50191', 'interaction_required'], ['50190', 'access_denied'],
    ['50199', 'server_error'],
  ] as const) {
    const answer = await authorize(started, { login_hint: `tel:+141555${suffix}` })
    t.strictSame(returned(answer), { error, state: 'the state' }, suffix)
  }
  const silent = await authorize(started, { login_hint: 'tel:+14155550192' })
  t.match(silent, { status: 504, type: /^text\/html/ })
  const before = performance.now()
  t.ok(returned(await authorize(started, { login_hint: '+14155550193' }))['code'])
  t.ok(performance.now() - before >= 145)
})

t.test('what the token endpoint says about a phone', async t => {
  const started = await build(t)
  const codeOf = async (suffix: string) =>
    returned(await authorize(started, { login_hint: `tel:+141555${suffix}` }))['code']
  for (const [suffix, status, error] of [
    ['50196', 500, 'server_error'], ['81196', 429, 'temporarily_unavailable'], ['82196', 401, 'invalid_client'],
    ['81199', 400, 'invalid_grant'], ['82199', 400, 'invalid_grant'],
  ] as const) t.match(await redeem(started, await codeOf(suffix)), { status, json: { error } }, suffix)
  const flaky = await codeOf('50197')
  t.equal((await redeem(started, flaky)).status, 500)
  t.equal((await redeem(started, flaky)).status, 200, 'the code was not used up')
  t.match((await redeem(started, await codeOf('81198'))).json, {
    access_token: String, token_type: 'bearer', expires_in: '300', scope: null,
  })
})

t.test('a token endpoint that never answers', async t => {
  const started = await build(t)
  const { simulators } = started
  const code = returned(await authorize(started, { login_hint: 'tel:+14155583196' }))['code']
  const hanging = redeem(started, code).then(({ status }) => status, () => 'none')
  await until(() => simulators.requests.some(({ path }) => path.endsWith('/token')))
  t.equal((await askClientToken(started, 'sim-swap')).status, 200)
  await simulators.close()
  t.equal(await hanging, 'none')
})

t.test('an access token opens what it is for, for 300 seconds', async t => {
  let now = Date.now()
  const started = await build(t, { now: () => now })
  const { json } = await askClientToken(started, 'sim-swap:check')
  t.match(json, { expires_in: 300, scope: 'dpv:FraudPreventionAndDetection sim-swap:check' })
  t.notOk('id_token' in json)
  const token = await tokenOfPhone(started, '+14155550100')
  now += 300_000
  const body = { phoneNumber: '+14155550100' }
  t.match(await call(started, 'POST', `${numberVerification}/verify`, { token, body }), { status: 401 })
})
