import { createHash, generateKeyPairSync } from 'node:crypto'
import { existsSync } from 'node:fs'
import { request } from 'node:http'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import t from 'tap'
import { findKeys, isSignedBy, readKeys, readSignature, type Signed } from '../../../src/adapters/truid/signature.ts'
import { createCallbackSigner, signatureFormNames } from '../../../src/sandbox/truid/signature.ts'
import { createSigner, type Wishes } from './signer.ts'

const now = Date.UTC(2020, 5, 1, 16, 43, 30)
const body = { check_id: 'c69bc0e6-a429-11ea-bb37-0242ac130002', status: 'COMPLETED', match: true }
const signer = createSigner('key-1')
const sign = (wishes: Wishes = {}) => signer.sign(body, { at: now, ...wishes })
const keysOf = (...signers: { jwk: object }[]) => readKeys({ keys: signers.map(({ jwk }) => jwk) }) ?? undefined
/** What `receive` of the adapter does with the keys of tru.ID. */
async function isGood (callback: ReturnType<typeof sign>, keys = keysOf(signer)): Promise<boolean> {
  const read = readSignature(callback, now)
  if (typeof read === 'string') return false
  return isSignedBy(await findKeys(keys, read), read)
}

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
    t.ok(await isSignedBy(await findKeys(keysOf(signer), read), read))
  }
})

t.test('every form that the RFCs permit is the same', async t => {
  const rawBody = JSON.stringify(body)
  const digestOf = (name: string, encoding: 'base64' | 'hex') => createHash(name).update(rawBody).digest(encoding)
  const sha256 = digestOf('sha256', 'base64')
  const forms: [string, Wishes][] = [
    ['the scheme in lower case', { write: ({ keyId, algorithm, headers, signature }) =>
      `signature keyId="${keyId}",algorithm="${algorithm}",headers="${headers}",signature="${signature}"` }],
    ['names in upper case', { write: ({ keyId, algorithm, headers, signature }) =>
      `SIGNATURE KEYID="${keyId}",Algorithm="${algorithm}",HEADERS="${headers}",Signature="${signature}"` }],
    ['another order, spaces and tabs', { write: ({ keyId, algorithm, headers, signature }) =>
      `Signature  signature="${signature}" ,\theaders = "${headers}",, algorithm="${algorithm}", keyId="${keyId}"` }],
    ['tokens without quotes, and a quoted pair', { write: ({ keyId, algorithm, headers, signature }) =>
      `Signature keyId=${keyId},algorithm=${algorithm},headers="${headers.replace('d', '\\d')}",`
        + `signature="${signature}"` }],
    ['integers, and parameters that are unknown', { write: ({ keyId, algorithm, headers, signature }) =>
      `Signature keyId="${keyId}",algorithm="${algorithm}",created=${now / 1000},expires=${now / 1000 + 9},`
        + `opaque="a,b=\\"c\\"",headers="${headers}",signature="${signature}"` }],
    ['another order of the components', { components: 'digest date host (request-target)' }],
    ['names of components in upper case', { components: '(request-target) Host Date X-TRU-Callback Digest' }],
    ['more components', {
      components: '(request-target) host date x-tru-callback digest content-type content-length',
      headers: { 'content-type': 'application/json', 'content-length': String(rawBody.length) },
    }],
    ['no algorithm', { algorithm: null }], ['an algorithm that the key chooses', { algorithm: 'hs2019' }],
    ['an algorithm in upper case', { algorithm: 'RSA-SHA256' }],
    ['an algorithm name of digests in lower case', { digest: `sha-256=${sha256}` }],
    ['hex in upper case', { digest: `SHA-256=${digestOf('sha256', 'hex').toUpperCase()}` }],
    ['several digests', { digest: `unixsum=30637, SHA-256=${sha256},SHA-512=${digestOf('sha512', 'base64')}` }],
    ['another digest', { digest: `SHA-512=${digestOf('sha512', 'base64')}` }],
    ['the date of RFC 850', { date: 'Monday, 01-Jun-20 16:43:30 GMT' }],
    ['the date of asctime', { date: 'Mon Jun  1 16:43:30 2020' }],
  ]
  for (const [name, wishes] of forms) t.ok(await isGood(sign(wishes)), name)
  const created = sign({
    algorithm: 'hs2019', components: '(request-target) (created) host date digest',
    write: ({ keyId, algorithm, headers, signature }) =>
      `Signature keyId="${keyId}",algorithm="${algorithm}",created=${now / 1000},headers="${headers}",`
        + `signature="${signature}"`,
  })
  t.ok(await isGood(created), 'a component of the header itself')
})

t.test('every form in which the simulator can sign', async t => {
  for (const form of signatureFormNames) {
    const simulated = createCallbackSigner({ now: () => now, form })
    const { url } = sign()
    const headers = await simulated.headers(JSON.stringify(body), new URL(url))
    const keys = readKeys(await simulated.jwks()) ?? undefined
    const callback = { ...sign(), headers: { 'content-type': 'application/json', ...headers } }
    const length = String(callback.rawBody.length)
    t.ok(await isGood({ ...callback, headers: { ...callback.headers, 'content-length': length } }, keys), form)
  }
})

