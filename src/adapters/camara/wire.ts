import type { Reason } from '../../core/reasons.ts'
import { createReader, membersOf, readBoolean, readList, readNumber, readString, readText, upTo } from '../message.ts'

// https://github.com/camaraproject: NumberVerification, OTPValidation and SimSwap, and the error responses of
// IdentityAndConsentManagement (CAMARA-Security-Interoperability.md, appendix A)

/** How long an access token is used when the answer does not say how long it is valid. */
const defaultTokenSeconds = 60

/** Where an operator authorizes users and issues tokens. */
export type Metadata = { authorizeUrl: string | null, tokenUrl: string, algorithms: string[] }

const readMetadata = createReader({
  issuer: upTo(512, readString), authorization_endpoint: upTo(2048, readString),
  token_endpoint: upTo(2048, readString),
})

/**
 * The provider metadata of an issuer (OpenID Connect Discovery, section 4.2), or why they cannot be used. When they
 * name another issuer, `CAMARA_ISSUER` is wrong.
 */
export function readDiscovery (status: number, body: unknown, issuer: string): Metadata | Reason {
  if (status >= 400) return 'provider_misconfigured'
  const { issuer: named, authorization_endpoint: authorizeUrl, token_endpoint: tokenUrl } = readMetadata(body)
  if (named === null || tokenUrl === null || !isUrl(tokenUrl)) return 'provider_bad_response'
  if (named.replace(/\/+$/, '') !== issuer) return 'provider_misconfigured'
  const algorithms = readList(membersOf(body).token_endpoint_auth_signing_alg_values_supported, 32)
  return {
    authorizeUrl: authorizeUrl !== null && isUrl(authorizeUrl) ? authorizeUrl : null, tokenUrl,
    algorithms: algorithms.flatMap(name => readString(name) ?? []),
  }
}

const isUrl = (text: string): boolean => {
  const url = URL.parse(text)
  return url !== null && /^https?:$/.test(url.protocol) && text.startsWith(`${url.origin}/`) && !text.includes('#')
}

/**
 * The errors of a token endpoint that say something about the client, which the operator of this gateway has set up.
 */
const clientErrors = ['invalid_client', 'unauthorized_client', 'invalid_scope', 'unsupported_grant_type']

export type Token = { value: string, expiresIn: number }

/** An access token for `scope`, or why there is none (RFC 6749, section 5). The life is in seconds. */
export function readToken (status: number, body: unknown, scope: string): Token | Reason {
  const { access_token, expires_in, error, scope: granted } = membersOf(body)
  const code = readString(error)
  if (code === 'invalid_grant') return 'evidence_invalid'
  if (status === 401 || status === 403 || clientErrors.includes(code ?? '')) return 'provider_misconfigured'
  const value = readString(access_token, 8192)
  const isUsable = status < 300 && code === null && value !== null && /^[A-Za-z0-9._~+/=-]+$/.test(value)
  if (!isUsable) return 'provider_bad_response'
  // An operator that grants less says so; one that says nothing grants what was asked for.
  const scopes = readString(granted, 2048)?.split(' ')
  if (scopes !== undefined && !scopes.includes(scope)) return 'provider_misconfigured'
  return { value, expiresIn: Math.max(0, readNumber(expires_in) ?? defaultTokenSeconds) }
}

/** The errors of a redirect. The user is not asked, so no error is a decision of the user. */
const redirectReasons = new Map<string, Reason>([
  // The network did not identify the device, and the operator may not ask the user.
  ['login_required', 'not_on_cellular'],
  ['interaction_required', 'not_on_cellular'],
  ['account_selection_required', 'not_on_cellular'],
  // The operator may not serve this line: its owner opted out, or has not given the consent that the law demands.
  ['access_denied', 'carrier_unsupported'],
  ['consent_required', 'carrier_unsupported'],
  ['invalid_request', 'provider_misconfigured'],
  ['unauthorized_client', 'provider_misconfigured'],
  ['unsupported_response_type', 'provider_misconfigured'],
  ['invalid_scope', 'provider_misconfigured'],
])

export const readRedirectError = (error: string): Reason => redirectReasons.get(error) ?? 'provider_error'

/** An authorization code: visible characters of ASCII. */
export function readCode (evidence: unknown): string | null {
  const code = readString(membersOf(evidence).code, 2048)
  return code !== null && /^[\x21-\x7e]+$/.test(code) ? code : null
}

/** Codes of CAMARA's errors, in capital letters and after the name of the API. */
const errorReasons = new Map<string, Reason>([
  ['USER_NOT_AUTHENTICATED_BY_MOBILE_NETWORK', 'not_on_cellular'],
  ['INVALID_TOKEN_CONTEXT', 'carrier_unsupported'],
  ['NOT_FOUND', 'carrier_unsupported'],
  ['IDENTIFIER_NOT_FOUND', 'carrier_unsupported'],
  ['SERVICE_NOT_APPLICABLE', 'carrier_unsupported'],
  ['PHONE_NUMBER_NOT_ALLOWED', 'carrier_unsupported'],
  ['PHONE_NUMBER_BLOCKED', 'carrier_unsupported'],
  ['MAX_OTP_CODES_EXCEEDED', 'recently_tried'],
  ['INVALID_OTP', 'evidence_invalid'],
  ['VERIFICATION_EXPIRED', 'evidence_expired'],
  ['VERIFICATION_FAILED', 'code_attempts_exhausted'],
  ['UNAUTHENTICATED', 'provider_misconfigured'],
  ['PERMISSION_DENIED', 'provider_misconfigured'],
])

/** The code of an error answer, whatever the HTTP status, without the name of the API; null when there is none. */
export const readErrorCode = (body: unknown): string | null => {
  const code = readString(membersOf(body).code)
  return code === null ? null : code.slice(code.lastIndexOf('.') + 1)
}

/**
 * Why a call of an API failed; null when it did not. A 404 without a code means that the operator does not have the
 * path: `CAMARA_API_URL` or the version of a service is wrong.
 */
export function readRefusal (status: number, body: unknown): Reason | null {
  const code = readErrorCode(body)
  if (status < 300 && code === null) return null
  const reason = errorReasons.get(code ?? '')
  if (reason !== undefined) return reason
  // An unknown code may be about the number. 401 is about our credentials, whatever its code.
  const isOfAccount = status === 401 || (code === null && (status === 403 || status === 404))
  return isOfAccount ? 'provider_misconfigured' : 'provider_bad_response'
}

/** Whether the number is that of the device; null: the answer does not say. */
export const readVerified = (body: unknown): boolean | null => readBoolean(membersOf(body).devicePhoneNumberVerified)

/** Whether the SIM was swapped in the period; null: the answer does not say. */
export const readSwapped = (body: unknown): boolean | null => readBoolean(membersOf(body).swapped)

/** The id of a code that was sent: documented with at most 36 characters. */
export const readAuthenticationId = (body: unknown): string | null => readText(membersOf(body).authenticationId, 128)
