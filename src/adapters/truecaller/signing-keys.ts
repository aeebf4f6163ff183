import { createPublicKey, verify, type KeyObject } from 'node:crypto'
import { createCached } from '../cached.ts'
import { membersOf, readList, readString } from '../message.ts'
import { refusal } from '../refusal.ts'
import { provider, readRefusal, type FlowParts } from './flow.ts'

// https://docs.truecaller.com/truecaller-sdk/ios/server-side-response-validation: cache the keys, fetch them again only
// when a signature does not verify, and try each of them

/** A key that Truecaller withdrew is trusted at most this long. */
const keysMs = 3_600_000
/** Anyone can submit a bad signature, so it causes at most this many fetches in this time. */
const maxRenewals = 3
const renewalsMs = 10_000
const maxKeys = 16
/** The key of the documentation has 1024 bits. */
const minModulusLength = 1024

/** `texts`: spellings of the base64 payload; one of them was signed. */
export type Signed = { texts: [string, ...string[]], signature: Buffer }

type Keys = { keys: KeyObject[], fetchedAt: number }

export type SigningKeysParts = FlowParts & { apiUrl: string }

/** The keys of `/v1/key`, which needs no credentials. */
export async function fetchKeys ({ apiUrl, http, now }: SigningKeysParts): Promise<{ value: Keys, ttlMs: number }> {
  const call = 'signing keys'
  const fetchedAt = now()
  const answer = await http({ method: 'GET', url: `${apiUrl}/v1/key`, call })
  readRefusal(call, answer, {})
  const keys = readKeys(answer.body)
  if (keys.length === 0) throw refusal(provider, call, 'provider_bad_response', answer)
  return { value: { keys, fetchedAt }, ttlMs: keysMs }
}

/**
 * Checks signatures with the keys of `/v1/key`. Null: no known key verifies it, the keys are older than `since`, and
 * they may not be fetched again now. Throws `ProviderError`.
 */
export type IsSigned = (signed: Signed, since: number) => Promise<boolean | null>

export function createSigningKeys (parts: SigningKeysParts): IsSigned {
  const { now } = parts
  const cached = createCached({ fetch: () => fetchKeys(parts) })
  let renewedAt: number[] = []

  return async (signed, since) => {
    const known = await cached.get()
    if (isSignedBy(known, signed)) return true
    // What was signed before these keys were fetched has one of them.
    if (known.fetchedAt >= since) return false
    renewedAt = renewedAt.filter(at => at > now() - renewalsMs)
    if (renewedAt.length >= maxRenewals) return null
    renewedAt.push(now())
    return isSignedBy(await cached.refresh(), signed)
  }
}

/** RSA with PKCS #1 v1.5 and SHA-512, over the base64 text and not over what it contains. */
const isSignedBy = ({ keys }: Keys, { texts, signature }: Signed): boolean =>
  keys.some(key => texts.some(text => verify('RSA-SHA512', Buffer.from(text), key, signature)))

/** The RSA keys of a list: the base64 of their SPKI form. Others are ignored. */
export function readKeys (body: unknown): KeyObject[] {
  return readList(body, maxKeys).flatMap(item => {
    const { keyType, key } = membersOf(item)
    const text = readString(key, 4096)
    if (text === null || (readString(keyType) ?? 'RSA').toUpperCase() !== 'RSA') return []
    try {
      const found = createPublicKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'spki' })
      const { modulusLength = 0 } = found.asymmetricKeyDetails ?? {}
      return found.asymmetricKeyType === 'rsa' && modulusLength >= minModulusLength ? [found] : []
    } catch {
      return []
    }
  })
}