const devServer = process.env['VENDOR_SERVER_DIR'] ?? ''
t.test('what the library of tru.ID\'s own server signs', {
  skip: existsSync(join(devServer, 'node_modules/http-signature'))
    ? false
    : 'VENDOR_SERVER_DIR has no http-signature',
}, async t => {
  const { signRequest } = createRequire(join(devServer, 'index.js'))('http-signature')
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const keys = readKeys({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'key-1', use: 'sig' }] }) ?? undefined
  const rawBody = Buffer.from(JSON.stringify(body))
  const headers = {
    host: 'verify.example', date: new Date(now).toUTCString(), 'x-tru-callback': 'subscriber_check',
    digest: `SHA-256=${createHash('sha256').update(rawBody).digest('base64')}`,
  }
  const names = ['(request-target)', ...Object.keys(headers)]
  for (const options of [{}, { algorithm: 'rsa-sha256' }, { algorithm: 'rsa-sha512' }]) {
    const message = request({ method: 'POST', path: '/callbacks/truid/key', headers, agent: false })
    message.on('error', () => {})
    const key = privateKey.export({ format: 'pem', type: 'pkcs8' })
    signRequest(message, { key, keyId: 'key-1', headers: names, ...options })
    const authorization = String(message.getHeader('authorization'))
    message.destroy()
    const callback = { ...sign(), url: 'https://verify.example/callbacks/truid/key', rawBody }
    const later = { ...headers, date: new Date(now + 1_000).toUTCString() }
    t.ok(await isGood({ ...callback, headers: { ...headers, authorization } }, keys), authorization.slice(0, 60))
    t.notOk(await isGood({ ...callback, headers: { ...later, authorization } }, keys), 'with another date')
  }
})

