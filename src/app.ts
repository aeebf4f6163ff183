import { setTimeout as delay } from 'node:timers/promises'
import type { Provider } from './adapters/adapter.ts'
import { providers as allProviders } from './adapters/index.ts'
import { createApps, readAppsFile, sandboxApp, type Apps } from './apps/apps.ts'
import { createProviderCalls } from './verifications/provider-calls.ts'
import { guardAdapter } from './adapters/guard.ts'
import { createUnverifiedBudget } from './apps/unverified-budget.ts'
import { createTransitions } from './verifications/transitions.ts'
import type { Config } from './config.ts'
import { createDeliveries } from './webhooks/deliveries.ts'
import { readDelivery } from './webhooks/delivery.ts'
import { createSingleUse } from './verifications/single-use.ts'
import { registerGauges } from './api/operations/gauges.ts'
import { createGateway, type Gateway } from './verifications/gateway.ts'
import { createInlineExecutor } from './jobs/inline-executor.ts'
import { createHealth } from './api/operations/health.ts'
import { createHttp } from './adapters/http.ts'
import { createIds } from './store/ids.ts'
import { createQueues } from './jobs/queues.ts'
import { startWorkers, type Workers } from './jobs/workers.ts'
import { createRecordKeys } from './verifications/record-keys.ts'
import { createLimits } from './apps/limits.ts'
import type { Logger } from './telemetry/logger.ts'
import { byProvider, createMetrics } from './telemetry/metrics.ts'
import type { LiveOptions } from './api/live/live.ts'
import { createCountryPolicy } from './apps/country-policy.ts'
import { createRandom } from './store/random-pool.ts'
import { readRecord, writeRecord } from './verifications/record-codec.ts'
import { createSealer } from './store/sealing.ts'
import { buildOperationsServer, buildServer, type Server } from './api/server.ts'
import { createChangeFeed } from './store/change-feed.ts'
import { assertRedisConfig } from './store/preflight.ts'
import { startClock } from './store/clock.ts'
import { createCounters } from './store/counters.ts'
import { createKeys, partitions } from './store/keys.ts'
import { connectRedis, untilReady } from './store/redis.ts'
import { createReplicas } from './store/replication.ts'
import { createStore } from './store/record-store.ts'
import { createWindowCounters } from './store/window-counters.ts'
import { viewVerification } from './api/views/verification.ts'
import { noTracing, type Tracing } from './telemetry/tracing.ts'
import { createWebhookSender, type WebhookOptions } from './webhooks/sender.ts'
import { collectMethods } from './verifications/workflow.ts'

export type RunningApp = {
  server: Server
  /** Null unless `OPERATIONS_PORT` is set. */
  operations: Server | null
  gateway: Gateway
  apps: Apps
  /** Reads `APPS_FILE` again; if it is not valid the old set stays, and a metric and the log say so. */
  reloadApps (): void
  /**
   * Says that it is not ready, and after `delayMs` stops taking requests and jobs, lets those in hand finish, and leaves; within about eight
   * seconds more, also when Redis is away.
   */
  close (delayMs?: number): Promise<void>
}

/** How long requests, and jobs, in hand are waited for when the process stops. What is cut off is taken up again by the sweeper. */
const requestsGraceMs = 7_000
const jobsGraceMs = 5_000
const operationsGraceMs = 500
/** How much a process that works does at once besides its jobs. */
const mostInHand = 200
/** A replica that hears has it in less; it must be less than the time that a command has. */
const replicasTimeoutMs = 500

export type AppOptions = {
  log: Logger
  tracing?: Tracing
  /** Default: Redis's clock. */
  now?: () => number
  /** The registry, or another list of providers. */
  providers?: readonly Provider[]
  live?: LiveOptions
  webhooks?: WebhookOptions
}

