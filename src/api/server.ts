import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify, { LogController, type FastifyBaseLogger, type FastifyReply, type FastifyRequest } from 'fastify'
import manifest from '../../package.json' with { type: 'json' }
import type { Apps } from '../apps/apps.ts'
import type { Config } from '../config.ts'
import type { DeliveryLog } from '../webhooks/log.ts'
import { ApiError } from '../core/errors.ts'
import type { Gateway } from '../verifications/gateway.ts'
import type { Health } from './operations/health.ts'
import type { Ids } from '../store/ids.ts'
import type { Queues } from '../jobs/queues.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { createAuth, type Auth } from './plugins/auth.ts'
import { registerCors } from './plugins/cors.ts'
import { sendClientError, registerErrorHandlers, sendProblem } from './plugins/error-handler.ts'
import { createRequestLimits } from './plugins/rate-limit.ts'
import { createLive, type LiveOptions } from './live/live.ts'
import { describeApi, describeOther, serveDocs } from './openapi/plugin.ts'
import { shedLoad } from './plugins/load-shedding.ts'
import { registerQueueDashboard } from './operations/queue-dashboard.ts'
import { traceRequests } from './plugins/request-tracing.ts'
import { compileValidator } from './plugins/validation.ts'
import { callbackRoutes } from './routes/callbacks.ts'
import { eventRoutes } from './routes/event-stream.ts'
import { healthRoutes, metricsRoutes, providerRoutes } from './operations/routes.ts'
import { verificationRoutes } from './routes/verifications.ts'
import { webhookRoutes } from './routes/webhooks.ts'
import type { WindowCounters } from '../store/window-counters.ts'
import type { Tracing } from '../telemetry/tracing.ts'

const bodyLimit = 64 * 1024
/**
 * `headersTimeout` and the interval must be set with it: alone, `requestTimeout` lets a slow body live for a minute.
 */
const requestTimeout = 5000
const http = { headersTimeout: 3000, requestTimeout, connectionsCheckingInterval: 1000 }
/** Twice the streams that one process carries; more would run out of file descriptors in the middle of something. */
const maxConnections = 20_000
const maxEventLoopDelayMs = 1000
/** A name in the path that is longer names nothing. */
const maxParamLength = 512

/**
 * What browsers heed of an answer that is no page. All of Helmet costs as much as a bare request; the pages at `/docs`
 * have it.
 */
const safeHeaders = {
  'cache-control': 'no-store', 'content-security-policy': 'default-src \'none\'; frame-ancestors \'none\'',
  'referrer-policy': 'no-referrer', 'x-content-type-options': 'nosniff',
}
/** Only where the public door is https: elsewhere the promise would lock browsers out. */
const httpsHeaders = { 'strict-transport-security': 'max-age=31536000' }

export type ServerParts = {
  gateway: Gateway
  deliveries: Pick<DeliveryLog, 'list' | 'replay' | 'test'>
  ids: Ids
  apps: Pick<Apps, 'byKey' | 'all'>
  windowCounters: WindowCounters
  config: Pick<Config, 'publicUrl' | 'role' | 'sandbox' | 'operations'
    | 'trustedProxies' | 'clientRequestsPerMinute' | 'ipRequestsPerMinute'>
  metrics: Pick<Metrics, 'registry' | 'registerRoute' | 'countRequest' | 'countRefused'>
  log: FastifyBaseLogger
  tracing: Tracing
  health: Pick<Health, 'live' | 'ready' | 'isDraining'>
  now: () => number
  /** Shown at `/admin/queues`; without them there is no such page. */
  queues?: Pick<Queues, 'opened'> | undefined
  live?: LiveOptions
}

export type Server = ReturnType<typeof createServer>

const compileNothing = (): never => { throw new Error('schemas are compiled by our own compilers') }

