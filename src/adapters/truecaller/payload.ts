import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Json } from '../../core/vocabulary.ts'
import { readPhoneNumber } from '../../phone.ts'
import type { AttemptContext, Outcome } from '../adapter.ts'
import { membersOf, readNumber, readString, type Members } from '../message.ts'
import { invalid, provider, sdkMethod, type Flow, type FlowParts } from './flow.ts'
import { toProfile } from './profile.ts'
import { createSigningKeys, type Signed } from './signing-keys.ts'

// https://docs.truecaller.com/truecaller-sdk/android/sdk-v2.8.0/server-side-response-validation, …/ios/…, and
// https://github.com/truecaller/backend-sdk-validation

/** The only algorithm that is documented. The evidence does not choose one. */
const algorithm = 'SHA512withRSA'
const maxPayload = 16_384
/** The clocks of Truecaller and of this gateway may differ by this much. */
const maxSkewMs = 60_000
const pendingMs = 2_000

/** `packageNames`: of the apps that a payload must have been made for; empty: of any app. */
export type PayloadOptions = { appKey: string, apiUrl: string, packageNames: readonly string[] }

export function createPayload ({ appKey, apiUrl, packageNames }: PayloadOptions, parts: FlowParts): Flow {
  const { now } = parts
  const isSigned = createSigningKeys({ ...parts, apiUrl })
  const verifiers = packageNames.map(name => createHmac('sha256', appKey).update(name).digest())

  return {
    method: {
      ...sdkMethod,
      needsPhoneNumber: false,
      evidence: ['payload'],
      userStep: 'approves in the dialog of the legacy Truecaller SDK',
      // The signed text contains our nonce, and the front end that received the nonce submits it.
      assurance: { possession: 'account', binding: 'session', restricted: false },
      timeoutMs: 120_000,
    },

    start: ({ callbackKey: requestNonce }) =>
      ({ state: null, action: { type: 'submitToken', sdk: provider, params: { requestNonce } } }),

    /** Our nonce is in the payload. */
    singleUse: () => null,

    async resolve (attempt, evidence) {
      const signed = readSigned(evidence)
      if (signed === null) return invalid
      const payload = readPayload(signed.texts[0])
      const objection = judge(payload, attempt, { now: now(), verifiers })
      if (objection !== null) return objection
      const since = readNumber(membersOf(attempt.state).since) ?? now()
      const isValid = await isSigned(signed, since)
      if (isValid === null) return { verdict: 'pending', retryAfterMs: pendingMs, state: { since } }
      return isValid ? toProof(payload, attempt.phoneNumber) : invalid
    },
  }
}

const withoutSpace = (text: string): string => text.replace(/\s/g, '')

function readSigned (evidence: Json): Signed | null {
  const { payload, signature, signatureAlgorithm } = membersOf(evidence)
  const [text, signed] = [readString(payload, maxPayload), readString(signature, 4096)]
  if (text === null || signed === null || signatureAlgorithm !== algorithm) return null
  // On its way from the SDK, base64 gets line breaks and loses them.
  return { texts: [text, withoutSpace(text)], signature: Buffer.from(signed, 'base64') }
}

function readPayload (base64: string): Members {
  try {
    return membersOf(JSON.parse(Buffer.from(base64, 'base64').toString()))
  } catch {
    return {}
  }
}

/** Why a payload proves nothing, apart from its signature. Null: no reason was found. */
function judge (
  { requestNonce, requestTime, verifier }: Members, { callbackKey, startedAt }: AttemptContext,
  { now, verifiers }: { now: number, verifiers: readonly Buffer[] },
): Outcome | null {
  if (requestNonce !== callbackKey) return invalid
  if (verifiers.length > 0 && !isVerifier(readString(verifier), verifiers)) return invalid
  const seconds = readNumber(requestTime)
  if (seconds === null || seconds * 1000 > now + maxSkewMs) return invalid
  return seconds * 1000 < startedAt - maxSkewMs ? { verdict: 'denied', reason: 'evidence_expired' } : null
}

/** The encoding of the verifier is not documented: hex, base64 and base64url are accepted. */
function isVerifier (text: string | null, verifiers: readonly Buffer[]): boolean {
  const bytes = Buffer.from(text ?? '', text !== null && /^[0-9a-f]{64}$/i.test(text) ? 'hex' : 'base64')
  return verifiers.some(verifier => verifier.length === bytes.length && timingSafeEqual(verifier, bytes))
}

function toProof (payload: Members, expected: string | null): Outcome {
  const phoneNumber = readPhoneNumber(payload.phoneNumber, expected)
  if (phoneNumber === null) return invalid
  const { city, street, zipcode, countryCode } = payload
  const profile = toProfile({
    name: { first: payload.firstName, last: payload.lastName },
    email: payload.email,
    gender: payload.gender,
    avatarUrl: payload.avatarUrl,
    company: payload.companyName,
    jobTitle: payload.jobTitle,
    url: payload.url,
    addresses: [{ countryCode, city, street, zipcode }],
  })
  return { verdict: 'proven', phoneNumber, ...profile === undefined ? {} : { profile } }
}
