import type { Reason } from './reasons.ts'
import type { VendorAnswer } from './vocabulary.ts'

/**
 * Every error that the API can return, in one table: status, title, when it occurs, what the caller should do about it,
 * and whether the same request can succeed later. The key is the `code` of the problem+json response (RFC 9457).
 */
export const apiErrors = {
  invalid_request: {
    status: 400, title: 'The request is not valid',
    when: 'A field, parameter or header is missing, unknown or malformed, the body is not JSON, '
      + 'or the message is not valid HTTP.',
    advice: 'Correct the fields named in `errors` and send the request again.',
    retry: 'No: it has to be corrected first.',
  },
  unauthenticated: {
    status: 401, title: 'No valid credentials',
    when: '`Authorization` is missing, is not a bearer token, or contains an unknown key or secret.',
    advice: 'Send `Authorization: Bearer <API key>` (or the client secret on the calls that accept it).',
    retry: 'No.',
  },
  forbidden: {
    status: 403, title: 'Not allowed with these credentials',
    when: 'The key lacks a scope, or a client secret was sent to a call that accepts API keys only.',
    advice: 'Use a key that has the scope named in `detail`.',
    retry: 'No.',
  },
  not_found: {
    status: 404, title: 'Not found',
    when: 'Nothing with this name exists, or it belongs to another app.',
    advice: 'Check the path and the id.',
    retry: 'No.',
  },
  method_not_allowed: {
    status: 405, title: 'Method not allowed',
    when: 'The path exists, but not with this method.',
    advice: 'Use one of the methods of the `Allow` header.',
    retry: 'No.',
  },
  invalid_state: {
    status: 409, title: 'Not possible in this state',
    when: 'The request does not fit the present state: the verification has ended, other evidence is expected, '
      + 'or the app has no webhook.',
    advice: 'Read the verification: `verificationStatus` is its present status.',
    retry: 'No.',
  },
  verification_in_progress: {
    status: 409, title: 'A verification of this number is in progress',
    when: 'The app already has a live verification of this number. '
      + 'It is not returned to a second caller, because that caller may act for a different person.',
    advice: 'Wait for `verificationId`, cancel it, or create with `onConflict: "replace"`.',
    retry: 'After the other verification has ended.',
  },
  idempotency_in_progress: {
    status: 409, title: 'The first request with this Idempotency-Key is still in progress',
    when: 'The same request was sent again before the first one was finished.',
    advice: 'Retry after `Retry-After` seconds with the same key.',
    retry: 'Yes, after `Retry-After`, with the same key.',
  },
  gone: {
    status: 410, title: 'Gone: erased, or past its retention',
    when: 'This gateway issued the id, but the verification was erased or its retention has passed.',
    advice: 'Store what you need of an outcome when you read it; create a new verification.',
    retry: 'No.',
  },
  payload_too_large: {
    status: 413, title: 'The body is too large',
    when: 'The body is larger than 64 KiB.',
    advice: 'Send a body of at most 64 KiB.',
    retry: 'No.',
  },
  unsupported_media_type: {
    status: 415, title: 'Unsupported media type',
    when: 'The body is not declared as JSON.',
    advice: 'Send `application/json`.',
    retry: 'No.',
  },
  invalid_phone_number: {
    status: 422, title: 'Not a phone number',
    when: '`phoneNumber` is not E.164, or has a length that does not exist in its country.',
    advice: 'Send E.164 with a leading `+`, for example `+14155550100`.',
    retry: 'No.',
  },
  method_unavailable: {
    status: 422, title: 'A method of the workflow is not available',
    when: 'The workflow names a method that is unknown, or whose provider is not configured.',
    advice: 'Choose from `GET /providers`.',
    retry: 'No, until the operator has configured the provider.',
  },
  no_eligible_method: {
    status: 422, title: 'No method can serve this request',
    when: 'Every method of the workflow needs a phone number or a `returnUrl` that was not given, no configured method '
      + 'can start, none reaches `minAssurance`, or the number is a test number and none takes a typed code.',
    advice: 'Give what `errors` names, a workflow with a method that can serve the request, or a lower `minAssurance`.',
    retry: 'No.',
  },
  idempotency_key_reused: {
    status: 422, title: 'This Idempotency-Key was used with another body',
    when: 'Within 24 hours the key was used with another body.',
    advice: 'Use a new key for a new request.',
    retry: 'No.',
  },
  code_incorrect: {
    status: 422, title: 'The code is incorrect',
    when: 'The provider rejected the code. After the last allowed try the attempt ends and the workflow continues.',
    advice: 'Ask the user again while `attemptsRemaining` is above zero.',
    retry: 'Yes, with another code.',
  },
  country_not_allowed: {
    status: 422, title: 'Numbers of this country are not allowed',
    when: 'The app\'s `allowedCountries` or `deniedCountries` exclude the country of the number.',
    advice: 'The operator decides which countries an app may verify.',
    retry: 'No.',
  },
  number_type_not_allowed: {
    status: 422, title: 'Numbers of this type get no messages',
    when: 'The number is of a type such as premium rate or satellite, which the app\'s `allowedNumberTypes` do not '
      + 'list, and every method that could start sends a message.',
    advice: 'Ask for the number of a phone, or use a workflow with a silent method.',
    retry: 'No.',
  },
  rate_limited: {
    status: 429, title: 'Too many requests',
    when: 'A limit was reached: of the app, of the number, or of how soon and how often the call may be repeated.',
    advice: 'Retry after `Retry-After` seconds.',
    retry: 'Yes, after `Retry-After`.',
  },
  internal_error: {
    status: 500, title: 'Internal error',
    when: 'The gateway has a fault. Its log has an entry with the `requestId`.',
    advice: 'Retry with the same Idempotency-Key; report the `requestId` to the operator.',
    retry: 'Yes: the same Idempotency-Key makes it safe.',
  },
  overloaded: {
    status: 503, title: 'The server is overloaded',
    when: 'The process is stopping, has more requests than it can serve in time, or could not finish in time.',
    advice: 'Retry after `Retry-After` seconds.',
    retry: 'Yes, after `Retry-After`.',
  },
  provider_unavailable: {
    status: 503, title: 'The provider is unavailable',
    when: 'The provider could not be reached. What it sent before remains valid.',
    advice: 'Retry later.',
    retry: 'Yes.',
  },
  store_unavailable: {
    status: 503, title: 'Redis is unavailable',
    when: 'Redis did not answer. The request may have been carried out, or not.',
    advice: 'Retry after `Retry-After` seconds with the same Idempotency-Key.',
    retry: 'Yes, after `Retry-After`: the same Idempotency-Key makes it safe.',
  },
} as const satisfies Record<string, { status: number, title: string, when: string, advice: string, retry: string }>

