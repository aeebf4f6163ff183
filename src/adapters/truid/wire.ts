import type { Reason } from '../../core/reasons.ts'
import type { Money } from '../../core/vocabulary.ts'
import { createReader, membersOf, readBoolean, readNumber, readString, readText, upTo } from '../message.ts'

// https://developer.tru.id/docs/phone-check/integration and github.com/tru-ID/api-definitions

/**
 * The products that compare a number with the SIM that opens a URL. The name is that of the product's path, of the
 * scope of its tokens, and of the method.
 */
export const products = ['phone_check', 'subscriber_check'] as const
export type Product = typeof products[number]

export const versions = ['v0.2', 'v0.1'] as const
export type Version = typeof versions[number]

/** What the state of an attempt says about its check. */
export type Check = { checkId: string, self: string, version: Version }
/** A new check: what the device opens, how long it lives, and what it costs. */
export type CreatedCheck = Omit<Check, 'version'> & {
  checkUrl: string, ttlSeconds: number | null, cost: Money | null, balance: Money | null,
}
export type Verdict = 'match' | 'pending' | Reason

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
  ['too_many_requests', 'rate_limited_by_provider'],
])

/** How long a token is used whose life is not stated. */
const defaultTokenSeconds = 300

/** The bearer token and its life in seconds; or, also in a 200, why there is none. The error codes are RFC 6749's. */
export function readToken (status: number, body: unknown): { token: string, expiresIn: number } | Reason {
  const { access_token, expires_in, error } = membersOf(body)
  const token = readString(access_token, 8192)
  if (['invalid_client', 'unauthorized_client', 'invalid_scope'].includes(readString(error) ?? '')) {
    return 'provider_misconfigured'
  }
  if (status === 401 || status === 403) return 'provider_misconfigured'
  const isUsable = status < 300 && token !== null && /^[A-Za-z0-9._~+/=-]+$/.test(token)
  if (!isUsable || readString(error) !== null) return 'provider_bad_response'
  return { token, expiresIn: Math.max(0, readNumber(expires_in) ?? defaultTokenSeconds) }
}

const readType = upTo(512, readString)
const readLink = createReader({ href: upTo(2048, readString) })

/** A check, or a problem document. */
const readMessage = createReader({
  type: readType, status: readString, error_code: readString, check_id: upTo(128, readText),
  match: readBoolean, ttl: readNumber, charge_amount: readNumber, charge_currency: readString,
  snapshot_balance: readNumber, _links: createReader({ self: readLink, check_url: readLink }),
})
type Message = ReturnType<typeof readMessage>

/**
 * A new check, or why there is none. Links are used as returned, and must be on the API's own origin: one receives the
 * access token, the user opens the other.
 */
export function readCreated (status: number, body: unknown, origin: string): CreatedCheck | Reason {
  const message = readMessage(body)
  if (status >= 300 || isProblemType(message.type)) return readCreateRefusal(status, message)
  const error = readCheckError(message)
  if (error !== null) return error
  const { check_id: checkId, _links: links, ttl, charge_amount, charge_currency, snapshot_balance } = message
  const [self, checkUrl] = [links.self.href, links.check_url.href]
  const isUsable = checkId !== null && isOnOrigin(self, origin) && isOnOrigin(checkUrl, origin)
  if (!isUsable) return 'provider_bad_response'
  return {
    checkId, self, checkUrl, ttlSeconds: ttl,
    cost: moneyOf(charge_amount, charge_currency), balance: moneyOf(snapshot_balance, charge_currency),
  }
}

const moneyOf = (amount: number | null, currency: string | null): Money | null =>
  amount !== null && currency !== null && /^[A-Z]{3}$/.test(currency) ? { amount, currency } : null

function isOnOrigin (link: string | null, origin: string): link is string {
  const isExact = link !== null && URL.parse(link)?.href === link
  return isExact && link.startsWith(`${origin}/`) && !link.includes('#')
}

export function readState (value: unknown): Check | null {
  const { checkId, self, version: name } = membersOf(value)
  const version = versions.find(known => known === name)
  return typeof checkId === 'string' && typeof self === 'string' && version !== undefined
    ? { checkId, self, version }
    : null
}

/**
 * The code of the evidence `{ code }`; undefined when it has no code, null when the code is unusable. It has visible
 * characters only: tru.ID may ignore white space, and a used code with a blank more must not count as another.
 */
