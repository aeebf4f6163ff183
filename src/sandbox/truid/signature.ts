import { createHash, generateKeyPair, sign } from 'node:crypto'
import { promisify } from 'node:util'

export type DigestEncoding = 'base64' | 'hex'

export type CallbackSigner = ReturnType<typeof createCallbackSigner>

/**
 * Signs callbacks as tru.ID does: HTTP Signatures (draft-cavage) in the `Authorization` header, over a `Digest` of the
 * body. The documentation says both "Base64 encoded" and `hex(SHA256(Body))`, so the encoding is an option.
 */
export function createCallbackSigner ({ now, digestEncoding }: { now: () => number, digestEncoding: DigestEncoding }) {
  const generate = () => promisify(generateKeyPair)('rsa', { modulusLength: 2048 })
  const keys: { kid: string, pair: ReturnType<typeof generate> }[] = []
  function addKey () {
    const key = { kid: `sandbox-${keys.length + 1}`, pair: generate() }
    keys.push(key)
    return key
  }
  const currentKey = () => keys.at(-1) ?? addKey()

  return {
    /** The public keys in `/.well-known/jwks.json`: the one that signs, and the one before it. */
    async jwks () {
      const published = [currentKey(), ...keys.slice(-2, -1)]
      return {
        keys: await Promise.all(published.map(async ({ kid, pair }) =>
          ({ ...(await pair).publicKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'RS256' }))),
      }
    },

    /** Another key signs from now on. */
    rotate (): void {
      currentKey()
      addKey()
    },

    async headers (body: string, url: URL): Promise<Record<string, string>> {
      const { kid, pair } = currentKey()
      const { privateKey } = await pair
      const date = new Date(now()).toUTCString()
      const digest = `SHA-256=${createHash('sha256').update(body).digest(digestEncoding)}`
      const signed = [
        `(request-target): post ${url.pathname}${url.search}`,
        `host: ${url.host}`,
        `date: ${date}`,
        'x-tru-callback: phone_check',
        `digest: ${digest}`,
      ].join('\n')
      const signature = sign('RSA-SHA256', Buffer.from(signed), privateKey).toString('base64')
      const components = '(request-target) host date x-tru-callback digest'
      return {
        date,
        'x-tru-callback': 'phone_check',
        digest,
        authorization: `Signature keyId="${kid}",algorithm="rsa-sha256",`
          + `headers="${components}",signature="${signature}"`,
      }
    },
  }
}
