import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify, { LogController, type FastifyBaseLogger, type FastifyPluginAsync, type RouteOptions } from 'fastify'
import manifest from '../../package.json' with { type: 'json' }
import type { MethodContext } from '../adapters/guard.ts'
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
import { tagAddresses, trustProxies, warnOfUndeclaredProxy } from './plugins/client-address.ts'
import { createCors, type AllowOrigin } from './plugins/cors.ts'
import { sendClientError, registerErrorHandlers, sendProblem } from './plugins/error-handler.ts'
import { createRequestLimits, type RequestLimits } from './plugins/rate-limit.ts'
import { createLive, type LiveOptions } from './live/live.ts'
import { collectRoutes, serveDocs } from './openapi/docs.ts'
import { boundIdleConnections } from './plugins/idle-connections.ts'
import { createAdmission, type Admit } from './plugins/load-shedding.ts'
import { registerQueueDashboard } from './operations/queue-dashboard.ts'
import { readRequestId } from './plugins/request-id.ts'
import { recordRequest, recordResponses } from './plugins/request-log.ts'
import { traceRequests } from './plugins/request-tracing.ts'
import { createLogOnce } from '../telemetry/log-once.ts'
import { compileValidator } from './plugins/validation.ts'
import { callbackRoutes } from './routes/callbacks.ts'
import { elementRoutes } from './routes/elements.ts'
import { eligibilityRoutes } from './routes/eligibility.ts'
import { eventRoutes } from './routes/event-stream.ts'
import { pageRoutes } from './routes/pages.ts'
import { healthRoutes, metricsRoutes, providerRoutes } from './operations/routes.ts'
import { twilioRoutes } from './twilio/routes.ts'
import { verificationRoutes } from './routes/verifications.ts'
import { webhookRoutes } from './routes/webhooks.ts'
import type { WindowCounters } from '../store/window-counters.ts'
import type { Tracing } from '../telemetry/tracing.ts'

const bodyLimit = 64 * 1024
/** `requestTimeout` alone would allow a slow body a minute: `headersTimeout` and the interval must be set, too. */
const requestTimeout = 5000
const http = { headersTimeout: 3000, requestTimeout, connectionsCheckingInterval: 1000 }
/** Twice the maximum of streams. More connections could exhaust the file descriptors during a request. */
const maxConnections = 20_000
/** No id in a path is longer. */
const maxParamLength = 512

/** The security headers of JSON responses. Helmet would double the cost of a request; the pages at `/docs` use it. */
const safeHeaders = {
  'cache-control': 'no-store', 'content-security-policy': 'default-src \'none\'; frame-ancestors \'none\'',
  'referrer-policy': 'no-referrer', 'x-content-type-options': 'nosniff',
}
/** Only if the public URL is https: otherwise browsers could no longer reach it. */
const httpsHeaders = { 'strict-transport-security': 'max-age=31536000' }

/** `config`, `health` and `telemetry` serve every server; the rest only what its routes need. */
export type ServerParts = {
  config: Pick<Config, 'publicUrl' | 'role' | 'sandbox' | 'operations' | 'trustedProxies' | 'idleConnectionsPerIp'
    | 'queueLimitMs' | 'clientRequestsPerMinute' | 'ipRequestsPerMinute' | 'privateIpRequestsPerMinute'>
  health: Pick<Health, 'live' | 'ready' | 'isDraining'>
  telemetry: {
    metrics: Pick<
      Metrics, 'registry' | 'registerRoute' | 'countRequest' | 'countRefused' | 'recordQueue' | 'recordWait'
    >
    log: FastifyBaseLogger
    tracing: Tracing
  }
  access: {
    apps: Pick<Apps, 'byKey' | 'all'>, ids: Ids, windowCounters: WindowCounters, now: () => number
    /** The keyed hash of an address, for the audit log. */
    addressTag: (network: string) => string
  }
  gateway: Gateway
  deliveries: Pick<DeliveryLog, 'list' | 'replay' | 'test'>
  /** The configured methods, for `TWILIO_COMPAT`; without them its routes do not exist. */
  twilio?: { routing: MethodContext } | undefined
  /** The page at `/`; only the sandbox has one. */
  page?: FastifyPluginAsync | undefined
  /** For `/admin/queues`; without them the page does not exist. */
  queues?: Pick<Queues, 'opened'> | undefined
  live?: LiveOptions
  /** How often `/metrics` is rendered at most; default 1 s. */
  renderMetricsEveryMs?: number | undefined
}

export type Server = ReturnType<typeof createServer>

const refuseToCompile = (): never => { throw new Error('unexpected use of Fastify\'s own schema compilers') }

/** A Fastify instance with the limits, validation and error handling of all servers. */
function createServer (
  { config, telemetry: { metrics, log }, access }: Pick<ServerParts, 'config' | 'telemetry' | 'access'>,
) {
  const isTrusted = trustProxies(config.trustedProxies)
  // A developer reads the responses of the sandbox.
  const renderJson = (value: unknown): string =>
    config.sandbox ? `${JSON.stringify(value, null, 2)}\n` : JSON.stringify(value)
  const server = Fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    genReqId: readRequestId,
    bodyLimit, requestTimeout, http,
    // Fastify's own 503 is not problem+json: the hook below refuses requests instead.
    return503OnClosing: false,
    routerOptions: { maxParamLength },
    // Otherwise Fastify loads ajv and fast-json-stringify, which are not used.
    schemaController: { compilersFactory: { buildValidator: refuseToCompile, buildSerializer: refuseToCompile } },
    // Only addresses are trusted: a number of hops would trust any client (CVE-2026-16732).
    trustProxy: config.trustedProxies.length > 0 && isTrusted,
    frameworkErrors: (error, request, reply) => {
      sendProblem(error, request, reply)
      recordRequest(request, reply, metrics)
    },
    clientErrorHandler: (error, socket) => sendClientError(error, socket, config.publicUrl),
  }).withTypeProvider<TypeBoxTypeProvider>()

  server.server.maxConnections = maxConnections
  boundIdleConnections(server.server, config.idleConnectionsPerIp, isTrusted)
  if (config.trustedProxies.length === 0) warnOfUndeclaredProxy(server)
  server.setValidatorCompiler(compileValidator)
  // Views are already exact; response schemas only serve the document and the tests.
  server.setSerializerCompiler(() => renderJson)
  if (config.sandbox) server.setReplySerializer(renderJson)
  server.removeAllContentTypeParsers()
  server.decorateRequest('caller', null)
  server.decorateRequest('verificationId', null)
  tagAddresses(server, access.addressTag)
  registerErrorHandlers(server, { metrics, renderJson, publicUrl: config.publicUrl })
  return server
}

