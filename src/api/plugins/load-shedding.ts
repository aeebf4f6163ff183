import { AsyncLocalStorage } from 'node:async_hooks'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { ApiError } from '../../core/errors.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import { buildProblem, problemType } from './error-handler.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** This route does not wait in the queue, and is served under load, too. */
    isUrgent?: boolean
  }
}

/** More would only lengthen an iteration, during which no connection is accepted and no reply of Redis is read. */
const maxPerIteration = 5
/** So many refusals take at most as long as one request: an iteration that refuses many must also begin more. */
const refusalsPerRequest = 4
/** As many as there can be connections, because a connection that pipelines requests must not fill the memory. */
const maxWaiting = 20_000
/** The pace is known once a request has waited for more than this share of the limit, behind this many others. */
const [paceAfter, paceBehind] = [0.2, 100]
/** A new request must expect at most this share of the limit; one that waits is refused after this multiple of it. */
const [maxExpected, maxWaited] = [0.9, 2]

/** An `onRequest` hook. */
export type Admit = (request: FastifyRequest, reply: FastifyReply, done: () => void) => void

export type AdmissionParts = {
  limitMs: number
  metrics: Pick<Metrics, 'countRefused' | 'recordQueue' | 'recordWait'>
  now?: () => number
}

type Waiting = { request: FastifyRequest, reply: FastifyReply, done: () => void, since: number, ahead: number }

/**
 * Begins five requests in an iteration of the event loop, more in one that refused many; the others wait in order. A
 * new request is refused at once when those before it take longer than `limitMs` at the present pace. One that waits is
 * refused only if the pace becomes so slow that it has waited for twice the limit. A request that was begun is never
 * interrupted and takes no place, so that a slow provider and long polls do not fill the queue.
 */
export function createAdmission ({ limitMs, metrics, now = () => performance.now() }: AdmissionParts): Admit {
  const queue: Waiting[] = []
  let [begun, refused] = [0, 0]
  /** How long the request that was begun last has waited, and behind how many. */
  let last = { waitedMs: 0, ahead: 0 }

  const isTooLong = (): boolean => queue.length >= maxWaiting || (last.ahead >= paceBehind
    && last.waitedMs > limitMs * paceAfter && queue.length * last.waitedMs > limitMs * maxExpected * last.ahead)

  function refuse (request: FastifyRequest, reply: FastifyReply): void {
    refused += 1
    metrics.countRefused('overloaded')
    sendRefusal(request, reply)
  }

  function beginNext (): void {
    const next = queue.shift()
    // The client has disconnected.
    if (next === undefined || next.request.raw.socket.destroyed) return
    const { request, reply, done, since, ahead } = next
    begun += 1
    last = { waitedMs: now() - since, ahead }
    metrics.recordWait(last.waitedMs)
    if (last.waitedMs > limitMs * maxWaited) refuse(request, reply)
    else if (request.inSpan === null) done()
    else request.inSpan(done)
  }

  // Bound here, so that it does not run in the context of the request that schedules it.
  const startIteration = AsyncLocalStorage.bind((): void => {
    const max = maxPerIteration + Math.floor(refused / refusalsPerRequest)
    begun = refused = 0
    if (queue.length > 0) {
      while (begun < max && queue.length > 0) beginNext()
      metrics.recordQueue(queue.length)
      if (queue.length === 0) last = { waitedMs: 0, ahead: 0 }
    }
    if (begun > 0) setImmediate(startIteration)
  })

  return (request, reply, done) => {
    if (request.routeOptions.config.isUrgent === true) return done()
    if (queue.length === 0 && begun < maxPerIteration) {
      if (begun === 0) setImmediate(startIteration)
      begun += 1
      return done()
    }
    if (isTooLong()) return refuse(request, reply)
    queue.push({ request, reply, done, since: now(), ahead: queue.length })
  }
}

const refusal = new ApiError('overloaded', 'The server is overloaded. Retry later.')

/** Without Fastify's error handling, which costs more: refusals take CPU from the requests that are served. */
function sendRefusal ({ id, server }: FastifyRequest, reply: FastifyReply): void {
  const { problemsUrl, renderJson } = server
  const body = renderJson(buildProblem(refusal, { problemsUrl, requestId: id }))
  const { raw } = reply.hijack()
  for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined) raw.setHeader(name, value)
  raw.writeHead(503, {
    'retry-after': '1', 'content-type': problemType, 'content-length': Buffer.byteLength(body),
  }).end(body)
}
