import t from 'tap'
import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, errors, jwtVerify } from 'jose'
import { ask, setting, start } from '../receiver.ts'

type Started = Awaited<ReturnType<typeof start>>

const json = { 'content-type': 'application/json' }
const openSdk = ({ simulators: { url } }: Started, phoneNumber: string, more: object = { nonce: 'n-1' }) =>
  ask(`${url}/handset/firebase/token`, 'POST', json, { phoneNumber, ...more })
const tokenOf = async (started: Started, phoneNumber: string, more?: object): Promise<string> =>
  String((await openSdk(started, phoneNumber, more)).json['token'])

/** The checks that the vendor's page demands. */
function verify ({ simulators }: Started, token: string, keys = keySet(simulators.url)) {
  const issuer = `https://fpnv.googleapis.com/projects/${setting(simulators, 'FIREBASE_PROJECT_NUMBER')}`
  return jwtVerify(token, keys, { issuer, audience: issuer, typ: 'JWT', algorithms: ['ES256'] })
}

const keySet = (url: string) => createRemoteJWKSet(new URL('/v1beta/jwks', url), { cooldownDuration: 0 })

t.test('a token has the documented header and claims', async t => {
  const started = await start(t)
  const { payload, protectedHeader } = await verify(started, await tokenOf(started, '+14155550142'))
  t.match(protectedHeader, { typ: 'JWT', alg: 'ES256', kid: String })
  t.strictSame(Object.keys(payload).sort(), ['aud', 'exp', 'iat', 'iss', 'jti', 'nonce', 'sub'])
  t.match(payload, { sub: '+14155550142', nonce: 'n-1' })
  t.strictSame(payload.aud, [
    `https://fpnv.googleapis.com/projects/${setting(started.simulators, 'FIREBASE_PROJECT_NUMBER')}`,
    `https://fpnv.googleapis.com/projects/${setting(started.simulators, 'FIREBASE_PROJECT_ID')}`,
  ])
  t.notOk('nonce' in decodeJwt(await tokenOf(started, '+14155550142', {})), 'only what the app gave')
  const { keys } = (await ask(`${started.simulators.url}/v1beta/jwks`, 'GET')).json
  t.match(keys, [{ kty: 'EC', crv: 'P-256', alg: 'ES256', use: 'sig', kid: String }])
  t.notMatch(keys, [{ d: String }], 'no private key')
})

t.test('a rotated key signs the next tokens, and the former one is still published', async t => {
  const started = await start(t)
  const keys = keySet(started.simulators.url)
  const former = await tokenOf(started, '+14155550142')
  await verify(started, former, keys)
  await ask(`${started.simulators.url}/control/firebase/rotate-key`, 'POST')
  const next = await tokenOf(started, '+14155550142')
  t.not(decodeProtectedHeader(next).kid, decodeProtectedHeader(former).kid)
  for (const token of [next, former]) await t.resolves(verify(started, token, keys))
})

t.test('the suffix of a number decides how the SDK ends', async t => {
  const started = await start(t)
  const { simulators: { url } } = started
  t.equal(decodeJwt(await tokenOf(started, '+14155550101')).sub, '+14155550102', 'the SIM has another number')
  for (const suffix of ['94', '95', '96']) {
    t.equal(decodeJwt(await tokenOf(started, `+141555501${suffix}`)).sub, `+141555501${suffix}`)
  }
  t.equal((await openSdk(started, '+14155550199')).status, 500)
  t.equal((await openSdk(started, '+14155550192')).status, 204)
  t.equal((await openSdk(started, '+14155550191')).status, 412)
  t.equal((await openSdk(started, '+14155550190')).status, 403)
  t.notOk('sub' in decodeJwt(await tokenOf(started, '+14155550198')))
  await t.rejects(verify(started, await tokenOf(started, '+14155581199')), errors.JWKSNoMatchingKey)
  await t.rejects(verify(started, await tokenOf(started, '+14155582199')), errors.JWTExpired)
  const slow = performance.now()
  t.ok(await tokenOf(started, '+14155550193'))
  t.ok(performance.now() - slow >= 140)
  await ask(`${url}/handset/mode`, 'PUT', json, { phoneNumber: '+14155550190', manual: true })
  t.equal((await openSdk(started, '+14155550190')).status, 200, 'the person decides by making the call')
})

t.test('97: a new key, which cannot be read twice', async t => {
  const started = await start(t)
  const keys = keySet(started.simulators.url)
  await verify(started, await tokenOf(started, '+14155550142'), keys)
  const token = await tokenOf(started, '+14155550197')
  for (const _ of [1, 2]) await t.rejects(verify(started, token, keys))
  await t.resolves(verify(started, token, keys))
})
