import { createHash, generateKeyPair, sign } from 'node:crypto'
import { promisify } from 'node:util'

export type DigestEncoding = 'base64' | 'hex'

const keyId = 'sandbox-1'

/**
 * Signs callbacks as tru.ID does: HTTP Signatures (draft-cavage) in the `Authorization` header, over a `Digest` of the body.
 * The documentation calls the digest both "Base64 encoded" and `hex(SHA256(Body))`, so the encoding is a choice.
 */
export function createCallbackSigner({ now, digestEncoding }: { now: () => number, digestEncoding: DigestEncoding }) {
  let pair: ReturnType<typeof generate> | undefined
  const generate = () => promisify(generateKeyPair)('rsa', { modulusLength: 2048 })
  const keys = () => pair ??= generate()

  return {
    /** The public key as `/.well-known/jwks.json` publishes it. */
    async jwks() {
      const { publicKey } = await keys()
      return { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: keyId, use: 'sig', alg: 'RS256' }] }
    },

    async headers(body: string, url: URL): Promise<Record<string, string>> {
      const { privateKey } = await keys()
      const date = new Date(now()).toUTCString()
      const digest = `SHA-256=${createHash('sha256').update(body).digest(digestEncoding)}`
      const signed = [
        `(request-target): post ${url.pathname}${url.search}`,
        `host: ${url.host}`,
        `date: ${date}`,
        'x-tru-callback: phone_check',
        `digest: ${digest}`
      ].join('\n')
      const signature = sign('RSA-SHA256', Buffer.from(signed), privateKey).toString('base64')
      const components = '(request-target) host date x-tru-callback digest'
      return {
        date,
        'x-tru-callback': 'phone_check',
        digest,
        authorization: `Signature keyId="${keyId}",algorithm="rsa-sha256",headers="${components}",signature="${signature}"`
      }
    }
  }
}
