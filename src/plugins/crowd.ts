import type { FastifyInstance } from 'fastify'
import { ApiError } from '../errors.ts'

/** How many requests one turn of the event loop takes, however long it lasts. */
const takenAtLeast = 200
/** Who comes later in a turn than this would wait for all that was taken before. */
const longestTurnMs = 250

/**
 * Refuses at once what cannot be served soon: the rest of a crowd that is all there in one turn of the event loop. What was taken is not touched, so that it
 * is answered before its caller gives up. Under-pressure looks only between two turns, once a second; a turn that takes a whole crowd may last for many.
 */
export function refuseCrowds (server: FastifyInstance): void {
  let taken = 0
  let begunAt = 0
  server.addHook('onRequest', ({ routeOptions: { config } }, _reply, done) => {
    if (taken === 0) {
      begunAt = performance.now()
      setImmediate(() => { taken = 0 })
    }
    taken += 1
    const isCrowded = taken > takenAtLeast && performance.now() - begunAt > longestTurnMs
    done(isCrowded && !('pressureHandler' in config) ? new ApiError('overloaded', 'Too busy for the moment.', { retryAfterSeconds: 1 }) : undefined)
  })
}
