import { createHmac, timingSafeEqual } from 'node:crypto'
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { Reason } from '../../core/reasons.ts'
import { membersOf, readBoolean, readText } from '../message.ts'

// https://otpless.com/docs/api-reference: initiate and verify OTP, error codes, webhooks

const stateOfOtp = Compile(Type.Object({ requestId: Type.String({ minLength: 1, maxLength: 256 }) }))
const codeEvidence = Compile(Type.Object({ code: Type.String({ maxLength: 64 }) }))
// Visible characters only: OTPLESS may ignore white space, and a used token with a blank more must not count as
// another.
const tokenEvidence = Compile(Type.Object({ token: Type.String({ maxLength: 4096, pattern: '^[\\x21-\\x7e]+$' }) }))

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

/**
 * Why an answer is an error; null when it is none. An error code is an error whatever the HTTP status. A 401 may mean
 * an expired token, and then has a code; the documented 401 without a code means bad credentials.
 */
export function readError (status: number, body: unknown): Reason | null {
  const code = readErrorCode(body)
  if (code !== null) return codes.get(code) ?? 'provider_bad_response'
  if (status === 401) return 'provider_misconfigured'
  return status >= 400 ? 'provider_bad_response' : null
}

/**
 * The request id of an OTP that was sent, or why nothing was sent. No evidence exists yet, so an error about evidence
 * breaks the contract.
 */
export function readStarted (status: number, body: unknown): { requestId: string } | Reason {
  const error = readError(status, body)
  if (error !== null) return error.startsWith('evidence_') ? 'provider_bad_response' : error
  const requestId = readText(membersOf(body).requestId)
  return requestId === null ? 'provider_bad_response' : { requestId }
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

/** The callback key in a webhook's metadata, empty when it has none; null when the body is not an object. */
export function readWebhook (body: unknown): string | null {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return null
  const { metadata, metaData } = membersOf(membersOf(body).data)
  return readText(membersOf(metadata ?? metaData).verigate) ?? ''
}

/**
 * A wrong code is documented as a 400, not as a 200 that says false; both are read. "Already verified" is a success
 * when the same code was sent before.
 */
export function judgeOtp (
  status: number, body: unknown, requestId: string, repeated: boolean,
): 'correct' | 'incorrect' | Reason {
  const code = readErrorCode(body)
  if (code !== null && incorrect.includes(code)) return 'incorrect'
  if (code === alreadyVerified && repeated) return 'correct'
  const error = readError(status, body)
  if (error !== null) return error
  const { requestId: ofRequest, isOTPVerified } = membersOf(body)
  const isVerified = readBoolean(isOTPVerified)
  if (isVerified === null || (readText(ofRequest) ?? requestId) !== requestId) return 'provider_bad_response'
  return isVerified ? 'correct' : 'incorrect'
}

/** The `errorCode` of an answer, wherever OTPLESS puts it; null: none. A value that is not a code is `unknown`. */
export function readErrorCode (body: unknown): string | null {
  const { errorCode, error } = membersOf(body)
  const code = errorCode ?? membersOf(error).errorCode ?? ''
  return code === '' ? null : readText(code) ?? 'unknown'
}
