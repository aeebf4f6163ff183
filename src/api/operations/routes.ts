import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { Gateway } from '../../verifications/gateway.ts'
import type { Health } from './health.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import type { Auth } from '../plugins/auth.ts'
import { jsonResponse, apiErrorResponses, byAppKey, publicErrors } from '../openapi/operations.ts'
import { liveness, providers, readiness } from '../openapi/examples.ts'
import { Liveness, ProviderList, Readiness } from '../schemas/requests.ts'

const tags = ['Operations']
/** Probes and scrapes are answered under pressure too, and leave no line in the log while all is well. */
const quiet = { isUrgent: true }
const { 503: overloaded, ...otherProblems } = publicErrors()
/** A probe's own 503 beside that of every call. */
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
      summary: 'The configured providers, their methods and their health',
      description: 'To see what a workflow can name, and whether it works now. Health is as the process that answers sees it. Changes nothing.',
      response: { 200: jsonResponse('All of them.', ProviderList, providers), ...apiErrorResponses('rate_limited') },
    },
  }, async () => ({ data: gateway.providers(), nextCursor: null }))
}

export const healthRoutes: FastifyPluginAsyncTypebox<{
  health: Pick<Health, 'live' | 'ready'>,
}> = async (server, { health }) => {
  server.get('/livez', {
    config: quiet, logLevel: 'warn',
    schema: {
      tags, operationId: 'isAlive', summary: 'It can go on: leave it alone, or start another one',
      description: 'For a liveness probe: asks nothing else, and is answered under load too.',
      response: {
        ...otherProblems, 200: jsonResponse('Alive.', Liveness, liveness.ok),
        503: orOverloaded(jsonResponse('Beyond repair.', Liveness, liveness.stuck)),
      },
    },
  }, async (_request, reply) => {
    const state = health.live()
    return reply.code(state.status === 'ok' ? 200 : 503).send(state)
  })

  server.get('/readyz', {
    config: quiet, logLevel: 'warn',
    schema: {
      tags, operationId: 'isReady', summary: 'It can do its work: send traffic, or do not',
      description: 'For a readiness probe and for load balancers: asks the store, and the workers of this process.',
      response: {
        ...otherProblems, 200: jsonResponse('Send traffic.', Readiness, readiness.ready),
        503: orOverloaded(jsonResponse('Send none: `checks` says what is missing.', Readiness, readiness.unavailable)),
      },
    },
  }, async (_request, reply) => {
    const state = await health.ready()
    return reply.code(state.status === 'ready' ? 200 : 503).send(state)
  })
}

export const metricsRoutes: FastifyPluginAsyncTypebox<{
  metrics: Pick<Metrics, 'registry'>,
}> = async (server, { metrics }) => {
  server.get('/metrics', {
    config: quiet, logLevel: 'warn',
    schema: {
      tags, operationId: 'readMetrics', summary: 'Prometheus metrics', description: 'To be scraped: no phone number, no id and no secret is in it.',
      response: {
        200: {
          description: 'Text exposition format.',
          content: {
            'text/plain': {
              schema: Type.String(),
              examples: {
                metrics: {
                  summary: 'One of the metrics',
                  value: '# TYPE verigate_verifications_created_total counter\nverigate_verifications_created_total 42\n',
                },
              },
            },
          },
        },
        ...publicErrors(),
      },
    },
  }, async (_request, reply) => reply.header('content-type', metrics.registry.contentType).send(await metrics.registry.metrics()))
}