/** Hooks for the headers of every response, refusals during shutdown and overload, and one log line per request. */
function addHooks (
  server: Server, { config, health, telemetry: { metrics } }: Pick<ServerParts, 'config' | 'health' | 'telemetry'>,
  { allowOrigin, admit }: { allowOrigin?: AllowOrigin, admit?: Admit } = {},
): void {
  let isClosing = false
  server.addHook('preClose', async () => { isClosing = true })
  const headers = config.publicUrl.startsWith('https:') ? { ...safeHeaders, ...httpsHeaders } : safeHeaders
  server.addHook('onRequest', (request, reply, done) => {
    // Before any refusal: pages must be able to read refusals.
    if (request.headers.origin !== undefined) allowOrigin?.(request, reply)
    reply.headers(headers).header('x-request-id', request.id)
    if (isClosing) {
      reply.header('connection', 'close')
      return done(new ApiError('overloaded', 'The process is stopping.', { retryAfterSeconds: 1 }))
    }
    if (admit === undefined) done()
    else admit(request, reply, done)
  })
  server.addHook('onSend', async (_request, reply) => {
    if (isClosing || health.isDraining) reply.header('connection', 'close')
  })
  recordResponses(server, metrics)
}

/** The HTTP server, ready to listen, with every plugin and every route. */
export async function buildServer (parts: ServerParts) {
  const { access: { apps, ids }, gateway, config, telemetry: { metrics, log, tracing }, health } = parts
  const server = createServer(parts)
  traceRequests(server, tracing)
  addHooks(server, parts, {
    allowOrigin: createCors(server, { apps, ids, warnOnce: createLogOnce(log) }),
    admit: createAdmission({ limitMs: config.queueLimitMs, metrics }),
  })
  collectRoutes(server)
  // Registered here, so that only the routes below are counted.
  server.addHook('onRoute', ({ method, url }) => {
    for (const verb of [method].flat()) if (verb !== 'HEAD') metrics.registerRoute(verb, url)
  })

  const { auth, limits } = await createAccess(server, parts)
  // A worker serves only health and metrics.
  if (config.role !== 'worker') {
    const live = createLive(server, gateway, parts.live)
    await server.register(verificationRoutes, { gateway, apps, live, ids, auth, limits, publicUrl: config.publicUrl })
    await server.register(eventRoutes, { live, ids, auth })
    await server.register(eligibilityRoutes, { gateway, auth })
    await server.register(webhookRoutes, { deliveries: parts.deliveries, auth })
    await server.register(callbackRoutes, { gateway, limits })
    await server.register(elementRoutes)
    if (parts.twilio !== undefined) {
      const { access: { now }, config: { publicUrl }, twilio } = parts
      await server.register(
        twilioRoutes, { prefix: '/v2', gateway, live, ids, auth, limits, publicUrl, now, ...twilio },
      )
    }
    await server.register(pageRoutes, { limits, config })
    if (parts.page !== undefined) await server.register(parts.page)
  }
  await server.register(providerRoutes, { gateway, auth })
  await server.register(healthRoutes, { health })
  if (config.operations === null) {
    await serveOperations(server, parts, { auth, documented: server.documented, url: null })
  }
  return server
}

/** The server of `OPERATIONS_PORT`: the routes for operators, separate from the public port, and `api`'s document. */
export async function buildOperationsServer (
  api: Server,
  parts: Pick<ServerParts, 'config' | 'access' | 'telemetry' | 'health' | 'queues' | 'renderMetricsEveryMs'>,
): Promise<Server> {
  const { config, health } = parts
  const server = createServer(parts)
  addHooks(server, parts)
  await server.register(healthRoutes, { health })
  const { auth } = await createAccess(server, parts)
  await serveOperations(server, parts, { auth, documented: api.documented, url: config.publicUrl })
  return server
}

async function createAccess (
  server: Server, { access: { apps, ids, windowCounters, now }, config }: Pick<ServerParts, 'access' | 'config'>,
): Promise<{ auth: Auth, limits: RequestLimits }> {
  const limits = await createRequestLimits(server, { windowCounters, config, now })
  return { auth: createAuth({ apps, ids, limits }), limits }
}

async function serveOperations (
  server: Server, { config, telemetry: { metrics }, queues, renderMetricsEveryMs }:
    Pick<ServerParts, 'config' | 'telemetry' | 'queues' | 'renderMetricsEveryMs'>,
  { auth, documented, url }: { auth: Auth, documented: readonly RouteOptions[], url: string | null },
): Promise<void> {
  serveDocs(server, documented, { version: manifest.version, sandbox: config.sandbox, url })
  await server.register(metricsRoutes, { metrics, renderEveryMs: renderMetricsEveryMs })
  if (queues !== undefined) await registerQueueDashboard(server, { queues, auth, metrics })
}
