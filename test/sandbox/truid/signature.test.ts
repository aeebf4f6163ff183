import { createPublicKey, verify } from 'node:crypto'
import t from 'tap'
import { createCallbackSigner } from '../../../src/sandbox/truid/signature.ts'

t.test('the headers of a callback verify against the published key', async t => {
  const now = Date.UTC(2020, 5, 1, 16, 43, 30)
  const signer = createCallbackSigner({ now: () => now, digestEncoding: 'base64' })
  const headers = await signer.headers('hello', new URL('https://gateway.example:8443/callbacks/truid?k=1'))
  t.equal(headers['date'], 'Mon, 01 Jun 2020 16:43:30 GMT')
  t.equal(headers['digest'], 'SHA-256=LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=')
  const { keys } = await signer.jwks()
  t.match(keys, [{ kty: 'RSA', alg: 'RS256', use: 'sig', kid: 'sandbox-1', n: String, e: 'AQAB' }])
  t.notOk(keys.some(key => 'd' in key), 'no private part')
  const [, signature] = /signature="(.*)"$/.exec(headers['authorization'] ?? '') ?? []
  const signed = `(request-target): post /callbacks/truid?k=1
host: gateway.example:8443
date: Mon, 01 Jun 2020 16:43:30 GMT
x-tru-callback: phone_check
digest: SHA-256=LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=`
  const key = createPublicKey({ key: keys[0] ?? {}, format: 'jwk' })
  t.ok(verify('RSA-SHA256', Buffer.from(signed), key, Buffer.from(signature ?? '', 'base64')))
})

t.test('the digest can be hex, as the documentation also says', async t => {
  const signer = createCallbackSigner({ now: Date.now, digestEncoding: 'hex' })
  const { digest } = await signer.headers('hello', new URL('https://gateway.example/'))
  t.equal(digest, 'SHA-256=2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824')
})

t.test('after a rotation another key signs, and both are published', async t => {
  const signer = createCallbackSigner({ now: Date.now, digestEncoding: 'base64' })
  const signerOf = async () =>
    /keyId="(.*?)"/.exec((await signer.headers('', new URL('https://gateway.example/')))['authorization'] ?? '')?.[1]
  const published = async () => (await signer.jwks()).keys.map(({ kid }) => kid)
  t.equal(await signerOf(), 'sandbox-1')
  signer.rotate()
  t.equal(await signerOf(), 'sandbox-2')
  t.strictSame(await published(), ['sandbox-2', 'sandbox-1'])
  const [second, first] = (await signer.jwks()).keys
  t.not(first?.n, second?.n)
  signer.rotate()
  t.strictSame(await published(), ['sandbox-3', 'sandbox-2'])
})
