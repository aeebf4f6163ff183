import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { Gateway } from '../gateway.ts'
import type { Metrics } from '../metrics.ts'
import type { Auth } from '../plugins/auth.ts'
import { apiProblems, byAppKey } from '../plugins/openapi.ts'
import { ProviderList } from './schemas.ts'

const tags = ['Operations']
/** Probes and scrapes are answered under pressure too, and leave no line in the log while all is well. */
const quiet = { pressureHandler: () => undefined }
const Health = (status: string, description: string) => Type.Object({ status: Type.Literal(status) }, { description })

export type OpsOptions = {
  gateway: Pick<Gateway, 'providers'>, auth: Auth, metrics: Pick<Metrics, 'registry'>, isReady: () => boolean | Promise<boolean>,
}

export const opsRoutes: FastifyPluginAsyncTypebox<OpsOptions> = async (server, { gateway, auth, metrics, isReady }) => {
  server.get('/providers', {
    onRequest: auth.byApp('providers:read'),
    schema: {
      tags: ['Providers'], security: byAppKey, operationId: 'listProviders',
      summary: 'The configured providers, their methods and their health',
      response: { 200: ProviderList, ...apiProblems('rate_limited') },
    },
  }, async () => ({ data: gateway.providers(), nextCursor: null }))

  server.get('/livez', {
    config: quiet, logLevel: 'warn',
    schema: { tags, operationId: 'isAlive', summary: 'The process answers', response: { 200: Health('ok', 'Alive.') } },
  }, async () => ({ status: 'ok' }))

  server.get('/readyz', {
    config: quiet, logLevel: 'warn',
    schema: {
      tags, operationId: 'isReady', summary: 'It can do its work: send traffic, or do not',
      response: { 200: Health('ready', 'Send traffic.'), 503: Health('unavailable', 'Starting, stopping, or without its store.') },
    },
  }, async (_request, reply) => await isReady() ? { status: 'ready' } : reply.code(503).send({ status: 'unavailable' }))

  server.get('/metrics', {
    config: quiet, logLevel: 'warn',
    schema: {
      tags, operationId: 'readMetrics', summary: 'Prometheus metrics',
      response: { 200: { description: 'Text exposition format.', content: { 'text/plain': { schema: Type.String() } } } },
    },
  }, async (_request, reply) => reply.header('content-type', metrics.registry.contentType).send(await metrics.registry.metrics()))
}
