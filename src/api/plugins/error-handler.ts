import { randomUUID } from 'node:crypto'
import { METHODS, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { ApiError, apiErrors, refusalCauses, type ApiErrorCode, type RefusalCause } from '../../core/errors.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import type { Problem } from '../schemas/requests.ts'
import { StoreUnavailable } from '../../store/record-store.ts'

const mediaType = 'application/problem+json'
const storeRetrySeconds = 1

/** The RFC 9457 body of an error. `status` only where HTTP has a finer word than the error's own (408, 431). */
export function buildProblem (
  { apiCode: code, message: detail, extra }: ApiError, requestId: string, status?: number,
): Problem {
  const { retryAfterSeconds: _retryAfterSeconds, refusal: _refusal, ...members } = extra
  const { title, status: ownStatus } = apiErrors[code]
  return { type: `urn:verigate:error:${code}`, title, status: status ?? ownStatus, detail, code, requestId, ...members }
}

/**
 * Every error of every route becomes problem+json; so do unknown paths (404) and known paths with another method (405,
 * `Allow`).
 * What was refused is counted; a key or secret that opened nothing, and what a policy refused, leaves a line in the
 * audit log.
 */
export function registerErrorHandlers (
  server: FastifyInstance, { metrics }: { metrics: Pick<Metrics, 'countRefused'> },
): void {
  server.addHook('onError', (request, _reply, error, done) => {
    recordRefusal(error, request, metrics)
    done()
  })
  const answerNothing = (request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const path = request.url.split(/[?#;]/, 1)[0] ?? '/'
    const allowed = METHODS.filter(
      method => method !== request.method && server.findRoute({ method, url: path }) !== null,
    )
    if (allowed.length > 0) reply.header('allow', allowed.join(', '))
    return sendProblem(
      allowed.length > 0
        ? new ApiError('method_not_allowed', 'This path takes other methods: see `Allow`.')
        : new ApiError('not_found', 'There is nothing at this path.'),
      request, reply,
    )
  }
  server.setNotFoundHandler(answerNothing)
  // Whatever is wrong with what was sent: nobody is here to take it.
  server.setErrorHandler<FastifyError>(
    (error, request, reply) => request.is404 ? answerNothing(request, reply) : sendProblem(error, request, reply),
  )
}

/** Counts what was refused, and tells the audit log. */
export function recordRefusal (error: unknown, request: FastifyRequest, metrics: Pick<Metrics, 'countRefused'>): void {
  const { apiCode, extra: { refusal } } = readError(error)
  const cause = refusal?.cause ?? refusalCauses.find(known => known === apiCode)
  if (cause === undefined) return
  metrics.countRefused(cause)
  if (refusal === undefined && !isAboutCredentials(cause)) return
  const { caller, verificationId, routeOptions: { url: route = null } } = request
  const app = caller !== null && 'app' in caller ? caller.app.id : null
  const about = {
    ...(verificationId === null ? {} : { verificationId }),
    ...(refusal?.numberTag === undefined ? {} : { numberTag: refusal.numberTag }),
  }
  request.log.warn({ audit: 'refused', cause, app, route, ...about }, 'audit')
}

const isAboutCredentials = (cause: RefusalCause): boolean => cause === 'unauthenticated' || cause === 'forbidden'

/** Answers with a problem. What is not ours to explain is logged, once, with its stack, and says nothing outside. */
export function sendProblem (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const apiError = readError(error)
  if (apiError.apiCode === 'internal_error') {
    const { name, message, stack } = error instanceof Error ? error : new Error('something that is no Error was thrown')
    request.log.error({ error: { type: name, message, stack } }, 'unexpected error')
  }
  if (apiError.extra.retryAfterSeconds !== undefined) reply.header(
    'retry-after', Math.ceil(apiError.extra.retryAfterSeconds),
  )
  if (
    apiError.apiCode === 'unauthenticated' && !reply.hasHeader('www-authenticate')
  ) reply.header('www-authenticate', 'Bearer')
  return reply
    .code(apiErrors[apiError.apiCode].status)
    .header('content-type', mediaType)
    .header('x-request-id', request.id)
    .header('cache-control', 'no-store')
    // As bytes, because Fastify gives a text a charset, which this media type does not have.
    .send(Buffer.from(JSON.stringify(buildProblem(apiError, request.id))))
}

const frameworkErrors: Readonly<Record<string, { apiCode: ApiErrorCode, detail: string }>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: { apiCode: 'payload_too_large', detail: 'The body is larger than this call takes.' },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: {
    apiCode: 'unsupported_media_type', detail: 'Send `content-type: application/json`.',
  },
  FST_ERR_CTP_INVALID_JSON_BODY: { apiCode: 'invalid_request', detail: 'The body is not JSON that can be accepted.' },
  FST_ERR_CTP_EMPTY_JSON_BODY: { apiCode: 'invalid_request', detail: 'The body is empty.' },
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: {
    apiCode: 'invalid_request', detail: 'The body is not as long as `content-length` says.',
  },
  FST_ERR_BAD_URL: { apiCode: 'invalid_request', detail: 'The path is not properly percent-encoded.' },
  FST_ERR_MAX_PARAM_LENGTH: { apiCode: 'not_found', detail: 'There is nothing at this path.' },
  FST_ERR_NOT_FOUND: { apiCode: 'not_found', detail: 'There is nothing at this path.' },
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
  // Fastify marks what the client did wrong while sending, for example a body that was cut off.
  if (
    'statusCode' in error && typeof error.statusCode === 'number' && error.statusCode >= 400 && error.statusCode < 500
  ) {
    return new ApiError('invalid_request', 'The request could not be read.')
  }
  return new ApiError('internal_error', apiErrors.internal_error.advice)
}

const clientErrors: Readonly<Record<string, { status: number, detail: string }>> = {
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, detail: 'The request did not come in time.' },
  HPE_HEADER_OVERFLOW: { status: 431, detail: 'The headers are too large.' },
}

/**
 * What Node could not read as HTTP (option `clientErrorHandler`): a problem written to the bare socket, which is
 * closed.
 */
export function sendClientError (error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return
  const { status, detail } = clientErrors[error.code ?? ''] ?? {
    status: 400, detail: 'This is not HTTP that can be read.',
  }
  const requestId = randomUUID()
  const body = JSON.stringify(buildProblem(new ApiError('invalid_request', detail), requestId, status))
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`, `Content-Type: ${mediaType}`, `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-Id: ${requestId}`, 'Cache-Control: no-store', 'Connection: close',
  ]
  if (socket.writable) socket.write(`${head.join('\r\n')}\r\n\r\n${body}`)
  socket.destroySoon()
}
