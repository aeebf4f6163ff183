import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { Gateway } from '../gateway.ts'
import type { Health } from '../health.ts'
import type { Metrics } from '../metrics.ts'
import type { Auth } from '../plugins/auth.ts'
import { apiProblems, byAppKey } from '../plugins/openapi.ts'
import { Liveness, ProviderList, Readiness } from './schemas.ts'

const tags = ['Operations']
/** Probes and scrapes are answered under pressure too, and leave no line in the log while all is well. */
const quiet = { pressureHandler: () => undefined }
const answer = (description: string, schema: typeof Liveness | typeof Readiness) => ({ description, content: { 'application/json': { schema } } })

export const providerRoutes: FastifyPluginAsyncTypebox<{ gateway: Pick<Gateway, 'providers'>, auth: Auth }> = async (server, { gateway, auth }) => {
  server.get('/providers', {
    onRequest: auth.byApp('providers:read'),
    schema: {
      tags: ['Providers'], security: byAppKey, operationId: 'listProviders',
      summary: 'The configured providers, their methods and their health',
      response: { 200: ProviderList, ...apiProblems('rate_limited') },
    },
  }, async () => ({ data: gateway.providers(), nextCursor: null }))
}

export const healthRoutes: FastifyPluginAsyncTypebox<{ health: Pick<Health, 'live' | 'ready'> }> = async (server, { health }) => {
  server.get('/livez', {
    config: quiet, logLevel: 'warn',
    schema: {
      tags, operationId: 'isAlive', summary: 'It can go on: leave it alone, or start another one',
      response: { 200: answer('Alive.', Liveness), 503: answer('Beyond repair.', Liveness) },
    },
  }, async (_request, reply) => {
    const liveness = health.live()
    return reply.code(liveness.status === 'ok' ? 200 : 503).send(liveness)
  })

  server.get('/readyz', {
    config: quiet, logLevel: 'warn',
    schema: {
      tags, operationId: 'isReady', summary: 'It can do its work: send traffic, or do not',
      response: { 200: answer('Send traffic.', Readiness), 503: answer('Send none: `checks` says what is missing.', Readiness) },
    },
  }, async (_request, reply) => {
    const readiness = await health.ready()
    return reply.code(readiness.status === 'ready' ? 200 : 503).send(readiness)
  })
}

export const metricsRoutes: FastifyPluginAsyncTypebox<{ metrics: Pick<Metrics, 'registry'> }> = async (server, { metrics }) => {
  server.get('/metrics', {
    config: quiet, logLevel: 'warn',
    schema: {
      tags, operationId: 'readMetrics', summary: 'Prometheus metrics',
      response: { 200: { description: 'Text exposition format.', content: { 'text/plain': { schema: Type.String() } } } },
    },
  }, async (_request, reply) => reply.header('content-type', metrics.registry.contentType).send(await metrics.registry.metrics()))
}
