import createError from '@fastify/error'
import type { Reason } from './reasons.ts'

/**
 * Every error the API can answer, in one table: status, the sentence of `title`, when it happens, and what the caller should do about it.
 * The word is the `code` of the problem+json answer (RFC 9457).
 */
export const apiErrors = {
  invalid_request: {
    status: 400, title: 'The request is not valid',
    when: 'A field, parameter or header is missing, unknown or not of the documented form, the body is not JSON, or this is no HTTP that can be read.',
    advice: 'Correct the fields named in `errors` and send it again.',
  },
  unauthenticated: {
    status: 401, title: 'No valid credentials',
    when: '`Authorization` is missing, is not a bearer token, or names no key and no secret that we know.',
    advice: 'Send `Authorization: Bearer <API key>` (or the client secret on the calls that take it).',
  },
  forbidden: {
    status: 403, title: 'Not allowed with these credentials',
    when: 'The key lacks a scope, or a client secret was sent to a call that takes API keys only.',
    advice: 'Use a key that has the scope named in `detail`.',
  },
  not_found: {
    status: 404, title: 'Not found',
    when: 'There is nothing of that name, or it belongs to somebody else.',
    advice: 'Check the path and the id.',
  },
  method_not_allowed: {
    status: 405, title: 'Method not allowed',
    when: 'The path exists, but not with this method.',
    advice: 'Use one of the methods of the `Allow` header.',
  },
  invalid_state: {
    status: 409, title: 'Not possible in this state',
    when: 'What was asked for does not fit the present state: it is over, other evidence is wanted, or the app has no webhook.',
    advice: 'Read the verification: `verificationStatus` tells where it stands.',
  },
  verification_in_progress: {
    status: 409, title: 'A verification of this number is in progress',
    when: 'The app already has a live verification of this number. It is never handed to a second caller, whose user may be another person.',
    advice: 'Wait for `verificationId`, cancel it, or create with `onConflict: "replace"`.',
  },
  idempotency_in_progress: {
    status: 409, title: 'The first request with this Idempotency-Key is still being worked on',
    when: 'The same request was sent again before the first one was done.',
    advice: 'Retry after `Retry-After` seconds with the same key.',
  },
  gone: {
    status: 410, title: 'No longer kept',
    when: 'The id is one of ours, but its verification was erased or its retention has passed.',
    advice: 'Keep what you need of an outcome when you read it; create a new verification.',
  },
  payload_too_large: {
    status: 413, title: 'The body is too large',
    when: 'The body is larger than 64 KiB.',
    advice: 'Send less.',
  },
  unsupported_media_type: {
    status: 415, title: 'Unsupported media type',
    when: 'The body is not declared as JSON.',
    advice: 'Send `application/json`.',
  },
  invalid_phone_number: {
    status: 422, title: 'Not a phone number',
    when: '`phoneNumber` is not E.164, or has a length that its country does not have.',
    advice: 'Send E.164 with a leading `+`, for example `+14155550100`.',
  },
  method_unavailable: {
    status: 422, title: 'A method of the workflow is not available',
    when: 'The workflow names a method that is unknown, or whose provider is not configured here.',
    advice: 'Choose from `GET /providers`.',
  },
  no_eligible_method: {
    status: 422, title: 'No method can serve this request',
    when: 'Every method of the workflow needs a phone number and none was given, or no configured method can start.',
    advice: 'Give a phone number, or a workflow with a method that needs none.',
  },
  idempotency_key_reused: {
    status: 422, title: 'This Idempotency-Key was used with another body',
    when: 'Within 24 hours the key was used with another body.',
    advice: 'Use a new key for a new request.',
  },
  code_incorrect: {
    status: 422, title: 'The code is not right',
    when: 'The provider refused the code. After the last try that is allowed the attempt ends, and the workflow goes on.',
    advice: 'Ask the user again while `attemptsRemaining` is above zero.',
  },
  country_not_allowed: {
    status: 422, title: 'Numbers of this country are not allowed',
    when: 'The country of the number is not among the app\'s `allowedCountries`.',
    advice: 'The operator decides which countries an app may verify.',
  },
  rate_limited: {
    status: 429, title: 'Too many requests',
    when: 'A limit was reached: of the app, of the number, or of how soon and how often this may be done.',
    advice: 'Retry after `Retry-After` seconds.',
  },
  internal_error: {
    status: 500, title: 'Something went wrong on our side',
    when: 'A fault of ours. It is in the log of the gateway, under the `requestId`.',
    advice: 'Retry with the same Idempotency-Key; tell the operator the `requestId`.',
  },
  overloaded: {
    status: 503, title: 'Too busy',
    when: 'The process is stopping, has too much to do, or could not finish in time.',
    advice: 'Retry after `Retry-After` seconds.',
  },
  provider_unavailable: {
    status: 503, title: 'The provider cannot be reached',
    when: 'The provider could not be reached. What it had done before is still good.',
    advice: 'Retry later.',
  },
  store_unavailable: {
    status: 503, title: 'The store cannot be reached',
    when: 'Redis did not answer. What was asked for may have been done, or not.',
    advice: 'Retry after `Retry-After` seconds with the same Idempotency-Key.',
  },
} as const satisfies Record<string, { status: number, title: string, when: string, advice: string }>