export type ApiErrorCode = keyof typeof apiErrors

/** Why a request was refused: a closed vocabulary for metrics and the audit log. */
export const refusalCauses = [
  'unauthenticated', 'forbidden', 'invalid_request', 'rate_limited_app', 'rate_limited_ip', 'rate_limited_client',
  'rate_limited_creates', 'number_limit', 'message_limit', 'app_message_limit', 'code_limit', 'ip_limit',
  'prefix_limit', 'country_limit', 'country_not_allowed', 'number_type_not_allowed', 'unverified_budget', 'overloaded',
  'store_unavailable', 'payload_too_large',
] as const
export type RefusalCause = typeof refusalCauses[number]

/**
 * What the audit log records of a refusal by policy; `numberTag` is the one in the number's log lines. Not sent to the
 * caller.
 */
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

/** An error response of the API. The caller sees `detail`: it contains no number, no secret and no vendor word. */
export class ApiError extends Error {
  readonly apiCode: ApiErrorCode
  readonly extra: ApiErrorExtra
  /** Fastify reads it. */
  readonly statusCode: number
  constructor (apiCode: ApiErrorCode, detail: string, extra: ApiErrorExtra = {}) {
    super(detail)
    this.name = 'ApiError'
    this.apiCode = apiCode
    this.extra = extra
    this.statusCode = apiErrors[apiCode].status
  }
}

/** The record was erased, or its retention has passed. */
export const isGone = (error: unknown): boolean => error instanceof ApiError && error.apiCode === 'gone'

/** The one refusal that follows a change: the try is counted. */
export const isCodeIncorrect = (error: unknown): boolean =>
  error instanceof ApiError && error.apiCode === 'code_incorrect'

type ProviderErrorDetails = {
  retryable?: boolean
  status?: number | null
  retryAfterMs?: number | null
  /** The provider works; the network of one carrier does not. */
  isCarrierFault?: boolean
  vendor?: VendorAnswer | null
}

/**
 * The provider gave no usable answer: an outage, a timeout, a response that breaks its contract, bad credentials. A
 * denial is an outcome, not an error. The message is provider, call and status; never body, query or headers.
 */
export class ProviderError extends Error {
  readonly provider: string
  readonly reason: Reason
  readonly retryable: boolean
  readonly status: number | null
  readonly retryAfterMs: number | null
  readonly isCarrierFault: boolean
  /** What the provider said, for the operator; null when that is not known. */
  readonly vendor: VendorAnswer | null
  constructor (provider: string, call: string, reason: Reason, details: ProviderErrorDetails = {}) {
    const { retryable = false, status = null, retryAfterMs = null, isCarrierFault = false, vendor = null } = details
    super(`${provider} ${call}: ${reason}${status === null ? '' : ` (status ${status})`}`)
    this.name = 'ProviderError'
    this.provider = provider
    this.reason = reason
    this.retryable = retryable
    this.status = status
    this.retryAfterMs = retryAfterMs
    this.isCarrierFault = isCarrierFault
    this.vendor = vendor
  }
}
