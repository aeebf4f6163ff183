import { createHmac, randomBytes } from 'node:crypto'
import { type JWK, SignJWT, exportJWK, generateKeyPair } from 'jose'
import type { Grant } from './authorize.ts'
import { clientId } from './client.ts'

const lifetimeSeconds = 300

export type IdTokens = ReturnType<typeof createIdTokens>

/**
 * Signs ID tokens. `sub` is a pseudonym of the number for this client.
 * https://openid.net/specs/openid-connect-core-1_0.html#IDToken
 */
export function createIdTokens (now: () => number, issuer: () => string) {
  const kid = randomBytes(6).toString('hex')
  const pseudonymKey = randomBytes(32)
  // The key is made at its first use, because that takes a while.
  let pair: ReturnType<typeof generateKeyPair> | undefined
  const key = () => pair ??= generateKeyPair('ES256', { extractable: true })

  return {
    async sign ({ digits, nonce }: Grant): Promise<string> {
      const seconds = Math.floor(now() / 1000)
      const sub = createHmac('sha256', pseudonymKey).update(digits).digest('base64url')
      return new SignJWT({ sub, auth_time: seconds, ...nonce === undefined ? {} : { nonce } })
        .setProtectedHeader({ kid, typ: 'JWT', alg: 'ES256' }).setIssuer(issuer()).setAudience(clientId)
        .setIssuedAt(seconds).setExpirationTime(seconds + lifetimeSeconds).sign((await key()).privateKey)
    },

    async jwks (): Promise<{ keys: JWK[] }> {
      return { keys: [{ ...await exportJWK((await key()).publicKey), kid, alg: 'ES256', use: 'sig' }] }
    },
  }
}
