import { promisify } from 'node:util'
import { constants, gzip } from 'node:zlib'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { Gateway } from '../../verifications/gateway.ts'
import { atMostEvery } from './at-most-every.ts'
import type { Health } from './health.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import type { Auth } from '../plugins/auth.ts'
import { acceptsGzip } from '../plugins/content-coding.ts'
import { jsonResponse, apiErrorResponses, byAppKey, publicErrors } from '../openapi/operations.ts'
import { liveness, providers, readiness } from '../openapi/examples.ts'
import { Liveness, ProviderList, Readiness } from '../schemas/responses.ts'

const tags = ['Operations']
/** Probes and scrapes are answered under load, too, and only their failures are logged. */
const quiet = { isUrgent: true }
const { 503: overloaded, ...otherErrors } = publicErrors()
const defaultRenderEveryMs = 1_000
/** The 503 of a probe, besides the one of every call. */
const orOverloaded = <Answer extends { content: object }>(own: Answer) => (
  { ...own, content: { ...own.content, ...overloaded?.content } }
)

export const providerRoutes: FastifyPluginAsyncTypebox<{
  gateway: Pick<Gateway, 'providers'>, auth: Auth,
}> = async (server, { gateway, auth }) => {
  server.get('/providers', {
    onRequest: auth.byApp('providers:read'),
    schema: {
      tags: ['Providers'], security: byAppKey('providers:read'), operationId: 'listProviders',
      summary: 'List the configured providers, their methods and their health',
      description: 'The methods that a workflow can name, and whether they work now. The health is what all '
        + 'processes have observed, a few seconds late. Changes nothing.',
      response: {
        200: jsonResponse('The configured providers.', ProviderList, providers), ...apiErrorResponses('rate_limited')
      },
    },
  }, async () => ({ data: gateway.providers(), nextCursor: null }))
}

export const healthRoutes: FastifyPluginAsyncTypebox<{
  health: Pick<Health, 'live' | 'ready'>,
}> = async (server, { health }) => {
  server.get('/livez', {
    config: quiet, logLevel: 'warn',
    schema: {
      tags, operationId: 'getLiveness', summary: 'Liveness probe: 503 means the process must be restarted',
      description: 'Depends on no other service, and is answered under load.',
      response: {
        ...otherErrors, 200: jsonResponse('Alive.', Liveness, liveness.ok),
        503: orOverloaded(jsonResponse('Restart required.', Liveness, liveness.stuck)),
      },
    },
  }, async (_request, reply) => {
    const state = health.live()
    return reply.code(state.status === 'ok' ? 200 : 503).send(state)
  })

  server.get('/readyz', {
    config: quiet, logLevel: 'warn',
    schema: {
      tags, operationId: 'getReadiness', summary: 'Readiness probe: 503 means the process should get no traffic',
      description: 'For readiness probes and load balancers. Checks Redis and the workers of this process.',
      response: {
        ...otherErrors, 200: jsonResponse('Ready for traffic.', Readiness, readiness.ready),
        503: orOverloaded(jsonResponse('Not ready: see `checks`.', Readiness, readiness.unavailable)),
      },
    },
  }, async (_request, reply) => {
    const state = await health.ready()
    return reply.code(state.status === 'ready' ? 200 : 503).send(state)
  })
}

export const metricsRoutes: FastifyPluginAsyncTypebox<{
  metrics: Pick<Metrics, 'registry'>, renderEveryMs?: number | undefined,
}> = async (server, { metrics, renderEveryMs = defaultRenderEveryMs }) => {
  // Strangers may reach this route, and a rendering takes milliseconds.
  const render = atMostEvery(renderEveryMs, async () => {
    const text = await metrics.registry.metrics()
    // A page of 300 KB is 15 KB when it is compressed, for a few milliseconds off the event loop.
    let compressed: Promise<Buffer> | null = null
    return { text, compress: () => compressed ??= promisify(gzip)(text, { level: constants.Z_BEST_SPEED }) }
  })
  server.get('/metrics', {
    config: quiet, logLevel: 'warn',
    schema: {
      tags, operationId: 'getMetrics', summary: 'Prometheus metrics',
      description: 'For scraping, at most once a second: a scrape that comes sooner waits for its time. Contains no '
        + 'phone numbers, ids or secrets.',
      response: {
        200: {
          description: 'Text exposition format.',
          content: {
            'text/plain': {
              schema: Type.Unsafe<string | Buffer>(Type.String()),
              examples: {
                metrics: {
                  summary: 'One metric',
                  value: '# TYPE verigate_verifications_created_total counter\n'
                    + 'verigate_verifications_created_total 42\n',
                },
              },
            },
          },
        },
        ...publicErrors(),
      },
    },
  }, async (request, reply) => {
    const { text, compress } = await render()
    reply.headers({ 'content-type': metrics.registry.contentType, vary: 'accept-encoding' })
    return acceptsGzip(request)
      ? reply.header('content-encoding', 'gzip').send(await compress())
      : reply.send(text)
  })
}