/** A Fastify that reads, answers and fails as all of ours do. */
function createServer ({ config, metrics, log }: Pick<ServerParts, 'config' | 'metrics' | 'log'>) {
  const server = Fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    genReqId: readRequestId,
    bodyLimit, requestTimeout, http,
    // Fastify's own 503 is no problem+json: the first hook below says it instead.
    return503OnClosing: false,
    routerOptions: { maxParamLength },
    // Else it loads compilers of its own (ajv, fast-json-stringify), which nobody asks: ours are set below.
    schemaController: { compilersFactory: { buildValidator: compileNothing, buildSerializer: compileNothing } },
    // A number of hops would be believed of anybody (CVE-2026-16732): only addresses are.
    trustProxy: config.trustedProxies.length > 0 && [...config.trustedProxies],
    frameworkErrors: (error, request, reply) => {
      sendProblem(error, request, reply)
      recordRequest(request, reply, metrics)
    },
    clientErrorHandler: sendClientError,
  }).withTypeProvider<TypeBoxTypeProvider>()

  server.server.maxConnections = maxConnections
  server.setValidatorCompiler(compileValidator)
  // Views are exact already; the answer's schemas are for the document and for the tests.
  server.setSerializerCompiler(() => value => JSON.stringify(value))
  server.removeAllContentTypeParsers()
  server.decorateRequest('caller', null)
  server.decorateRequest('verificationId', null)
  registerErrorHandlers(server, { metrics })
  return server
}

/** What every answer carries, what is said while it stops, and one line a request. */
function addHooks (
  server: Server, { config, metrics, health }: Pick<ServerParts, 'config' | 'metrics' | 'health'>,
): void {
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
    if (isClosing || health.isDraining()) reply.header('connection', 'close')
  })
  server.addHook('onResponse', (request, reply, done) => {
    recordRequest(request, reply, metrics)
    done()
  })
}

/** The HTTP server, ready to listen: every plugin and every route on one page. */
export async function buildServer (parts: ServerParts) {
  const {
    gateway, deliveries, ids, apps, windowCounters, config, metrics, tracing, health, queues, now, live: liveOptions,
  } = parts
  const server = createServer(parts)
  traceRequests(server, tracing)
  registerCors(server, { apps, ids })
  addHooks(server, parts)
  shedLoad(server, maxEventLoopDelayMs)
  await describeApi(server, { version: manifest.version, sandbox: config.sandbox })
  // From here on the routes are ours.
  server.addHook('onRoute', ({ method, url }) => {
    for (const verb of [method].flat()) if (verb !== 'HEAD') metrics.registerRoute(verb, url)
  })

  const limits = await createRequestLimits(server, { windowCounters, config, now })
  const auth = createAuth({ apps, ids, limits })
  // A worker is asked for its health and its metrics only.
  if (config.role !== 'worker') {
    const live = createLive(server, gateway, liveOptions)
    await server.register(verificationRoutes, { gateway, live, ids, auth, limits })
    await server.register(eventRoutes, { live, ids, auth })
    await server.register(webhookRoutes, { deliveries, auth })
    await server.register(callbackRoutes, { gateway, limits })
  }
  await server.register(providerRoutes, { gateway, auth })
  await server.register(healthRoutes, { health })
  if (config.operations === null) await serveOperations(server, { auth, config, metrics, queues })
  return server
}

/**
 * The server of `OPERATIONS_PORT`: what is for operators only, away from the public door. The API's document is that of
 * `api`.
 */
export async function buildOperationsServer (
  api: Server, parts: Pick<ServerParts, 'config' | 'ids' | 'apps' | 'windowCounters' | 'metrics'
    | 'log' | 'health' | 'queues' | 'now'>,
): Promise<Server> {
  const { config, ids, apps, metrics, health, queues } = parts
  const server = createServer(parts)
  addHooks(server, parts)
  await describeOther(server, api, config.publicUrl)
  await server.register(healthRoutes, { health })
  await serveOperations(
    server,
    { auth: createAuth({ apps, ids, limits: await createRequestLimits(server, parts) }), config, metrics, queues },
  )
  return server
}

async function serveOperations (
  server: Server,
  { auth, config, metrics, queues }: Pick<ServerParts, 'config' | 'metrics' | 'queues'> & { auth: Auth },
): Promise<void> {
  await serveDocs(server, config)
  await server.register(metricsRoutes, { metrics })
  if (queues !== undefined) await registerQueueDashboard(server, { queues, auth, metrics })
}

function recordRequest (request: FastifyRequest, reply: FastifyReply, metrics: Pick<Metrics, 'countRequest'>): void {
  const { method, routeOptions: { url: route = null } } = request
  metrics.countRequest({ method, route, statusCode: reply.statusCode, durationMs: reply.elapsedTime })
  logRequest(request, reply)
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
