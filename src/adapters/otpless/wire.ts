import { createHmac, timingSafeEqual } from 'node:crypto'
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { readPhoneNumber } from '../../phone.ts'
import type { Assurance } from '../../core/assurance.ts'
import type { Reason } from '../../core/reasons.ts'
import type { Json, Profile } from '../../core/vocabulary.ts'
import { assuranceOfIdentity } from './assurance.ts'

// https://otpless.com/docs/api-reference: validate token, initiate and verify OTP, error codes, webhooks

const requestId = Type.String({ minLength: 1, maxLength: 256 })
const started = Compile(Type.Object({ requestId }))
const stateOfOtp = Compile(Type.Object({ requestId }))
const codeEvidence = Compile(Type.Object({ code: Type.String({ maxLength: 64 }) }))
// Visible characters only: OTPLESS may ignore white space, and a used token with a blank more must not count as
// another.
const tokenEvidence = Compile(Type.Object({ token: Type.String({ maxLength: 4096, pattern: '^[\\x21-\\x7e]+$' }) }))
const otpAnswer = Compile(Type.Object({ requestId: Type.Optional(requestId), isOTPVerified: Type.Boolean() }))
const errorAnswer = Compile(Type.Object({ errorCode: Type.Union([Type.String({ maxLength: 16 }), Type.Integer()]) }))
const tokenAnswer = Compile(Type.Object({
  status: Type.Literal('SUCCESS'),
  identities: Type.Array(Type.Object({ identityType: Type.String() }), { maxItems: 64 }),
  network: Type.Optional(Type.Unknown()),
  deviceInfo: Type.Optional(Type.Unknown()),
  secureInfo: Type.Optional(Type.Unknown()),
}))
const provenIdentity = Compile(Type.Object({
  identityType: Type.Literal('MOBILE'),
  identityValue: Type.Union([Type.String(), Type.Number()]),
  verified: Type.Literal(true),
}))
const metadata = Type.Optional(Type.Unknown())
const webhook = Compile(
  Type.Object({ eventType: Type.String({ maxLength: 64 }), data: Type.Object({ metaData: metadata, metadata }) }),
)
const ourMetadata = Compile(Type.Object({ verigate: Type.String({ maxLength: 256 }) }))
const namedIdentity = Compile(Type.Object({ name: Type.String({ minLength: 1, maxLength: 256 }) }))
const picturedIdentity = Compile(Type.Object({ picture: Type.String({ minLength: 1, maxLength: 1024 }) }))

const maxSignalBytes = 8 * 1024
const maxSignalDepth = 32

/** https://otpless.com/docs/knowledge-base/error-codes, by HTTP status. The text of an error is not used. */
const codes = new Map<string, Reason>([
  // 401
  ['7002', 'provider_misconfigured'], // invalid credentials
  ['7011', 'provider_misconfigured'], // our IP is not on the allow-list
  ['7012', 'provider_misconfigured'], // credentials empty
  ['7019', 'provider_misconfigured'], // merchant blocked
  ['7025', 'carrier_unsupported'], // SMS not enabled for the country
  ['7035', 'carrier_unsupported'], // country unsupported
  ['7038', 'evidence_invalid'], // authentication failed
  ['7042', 'user_rejected'], // single sign-on rejected by the user
  ['7301', 'evidence_expired'], // token expired
  ['7415', 'evidence_invalid'], // session not active
  // 429 is recognised by its status; these codes count when they come with another status
  ['7020', 'rate_limited_by_provider'],
  ['7022', 'rate_limited_by_provider'], // identity
  ['7023', 'rate_limited_by_provider'], // IP
  ['7024', 'rate_limited_by_provider'], // app
  ['7036', 'rate_limited_by_provider'],
  ['7037', 'rate_limited_by_provider'],
  ['7040', 'rate_limited_by_provider'],
  ['7041', 'rate_limited_by_provider'],
  ['7417', 'rate_limited_by_provider'],
  // 400
  ['7101', 'provider_bad_response'], // parameters: ours follow the documentation
  ['7102', 'carrier_unsupported'], // phone number
  ['7103', 'carrier_unsupported'], // channel cannot serve the phone number
  ['7104', 'provider_bad_response'], // e-mail
  ['7105', 'provider_bad_response'], // e-mail channel
  ['7106', 'provider_bad_response'], // phone or e-mail
  ['7112', 'evidence_invalid'], // OTP empty
  ['7113', 'provider_bad_response'], // expiry
  ['7114', 'evidence_invalid'], // token
  ['7115', 'evidence_invalid'], // already verified
  ['7116', 'evidence_invalid'], // OTP length
  ['7118', 'evidence_invalid'], // OTP incorrect
  ['7119', 'evidence_invalid'], // request id
  ['7121', 'provider_misconfigured'], // app hash
  ['7123', 'provider_misconfigured'], // smart auth required
  ['7124', 'provider_misconfigured'], // SNA is required first
  ['7136', 'evidence_invalid'], // request id
  ['7158', 'provider_misconfigured'], // template
  ['7160', 'provider_error'], // silent auth could not start
  ['7169', 'evidence_invalid'], // SNA already verified
  ['7170', 'evidence_invalid'], // not started
  ['7172', 'evidence_expired'], // request id expired
  ['7302', 'evidence_expired'], // code expired
  ['7303', 'evidence_expired'], // OTP expired
  ['7304', 'evidence_expired'], // authentication expired
  ['7414', 'evidence_invalid'], // session not present
  // 404
  ['7168', 'evidence_invalid'], // no data for the request id
])
/** The user typed a wrong code, of whatever length. */
const incorrect = ['7118', '7116', '7112']
const alreadyVerified = '7115'

