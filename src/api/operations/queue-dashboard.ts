import { promisify } from 'node:util'
import type { FastifyInstance } from 'fastify'
import { ApiError } from '../../core/errors.ts'
import type { Queues } from '../../jobs/queues.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import { auditAction } from '../plugins/audit.ts'
import type { Auth } from '../plugins/auth.ts'
import { asBearer, basicChallenge } from '../plugins/basic-auth.ts'
import { recordRefusal, sendProblem } from '../plugins/error-handler.ts'

const prefix = '/admin/queues'

/** Allows the page's own files and inline styles, but not the fonts that it would load from another origin. */
const policy = [
  'default-src \'none\'', 'script-src \'self\'', 'style-src \'self\' \'unsafe-inline\'', 'img-src \'self\' data:',
  'font-src \'self\'',
  'connect-src \'self\'', 'base-uri \'self\'', 'form-action \'none\'', 'frame-ancestors \'none\'',
].join('; ')

/**
 * A read-only page of the queues, for API keys with the scope `operations:read`: as a bearer token or, in a browser, as
 * the password of HTTP Basic. Its packages are loaded only if it is enabled.
 */
export async function registerQueueDashboard (
  server: FastifyInstance,
  { queues, auth, metrics }: { queues: Pick<Queues, 'opened'>, auth: Auth, metrics: Pick<Metrics, 'countRefused'> },
): Promise<void> {
  const [{ createBullBoard }, { BullMQAdapter }, { FastifyAdapter }] = await Promise.all([
    import('@bull-board/api'), import('@bull-board/api/bullMQAdapter'), import('@bull-board/fastify'),
  ])
  const pages = new FastifyAdapter().setBasePath(prefix)
  createBullBoard({
    serverAdapter: pages, queues: queues.opened.map(queue => new BullMQAdapter(queue, { readOnlyMode: true })),
    // The list of workers would need a CLIENT LIST in Redis for every view.
    options: { uiConfig: { boardTitle: 'Verigate', hideDocsLink: true, showWorkers: false } },
  })
  const authenticate = promisify(auth.byApp('operations:read'))
  await server.register(async scope => {
    scope.addHook('onRequest', async (request, reply) => {
      try {
        if (request.method !== 'GET' && request.method !== 'HEAD') {
          throw new ApiError('method_not_allowed', 'The queue dashboard is read-only.')
        }
        request.headers.authorization = asBearer(request.headers.authorization)
        await authenticate(request, reply)
        if (request.routeOptions.url === prefix) auditAction(request, 'queues_opened')
        reply.header('content-security-policy', policy)
      } catch (error) {
        if (error instanceof ApiError && error.apiCode === 'unauthenticated') {
          reply.header('www-authenticate', basicChallenge)
        }
        // The error handler of the pages would reveal more.
        recordRefusal(error, request, metrics)
        return sendProblem(error, request, reply)
      }
    })
    await scope.register(pages.registerPlugin(), { prefix, logLevel: 'warn' })
  })
}
