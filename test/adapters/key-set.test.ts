import t from 'tap'
import { exportJWK } from 'jose/key/export'
import { generateKeyPair } from 'jose/key/generate/keypair'
import { createLocalJWKSet, type LocalJWKSet } from 'jose/jwks/local'
import { SignJWT } from 'jose/jwt/sign'
import { createHttp } from '../../src/adapters/http.ts'
import { createKeySet, readSigned } from '../../src/adapters/key-set.ts'
import { endingOf, openVendor, type Answer } from '../../src/conformance/index.ts'

const pair = await generateKeyPair('ES256', { extractable: true })
const jwk = { ...await exportJWK(pair.publicKey), kid: 'k1', alg: 'ES256' }
const now = 1_760_000_000_000
const sign = (kid: string, exp = now / 1000 + 60) =>
  new SignJWT({ exp }).setProtectedHeader({ alg: 'ES256', kid }).sign(pair.privateKey)
const read = (body: unknown): LocalJWKSet | null => {
  const { keys } = Object(body)
  return Array.isArray(keys) ? createLocalJWKSet({ keys }) : null
}

t.test('keys are fetched once for ten minutes, and for an unknown key not within the cool-down', async t => {
  let answer: Answer = { body: { keys: [] } }
  const vendor = await openVendor(t, () => answer)
  const { openHttp, close } = createHttp({ allowInsecure: true })
  t.teardown(close)
  const clock = { ms: now }
  const keys = createKeySet({
    provider: 'acme', call: 'keys', url: `${vendor.origin}/jwks`, http: openHttp('acme', [vendor.host]),
    now: () => clock.ms, read, coolDownMs: 5_000,
  })
  const judge = (token: string) =>
    readSigned(token, keys, { algorithms: ['ES256'], currentDate: new Date(clock.ms) })
  const good = await sign('k1', now / 1000 + 6_000)
  t.equal(await judge(good), 'evidence_invalid', 'these keys are newer than the token')
  answer = { body: { keys: [jwk] } }
  clock.ms += 4_999
  t.equal(await judge(good), 'key_unknown')
  t.equal(vendor.calls.length, 1)
  clock.ms += 1
  t.match(await Promise.all([judge(good), judge(good)]), [{ exp: Number }, { exp: Number }])
  t.equal(vendor.calls.length, 2, 'both wait for one fetch')
  clock.ms += 599_999
  t.match(await judge(good), { exp: Number })
  t.equal(vendor.calls.length, 2)
  t.equal(await judge(await sign('k1', clock.ms / 1000 - 1)), 'evidence_expired')
  t.equal(await judge('a.b.c'), 'evidence_invalid')
  clock.ms += 1
  answer = { status: 404, body: { keys: [jwk] } }
  t.match(await endingOf(judge(good) as never), { failed: 'provider_bad_response' }, 'without keys nothing is decided')
  t.match(vendor.calls.map(({ path }) => path), ['/jwks', '/jwks', '/jwks'])
})
