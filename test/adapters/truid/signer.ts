import { constants, createHash, generateKeyPairSync, sign } from 'node:crypto'
import type { Callback } from '../../../src/adapters/adapter.ts'
import { callbackKey, callbackUrl } from '../../../src/conformance/index.ts'

/** What of a signed message differs from a good one. `algorithm: null`: the header names none. */
export type Wishes = Partial<{
  url: string, at: number, date: string, digest: string, encoding: 'base64' | 'hex', algorithm: string | null
  components: string, keyId: string, hash: string, isPss: boolean, headers: Record<string, string>
  /** Writes the `Authorization` header. */
  write (parameters: Record<'keyId' | 'algorithm' | 'headers' | 'signature', string>): string
}>

const writeHeader: NonNullable<Wishes['write']> = parameters => `Signature ${
  Object.entries(parameters).map(([name, value]) => `${name}="${value}"`).join(',')
}`

/** Signs callbacks with its own key, as tru.ID documents it. `alg`: the algorithm that the published key names. */
export function createSigner (keyId: string, alg: string | null = 'RS256') {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  return {
    jwk: { ...publicKey.export({ format: 'jwk' }), kid: keyId, use: 'sig', ...alg === null ? {} : { alg } },
    sign (body: unknown, wishes: Wishes = {}): Callback {
      const {
        url = callbackUrl, at = Date.now(), encoding = 'base64', algorithm = 'rsa-sha256', hash = 'RSA-SHA256',
        components = '(request-target) host date x-tru-callback digest', write = writeHeader, isPss = false,
      } = wishes
      const rawBody = Buffer.from(JSON.stringify(body))
      const digest = wishes.digest ?? `SHA-256=${createHash('sha256').update(rawBody).digest(encoding)}`
      const { host, pathname, search } = new URL(url)
      const headers = {
        date: wishes.date ?? new Date(at).toUTCString(), digest, 'x-tru-callback': 'phone_check', ...wishes.headers,
      }
      const signable: Record<string, string> = {
        ...headers, '(request-target)': `post ${pathname}${search}`, host, '(created)': String(Math.floor(at / 1000)),
      }
      const names = components.toLowerCase().split(' ')
      const text = names.map(name => `${name}: ${signable[name]}`).join('\n')
      const padding = isPss
        ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
        : {}
      const signature = sign(hash, Buffer.from(text), { key: privateKey, ...padding }).toString('base64')
      const parameters = {
        keyId: wishes.keyId ?? keyId, ...algorithm === null ? {} : { algorithm }, headers: components, signature,
      }
      const authorization = write(parameters as Parameters<typeof write>[0])
      return { key: callbackKey, url, headers: { ...headers, authorization }, rawBody, body }
    },
  }
}
