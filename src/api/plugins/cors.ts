import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { allowsOrigin, type Apps } from '../../apps/apps.ts'
import type { Ids } from '../../store/ids.ts'
import type { LogOnce } from '../../telemetry/log-once.ts'
import { memberOf } from './auth.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Front ends call this route: pages on the origins that the verification's app allows may read the response. */
    forFrontEnds?: boolean
  }
}

/** `traceparent`, `tracestate` and `baggage`: tracing libraries of pages add them to every request. */
const requestHeaders = 'authorization, content-type, last-event-id, x-request-id, traceparent, tracestate, baggage'
/** `date`: `availableAt` is compared with the gateway's clock, not with the device's. */
const responseHeaders = 'x-request-id, retry-after, ratelimit, ratelimit-policy, ratelimit-limit, ratelimit-remaining, '
  + 'ratelimit-reset, date'
const preflightSeconds = 600

/** Sets the CORS headers of a response. Run it before anything refuses the request: pages must read refusals, too. */
export type AllowOrigin = (request: FastifyRequest, reply: FastifyReply) => void

/**
 * CORS for the routes that are `forFrontEnds`. Their `:id` names the verification; the `allowedOrigins` of its app are
 * compared exactly. There are no cookies, so there is no credentials mode. An origin that is refused is logged once for
 * each app, because the browser does not tell the page why.
 */
export function createCors (
  server: FastifyInstance,
  { apps, ids, warnOnce }: { apps: Pick<Apps, 'all'>, ids: Pick<Ids, 'checkId'>, warnOnce: LogOnce },
): AllowOrigin {
  const isAllowed = (origin: string, id: string): boolean =>
    [...apps.all()].some(app => allowsOrigin(app, origin) && ids.checkId(id, app.id))

  function warn (origin: string, id: string): void {
    const app = [...apps.all()].find(app => ids.checkId(id, app.id))
    if (app === undefined || URL.parse(origin)?.origin !== origin) return
    const set = `"allowedOrigins": ["${origin}"] of the app in APPS_FILE, if the page is yours`
    warnOnce(`${app.id} ${origin}`, { app: app.id, origin, set }, 'origin refused')
  }

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

  return ({ headers: { origin }, routeOptions: { config }, params }, reply) => {
    if (origin === undefined || config.forFrontEnds !== true) return
    reply.header('vary', 'origin')
    const id = memberOf(params, 'id')
    if (id === null) return
    if (!isAllowed(origin, id)) return warn(origin, id)
    reply.headers({ 'access-control-allow-origin': origin, 'access-control-expose-headers': responseHeaders })
  }
}
