import { AsyncLocalStorage } from 'node:async_hooks'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { noTracing, type Tracing } from '../../telemetry/tracing.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Runs the rest inside the request's span; null where there is none. */
    inSpan: ((work: () => void) => void) | null
  }
}

/**
 * A span for each request that leaves a line in the log, named by its route. A caller's `traceparent` is continued, but
 * not that of providers
 * and of browsers that they send: those are strangers. Add it before the other hooks, so that their time and their
 * lines belong to the span.
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
    }, async tell => {
      const closed = new Promise(resolve => raw.once('close', resolve))
      request.inSpan = AsyncLocalStorage.snapshot()
      done()
      await closed
      const { verificationId } = request
      tell({
        'http.response.status_code': raw.statusCode,
        ...(verificationId === null ? {} : { 'verigate.verification.id': verificationId }),
        ...(raw.statusCode >= 500 ? { 'error.type': String(raw.statusCode) } : {}),
      })
    })
  })
  // A body is read, and an answer ends, on the connection's own time, which belongs to no span.
  const enter = ({ inSpan }: FastifyRequest, _reply: FastifyReply, done: () => void): void => {
    if (inSpan === null) done()
    else inSpan(done)
  }
  server.addHook('preValidation', enter)
  server.addHook('onResponse', enter)
}
