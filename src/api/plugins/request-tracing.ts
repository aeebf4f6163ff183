import { AsyncLocalStorage } from 'node:async_hooks'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { noTracing, type Tracing } from '../../telemetry/tracing.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Runs a function inside the request's span; null without a span. */
    inSpan: ((work: () => void) => void) | null
  }
}

/**
 * Creates a span for each request that is logged, named after its route. The caller's `traceparent` is continued,
 * except on callback routes, because providers are not trusted. Register it before the other hooks, so that the span
 * covers their time and their log lines.
 */
export function traceRequests (server: FastifyInstance, tracing: Tracing): void {
  server.decorateRequest('inSpan', null)
  if (tracing === noTracing) return

  server.addHook('onRequest', (request, { raw }, done) => {
    const { method, headers: { traceparent }, routeOptions: { url: route, logLevel } } = request
    if (route === undefined || logLevel === 'warn') return done()
    void tracing.trace(`${method} ${route}`, {
      kind: 'server', attributes: { 'http.request.method': method, 'http.route': route },
      traceparent: typeof traceparent === 'string' && !route.startsWith('/callbacks/') ? traceparent : undefined,
    }, async setAttributes => {
      const closed = new Promise(resolve => raw.once('close', resolve))
      request.inSpan = AsyncLocalStorage.snapshot()
      done()
      await closed
      const { verificationId } = request
      setAttributes?.({
        'http.response.status_code': raw.statusCode,
        ...(verificationId === null ? {} : { 'verigate.verification.id': verificationId }),
        ...(raw.statusCode >= 500 ? { 'error.type': String(raw.statusCode) } : {}),
      })
    })
  })
  // Reading a body and ending a response run in the async context of the connection, which has no span.
  const enter = ({ inSpan }: FastifyRequest, _reply: FastifyReply, done: () => void): void => {
    if (inSpan === null) done()
    else inSpan(done)
  }
  server.addHook('preValidation', enter)
  server.addHook('onResponse', enter)
}
