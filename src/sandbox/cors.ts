import type { FastifyInstance } from 'fastify'

const loopback = /^https?:\/\/(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/

/**
 * Lets pages of this machine (any loopback origin) and of the gateway call the routes below `paths`: what a person does
 * with a phone is done from a page.
 */
export function allowLocalPages (app: FastifyInstance, paths: readonly string[], gatewayUrl: () => string): void {
  const concerns = (url: string): boolean => paths.some(path => url.startsWith(path))
  app.addHook('onRequest', async ({ url, headers: { origin } }, reply) => {
    if (!concerns(url)) return
    reply.header('vary', 'origin')
    if (origin === undefined || !(loopback.test(origin) || origin === new URL(gatewayUrl()).origin)) return
    reply.headers({ 'access-control-allow-origin': origin })
  })
  for (const path of paths) {
    app.options(`${path}*`, async (_request, reply) => reply.code(204).headers({
      'access-control-allow-methods': 'GET, POST, PUT', 'access-control-allow-headers': 'content-type',
      'access-control-max-age': 600,
    }).send())
  }
}
