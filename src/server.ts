import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import underPressure from '@fastify/under-pressure'
import Fastify, { LogController, type FastifyBaseLogger, type FastifyReply, type FastifyRequest } from 'fastify'
import manifest from '../package.json' with { type: 'json' }
import type { Apps } from './apps.ts'
import type { Config } from './config.ts'
import type { Deliveries } from './deliveries.ts'
import { ApiError } from './errors.ts'
import type { Gateway } from './gateway.ts'
import type { Ids } from './ids.ts'
import type { Metrics } from './metrics.ts'
import { createAuth } from './plugins/auth.ts'
import { allowOrigins } from './plugins/cors.ts'
import { answerClientError, answerErrors, sendProblem } from './plugins/errors.ts'
import { openLive, type LiveOptions } from './plugins/live.ts'
import { describeApi } from './plugins/openapi.ts'
import { compileValidator } from './plugins/validation.ts'
import { callbackRoutes } from './routes/callbacks.ts'
import { eventRoutes } from './routes/events.ts'
import { opsRoutes } from './routes/ops.ts'
import { verificationRoutes } from './routes/verifications.ts'
import { webhookRoutes } from './routes/webhooks.ts'

const bodyLimit = 64 * 1024
/** `headersTimeout` and the interval must be set with it: alone, `requestTimeout` lets a slow body live for a minute. */
const requestTimeout = 5000
const http = { headersTimeout: 3000, requestTimeout, connectionsCheckingInterval: 1000 }
const handlerTimeout = 10_000
const maxEventLoopDelay = 1000
/** A name in the path that is longer names nothing. */
const maxParamLength = 512

/** What browsers heed of an answer that is no page. All of Helmet costs as much as a bare request; the pages at `/docs` have it. */
const safeHeaders = {
  'cache-control': 'no-store', 'content-security-policy': 'default-src \'none\'; frame-ancestors \'none\'',
  'referrer-policy': 'no-referrer', 'x-content-type-options': 'nosniff',
}
/** Only where the public door is https: elsewhere the promise would lock browsers out. */
const httpsHeaders = { 'strict-transport-security': 'max-age=31536000' }

export type ServerParts = {
  gateway: Gateway
  deliveries: Pick<Deliveries, 'list' | 'replay' | 'test'>
  ids: Ids
  apps: Pick<Apps, 'byKey' | 'all'>
  config: Pick<Config, 'publicUrl' | 'role' | 'sandbox'>
  metrics: Pick<Metrics, 'registry'>
  log: FastifyBaseLogger
  /** Whether traffic should be sent here. */
  isReady: () => boolean | Promise<boolean>
  live?: LiveOptions
}

export type Server = Awaited<ReturnType<typeof buildServer>>

/** The HTTP server, ready to listen: every plugin and every route on one page. */
export async function buildServer ({ gateway, deliveries, ids, apps, config, metrics, log, isReady, live: liveOptions }: ServerParts) {
  const server = Fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    genReqId: readRequestId,
    bodyLimit, requestTimeout, http, handlerTimeout,
    // Fastify's own 503 is no problem+json: the first hook below says it instead.
    return503OnClosing: false,
    routerOptions: { maxParamLength },
    frameworkErrors: (error, request, reply) => {
      sendProblem(error, request, reply)
      logRequest(request, reply)
    },
    clientErrorHandler: answerClientError,
  }).withTypeProvider<TypeBoxTypeProvider>()

  server.setValidatorCompiler(compileValidator)
  // Views are exact already; the answer's schemas are for the document and for the tests.
  server.setSerializerCompiler(() => value => JSON.stringify(value))
  server.removeAllContentTypeParsers()
  server.decorateRequest('caller', null)
  server.decorateRequest('verificationId', null)
  answerErrors(server)

  allowOrigins(server, { apps, ids })
  let isClosing = false
  server.addHook('preClose', async () => { isClosing = true })
  const headers = config.publicUrl.startsWith('https:') ? { ...safeHeaders, ...httpsHeaders } : safeHeaders
  server.addHook('onRequest', (request, reply, done) => {
    reply.headers(headers).header('x-request-id', request.id)
    if (!isClosing) return done()
    reply.header('connection', 'close')
    done(new ApiError('overloaded', 'This process is stopping.', { retryAfterSeconds: 1 }))
  })
  server.addHook('onSend', async (_request, reply) => {
    if (isClosing) reply.header('connection', 'close')
  })
  server.addHook('onResponse', (request, reply, done) => {
    logRequest(request, reply)
    done()
  })
  await server.register(underPressure, { maxEventLoopDelay, retryAfter: 1 })
  await describeApi(server, { version: manifest.version, sandbox: config.sandbox })

  const auth = createAuth({ apps, ids })
  // A worker is asked for its health and its metrics only.
  if (config.role !== 'worker') {
    const live = openLive(server, gateway, liveOptions)
    await server.register(verificationRoutes, { gateway, live, ids, auth })
    await server.register(eventRoutes, { live, ids, auth })
    await server.register(webhookRoutes, { deliveries, auth })
    await server.register(callbackRoutes, { gateway })
  }
  await server.register(opsRoutes, { gateway, auth, metrics, isReady })
  return server
}

/** One line a request: the route's pattern, never the path, and nothing that was sent. */
function logRequest (request: FastifyRequest, reply: FastifyReply): void {
  const { method, verificationId, routeOptions: { url: route = null } } = request
  const line = { method, route, status: reply.statusCode, durationMs: Math.round(reply.elapsedTime * 1000) / 1000 }
  request.log.info(typeof verificationId === 'string' ? { ...line, verificationId } : line, 'request')
}

/** The caller's `x-request-id` if it is one (at most 128 visible ASCII characters), else a new one. */
function readRequestId ({ headers }: IncomingMessage): string {
  const given = headers['x-request-id']
  return typeof given === 'string' && /^[\x21-\x7e]{1,128}$/.test(given) ? given : randomUUID()
}
