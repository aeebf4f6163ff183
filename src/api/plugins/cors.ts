import type { FastifyInstance } from 'fastify'
import type { Apps } from '../../apps/apps.ts'
import type { Ids } from '../../store/ids.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Front ends call it: pages of the origins that the verification's app allows may read the answer. */
    forFrontEnds?: boolean
  }
}

const requestHeaders = 'authorization, content-type, last-event-id, x-request-id'
const answerHeaders = 'x-request-id, retry-after, ratelimit-limit, ratelimit-remaining, ratelimit-reset'
const preflightSeconds = 600

/**
 * CORS for the routes that are `forFrontEnds`, of which `:id` names the verification: its app's `allowedOrigins`
 * decide, to the letter.
 * No cookies, so no credentials mode. Add it before every hook that may refuse a request, since a page must be able to
 * read the refusal too.
 */
export function registerCors (
  server: FastifyInstance, { apps, ids }: { apps: Pick<Apps, 'all'>, ids: Pick<Ids, 'checkId'> },
): void {
  const isAllowed = (origin: string, params: unknown): boolean => {
    const id = typeof params === 'object' && params !== null && 'id' in params && typeof params.id === 'string'
      ? params.id
      : null
    if (id === null) return false
    for (const app of apps.all()) if (
      app.allowedOrigins?.includes(origin) === true && ids.checkId(id, app.id)
    ) return true
    return false
  }
  server.addHook('onRequest', (request, reply, done) => {
    const { headers: { origin }, routeOptions, params } = request
    if (origin !== undefined && routeOptions.config.forFrontEnds === true) {
      reply.header('vary', 'origin')
      if (isAllowed(origin, params)) {
        reply.header('access-control-allow-origin', origin).header('access-control-expose-headers', answerHeaders)
      }
    }
    done()
  })
  server.addHook('onRoute', ({ url, method, config }) => {
    if (config?.forFrontEnds !== true || (method !== 'GET' && method !== 'POST')) return
    server.options(url, {
      config: { forFrontEnds: true }, logLevel: 'warn', schema: { hide: true },
    }, async (_request, reply) => {
      if (reply.hasHeader('access-control-allow-origin')) {
        reply.headers({
          'access-control-allow-methods': method, 'access-control-allow-headers': requestHeaders,
          'access-control-max-age': preflightSeconds,
        })
      }
      return reply.code(204).send()
    })
  })
}
