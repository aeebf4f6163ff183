import { createHash, createSign, generateKeyPairSync } from 'node:crypto'
import type { Callback } from '../../../src/adapters/adapter.ts'
import { callbackKey, callbackUrl } from '../../contract.ts'

/** What of a signed message differs from a good one. */
export type Wishes = Partial<{
  url: string, at: number, date: string, digest: string, encoding: 'base64'
    | 'hex', algorithm: string, components: string, keyId: string, hash: string
}>

/** Signs callbacks with its own key, as tru.ID documents it. */
export function createSigner (keyId: string) {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  return {
    jwk: { ...publicKey.export({ format: 'jwk' }), kid: keyId, use: 'sig', alg: 'RS256' },
    sign (body: unknown, wishes: Wishes = {}): Callback {
      const {
        url = callbackUrl, at = Date.now(), encoding = 'base64', algorithm = 'rsa-sha256', hash = 'RSA-SHA256',
      } = wishes
      const { components = '(request-target) host date x-tru-callback digest' } = wishes
      const rawBody = Buffer.from(JSON.stringify(body))
      const digest = wishes.digest ?? `SHA-256=${createHash('sha256').update(rawBody).digest(encoding)}`
      const { host, pathname, search } = new URL(url)
      const signable: Record<string, string> = {
        '(request-target)': `post ${pathname}${search}`, host, date: wishes.date
          ?? new Date(at).toUTCString(), 'x-tru-callback': 'phone_check', digest,
      }
      const text = components.split(' ').map(name => `${name}: ${signable[name]}`).join('\n')
      const signature = createSign(hash).update(text).sign(privateKey, 'base64')
      const { date = '', 'x-tru-callback': kind = '' } = signable
      const authorization =
        `Signature keyId="${wishes.keyId ?? keyId}",algorithm="${algorithm}",`
          + `headers="${components}",signature="${signature}"`
      return { key: callbackKey, url, headers: { date, digest, 'x-tru-callback': kind, authorization }, rawBody, body }
    },
  }
}