export type ApiErrorCode = keyof typeof apiErrors
/** Why a request was refused: a closed vocabulary for metrics and the audit log. */
export const refusalCauses = [
  'unauthenticated', 'forbidden', 'invalid_request', 'rate_limited_app', 'rate_limited_ip', 'rate_limited_client', 'rate_limited_creates', 'number_limit',
  'code_limit', 'ip_limit', 'prefix_limit', 'country_limit', 'country_not_allowed', 'unverified_budget', 'overloaded', 'store_unavailable', 'payload_too_large',
] as const
export type RefusalCause = typeof refusalCauses[number]
/** What the audit log tells of a refusal by policy; `numberTag` is that of the number's log lines. Not shown to the caller. */
export type PolicyRefusal = { cause: RefusalCause, numberTag?: string }

export type FieldError = { field: string, message: string }
export type ApiErrorExtra = {
  errors?: FieldError[]
  verificationStatus?: string
  verificationId?: string
  attemptsRemaining?: number
  retryAfterSeconds?: number
  refusal?: PolicyRefusal
}

const BaseError = createError('VERIGATE', '%s')

/** An answer of the API that is not a success. `detail` is shown to the caller: no number, no secret, no vendor word. */
export class ApiError extends BaseError {
  readonly apiCode: ApiErrorCode
  readonly extra: ApiErrorExtra
  constructor (apiCode: ApiErrorCode, detail: string, extra: ApiErrorExtra = {}) {
    super(detail)
    this.apiCode = apiCode
    this.extra = extra
    this.statusCode = apiErrors[apiCode].status
  }
}

/** What it is about was erased meanwhile, or its retention has passed. */
export const isGone = (error: unknown): boolean => error instanceof ApiError && error.apiCode === 'gone'

/**
 * The provider could not tell us: an outage, a timeout, an answer that breaks its contract, bad credentials.
 * Never a "no" (that is an outcome). The message is provider, call and status; never body, query or headers.
 */
export class ProviderError extends Error {
  readonly provider: string
  readonly reason: Reason
  readonly retryable: boolean
  readonly status: number | null
  readonly retryAfterMs: number | null
  constructor (
    provider: string,
    call: string,
    reason: Reason,
    { retryable = false, status = null, retryAfterMs = null }: { retryable?: boolean, status?: number | null, retryAfterMs?: number | null } = {},
  ) {
    super(`${provider} ${call}: ${reason}${status === null ? '' : ` (status ${status})`}`)
    this.name = 'ProviderError'
    this.provider = provider
    this.reason = reason
    this.retryable = retryable
    this.status = status
    this.retryAfterMs = retryAfterMs
  }
}
