import type { ErrorCode, FieldError, Problem, VerificationStatus } from './schema.ts'

/** No response: the gateway was not reached, did not answer in time, or the connection broke. See `cause`. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError'
}

/** An error response. Base decisions on `code`; the classes below have the members that only some codes have. */
export class ProblemError extends Error {
  override readonly name: string = 'ProblemError'
  /** `unexpected_response` if the response is not from the gateway: a proxy's error page, for example. */
  readonly code: ErrorCode
  /** The HTTP status. */
  readonly status: number
  /** Report it to the operator. */
  readonly requestId: string | null
  /** Seconds to wait before the next try, if the response says so. */
  readonly retryAfter: number | null
  /** The invalid fields. */
  readonly errors: readonly FieldError[]

  constructor (problem: Partial<Problem>, { status, headers }: Pick<Response, 'status' | 'headers'>) {
    const { code = 'unexpected_response', detail, title } = problem
    super(`${code} (${status}): ${detail ?? title ?? 'the response is not a problem of the gateway'}`)
    this.code = code
    this.status = status
    this.requestId = problem.requestId ?? headers.get('x-request-id')
    const retryAfter = Number(headers.get('retry-after') ?? NaN)
    this.retryAfter = Number.isFinite(retryAfter) ? Math.max(retryAfter, 0) : null
    this.errors = problem.errors ?? []
  }
}

/** `code_incorrect`: ask the user again while attempts remain. */
export class CodeIncorrectError extends ProblemError {
  override readonly name = 'CodeIncorrectError'
  readonly attemptsRemaining: number

  constructor (problem: Partial<Problem>, response: Response) {
    super(problem, response)
    this.attemptsRemaining = problem.attemptsRemaining ?? 0
  }
}

/** `invalid_state`: the request does not fit the present state. */
export class InvalidStateError extends ProblemError {
  override readonly name = 'InvalidStateError'
  /** Null if the state is not that of a verification. */
  readonly verificationStatus: VerificationStatus | null

  constructor (problem: Partial<Problem>, response: Response) {
    super(problem, response)
    this.verificationStatus = (problem.verificationStatus ?? null) as VerificationStatus | null
  }
}

/** `verification_in_progress`: the app already has a live verification of this number. */
export class VerificationInProgressError extends ProblemError {
  override readonly name = 'VerificationInProgressError'
  readonly verificationId: string

  constructor (problem: Partial<Problem>, response: Response) {
    super(problem, response)
    this.verificationId = problem.verificationId ?? ''
  }
}

/** 429: too many requests, or too early. See `retryAfter`. */
export class RateLimitedError extends ProblemError {
  override readonly name = 'RateLimitedError'
}

/** 503: the gateway or its store is unavailable for the moment. See `retryAfter`. */
export class UnavailableError extends ProblemError {
  override readonly name = 'UnavailableError'
}

const classes: Readonly<Record<string, new (problem: Partial<Problem>, response: Response) => ProblemError>> = {
  code_incorrect: CodeIncorrectError,
  invalid_state: InvalidStateError,
  verification_in_progress: VerificationInProgressError,
  rate_limited: RateLimitedError,
  overloaded: UnavailableError,
  store_unavailable: UnavailableError,
  provider_unavailable: UnavailableError,
}

/** The error of a response with this parsed body. */
export function problemOf (body: unknown, response: Response): ProblemError {
  const problem: Partial<Problem> = isProblem(body) ? body : {}
  const Class = classes[problem.code ?? ''] ?? ProblemError
  return new Class(problem, response)
}

const isProblem = (body: unknown): body is Problem =>
  typeof body === 'object' && body !== null && 'code' in body && typeof body.code === 'string'

/** Whether the same request can succeed later. */
export const isTemporary = (error: unknown): boolean => error instanceof ConnectionError
  || (error instanceof ProblemError
    && (error.status === 429 || error.status >= 500 || error.code === 'idempotency_in_progress'))
