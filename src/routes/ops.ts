import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { Gateway } from '../gateway.ts'
import type { Metrics } from '../metrics.ts'
import type { Auth } from '../plugins/auth.ts'
import { answer, apiProblems, byAppKey, openProblems } from '../plugins/operations.ts'
import { providers } from './examples.ts'
import { ProviderList } from './schemas.ts'

const tags = ['Operations']
/** Probes and scrapes are answered under pressure too, and leave no line in the log while all is well. */
const quiet = { pressureHandler: () => undefined }
const health = <Word extends string>(status: Word, description: string) =>
  answer(description, Type.Object({ status: Type.Literal(status) }), { [status]: { summary: description, value: { status } } })

const notReady = health('unavailable', 'Starting, stopping, or without its store.')
const { 503: overloaded, ...otherProblems } = openProblems()

export type OpsOptions = {
  gateway: Pick<Gateway, 'providers'>, auth: Auth, metrics: Pick<Metrics, 'registry'>, isReady: () => boolean | Promise<boolean>,
}

export const opsRoutes: FastifyPluginAsyncTypebox<OpsOptions> = async (server, { gateway, auth, metrics, isReady }) => {
  server.get('/providers', {
    onRequest: auth.byApp('providers:read'),
    schema: {
      tags: ['Providers'], security: byAppKey('providers:read'), operationId: 'listProviders',
      summary: 'The configured providers, their methods and their health',
      description: 'To see what a workflow can name, and whether it works now. Health is as the process that answers sees it. Changes nothing.',
      response: { 200: answer('All of them.', ProviderList, providers), ...apiProblems('rate_limited') },
    },
  }, async () => ({ data: gateway.providers(), nextCursor: null }))

  server.get('/livez', {
    config: quiet, logLevel: 'warn',
    schema: {
      tags, operationId: 'isAlive', summary: 'The process answers', description: 'For a liveness probe: asks nothing else, and is answered under load too.',
      response: { 200: health('ok', 'Alive.'), ...openProblems() },
    },
  }, async () => ({ status: 'ok' as const }))

  server.get('/readyz', {
    config: quiet, logLevel: 'warn',
    schema: {
      tags, operationId: 'isReady', summary: 'It can do its work: send traffic, or do not',
      description: 'For a readiness probe and for load balancers: asks the store, and the workers of this process.',
      response: { ...otherProblems, 200: health('ready', 'Send traffic.'), 503: { ...notReady, content: { ...notReady.content, ...overloaded?.content } } },
    },
  }, async (_request, reply) => await isReady() ? { status: 'ready' as const } : reply.code(503).send({ status: 'unavailable' }))

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
                metrics: { summary: 'One of the metrics', value: '# TYPE verigate_verifications_created_total counter\nverigate_verifications_created_total 42\n' },
              },
            },
          },
        },
        ...openProblems(),
      },
    },
  }, async (_request, reply) => reply.header('content-type', metrics.registry.contentType).send(await metrics.registry.metrics()))
}
