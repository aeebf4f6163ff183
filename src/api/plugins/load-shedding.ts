import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { FastifyInstance } from 'fastify'
import { ApiError } from '../../core/errors.ts'

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
const sampleEveryMs = 1_000
/** How many requests one turn of the event loop takes, however long it lasts. */
const minPerTurn = 200
/** Who comes later in a turn than this would wait for all that was taken before. */
const maxTurnMs = 500

/**
 * Refuses what cannot be served soon, and never touches what was taken: all but urgent requests while turns of the
 * event loop take longer than `mostMs`,
 * and the rest of a crowd that is all there within one turn, which may last for many. `@fastify/under-pressure` does
 * the first, but looks at the memory as well,
 * also when nobody asked for that; with no file descriptor left this throws in its timer, and the process ends.
 */
export function shedLoad (server: FastifyInstance, maxDelayMs: number): void {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs })
  histogram.enable()
  let isSlow = false
  const looking = setInterval(() => {
    // Not a number: it had not even the time to measure.
    isSlow = !(histogram.mean / 1e6 - resolutionMs <= maxDelayMs)
    histogram.reset()
  }, sampleEveryMs)
  looking.unref()
  // What it takes to start is no pressure.
  server.addHook('onReady', async () => { histogram.reset() })
  server.addHook('onClose', async () => {
    clearInterval(looking)
    histogram.disable()
  })
  server.decorate('isUnderPressure', () => isSlow)
  // One for all: with a stack of its own, a refusal would cost as much as an answer.
  const refusal = new ApiError('overloaded', 'Too busy for the moment.', { retryAfterSeconds: 1 })

  let taken = 0
  let begunAt = 0
  server.addHook('onRequest', ({ routeOptions: { config } }, _reply, done) => {
    if (taken === 0) {
      begunAt = performance.now()
      setImmediate(() => { taken = 0 })
    }
    taken += 1
    const isRefused = isSlow || (taken > minPerTurn && performance.now() - begunAt > maxTurnMs)
    done(isRefused && config.isUrgent !== true ? refusal : undefined)
  })
}
