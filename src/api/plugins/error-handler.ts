import { randomUUID } from 'node:crypto'
import { METHODS, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { ApiError, apiErrors, refusalCauses, type ApiErrorCode, type RefusalCause } from '../../core/errors.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import { auditRefusal } from './audit.ts'
import type { Problem } from '../schemas/responses.ts'
import { StoreUnavailable } from '../../store/record-store.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The JSON text of a response. */
    renderJson: (value: unknown) => string
    /** Where the pages of the error codes are, without the code. */
    problemsUrl: string
  }
}

/** The media type of a problem. */
export const problemType = 'application/problem+json'
const storeRetrySeconds = 1

/** The URL of the pages that explain the error codes, without the code. */
export const problemsUrlOf = (publicUrl: string): string => `${publicUrl}/problems`

type ProblemContext = {
  problemsUrl: string, requestId: string
  /** Where HTTP has a more specific status than the error (408, 431). */
  status?: number
}

/** The RFC 9457 body of an error; its `type` is the page that explains the code. */
export function buildProblem (
  { apiCode: code, message: detail, extra }: ApiError, { problemsUrl, requestId, status }: ProblemContext,
): Problem {
  const { retryAfterSeconds: _retryAfterSeconds, refusal: _refusal, ...members } = extra
  const { title, status: ownStatus } = apiErrors[code]
  return { type: `${problemsUrl}/${code}`, title, status: status ?? ownStatus, detail, code, requestId, ...members }
}

/**
 * Every error of every route becomes problem+json, as do unknown paths (404) and unsupported methods (405 with
 * `Allow`). Refusals are counted; refused credentials and refusals by policy are also written to the audit log.
 */
