import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Metrics } from '../../telemetry/metrics.ts'
import type { Created } from '../../verifications/create.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** What the route adds to the log line of the request: ids, tags and closed words only. */
    logFields: object | null
  }
}

/** Records every response. */
export function recordResponses (server: FastifyInstance, metrics: Pick<Metrics, 'countRequest'>): void {
  server.decorateRequest('logFields', null)
  server.addHook('onResponse', (request, reply, done) => {
    recordRequest(request, reply, metrics)
    done()
  })
}

/** The line of this request says what it created. */
export const logCreated = (request: FastifyRequest) => ({ verificationId, ...created }: Created): void => {
  request.verificationId = verificationId
  request.logFields = { created }
}

/** Counts the request and writes one log line: the pattern of the route, never the path, and nothing that was sent. */
export function recordRequest (
  request: FastifyRequest, reply: FastifyReply, metrics: Pick<Metrics, 'countRequest'>,
): void {
  const { method, verificationId, logFields, routeOptions: { url: route = null } } = request
  const { statusCode, elapsedTime: durationMs } = reply
  const line = { method, route, status: statusCode, durationMs: Math.round(durationMs * 1000) / 1000, ...logFields }
  request.log.info(typeof verificationId === 'string' ? { ...line, verificationId } : line, 'request')
  metrics.countRequest({ method, route, statusCode, durationMs })
}