export function readCode (evidence: unknown): string | null | undefined {
  const { code } = membersOf(evidence)
  if (code === undefined) return undefined
  const text = readString(code)
  return text !== null && /^[\x21-\x7e]+$/.test(text) ? text : null
}

/** Whether it names a check and a status. It only says when to query tru.ID; its content proves nothing. */
export function isCallback (body: unknown): boolean {
  const { check_id, status } = readMessage(body)
  return check_id !== null && status !== null
}

/** Why a check was not created. A 400 without a type means that the country is not supported. */
function readCreateRefusal (status: number, message: Message): Reason {
  const type = problemOf(message.type)
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

/**
 * What the answer to a code says. Only 404 is documented as a refusal (URL not opened yet); a wrong or used code is
 * some 4xx.
 */
export function judgeExchange (status: number, body: unknown, id: string): Verdict {
  return judgeAnswer(status, body, id) ?? 'evidence_invalid'
}

/** What the answer to the query of a check that we created says. */
export function judgeQuery (status: number, body: unknown, id: string): Verdict {
  return judgeAnswer(status, body, id) ?? 'provider_bad_response'
}

/** Null: a refusal whose problem has no documented meaning. */
function judgeAnswer (status: number, body: unknown, id: string): Verdict | null {
  const message = readMessage(body)
  if (status < 300 && !isProblemType(message.type)) return judgeCheck(message, id)
  if (status === 402 || status === 403) return 'provider_misconfigured'
  return reasonOf.get(problemOf(message.type)) ?? null
}

/** The period of `no_sim_change` when the request names none: seven days. */
const defaultSimPeriodMinutes = 10_080

/**
 * Minutes within which the SIM of the number was changed, as a SubscriberCheck or a SIMCheck says. Not every operator
 * says when; `no_sim_change: false` alone means within the period. Null: the answer does not say.
 */
export function readSimChange (body: unknown): number | null {
  const { sim_change_within, no_sim_change, no_sim_change_period } = membersOf(body)
  const within = readMinutes(sim_change_within)
  if (within !== null || readBoolean(no_sim_change) !== false) return within
  return readMinutes(no_sim_change_period) ?? defaultSimPeriodMinutes
}

function readMinutes (value: unknown): number | null {
  const minutes = readNumber(value)
  return minutes !== null && minutes >= 0 ? minutes : null
}

/** As `readSimChange`, for the answer to a SIMCheck: null also for an error or an unfinished check. */
export function readSimCheck (status: number, body: unknown): number | null {
  const message = readMessage(body)
  const isAnswer = status < 300 && !isProblemType(message.type) && readCheckError(message) === null
  return isAnswer && message.status === 'COMPLETED' ? readSimChange(body) : null
}

/** Whether the error is that of one carrier's network: `mno_…`, as the code of a check or the type of a problem. */
export function isOfCarrier (body: unknown): boolean {
  const { error_code, type } = readMessage(body)
  return [error_code ?? '', problemOf(type)].some(code => code.startsWith('mno_'))
}

/** The reason for the `error` at the end of a redirect chain. */
export function readReturnError (error: string): Reason {
  return reasonOf.get(error) ?? 'provider_error'
}

/** An absent `match` is neither true nor false; beside an error, `match` is meaningless. */
function judgeCheck (message: Message, id: string): Verdict {
  const { check_id, status, match } = message
  if (check_id !== id) return 'provider_bad_response'
  const error = readCheckError(message)
  if (error !== null) return error
  switch (status) {
    case 'ACCEPTED': case 'PENDING': return 'pending'
    case 'EXPIRED': return 'evidence_expired'
    case 'COMPLETED': switch (match) {
      case true: return 'match'
      case false: return 'number_mismatch'
      default: return 'provider_bad_response'
    }
    default: return 'provider_bad_response'
  }
}

/** Why a check failed, by its error code, whatever its status; null when it has not. */
function readCheckError ({ status, error_code: code }: Message): Reason | null {
  return status === 'ERROR' || code !== null ? reasonOf.get(code ?? '') ?? 'provider_error' : null
}

/** A problem document, whatever the HTTP status: its type is a URL with the name of the problem as fragment. */
export const isProblem = (body: unknown): boolean => isProblemType(readType(membersOf(body).type))

export const readProblemType = (body: unknown): string => problemOf(readType(membersOf(body).type))

const isProblemType = (type: string | null): boolean => type?.includes('#') === true

const problemOf = (type: string | null): string => type?.slice(type.lastIndexOf('#') + 1) ?? ''
