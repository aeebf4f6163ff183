import { createHash, createPublicKey, verify } from 'node:crypto'
import t from 'tap'
import { createCallbackSigner, signatureFormNames } from '../../../src/sandbox/truid/signature.ts'

const url = new URL('https://gateway.example:8443/callbacks/truid?k=1')

/** The `Authorization` header, read as RFC 7235 says. */
function readAuthorization (text: string): { scheme: string, parameters: Record<string, string> } {
  const [, scheme = '', rest = ''] = /^(\S+) (.*)$/.exec(text) ?? []
  const pairs = [...rest.matchAll(/(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))\s*(?:,\s*|$)/g)]
  const parameters = Object.fromEntries(pairs.map(([, name = '', quoted, token]) =>
    [name.toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? token ?? '']))
  return { scheme: scheme.toLowerCase(), parameters }
}

t.test('the headers of a callback verify against the published key', async t => {
  const now = Date.UTC(2020, 5, 1, 16, 43, 30)
  const signer = createCallbackSigner({ now: () => now, form: 'documented' })
  const headers = await signer.headers('hello', url)
  t.equal(headers['date'], 'Mon, 01 Jun 2020 16:43:30 GMT')
  t.equal(headers['digest'], 'SHA-256=LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=')
  t.match(
    headers['authorization'],
    /^Signature keyId="sandbox-1",algorithm="rsa-sha256",headers="[^"]+",signature="[\w+/]+=*"$/,
  )
  const { keys } = await signer.jwks()
  t.match(keys, [{ kty: 'RSA', use: 'sig', kid: 'sandbox-1', n: String, e: 'AQAB' }])
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

t.test('every form is legal: a reader of the RFCs finds the same signature and digest', async t => {
  const body = '{"status":"COMPLETED"}'
  const now = Date.UTC(2020, 5, 1, 16, 43, 30)
  const signer = createCallbackSigner({ now: () => now, form: 'documented' })
  const seen = new Set<string>()
  for (const form of signatureFormNames) {
    signer.use(form)
    const headers = await signer.headers(body, url)
    const { scheme, parameters } = readAuthorization(headers['authorization'] ?? '')
    t.equal(scheme, 'signature', form)
    t.equal(parameters['keyid'], 'sandbox-1', form)
    const values: Record<string, string> = {
      ...headers, host: url.host, 'content-type': 'application/json', 'content-length': String(body.length),
      '(request-target)': 'post /callbacks/truid?k=1', '(created)': parameters['created'] ?? '',
      '(expires)': parameters['expires'] ?? '',
    }
    const signed = parameters['headers']?.split(' ').map(name => `${name}: ${values[name]}`).join('\n') ?? ''
    for (const name of ['(request-target)', 'host', 'date', 'digest']) t.ok(signed.includes(`${name}: `), form)
    const [key] = (await signer.jwks()).keys
    const hash = parameters['algorithm'] === 'rsa-sha512' ? 'RSA-SHA512' : 'RSA-SHA256'
    t.ok(
      verify(
        hash, Buffer.from(signed), createPublicKey({ key: key ?? {}, format: 'jwk' }),
        Buffer.from(parameters['signature'] ?? '', 'base64'),
      ),
      form,
    )
    const digests = headers['digest']?.split(/\s*,\s*/).map(part => /^([\w-]+)=(.*)$/.exec(part)?.slice(1) ?? []) ?? []
    const [, value = ''] = digests.find(([name]) => name?.toLowerCase() === 'sha-256') ?? []
    const isHex = /^[0-9a-f]{64}$/i.test(value)
    t.equal(
      Buffer.from(value, isHex ? 'hex' : 'base64').toString('hex'), createHash('sha256').update(body).digest('hex'),
      form,
    )
    if (parameters['created'] !== undefined) t.equal(Number(parameters['created']), now / 1000, 'in seconds')
    seen.add(`${headers['authorization']?.replace(/[\w+/]{100,}=*/, '')} ${headers['digest']}`)
  }
  t.equal(seen.size, signatureFormNames.length, 'each is another one')
  t.ok(signatureFormNames.length > 10)
})

t.test('the digest can be hex, as the documentation also says', async t => {
  const signer = createCallbackSigner({ now: Date.now, form: 'hexDigest' })
  const { digest } = await signer.headers('hello', new URL('https://gateway.example/'))
  t.equal(digest, 'SHA-256=2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824')
})

t.test('after a rotation another key signs, and both are published', async t => {
  const signer = createCallbackSigner({ now: Date.now, form: 'documented' })
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