export type Proof = {
  phoneNumber: string, profile?: Profile, signals?: { [name: string]: Json }, assurance: Assurance,
}

/**
 * The reason for a 4xx. A 401 means bad credentials or an expired token, and only the `errorCode` says which.
 */
export function readRefusal (body: unknown): Reason {
  return codes.get(readErrorCode(body)) ?? 'provider_bad_response'
}

/** Why nothing was sent. No evidence exists yet, so an error about evidence breaks the contract. */
export function readStartRefusal (body: unknown): Reason {
  const reason = readRefusal(body)
  return reason.startsWith('evidence_') ? 'provider_bad_response' : reason
}

/** The request id of an OTP that was sent. */
export function readStarted (body: unknown): string | null {
  return started.Check(body) ? body.requestId : null
}

export function readRequestId (state: unknown): string | null {
  return stateOfOtp.Check(state) ? state.requestId : null
}

export function readCode (evidence: unknown): string | null {
  return codeEvidence.Check(evidence) ? evidence.code : null
}

export function readToken (evidence: unknown): string | null {
  return tokenEvidence.Check(evidence) ? evidence.token : null
}

/**
 * `X-Signature` is the base64 of an HMAC-SHA256 over the raw body. The page of one event documents it, for "every
 * outbound webhook request".
 */
export function isSigned (rawBody: Buffer, signature: string, secret: string): boolean {
  const [given, expected] = [
    Buffer.from(signature), Buffer.from(createHmac('sha256', secret).update(rawBody).digest('base64')),
  ]
  return given.length === expected.length && timingSafeEqual(given, expected)
}

/**
 * The metadata of a message. The webhooks about the message are expected to return it: they have a member `metaData`,
 * which the documentation shows empty.
 */
export function writeMetadata (callbackKey: string): { verigate: string } {
  return { verigate: callbackKey }
}

/** The callback key in a webhook's metadata, empty when it has none; null when the body is not a webhook. */
export function readWebhook (body: unknown): string | null {
  if (!webhook.Check(body)) return null
  const { metaData, metadata = metaData } = body.data
  return ourMetadata.Check(metadata) ? metadata.verigate : ''
}

/**
 * A wrong code is documented as a 400, not as a 200 that says false; both are read. "Already verified" is a success
 * when
 * the same code was sent before.
 */
export function judgeOtp (
  status: number, body: unknown, requestId: string, repeated: boolean,
): 'correct' | 'incorrect' | Reason {
  if (status >= 400) {
    const code = readErrorCode(body)
    if (incorrect.includes(code)) return 'incorrect'
    return code === alreadyVerified && repeated ? 'correct' : readRefusal(body)
  }
  if (!otpAnswer.Check(body) || (body.requestId ?? requestId) !== requestId) return 'provider_bad_response'
  return body.isOTPVerified ? 'correct' : 'incorrect'
}

/**
 * What a token proves: a verified MOBILE identity, the expected one if it is among them. An e-mail address, and a
 * number
 * that OTPLESS did not verify, prove nothing.
 */
export function judgeToken (body: unknown, expected: string | null): Proof | Reason {
  if (!tokenAnswer.Check(body)) return 'provider_bad_response'
  const mobiles = body.identities.filter(({ identityType }) => identityType === 'MOBILE')
  if (mobiles.length === 0) return 'evidence_invalid'
  const verified = mobiles.filter(identity => provenIdentity.Check(identity))
  if (verified.length === 0) return 'number_mismatch'
  const readable = verified.flatMap(identity => {
    const phoneNumber = readPhoneNumber(identity.identityValue, expected)
    if (phoneNumber === null) return []
    return [{ phoneNumber, profile: readProfile(identity), assurance: assuranceOfIdentity(identity) }]
  })
  const chosen = readable.find(({ phoneNumber }) => phoneNumber === expected) ?? readable[0]
  if (chosen === undefined) return 'provider_bad_response'
  const { phoneNumber, profile, assurance } = chosen
  const proof: Proof = { phoneNumber, assurance }
  const signals = readSignals({ network: body.network, device: body.deviceInfo, secure: body.secureInfo })
  if (Object.keys(profile).length > 0) proof.profile = profile
  if (Object.keys(signals).length > 0) proof.signals = signals
  return proof
}

function readProfile (identity: unknown): Profile {
  const profile: Profile = {}
  // One display name, and nothing says where the first name ends.
  if (namedIdentity.Check(identity)) profile.name = { first: identity.name }
  if (picturedIdentity.Check(identity)) profile.avatarUrl = identity.picture
  return profile
}

function readSignals (from: { [name: string]: unknown }): { [name: string]: Json } {
  const signals: { [name: string]: Json } = {}
  for (const [name, value] of Object.entries(from)) {
    if (typeof value !== 'object' || value === null || isDeeper(value, maxSignalDepth)) continue
    const text = JSON.stringify(value)
    if (Buffer.byteLength(text) <= maxSignalBytes) signals[name] = JSON.parse(text)
  }
  return signals
}

/** Whether it has more than `maxDepth` levels. `JSON.stringify` fails on a value that is nested too deeply. */
function isDeeper (value: unknown, maxDepth: number): boolean {
  return typeof value === 'object' && value !== null && (
    maxDepth === 0 || Object.values(value).some(member => isDeeper(member, maxDepth - 1))
  )
}

function readErrorCode (body: unknown): string {
  return errorAnswer.Check(body) ? String(body.errorCode) : ''
}
