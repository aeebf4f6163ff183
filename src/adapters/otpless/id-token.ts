import { createLocalJWKSet, type LocalJWKSet } from 'jose/jwks/local'
import { decodeJwt } from 'jose/jwt/decode'
import { ProviderError } from '../../core/errors.ts'
import type { Reason } from '../../core/reasons.ts'
import { readPhoneNumber } from '../../phone.ts'
import type { Http } from '../adapter.ts'
import { createKeySet, readSigned } from '../key-set.ts'
import { membersOf, readList, readString, type Members } from '../message.ts'
import { provider } from './errors.ts'
import { maxSkewMs } from './time.ts'

// https://otpless.com/docs/api-reference/endpoint/verifytoken/id-token-validate

const issuer = 'https://otpless.com'
const algorithm = 'RS256'
/** Id tokens live for 5 minutes, and lived for an hour before. */
const maxAgeSeconds = 3600
const maxKeys = 64
const maxLength = 8192

export type IdTokens = {
  /**
   * The claims of an id token that OTPLESS issued for this app, or why it proves nothing. Throws `ProviderError` when
   * the keys cannot be fetched.
   */
  read (token: string): Promise<Members | Reason>
  /**
   * Whether an id token that comes with a proof is not genuine, or names another number. False also when there is no
   * id token, and while the keys cannot be fetched.
   */
  contradicts (token: unknown, phoneNumber: string): Promise<boolean>
}

export type IdTokensParts = { keysOrigin: string, appId: string, http: Http, now: () => number }

export function createIdTokens ({ keysOrigin, appId, http, now }: IdTokensParts): IdTokens {
  const keys = createKeySet({
    provider, call: 'id token keys', url: `${keysOrigin}/.well-known/jwks`, http, read: readKeys,
  })

  async function read (token: string): Promise<Members | Reason> {
    const claims = await readSigned(token, keys, {
      issuer, audience: appId, algorithms: [algorithm], requiredClaims: ['exp'], maxTokenAge: maxAgeSeconds,
      clockTolerance: maxSkewMs / 1000, currentDate: new Date(now()),
    })
    return claims === 'key_unknown' ? 'evidence_invalid' : claims
  }

  return {
    read,
    async contradicts (token, phoneNumber) {
      const text = readString(token, maxLength)
      if (text === null) return false
      try {
        const claims = await read(text)
        if (typeof claims === 'string') return true
        const named = readPhoneNumber(claims.phone_number, phoneNumber)
        return named !== null && named !== phoneNumber
      } catch (error) {
        if (error instanceof ProviderError) return false
        throw error
      }
    },
  }
}

/** The RSA keys of `/.well-known/jwks`; null when there are none. */
function readKeys (body: unknown): LocalJWKSet | null {
  const keys = readList(membersOf(body).keys, maxKeys).flatMap(key => {
    const [kid, n, e] = [membersOf(key).kid, membersOf(key).n, membersOf(key).e].map(value => readString(value, 2048))
    return n === null || n === undefined || e === null || e === undefined
      ? []
      : [{ kty: 'RSA', alg: algorithm, n, e, ...kid === null || kid === undefined ? {} : { kid } }]
  })
  return keys.length === 0 ? null : createLocalJWKSet({ keys })
}

/** An id token has three parts, the reference token of the SDK has one. */
export const isIdToken = (token: string): boolean => /^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)

/**
 * The reference token, which names one login: the token itself, or the one in an id token. Not verified. Of an id token
 * without one, the signed part: its signature has several spellings.
 */
export function referenceOf (token: string): string {
  if (!isIdToken(token)) return token
  const signed = token.slice(0, token.lastIndexOf('.'))
  try {
    return readString(decodeJwt(token).token, 4096) ?? signed
  } catch {
    return signed
  }
}
