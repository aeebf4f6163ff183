import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { ApiError } from '../../core/errors.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** This route is served under load, too. */
    isUrgent?: boolean
  }
  interface FastifyInstance {
    /** True while requests are refused because the event loop is slow. */
    isUnderPressure (): boolean
  }
}

const resolutionMs = 10
const sampleEveryMs = 1_000
/** An event loop iteration always admits this many requests. */
const minPerIteration = 200
/** Later requests of the same iteration would wait for all that were admitted before. */
const maxIterationMs = 500

/** Returns the refusal of a request that the process has no capacity for; null admits it. */
export type Admit = (request: FastifyRequest) => ApiError | null

/**
 * Refuses requests that could not be served soon, and never interrupts admitted ones. While the event loop delay is
 * above `maxDelayMs` (Infinity: never) only urgent routes are served. A burst that arrives in one event loop iteration
 * is cut as well.
 * Not `@fastify/under-pressure`: it reads the memory usage even when no memory limit is set, which throws in its timer
 * and ends the process when no file descriptor is left.
 */
export function shedLoad (server: FastifyInstance, maxDelayMs: number): Admit {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs })
  histogram.enable()
  let isSlow = false
  const sampling = setInterval(() => {
    // NaN: the loop was blocked for so long that there is no sample.
    isSlow = !(histogram.mean / 1e6 - resolutionMs <= maxDelayMs)
    histogram.reset()
  }, sampleEveryMs)
  sampling.unref()
  // The delay during startup is not load.
  server.addHook('onReady', async () => { histogram.reset() })
  server.addHook('onClose', async () => {
    clearInterval(sampling)
    histogram.disable()
  })
  server.decorate('isUnderPressure', () => isSlow)
  // A shared instance: capturing a stack for each refusal would cost as much as a response.
  const refusal = new ApiError('overloaded', 'The server is overloaded. Retry later.', { retryAfterSeconds: 1 })

  let admitted = 0
  let iterationStartedAt = 0
  return ({ routeOptions: { config } }) => {
    if (maxDelayMs === Infinity) return null
    if (admitted === 0) {
      iterationStartedAt = performance.now()
      setImmediate(() => { admitted = 0 })
    }
    admitted += 1
    const isBurst = admitted > minPerIteration && performance.now() - iterationStartedAt > maxIterationMs
    return (isSlow || isBurst) && config.isUrgent !== true ? refusal : null
  }
}
