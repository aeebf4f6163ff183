import type { FastifyInstance, FastifyReply } from 'fastify'
import type { Gateway } from '../gateway.ts'
import type { Verification } from '../verification.ts'

export type Live = {
  /**
   * The verification at once, or, with `wait` (seconds), when its revision passes `revision` (absent: the present one), when it is final,
   * or when the time is over.
   */
  read (id: string, wish: { wait?: number, revision?: number }, reply: FastifyReply): Promise<Verification>
}

/** Long polls. A client that goes away, and a server that closes, end the wait. */
export function openLive (server: FastifyInstance, gateway: Pick<Gateway, 'get' | 'watch'>): Live {
  const waits = new Set<AbortController>()
  server.addHook('preClose', async () => {
    for (const wait of waits) wait.abort()
  })
  return {
    async read (id, { wait = 0, revision }, reply) {
      if (wait === 0) return gateway.get(id)
      const controller = new AbortController()
      const abort = (): void => controller.abort()
      waits.add(controller)
      reply.raw.once('close', abort)
      try {
        return await gateway.watch(id, { revision: revision ?? null, waitMs: wait * 1000, signal: controller.signal })
      } catch (error) {
        if (!controller.signal.aborted) throw error
        return await gateway.get(id)
      } finally {
        waits.delete(controller)
        reply.raw.off('close', abort)
      }
    },
  }
}