t.test('the algorithm is of RSA, and the key is for RSA signatures', async t => {
  const uses: [algorithm: string | null, hash: string, isPss: boolean, alg: string | null, isGood: boolean][] = [
    ['rsa-sha256', 'RSA-SHA256', false, null, true], ['rsa-sha512', 'RSA-SHA512', false, null, true],
    ['rsa-sha512', 'RSA-SHA512', false, 'RS512', true], ['hs2019', 'RSA-SHA512', true, null, true],
    ['hs2019', 'RSA-SHA256', true, null, true], ['hs2019', 'RSA-SHA512', false, null, true],
    [null, 'RSA-SHA512', true, 'PS512', true], [null, 'RSA-SHA256', false, 'RS256', true],
    ['rsa-sha512', 'RSA-SHA512', false, 'RS256', true], ['hs2019', 'RSA-SHA512', true, 'RS256', true],
    ['rsa-sha256', 'RSA-SHA256', false, 'RSA-OAEP', false], ['hs2019', 'RSA-SHA256', false, 'ES256', false],
    ['rsa-sha256', 'RSA-SHA512', false, null, false], ['rsa-sha256', 'RSA-SHA256', true, null, false],
    ['hs2019', 'RSA-SHA1', false, null, false], ['rsa-sha1', 'RSA-SHA1', false, null, false],
    ['hmac-sha256', 'RSA-SHA256', false, null, false], ['none', 'RSA-SHA256', false, null, false],
    ['constructor', 'RSA-SHA256', false, null, false], ['', 'RSA-SHA256', false, null, false],
  ]
  for (const [algorithm, hash, isPss, alg, isAccepted] of uses) {
    const signer = createSigner('key-1', alg)
    const callback = signer.sign(body, { at: now, algorithm, hash, isPss })
    const name = `${algorithm}, ${hash}${isPss ? ' with PSS' : ''}, key for ${alg}`
    t.equal(await isGood(callback, keysOf(signer)), isAccepted, name)
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
    ['no quotes around blanks', { authorization: good.replaceAll('"', '') }, 'signature_invalid'],
    ['a quote that does not end', { authorization: good.slice(0, -1) }, 'signature_invalid'],
    ['a tail', { authorization: `${good} x` }, 'signature_invalid'],
    ['a name that comes twice', { authorization: `${good},KEYID="key-2"` }, 'signature_invalid'],
    ['names of every object', { authorization: good.replace('keyId=', 'constructor=') }, 'signature_invalid'],
    ['no key', { authorization: good.replace('key-1', '') }, 'signature_invalid'],
    ['another algorithm', { authorization: good.replace('rsa-sha256', 'ecdsa-sha256') }, 'signature_invalid'],
    ['one made of the public key', { authorization: good.replace('rsa-sha256', 'hmac-sha256') }, 'signature_invalid'],
    ['none', { authorization: good.replace('rsa-sha256', 'none') }, 'signature_invalid'],
    ['no target is signed', { authorization: good.replace('(request-target) ', '') }, 'signature_invalid'],
    ['no host is signed', { authorization: good.replace(' host', '') }, 'signature_invalid'],
    ['no date is signed', { authorization: good.replace(' date', '') }, 'signature_invalid'],
    ['no digest is signed', { authorization: good.replace(' digest', '') }, 'signature_invalid'],
    ['no components', { authorization: good.replace(/headers="[^"]*",/, '') }, 'signature_invalid'],
    [
      'a component that is not there', { authorization: good.replace(' digest"', ' digest content-type"') },
      'signature_invalid',
    ],
    ['created later', { authorization: `${good},created=${now / 1000 + 301}` }, 'date_skewed'],
    ['expired', { authorization: `${good},expires=${now / 1000 - 301}` }, 'date_skewed'],
    ['expiring at no time', { authorization: `${good},expires="soon"` }, 'date_skewed'],
    ['no signature', { authorization: good.replace(/signature=".*"/, 'signature=""') }, 'signature_invalid'],
    ['no base64', { authorization: good.replace(/signature=".*"/, 'signature="?"') }, 'signature_invalid'],
    [
      'base64url',
      { authorization: good.replace(/signature=".*"/, `signature="${Buffer.alloc(256, 255).toString('base64url')}"`) },
      'signature_invalid',
    ],
    ['no date', { date: undefined }, 'signature_invalid'],
    ['no digest', { digest: undefined }, 'signature_invalid'],
    ['no kind, which is signed', { 'x-tru-callback': undefined }, 'signature_invalid'],
    ['two kinds', { 'x-tru-callback': ['a', 'b'] }, 'signature_invalid'],
    ['two dates', { date: ['a', 'b'] }, 'signature_invalid'],
    ['no such date', { date: 'yesterday' }, 'date_skewed'],
    ['a number', { date: String(now) }, 'date_skewed'],
    ['local time', { date: 'Mon, 01 Jun 2020 16:43:30' }, 'date_skewed'],
    ['another hash', { digest: 'SHA-512=x' }, 'digest_mismatch'],
    ['an empty digest', { digest: '' }, 'digest_mismatch'],
    ['another digest beside it', { digest: `${headers['digest']},SHA-512=bm8=` }, 'digest_mismatch'],
    ['a hash that is unknown', { digest: 'unixsum=30637' }, 'digest_mismatch'],
    ['a name of every object', { digest: 'constructor=30637' }, 'digest_mismatch'],
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
  const callback = sign()
  t.equal(await isGood(callback), true)
  for (
    const url of [
      `${callback.url}x`, `${callback.url}?a=b`, callback.url.replace('verify.example', 'other.example'),
      'https://verify.example:8443/',
    ]
  ) t.equal(await isGood({ ...callback, url }), false, url)
})

t.test('only the key that is named', async t => {
  const other = createSigner('key-2')
  const keys = keysOf(signer, other)
  const read = (wishes: Wishes = {}): Signed => {
    const signed = readSignature(sign(wishes), now)
    if (typeof signed === 'string') throw new Error(signed)
    return signed
  }
  const find = (keyId: string) => findKeys(keys, { ...read(), keyId })
  t.equal(await isSignedBy(await find('key-1'), read()), true)
  t.equal(await isSignedBy(await find('key-2'), read()), false, 'of another key')
  t.equal(await isSignedBy([], read()), false)
  t.equal(await isSignedBy(await find('key-1'), { ...read(), signature: Buffer.from('short') }), false)
  t.equal(await isSignedBy(await find('key-1'), { ...read(), text: read().text.toUpperCase() }), false)
})

t.test('keys that are none', async t => {
  const algorithms = ['RS256', 'RS512', 'PS512', 'PS256']
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
  const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' })
  const keys = readKeys({
    keys: [
      { ...elliptic, kid: 'elliptic' }, { kty: 'oct', k: 'AAAA', kid: 'shared' }, {
        ...signer.jwk, kid: 'for-encryption', use: 'enc',
      },
      { ...signer.jwk, kid: 'other-algorithm', alg: 'RSA-OAEP' }, {
        kty: 'RSA', n: 'AQAB', e: 'AQAB', kid: 'broken', alg: 'RS256', extra: 1,
      },
      { ...privateKey.export({ format: 'jwk' }), kid: 'private' },
      { ...short, kid: 'short' }, { kty: 'RSA', kid: 'empty' }, signer.jwk, signer.jwk,
    ],
  }) ?? undefined
  for (
    const keyId of [
      'elliptic', 'shared', 'for-encryption', 'other-algorithm', 'private', 'short', 'empty', 'broken', 'unknown',
      'key-1', '', '__proto__',
    ]
  ) {
    t.strictSame(await findKeys(keys, { keyId, algorithms }), [], `${keyId} is not used`)
  }
  t.strictSame(await findKeys(undefined, { keyId: 'key-1', algorithms }), [])
})
