import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { Reason } from '../../core/reasons.ts'

// https://developer.tru.id/docs/phone-check/integration and github.com/tru-ID/api-definitions

const href = Type.Object({ href: Type.String({ minLength: 1, maxLength: 2048 }) })
const checkId = Type.String({ minLength: 1, maxLength: 128 })
// Visible characters only: tru.ID may ignore white space, and a used code with a blank more must not count as another.
const code = Type.String({ maxLength: 256, pattern: '^[\\x21-\\x7e]+$' })
const identifier = Type.String({ maxLength: 128 })

const tokenAnswer = Compile(Type.Object({
  access_token: Type.String({ minLength: 1, maxLength: 8192, pattern: '^[A-Za-z0-9._~+/=-]+$' }),
  expires_in: Type.Number({ minimum: 0 }),
}))
const tokenError = Compile(
  Type.Object({ error: Type.Enum(['invalid_client', 'unauthorized_client', 'invalid_scope']) }),
)
const created = Compile(Type.Object({ check_id: checkId, _links: Type.Object({ self: href, check_url: href }) }))
const check = Compile(Type.Object({
  check_id: checkId,
  status: identifier,
  match: Type.Optional(Type.Boolean()),
  error_code: Type.Optional(identifier),
}))
const problem = Compile(Type.Object({ type: Type.String({ maxLength: 512 }) }))
const callback = Compile(Type.Object({ check_id: checkId, status: identifier }))
const stateOfCheck = Type.Object({ checkId, self: Type.String(), version: Type.Enum(['v0.1', 'v0.2']) })
const state = Compile(stateOfCheck)
const codeEvidence = Compile(Type.Object({ code }))
const anyCode = Compile(Type.Object({ code: Type.Unknown() }))

/** What the state of an attempt says about its check. */
export type Check = Type.Static<typeof stateOfCheck>

/** Problem types (the fragment of `type`), and the `error_code` of a check in `ERROR`. */
const reasonOf = new Map<string, Reason>([
  ['phone_format_invalid', 'carrier_unsupported'],
  ['ip_msisdn_mismatch', 'device_mismatch'],
  ['ip_mismatch', 'device_mismatch'],
  ['not_mobile_ip', 'not_on_cellular'],
  ['mno_not_supported', 'carrier_unsupported'],
  ['mno_redirect_unsupported', 'carrier_unsupported'],
  // Possible causes: an unsupported virtual operator, and an operator that must not share the data.
  ['mno_user_not_found', 'carrier_unsupported'],
  ['mno_no_data_available', 'carrier_unsupported'],
  ['mno_timeout', 'provider_timeout'],
  ['mno_response_error', 'provider_error'],
  ['mno_server_error', 'provider_error'],
  ['forbidden', 'provider_misconfigured'],
])

/** The bearer token and its life in seconds. */
export function readToken (body: unknown): { token: string, expiresIn: number } | null {
  return tokenAnswer.Check(body) ? { token: body.access_token, expiresIn: body.expires_in } : null
}

/** Why there is no token. Only success is documented; the error codes are those of RFC 6749. */
export function readTokenRefusal (status: number, body: unknown): Reason {
  return status === 401 || status === 403 || tokenError.Check(body) ? 'provider_misconfigured' : 'provider_bad_response'
}

/**
 * Links are used as returned, and must be on the API's own origin: one receives the access token, the user opens the
 * other.
 */
export function readCreated (body: unknown, origin: string): {
  checkId: string, self: string, checkUrl: string,
} | null {
  if (!created.Check(body)) return null
  const { self: { href: self }, check_url: { href: checkUrl } } = body._links
  return isOnOrigin(self, origin) && isOnOrigin(checkUrl, origin) ? { checkId: body.check_id, self, checkUrl } : null
}

function isOnOrigin (link: string, origin: string): boolean {
  return link.startsWith(`${origin}/`) && !link.includes('#') && URL.parse(link)?.href === link
}

export function readState (value: unknown): Check | null {
  return state.Check(value) ? value : null
}

/** The code of the evidence `{ code }`; undefined when it has no code, null when the code is unusable. */
export function readCode (evidence: unknown): string | null | undefined {
  if (codeEvidence.Check(evidence)) return evidence.code
  return anyCode.Check(evidence) ? null : undefined
}

/** Whether it names a check and a status. It only says when to query tru.ID; its content proves nothing. */
export function isCallback (body: unknown): boolean {
  return callback.Check(body)
}

/** Why a check was not created. A 400 without a type means that the country is not supported. */
export function readCreateRefusal (status: number, body: unknown): Reason {
  const type = readProblemType(body)
  const reason = reasonOf.get(type)
  if (reason !== undefined) return reason
  switch (status) {
    case 400: return type === 'bad_request' ? 'provider_bad_response' : 'carrier_unsupported'
    case 402: case 403: return 'provider_misconfigured'
    case 409: return 'device_mismatch'
    case 412: return 'not_on_cellular'
    default: return 'provider_bad_response'
  }
}

/** Why a code was not exchanged. Only 404 is documented (URL not opened yet); a wrong or used code is some 4xx. */
export function readExchangeRefusal (status: number, body: unknown): Reason {
  if (status === 402 || status === 403) return 'provider_misconfigured'
  return reasonOf.get(readProblemType(body)) ?? 'evidence_invalid'
}

/** Why a check that we created could not be read. */
export function readCheckRefusal (status: number, body: unknown): Reason {
  if (status === 402 || status === 403) return 'provider_misconfigured'
  return reasonOf.get(readProblemType(body)) ?? 'provider_bad_response'
}

/** The reason for the `error` at the end of a redirect chain. */
export function readReturnError (error: string): Reason {
  return reasonOf.get(error) ?? 'provider_error'
}

/**
 * The result of a check. An absent `match` is neither true nor false; in the status `ERROR`, `match` is meaningless.
 */
export function judgeCheck (body: unknown, id: string): 'match' | 'pending' | Reason {
  if (!check.Check(body) || body.check_id !== id) return 'provider_bad_response'
  switch (body.status) {
    case 'ACCEPTED': case 'PENDING': return 'pending'
    case 'EXPIRED': return 'evidence_expired'
    case 'ERROR': return reasonOf.get(body.error_code ?? '') ?? 'provider_error'
    case 'COMPLETED':
      if (body.match === undefined) return 'provider_bad_response'
      return body.match ? 'match' : 'number_mismatch'
    default: return 'provider_bad_response'
  }
}

function readProblemType (body: unknown): string {
  if (!problem.Check(body)) return ''
  return body.type.slice(body.type.lastIndexOf('#') + 1)
}
