import { AsyncLocalStorage } from 'node:async_hooks'
import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify'
import { ApiError } from '../../core/errors.ts'
import type { Metrics } from '../../telemetry/metrics.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** This route does not wait in the queue, and is served under load, too. */
    isUrgent?: boolean
  }
}

/** More would only lengthen an iteration, during which no connection is accepted and no reply of Redis is read. */
const maxPerIteration = 5
/** As many as there can be connections: one that pipelines its requests must not fill the memory. */
const maxWaiting = 20_000
/** The pace is known once a request has waited for this share of the limit, behind this many others. */
const [paceAfter, paceBehind] = [0.5, 100]
/** The share of the limit that is promised. The rest is for a pace that slows down meanwhile. */
const promised = 0.9

/** An `onRequest` hook. */
export type Admit = (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction) => void

type Waiting = { request: FastifyRequest, proceed: (error?: ApiError) => void, since: number, ahead: number }

/**
 * Begins at most five requests in an iteration of the event loop; the others wait in order. A request is refused at
 * once when those before it would take longer than `limitMs` at the present pace, and when it has waited for that long
 * after all. An admitted request is never interrupted, and takes no place while it waits for something else: a slow
 * provider and long polls fill no queue.
 */
export function createAdmission (
  { limitMs, metrics, now = () => performance.now() }: {
    limitMs: number, metrics: Pick<Metrics, 'recordQueue' | 'recordWait'>, now?: () => number,
  },
): Admit {
  // A shared instance: capturing a stack for each refusal would cost as much as a response.
  const refusal = new ApiError('overloaded', 'The server is overloaded. Retry later.', { retryAfterSeconds: 1 })
  const queue: Waiting[] = []
  let begun = 0
  /** How long the request that was begun last has waited, and behind how many. */
  let last = { waitedMs: 0, ahead: 0 }

  const isTooLong = (): boolean => queue.length >= maxWaiting || (last.waitedMs > limitMs * paceAfter
    && queue.length * last.waitedMs > limitMs * promised * Math.max(last.ahead, paceBehind))

  function beginNext (): void {
    const next = queue.shift()
    // Nobody waits for the response any more.
    if (next === undefined || next.request.raw.socket.destroyed) return
    begun += 1
    const waitedMs = now() - next.since
    last = { waitedMs, ahead: next.ahead }
    metrics.recordWait(waitedMs)
    next.proceed(waitedMs > limitMs ? refusal : undefined)
  }

  // Bound here, because the request that schedules it has a context of its own.
  const startIteration = AsyncLocalStorage.bind((): void => {
    begun = 0
    while (begun < maxPerIteration && queue.length > 0) beginNext()
    metrics.recordQueue(queue.length)
    if (queue.length === 0) last = { waitedMs: 0, ahead: 0 }
    if (begun > 0) setImmediate(startIteration)
  })

  return (request, _reply, done) => {
    if (request.routeOptions.config.isUrgent === true) return done()
    if (queue.length === 0 && begun < maxPerIteration) {
      if (begun === 0) setImmediate(startIteration)
      begun += 1
      return done()
    }
    if (isTooLong()) return done(refusal)
    const { inSpan } = request
    const proceed = inSpan === null ? done : (error?: ApiError): void => inSpan(() => done(error))
    queue.push({ request, proceed, since: now(), ahead: queue.length })
  }
}
