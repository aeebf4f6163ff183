import { JOSEError, JWKSNoMatchingKey, JWTExpired } from 'jose/errors'
import type { LocalJWKSet } from 'jose/jwks/local'
import { jwtVerify, type JWTVerifyOptions } from 'jose/jwt/verify'
import type { Http } from './adapter.ts'
import { createCached, type Cached } from './cached.ts'
import type { Members } from './message.ts'
import { refusal } from './refusal.ts'

/** The public keys with which a provider signs, as a JSON Web Key Set (RFC 7517), and the tokens signed with them. */

/** A key that the provider withdrew is trusted at most this long. */
const keysMs = 600_000

export type KeySetParts = {
  provider: string
  /** Two or three words for logs and errors. */
  call: string
  url: string
  http: Http
  now?: () => number
  /** Null: the body has no keys. */
  read: (body: unknown) => LocalJWKSet | null
  /** A token can name a key that does not exist, and strangers submit tokens: the keys are not fetched more often. */
  coolDownMs?: number
}

/** Throws `ProviderError` when the keys cannot be fetched. */
export function createKeySet (
  { provider, call, url, http, now, read, coolDownMs = 10_000 }: KeySetParts,
): Cached<LocalJWKSet> {
  return createCached({
    async fetch () {
      const answer = await http({ method: 'GET', url, call })
      const value = answer.status < 300 ? read(answer.body) : null
      if (value === null) throw refusal(provider, call, 'provider_bad_response', answer)
      return { value, ttlMs: keysMs }
    },
    coolDownMs,
    now,
  })
}

/**
 * The claims of a JWT that one of the keys signed, or why it proves nothing. A key that is not known is looked up once;
 * `key_unknown`: the keys were fetched too recently for that, so whether it is genuine is not known yet. Throws
 * `ProviderError` when the keys cannot be fetched.
 */
export async function readSigned (
  token: string, keys: Cached<LocalJWKSet>, options: JWTVerifyOptions & { algorithms: string[], currentDate: Date },
): Promise<Members | 'evidence_invalid' | 'evidence_expired' | 'key_unknown'> {
  const verify = async (known: LocalJWKSet): Promise<Members> => (await jwtVerify(token, known, options)).payload
  const before = keys.peek()?.value
  try {
    const known = await keys.get()
    try {
      return await verify(known)
    } catch (error) {
      if (!(error instanceof JWKSNoMatchingKey)) throw error
    }
    const newer = await keys.refresh()
    return known === before && newer === known ? 'key_unknown' : await verify(newer)
  } catch (error) {
    if (error instanceof JWTExpired) return 'evidence_expired'
    if (error instanceof JOSEError) return 'evidence_invalid'
    throw error
  }
}
