import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import type { DocsOptions } from './docs-server.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The routes that the API document describes. */
    documented: RouteOptions[]
  }
}

/** Collects the routes that are registered afterwards. */
export function collectRoutes (server: FastifyInstance): void {
  const documented: RouteOptions[] = []
  server.decorate('documented', documented)
  server.addHook('onRoute', route => {
    if (route.method !== 'HEAD' && route.schema?.hide !== true) documented.push(route)
  })
}

/** The headers by which a browser says what it has already, or which part it wants. */
const conditions = ['if-none-match', 'if-modified-since', 'if-range', 'range'] as const

/**
 * `/openapi.json` and `/docs`, about these routes. The first request loads what they need: most processes get none, and
 * loading it takes a tenth of a start.
 */
export function serveDocs (server: FastifyInstance, documented: readonly RouteOptions[], options: DocsOptions): void {
  let loading: Promise<FastifyInstance> | null = null
  const load = async (): Promise<FastifyInstance> => {
    const { createDocsServer } = await import('./docs-server.ts')
    return createDocsServer(documented, options)
  }
  const forward = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | void> => {
    loading ??= load().catch((error: unknown) => {
      // The next request tries again: without a free file descriptor nothing can be loaded.
      loading = null
      throw error
    })
    const docs = await loading
    const known = conditions.filter(name => request.headers[name] !== undefined)
    const { statusCode, headers, rawPayload } = await docs.inject({
      url: request.url, headers: Object.fromEntries(known.map(name => [name, request.headers[name]])),
    })
    if (statusCode === 404) return reply.callNotFound()
    const { connection: _, 'transfer-encoding': __, ...own } = headers
    return reply.code(statusCode).headers(own).send(rawPayload)
  }
  for (const path of ['/openapi.json', '/docs', '/docs/*']) server.get(path, { schema: { hide: true } }, forward)
}
