import { createPublicKey, hash } from 'node:crypto'
import { createLocalJWKSet, type LocalJWKSet } from 'jose/jwks/local'
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { Assurance } from '../../core/assurance.ts'
import type { Reason } from '../../core/reasons.ts'
import { readPhoneNumber } from '../../phone.ts'
import { membersOf, readList, readNumber, readString, type Members } from '../message.ts'

// https://firebase.google.com/docs/phone-number-verification/verify-tokens and …/android/custom-flow

export const algorithm = 'ES256'
export const maxSkewMs = 60_000
const maxKeys = 64

/** A JWT has three parts. */
const tokenEvidence = Compile(
  Type.Object({ token: Type.String({ maxLength: 8192, pattern: '^[\\w-]+\\.[\\w-]+\\.[\\w-]+$' }) }),
)
export const readToken = (evidence: unknown): string | null => tokenEvidence.Check(evidence) ? evidence.token : null

/** Names a token: the hash of what is signed. The signature is left out, because each has a second valid form. */
export const referenceOf = (token: string): string =>
  hash('sha256', token.slice(0, token.lastIndexOf('.')), 'base64url')

/** The P-256 keys of `/v1beta/jwks`; null when there are none. */
export function readKeys (body: unknown): LocalJWKSet | null {
  const keys = readList(membersOf(body).keys, maxKeys).flatMap(key => {
    const { kid, x, y } = membersOf(key)
    const jwk = { kty: 'EC', crv: 'P-256', x: readString(x) ?? '', y: readString(y) ?? '' }
    const id = readString(kid)
    return id !== null && isOnCurve(jwk) ? [{ ...jwk, kid: id, alg: algorithm }] : []
  })
  return keys.length === 0 ? null : createLocalJWKSet({ keys })
}

function isOnCurve (key: { kty: string, crv: string, x: string, y: string }): boolean {
  try {
    createPublicKey({ key, format: 'jwk' })
    return true
  } catch {
    return false
  }
}

/** A token without our nonce may come from the front end of another person. */
const unbound: Assurance = { possession: 'sim', binding: 'none', restricted: false }

export type Asked = {
  phoneNumber: string | null
  /** The nonce of this attempt. */
  nonce: string
  /** What `aud` must contain. */
  audience: readonly string[]
  startedAt: number
  now: number
}

/** What the claims of a genuine token prove. Null: they name no number. */
export function judgeClaims (
  { aud, iat, sub, nonce }: Members, asked: Asked,
): { phoneNumber: string, assurance?: Assurance } | Reason | null {
  const audience = readList(typeof aud === 'string' ? [aud] : aud, 16)
  if (!asked.audience.every(name => audience.includes(name))) return 'evidence_invalid'
  const issuedAt = (readNumber(iat) ?? Infinity) * 1000
  if (issuedAt > asked.now + maxSkewMs) return 'evidence_invalid'
  if (issuedAt < asked.startedAt - maxSkewMs) return 'evidence_expired'
  const isBound = (nonce ?? '') !== ''
  if (isBound && nonce !== asked.nonce) return 'evidence_invalid'
  const phoneNumber = readPhoneNumber(sub, asked.phoneNumber)
  if (phoneNumber === null) return null
  return { phoneNumber, ...isBound ? {} : { assurance: unbound } }
}
