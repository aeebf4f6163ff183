import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { FastifyInstance } from 'fastify'
import { ApiError } from '../errors.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Answered under pressure, too. */
    isUrgent?: boolean
  }
  interface FastifyInstance {
    /** Whether requests are refused since each turn of the event loop takes too long. */
    isUnderPressure (): boolean
  }
}

const resolutionMs = 10
const lookEveryMs = 1_000

/**
 * Refuses all but urgent requests while a turn of the event loop takes longer than this. `@fastify/under-pressure` does the same, but looks at the memory as well,
 * also when nobody asked for that; with no file descriptor left this throws in its timer, and the process ends.
 */
export function refuseUnderPressure (server: FastifyInstance, mostMs: number): void {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs })
  histogram.enable()
  let isSlow = false
  const looking = setInterval(() => {
    // Not a number: it had not even the time to measure.
    isSlow = !(histogram.mean / 1e6 - resolutionMs <= mostMs)
    histogram.reset()
  }, lookEveryMs)
  looking.unref()
  server.addHook('onClose', async () => {
    clearInterval(looking)
    histogram.disable()
  })
  server.decorate('isUnderPressure', () => isSlow)
  server.addHook('onRequest', (request, _reply, done) => {
    if (!isSlow || request.routeOptions.config.isUrgent === true) return done()
    done(new ApiError('overloaded', 'Too busy for the moment.', { retryAfterSeconds: 1 }))
  })
}
