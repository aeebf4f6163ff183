import { fileURLToPath } from 'node:url'
import type { FastifyError } from 'fastify'
import type { Simulator } from '../simulator.ts'
import { messageRoutes } from './messages.ts'
import { errors, sendError, token } from './service.ts'

/**
 * An HTTP SMS service as an operator may have one under contract: it sends whatever text it is given, and reports the
 * delivery. The gateway reaches it by an entry of `PROVIDERS_FILE` alone. No vendor has this API: it is documented here
 * and in messages.ts only.
 */
export const acme: Simulator = {
  provider: 'acme',

  settings: url => ({
    ACME_TOKEN: token, ACME_URL: url,
    PROVIDERS_FILE: fileURLToPath(new URL('./providers.json', import.meta.url)),
  }),

  async routes (app, { context }) {
    app.setErrorHandler<FastifyError>((error, _request, reply) =>
      sendError(reply, error.statusCode === undefined ? errors.failed : errors.invalid))
    app.all('/acme/*', (_request, reply) => sendError(reply, errors.notFound))
    await app.register(messageRoutes, { context })
  },
}
