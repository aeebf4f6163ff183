import type { Reason } from '../../core/reasons.ts'
import { membersOf, readText } from '../message.ts'

export const provider = 'otpless'

/**
 * https://otpless.com/docs/api-reference/error_codes, by HTTP status, and …/sign-in/sna/errors. The text of an error is
 * not used.
 */
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
  // In a silent check that failed, with the status 200. The documents disagree about SP40020 and above.
  ['SP40004', 'carrier_unsupported'], // country
  ['SP40005', 'carrier_unsupported'], // operator
  ['SP40006', 'carrier_unsupported'], // operator not enabled
  ['SP40007', 'not_on_cellular'], // the network is not that of the number: Wi-Fi, or another SIM
  ['SP40008', 'carrier_unsupported'], // phone number
  ['SP40009', 'not_on_cellular'], // the operator did not recognise the connection
  ['SP40011', 'number_mismatch'], // the number is not that of the SIM
  ['SP40012', 'evidence_expired'], // session expired
  ['SP40014', 'provider_timeout'],
  ['SP40015', 'not_on_cellular'], // no data connection
  ['7128', 'provider_error'], // the operator failed
  ['7129', 'not_on_cellular'], // the operator saw another address
  ['7130', 'provider_error'], // verification failed without a result
  ['5404', 'provider_error'],
])
/** Every other code of a silent check: the check has no result. */
const silentCheck = /^SP\d+$/
/** Silent checks that failed, or could not start, for one operator or device. `SP5…` and `SP9…` are OTPLESS's own. */
const ofCarrier = /^(SP[34]\d+|7128|7130|7160|5404)$/

/** The user typed a wrong code, or one of a wrong length. */
export const isWrongOtp = (code: string | null): boolean => code === '7118' || code === '7116' || code === '7112'
export const alreadyVerified = '7115'
/** The silent check was not started on the device yet. Documented as "keep polling". */
export const notStarted = '7170'

/**
 * Why an answer is an error; null when it is not. An error code is an error with any HTTP status. A 401 may mean
 * an expired token, and then has a code; the documented 401 without a code means bad credentials.
 */
export function readError (status: number, body: unknown): Reason | null {
  const code = readErrorCode(body)
  if (code !== null) return codes.get(code) ?? (silentCheck.test(code) ? 'provider_error' : 'provider_bad_response')
  if (status === 401) return 'provider_misconfigured'
  return status >= 400 ? 'provider_bad_response' : null
}

/** As `readError`, for an answer about a token or code. Documented with a message only: a 400 means the evidence. */
export function readEvidenceError (status: number, body: unknown): Reason | null {
  return status === 400 && readErrorCode(body) === null ? 'evidence_invalid' : readError(status, body)
}

/** The `errorCode` of an answer, wherever OTPLESS puts it; null: none. A value that is not a code is `unknown`. */
export function readErrorCode (body: unknown): string | null {
  const { errorCode, error } = membersOf(body)
  const code = errorCode ?? membersOf(error).errorCode ?? ''
  return code === '' ? null : readText(code) ?? 'unknown'
}

/** A silent check failed at one operator or device, which says nothing about OTPLESS. */
export function isOfCarrier (body: unknown): boolean {
  const code = readErrorCode(body)
  return code === null ? membersOf(body).status === 'FAILED' : ofCarrier.test(code)
}
