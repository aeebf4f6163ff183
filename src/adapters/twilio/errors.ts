import type { ProviderError } from '../../core/errors.ts'
import type { Reason } from '../../core/reasons.ts'
import { membersOf, readString, readText } from '../message.ts'

export const provider = 'twilio'

/**
 * https://www.twilio.com/docs/verify/api/error-codes and https://www.twilio.com/docs/api/errors. What depends on the
 * number is not a fault of the account: one number must not cost other users the method.
 */
const codes = new Map<string, Reason>([
  ['20003', 'provider_misconfigured'], // credentials
  ['20005', 'provider_misconfigured'], // account not active
  ['20008', 'provider_misconfigured'], // test credentials
  ['20429', 'rate_limited_by_provider'],
  ['21211', 'carrier_unsupported'], // phone number
  ['21608', 'carrier_unsupported'], // a trial account may send to its own numbers only
  ['60008', 'carrier_unsupported'], // silent check: carrier
  ['60033', 'carrier_unsupported'], // phone number
  ['60082', 'carrier_unsupported'], // landline
  ['60083', 'carrier_unsupported'], // phone number of another kind
  ['60201', 'provider_misconfigured'], // template translation not approved
  ['60204', 'provider_misconfigured'], // feature not enabled for the service
  ['60205', 'carrier_unsupported'], // landline
  ['60217', 'provider_misconfigured'], // service configuration
  ['60220', 'carrier_unsupported'], // China, without a vetted use case
  ['60223', 'provider_misconfigured'], // channel disabled
  ['60228', 'provider_misconfigured'], // template not found
  ['60238', 'carrier_unsupported'], // blocked country, or an account under review
  ['60410', 'carrier_unsupported'], // blocked by Fraud Guard
  ['60605', 'carrier_unsupported'], // blocked by Geo Permissions
  ['68008', 'provider_misconfigured'], // WhatsApp not configured
  ['70051', 'provider_misconfigured'], // authorization failed
])

/** Limits of one number, which Twilio answers with 429 as well. */
const numberLimits = ['60202', '60203', '60212']

/**
 * Failed silent checks, in `sna_attempts_error_codes`. Every other code: the check has no result at this carrier.
 * https://www.twilio.com/docs/verify/best-practices-for-verify-sna-error-handling
 */
const silentCodes = new Map<string, Reason>([
  ['60008', 'carrier_unsupported'],
  ['60500', 'number_mismatch'],
  ['60530', 'carrier_unsupported'],
  ['60531', 'not_on_cellular'], // the address is not that of a carrier
  ['60532', 'not_on_cellular'], // it is that of another carrier: the other SIM, or Wi-Fi
  ['60540', 'carrier_unsupported'], // phone number
])
/** The check is not over yet. */
export const silentPending = '60519'

export const reasonOfSilentCode = (code: string): Reason => silentCodes.get(code) ?? 'provider_error'

/** The code of an error; null: none. */
export const readErrorCode = (body: unknown): string | null => readText(membersOf(body).code, 16)

/** The parameter of our request that Twilio calls invalid (60200). Null: the answer names none. */
const readParameter = (body: unknown): string | null =>
  /parameter:?\s*[`'"]?(\w{1,40})/i.exec(readString(membersOf(body).message, 1000) ?? '')?.[1] ?? null

/** Why a request was refused; null: it was not. A code is an error, whatever the status. */
export function readError (status: number, body: unknown): Reason | null {
  const code = readErrorCode(body)
  if (status < 400 && code === null) return null
  if (code === '60200') {
    // A channel that is not enabled is a fault of the account; every other value depends on the user.
    return readParameter(body) === 'Channel' ? 'provider_misconfigured' : 'carrier_unsupported'
  }
  const known = code === null ? undefined : codes.get(code)
  if (known !== undefined) return known
  // The service of the path, or bad credentials.
  return status === 404 || status === 401 ? 'provider_misconfigured' : 'provider_bad_response'
}

/** The status 429 means a limit of this number, and not of the account. */
export const isLimitOfNumber = ({ status, vendor }: ProviderError): boolean =>
  status === 429 && numberLimits.some(code => code === vendor?.code)
