import { createSign, generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { findKey, isSignedBy, readKeys, readSignature, type Signed } from '../../../src/adapters/truid/signature.ts'
import { createSigner, type Wishes } from './signer.ts'

const now = Date.UTC(2020, 5, 1, 16, 43, 30)
const body = { check_id: 'c69bc0e6-a429-11ea-bb37-0242ac130002', status: 'COMPLETED', match: true }
const signer = createSigner('key-1')
const sign = (wishes: Wishes = {}) => signer.sign(body, { at: now, ...wishes })

t.test('the documented form', async t => {
  for (const encoding of ['base64', 'hex'] as const) {
    const read = readSignature(sign({ encoding, url: 'https://verify.example:8443/a/callbacks/truid/key?b=c' }), now)
    if (typeof read === 'string') throw new Error(read)
    t.equal(read.keyId, 'key-1')
    t.match(read.text, `(request-target): post /a/callbacks/truid/key?b=c
host: verify.example:8443
date: Mon, 01 Jun 2020 16:43:30 GMT
x-tru-callback: phone_check
digest: SHA-256=`, encoding)
    const key = await findKey(readKeys({ keys: [signer.jwk] }) ?? undefined, 'key-1')
    t.ok(key !== null && await isSignedBy(key, read))
  }
})

t.test('other orders and spaces of the header\'s parameters are the same', async t => {
  const callback = sign()
  const [, ...parameters] = /^Signature (.*?),(.*?),(.*?),(.*)$/.exec(String(callback.headers['authorization'])) ?? []
  const read = readSignature(callback, now)
  for (
    const authorization of [
      `Signature ${parameters.toReversed().join(', ')}`, `Signature  ${parameters.join(' ,  ')},created="1"`,
    ]
  ) {
    t.strictSame(
      readSignature({ ...callback, headers: { ...callback.headers, authorization } }, now), read, authorization,
    )
  }
})

t.test('whatever is missing, chosen or of another form is refused', async t => {
  const callback = sign()
  const { headers } = callback
  const good = String(headers['authorization'])
  const others: [string, Record<string, string | string[] | undefined>, string][] = [
    ['no header', { authorization: undefined }, 'signature_missing'],
    ['an empty one', { authorization: '' }, 'signature_missing'],
    ['another scheme', { authorization: good.replace('Signature', 'Bearer') }, 'signature_missing'],
    ['a `Signature` header', { authorization: undefined, signature: good }, 'signature_missing'],
    ['a header that came twice', { authorization: [good, good] }, 'signature_missing'],
    ['nothing in it', { authorization: 'Signature ' }, 'signature_invalid'],
    ['no quotes', { authorization: good.replaceAll('"', '') }, 'signature_invalid'],
    ['a tail', { authorization: `${good} x` }, 'signature_invalid'],
    ['a name that comes twice', { authorization: `${good},keyId="key-2"` }, 'signature_invalid'],
    ['names of every object', { authorization: good.replace('keyId=', 'constructor=') }, 'signature_invalid'],
    ['no key', { authorization: good.replace('key-1', '') }, 'signature_invalid'],
    ['another algorithm', { authorization: good.replace('rsa-sha256', 'hs2019') }, 'signature_invalid'],
    ['one made of the public key', { authorization: good.replace('rsa-sha256', 'hmac-sha256') }, 'signature_invalid'],
    ['none', { authorization: good.replace('rsa-sha256', 'none') }, 'signature_invalid'],
    ['fewer components', { authorization: good.replace(' digest"', '"') }, 'signature_invalid'],
    ['more components', { authorization: good.replace(' digest"', ' digest content-type"') }, 'signature_invalid'],
    ['another order', { authorization: good.replace('host date', 'date host') }, 'signature_invalid'],
    ['upper case', { authorization: good.replace('host', 'Host') }, 'signature_invalid'],
    ['no signature', { authorization: good.replace(/signature=".*"/, 'signature=""') }, 'signature_invalid'],
    ['no base64', { authorization: good.replace(/signature=".*"/, 'signature="?"') }, 'signature_invalid'],
    [
      'base64url',
      { authorization: good.replace(/signature=".*"/, `signature="${Buffer.alloc(256, 255).toString('base64url')}"`) },
      'signature_invalid',
    ],
    ['no date', { date: undefined }, 'signature_invalid'],
    ['no digest', { digest: undefined }, 'signature_invalid'],
    ['no kind', { 'x-tru-callback': undefined }, 'signature_invalid'],
    ['two dates', { date: ['a', 'b'] }, 'signature_invalid'],
    ['no such date', { date: 'yesterday' }, 'date_skewed'],
    ['a number', { date: String(now) }, 'date_skewed'],
    ['local time', { date: 'Mon, 01 Jun 2020 16:43:30' }, 'date_skewed'],
    ['another hash', { digest: 'SHA-512=x' }, 'digest_mismatch'],
    ['an empty digest', { digest: '' }, 'digest_mismatch'],
    ['two digests', { digest: `${headers['digest']},${headers['digest']}` }, 'digest_mismatch'],
    ['of the empty body', { digest: 'SHA-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' }, 'digest_mismatch'],
  ]
  for (const [name, changed, cause] of others) t.equal(
    readSignature({ ...callback, headers: { ...headers, ...changed } }, now), cause, name,
  )
  t.equal(
    readSignature({ ...callback, rawBody: Buffer.from(JSON.stringify({ ...body, match: false })) }, now),
    'digest_mismatch', 'another body',
  )
  const deep = `Signature ${'a="b",'.repeat(5_000)}`
  const startedAt = performance.now()
  t.equal(readSignature({ ...callback, headers: { ...headers, authorization: deep } }, now), 'signature_invalid')
  t.ok(performance.now() - startedAt < 500, 'a long one takes no time')
})

t.test('five minutes are near enough', async t => {
  for (
    const [skewMs, isNear] of [
      [0, true], [300_000, true], [-300_000, true], [301_000, false], [-301_000, false],
    ] as const
  ) {
    const read = readSignature(sign({ at: now + skewMs }), now)
    t.equal(read === 'date_skewed', !isNear, String(skewMs))
  }
})

t.test('the signature counts for the address that we gave', async t => {
  const key = await findKey(readKeys({ keys: [signer.jwk] }) ?? undefined, 'key-1')
  const callback = sign()
  const isGood = async (url: string) => {
    const read = readSignature({ ...callback, url }, now)
    return key !== null && typeof read !== 'string' && await isSignedBy(key, read)
  }
  t.equal(await isGood(callback.url), true)
  for (
    const url of [
      `${callback.url}x`, `${callback.url}?a=b`, callback.url.replace('verify.example', 'other.example'),
      'https://verify.example:8443/',
    ]
  ) {
    t.equal(await isGood(url), false, url)
  }
})

t.test('only that key, and only RSA with SHA-256', async t => {
  const other = createSigner('key-2')
  const keys = readKeys({ keys: [signer.jwk, other.jwk] }) ?? undefined
  const find = async (keyId: string) => {
    const key = await findKey(keys, keyId)
    if (key === null) throw new Error('no key')
    return key
  }
  const read = (wishes: Wishes = {}): Signed => {
    const signed = readSignature(sign(wishes), now)
    if (typeof signed === 'string') throw new Error(signed)
    return signed
  }
  t.equal(await isSignedBy(await find('key-1'), read()), true)
  t.equal(await isSignedBy(await find('key-2'), read()), false, 'of another key')
  t.equal(await isSignedBy(await find('key-1'), read({ hash: 'RSA-SHA1' })), false, 'with another hash')
  t.equal(await isSignedBy(await find('key-1'), { ...read(), signature: Buffer.from('short') }), false)
  t.equal(await isSignedBy(await find('key-1'), { ...read(), text: read().text.toUpperCase() }), false)
})

t.test('keys that are none', async t => {
  for (
    const answer of [
      undefined, null, {}, [], 'x', { keys: {} }, { keys: [1] }, { keys: [{}] }, { keys: Array(65).fill(signer.jwk) },
    ]
  ) {
    t.equal(readKeys(answer), null, JSON.stringify(answer)?.slice(0, 40))
  }
  const deep = JSON.parse(`{"keys":[{"kty":"RSA","x":${'['.repeat(5_000)}${']'.repeat(5_000)}}]}`)
  t.doesNotThrow(() => readKeys(deep))
  const elliptic = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' })
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const keys = readKeys({
    keys: [
      { ...elliptic, kid: 'elliptic' }, { kty: 'oct', k: 'AAAA', kid: 'shared' }, {
        ...signer.jwk, kid: 'for-encryption', use: 'enc',
      },
      { ...signer.jwk, kid: 'other-algorithm', alg: 'PS256' }, {
        kty: 'RSA', n: 'AQAB', e: 'AQAB', kid: 'broken', alg: 'RS256', extra: 1,
      },
      { ...privateKey.export({ format: 'jwk' }), kid: 'private' }, { kty: 'RSA', kid: 'empty' }, signer.jwk, signer.jwk,
    ],
  }) ?? undefined
  for (
    const keyId of [
      'elliptic', 'shared', 'for-encryption', 'other-algorithm', 'private', 'empty', 'unknown', 'key-1', '',
      '__proto__',
    ]
  ) {
    t.equal(await findKey(keys, keyId), null, `${keyId} is not used`)
  }
  t.equal(await findKey(undefined, 'key-1'), null)
  const weak = await findKey(keys, 'broken')
  const forged = { keyId: 'broken', text: 'a', signature: createSign('RSA-SHA256').update('a').sign(privateKey) }
  t.equal(weak === null ? false : await isSignedBy(weak, forged), false)
})