/** The whole composition on one page: connections, then the core's shell, then routes and workers as the role says. Does not listen yet. */
export async function startApp (
  config: Config, { log, tracing = noTracing, now: givenNow, providers = allProviders, live = {}, webhooks: webhookOptions = {} }: AppOptions,
): Promise<RunningApp> {
  const onError = (error: Error): void => log.warn({ cause: error.message }, 'redis')
  const redis = connectRedis(config.redisUrl, 'api', { onError })
  const subscriber = connectRedis(config.redisUrl, 'subscriber', { onError })
  const waiting = config.waitReplicas === 0 ? null : connectRedis(config.redisUrl, 'api', { onError })
  await Promise.all([redis, waiting].map(connection => connection === null ? null : untilReady(connection)))
  await assertRedisConfig(redis, message => log.warn(message))
  const clock = givenNow === undefined ? await startClock(redis) : { now: givenNow, close () {} }
  const { now } = clock

  const randomBytes = createRandom()
  const sealer = createSealer(config.sealKeys, { randomBytes })
  const ids = createIds(sealer, { partitions, randomBytes })
  const announcements = createChangeFeed(subscriber, createKeys('vg').channel)
  const loadApps = () => [
    ...(config.appsFile === null ? [] : readAppsFile(config.appsFile)),
    ...(config.sandbox ? [sandboxApp(config.publicUrl)] : []),
  ]
  const apps = createApps(loadApps())

  const http = createHttp({ allowInsecure: config.allowInsecureProviders, now })
  const opened = providers.flatMap(provider =>
    provider.open(config.settings, { openHttp: http.openHttp, now, allowInsecure: config.allowInsecureProviders }) ?? [])
  const methods = collectMethods(opened)
  const metrics = createMetrics(byProvider(methods.keys()))
  metrics.recordAppsLoaded(now())
  const replicas = waiting === null ? null : createReplicas(waiting, { count: config.waitReplicas, timeoutMs: replicasTimeoutMs })
  const store = createStore({ redis, replicas, sealer, read: readRecord, write: writeRecord, report: metrics.countRoundTrip })
  const adapters = new Map(opened.map(adapter => [adapter.provider, guardAdapter(adapter, {
    now, tracing,
    report: call => {
      metrics.countCall(call)
      log.info(call, 'provider call')
    },
  })]))
  if (adapters.size === 0) log.warn('no provider is configured')

  const queues = createQueues(redis, onError, now)
  const hands = config.role === 'api' ? null : createInlineExecutor({ maxInFlight: mostInHand, log })
  const attempts = createProviderCalls({ adapters, ids, publicUrl: config.publicUrl, now })
  const evidenceClaims = createSingleUse({ adapters, attempts, sealer, now })
  const surroundings = { methods, isOpen: (provider: string) => adapters.get(provider)?.isOpen() ?? true }
  const counts = createCounters({ redis, sealer })
  const limits = createLimits({ sealer, now })
  const budget = createUnverifiedBudget({ counts, now, onError: () => log.debug('traffic not shared, tried again') })
  const policy = createCountryPolicy({ budget, sealer, metrics, log })
  const keeping = createRecordKeys({ sealer, now, retentionMs: config.retentionMs })
  const webhooks = createWebhookSender(webhookOptions)
  const deliveries = createDeliveries({
    store: createStore({ redis, replicas, sealer, read: readDelivery, report: metrics.countRoundTrip }), apps, ids, sealer, send: webhooks.send, queues, hands, metrics, log, tracing, now,
    randomBytes, retentionMs: config.retentionMs, viewOf: verification => viewVerification(verification, { attemptId: ids.attemptId }),
  })
  const changes = createTransitions({ store, sealer, apps, attempts, keeping, evidenceClaims, limits, budget, surroundings, queues, hands, deliveries, metrics, log, now })
  const gateway = createGateway({
    changes, store, ids, sealer, adapters, attempts, deliveries, methods, keeping, limits, policy, announcements, publicUrl: config.publicUrl, metrics, log, tracing, now,
    randomBytes,
  })

  registerGauges(metrics.registry, { adapters, queues, store, deliveries, now })

  let workers: Workers | null = null
  let workerRedis: ReturnType<typeof connectRedis> | null = null
  if (config.role !== 'api') {
    workerRedis = connectRedis(config.redisUrl, 'worker', { onError })
    workers = startWorkers({ redis: workerRedis, queues, gateway, metrics, log, now })
  }
  const health = createHealth({ store, workers, isSlow: () => server.isUnderPressure(), now })
  const tallies = createWindowCounters({ sync: counts.increment, now })
  const parts = { gateway, deliveries, ids, apps, tallies, config, metrics, log, tracing, health, live, now, queues: config.queuesPage ? queues : undefined }
  const server = await buildServer(parts)
  const operations = config.operations === null ? null : await buildOperationsServer(server, parts)

  return {
    server,
    operations,
    gateway,
    apps,
    reloadApps () {
      try {
        apps.replace(loadApps())
        metrics.countReload('ok')
        metrics.recordAppsLoaded(now())
        log.info({ audit: 'operator_action', action: 'apps_read' }, 'apps read again')
      } catch (error) {
        metrics.countReload('invalid')
        log.error({ audit: 'operator_action', action: 'apps_read', cause: error instanceof Error ? error.message : 'unknown' }, 'apps not read again, the old ones stay')
      }
    },
    async close (delayMs = 0) {
      health.drain()
      if (delayMs > 0) await delay(delayMs)
      announcements.close()
      clock.close()
      // At once, not in turn: together they must stay below the time that a supervisor grants.
      await Promise.all([stopServing(server, requestsGraceMs), workers?.close(jobsGraceMs), hands?.close(jobsGraceMs)])
      if (operations !== null) await stopServing(operations, operationsGraceMs)
      await Promise.race([Promise.all([budget.close(), queues.close(), http.close(), webhooks.close()]), delay(500, undefined, { ref: false })])
      for (const connection of [redis, waiting, subscriber, workerRedis]) connection?.disconnect()
    },
  }
}

async function stopServing (server: Server, graceMs: number): Promise<void> {
  // Closing waits for every connection: also for those that stay open after their last answer, or never carried a request.
  const untangle = setInterval(() => server.server.closeIdleConnections(), 100)
  const cutOff = setTimeout(() => server.server.closeAllConnections(), graceMs)
  try {
    await server.close()
  } finally {
    clearInterval(untangle)
    clearTimeout(cutOff)
  }
}