export function registerErrorHandlers (
  server: FastifyInstance,
  { metrics, publicUrl, renderJson = JSON.stringify }:
    { metrics: Pick<Metrics, 'countRefused'>, publicUrl: string, renderJson?: FastifyInstance['renderJson'] },
): void {
  server.decorate('renderJson', renderJson)
  server.decorate('problemsUrl', problemsUrlOf(publicUrl))
  server.addHook('onError', (request, _reply, error, done) => {
    recordRefusal(error, request, metrics)
    done()
  })
  const sendNoRoute = (request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const path = request.url.split(/[?#;]/, 1)[0] ?? '/'
    const allowed = METHODS.filter(
      method => method !== request.method && server.findRoute({ method, url: path }) !== null,
    )
    if (allowed.length > 0) reply.header('allow', allowed.join(', '))
    return sendProblem(
      allowed.length > 0
        ? new ApiError('method_not_allowed', 'This path does not support the method: see `Allow`.')
        : new ApiError('not_found', 'This path does not exist.'),
      request, reply,
    )
  }
  server.setNotFoundHandler(sendNoRoute)
  // On an unknown path, 404 takes precedence over errors in the body.
  server.setErrorHandler<FastifyError>(
    (error, request, reply) => request.is404 ? sendNoRoute(request, reply) : sendProblem(error, request, reply),
  )
}

/** Counts a refusal, and writes it to the audit log. */
export function recordRefusal (error: unknown, request: FastifyRequest, metrics: Pick<Metrics, 'countRefused'>): void {
  const { apiCode, extra: { refusal } } = readError(error)
  const cause = refusal?.cause ?? refusalCauses.find(known => known === apiCode)
  if (cause === undefined) return
  metrics.countRefused(cause)
  if (refusal !== undefined || concernsCredentials(cause)) auditRefusal(request, cause, refusal?.numberTag)
}

const concernsCredentials = (cause: RefusalCause): boolean => cause === 'unauthenticated' || cause === 'forbidden'

/** Sends a problem. An unexpected error is logged with its stack; the response reveals nothing of it. */
export function sendProblem (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { problemsUrl, renderJson } = request.server
  const apiError = readAndLogError(error, request)
  const { retryAfterSeconds } = apiError.extra
  if (retryAfterSeconds !== undefined) reply.header('retry-after', Math.ceil(retryAfterSeconds))
  if (apiError.apiCode === 'unauthenticated' && !reply.hasHeader('www-authenticate')) {
    reply.header('www-authenticate', 'Bearer')
  }
  return reply
    .code(apiErrors[apiError.apiCode].status)
    .header('content-type', problemType)
    .header('x-request-id', request.id)
    .header('cache-control', 'no-store')
    // As bytes: Fastify would add a charset to a string, and this media type has none.
    .send(Buffer.from(renderJson(buildProblem(apiError, { problemsUrl, requestId: request.id }))))
}

/** What an error is for the caller; an unexpected one is logged. */
export function readAndLogError (error: unknown, { log }: Pick<FastifyRequest, 'log'>): ApiError {
  const apiError = readError(error)
  if (apiError.apiCode === 'internal_error') {
    const { name, message, stack } = error instanceof Error ? error : new Error('the thrown value is not an Error')
    log.error({ error: { type: name, message, stack } }, 'unexpected error')
  }
  return apiError
}

const frameworkErrors: Readonly<Record<string, { apiCode: ApiErrorCode, detail: string }>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: { apiCode: 'payload_too_large', detail: 'The body is larger than 64 KiB.' },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: {
    apiCode: 'unsupported_media_type', detail: 'Send `content-type: application/json`.',
  },
  FST_ERR_CTP_INVALID_JSON_BODY: { apiCode: 'invalid_request', detail: 'The body is not valid JSON.' },
  FST_ERR_CTP_EMPTY_JSON_BODY: { apiCode: 'invalid_request', detail: 'The body is empty.' },
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: {
    apiCode: 'invalid_request', detail: 'The length of the body differs from `content-length`.',
  },
  FST_ERR_BAD_URL: { apiCode: 'invalid_request', detail: 'The path is not correctly percent-encoded.' },
  FST_ERR_MAX_PARAM_LENGTH: { apiCode: 'not_found', detail: 'This path does not exist.' },
  FST_ERR_NOT_FOUND: { apiCode: 'not_found', detail: 'This path does not exist.' },
}

function readError (error: unknown): ApiError {
  if (error instanceof ApiError) return error
  if (error instanceof StoreUnavailable) {
    return new ApiError(
      'store_unavailable', apiErrors.store_unavailable.advice, { retryAfterSeconds: storeRetrySeconds },
    )
  }
  if (!(error instanceof Error)) return new ApiError('internal_error', apiErrors.internal_error.advice)
  const known = 'code' in error && typeof error.code === 'string' ? frameworkErrors[error.code] : undefined
  if (known !== undefined) return new ApiError(known.apiCode, known.detail)
  // Fastify marks errors of the client, for example an incomplete body, with a 4xx status.
  if (
    'statusCode' in error && typeof error.statusCode === 'number' && error.statusCode >= 400 && error.statusCode < 500
  ) {
    return new ApiError('invalid_request', 'The request could not be read.')
  }
  return new ApiError('internal_error', apiErrors.internal_error.advice)
}

const clientErrors: Readonly<Record<string, { status: number, detail: string }>> = {
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, detail: 'The request was not received in time.' },
  HPE_HEADER_OVERFLOW: { status: 431, detail: 'The headers are too large.' },
}

/** For `clientErrorHandler`: answers a message that is not valid HTTP with a problem, and closes the socket. */
export function sendClientError (error: Error & { code?: string }, socket: Socket, publicUrl: string): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return
  const { status, detail } = clientErrors[error.code ?? ''] ?? {
    status: 400, detail: 'The message is not valid HTTP.',
  }
  const requestId = randomUUID()
  const body = JSON.stringify(buildProblem(
    new ApiError('invalid_request', detail), { problemsUrl: problemsUrlOf(publicUrl), requestId, status },
  ))
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`, `Content-Type: ${problemType}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-Id: ${requestId}`, 'Cache-Control: no-store', 'Connection: close',
  ]
  if (socket.writable) socket.write(`${head.join('\r\n')}\r\n\r\n${body}`)
  socket.destroySoon()
}
