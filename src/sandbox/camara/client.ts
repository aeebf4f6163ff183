import { createECDH, createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { jwtVerify } from 'jose'
import { createExpiringMap } from '../expiring-map.ts'

export const clientId = 'sandbox-camara-client'
export const keyId = 'sandbox-camara-key'
/** `exp` may be this far from the time of receipt, and from `iat`. */
const maxAssertionSeconds = 300

/** The key is the same after a restart, so that a gateway with earlier settings keeps working. It is not a secret. */
function deriveKey (): KeyObject {
  const pair = createECDH('prime256v1')
  pair.setPrivateKey(createHash('sha256').update('the sandbox\'s client of a CAMARA operator').digest())
  const point = pair.getPublicKey()
  return createPrivateKey({
    format: 'jwk',
    key: {
      kty: 'EC', crv: 'P-256', d: pair.getPrivateKey().toString('base64url'),
      x: point.subarray(1, 33).toString('base64url'), y: point.subarray(33).toString('base64url'),
    },
  })
}

const privateKey = deriveKey()
const publicKey = createPublicKey(privateKey)

/** The client's key for ES256, as the base64 of its PKCS #8 DER. */
export const clientKey = (): string => privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64')

/**
 * Verifies client assertions (`private_key_jwt`): signature, `iss`, `sub`, `aud`, `exp`, and that `jti` is new.
 * https://github.com/camaraproject/IdentityAndConsentManagement, Security and Interoperability Profile, "Client
 * Authentication"; RFC 7523, section 3
 */
export function createAssertions (now: () => number, audience: () => string[]) {
  const used = createExpiringMap<true>(now, 2 * maxAssertionSeconds * 1000)

  return async function isAccepted (assertion: string): Promise<boolean> {
    const currentDate = new Date(now())
    try {
      const { payload: { exp = 0, iat, jti = '' }, protectedHeader: { kid = keyId } } = await jwtVerify(
        assertion, publicKey, {
          currentDate, issuer: clientId, subject: clientId, audience: audience(), algorithms: ['ES256'],
          requiredClaims: ['exp', 'jti'],
        },
      )
      const isShort = exp - Math.min(now() / 1000, iat ?? exp) <= maxAssertionSeconds
      if (!isShort || kid !== keyId || jti === '' || used.get(jti) !== undefined) return false
      used.set(jti, true)
      return true
    } catch {
      return false
    }
  }
}
