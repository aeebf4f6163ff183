import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Provider } from './adapters/adapter.ts'
import { createRoutingContext } from './adapters/guard.ts'
import { providers as allProviders } from './adapters/index.ts'
import type { LiveOptions } from './api/live/live.ts'
import { registerGauges } from './api/operations/gauges.ts'
import { watchEventLoop } from './api/operations/event-loop.ts'
import { createHealth } from './api/operations/health.ts'
import { summarize, type Summary } from './api/operations/summary.ts'
import { buildOperationsServer, buildServer, type Server, type ServerParts } from './api/server.ts'
import { viewVerification } from './api/views/verification.ts'
import { createApps, sandboxAppId, type Apps } from './apps/apps.ts'
import { createCountryPolicy } from './apps/country-policy.ts'
import { createLimits } from './apps/limits.ts'
import { createMessagePolicy } from './apps/message-policy.ts'
import { createUnverifiedBudget, defaultRule } from './apps/unverified-budget.ts'
import type { Config } from './config.ts'
import { createInlineExecutor } from './jobs/inline-executor.ts'
import { createQueues } from './jobs/queues.ts'
import { startWorkers } from './jobs/workers.ts'
import { guardProviders, openProviders } from './providers.ts'
import { createLoadApps, createReload } from './reload.ts'
import { createBroadcast } from './store/broadcast.ts'
import { createChangeFeed } from './store/change-feed.ts'
import { createClock, type Clock } from './store/clock.ts'
import { createCounters } from './store/counters.ts'
import { createIds } from './store/ids.ts'
import { createKeys, partitions } from './store/keys.ts'
import { assertMode, assertRedisConfig } from './store/preflight.ts'
import { createStore } from './store/record-store.ts'
import { connectRedis, untilReady, type RedisClient, type RedisKind } from './store/redis.ts'
import { createReplicas } from './store/replication.ts'
import { addressTag, createSealer } from './store/sealing.ts'
import { createWindowCounters } from './store/window-counters.ts'
import type { Logger } from './telemetry/logger.ts'
import { noTracing, type Tracing } from './telemetry/tracing.ts'
import type { Gateway } from './verifications/gateway.ts'
import { createLinks } from './verifications/links.ts'
import { createRecordCodec } from './verifications/record-codec.ts'
import { createVerifications } from './verifications/verifications.ts'
import { createDeliveries } from './webhooks/deliveries.ts'
import { decodeDelivery, encodeDelivery } from './webhooks/delivery.ts'
import { createDeliveryKeys } from './webhooks/delivery-keys.ts'
import { createEndpoints } from './webhooks/endpoints.ts'
import { createDeliveryLog } from './webhooks/log.ts'
import { createWebhookSender, type WebhookOptions } from './webhooks/sender.ts'

export type RunningApp = {
  server: Server
  /** Null unless `OPERATIONS_PORT` is set. */
  operations: Server | null
  gateway: Gateway
  apps: Apps
  summary: Summary
  /**
   * Reads `PROVIDERS_FILE` and `APPS_FILE` again. What is invalid stays as it was, and a metric and the log report it.
   */
  reload (): void
  /**
   * Reports that it is not ready, and after `delayMs` accepts no more requests and jobs, lets the running ones finish,
   * and disconnects. Takes at most about eight seconds more, also when Redis is away.
   */
  close (delayMs?: number): Promise<void>
}

/**
 * How long running requests and jobs are waited for when the process stops. The sweeper repeats what is interrupted.
 */
const requestsGraceMs = 7_000
const jobsGraceMs = 5_000
const operationsGraceMs = 500
const disconnectMs = 500
/** How much work a process with workers runs inline, beside its jobs. */
const maxInlineWork = 200
/** A healthy replica needs less; it must be less than the timeout of a command. */
const replicasTimeoutMs = 500

export type AppOptions = {
  log: Logger
  tracing?: Tracing
  /** Default: the clock of Redis. */
  now?: () => number
  /** Default: the registry. */
  providers?: readonly Provider[]
  live?: LiveOptions
  /** What `SANDBOX` brings: the endpoint of its app, and the page at `/`. */
  sandbox?: { webhook: { url: string, secret: string }, page: NonNullable<ServerParts['page']> }
  webhooks?: WebhookOptions
  renderMetricsEveryMs?: number
}

/** Redis, its clock, keys and names. */
async function createInfrastructure (config: Config, log: Logger, clock: Clock) {
  const connections: RedisClient[] = []
  const onError = (error: Error): void => log.warn({ cause: error.message }, 'redis')
  const connect = (kind: RedisKind): RedisClient => {
    const connection = connectRedis(config.redisUrl, kind, { onError })
    connections.push(connection)
    return connection
  }
  const redis = connect('api')
  const keys = createKeys('vg')
  const changeFeed = createChangeFeed(connect('subscriber'), keys.channel)
  const waiting = config.waitReplicas === 0 ? null : connect('api')
  await Promise.all([untilReady(redis), waiting === null ? null : untilReady(waiting)])
  const facts = await assertRedisConfig(redis, message => log.warn(message))
  await assertMode(redis, keys, config.sandbox ? 'sandbox' : 'production')
  await clock.follow(redis)
  const sealer = createSealer(config.sealKeys)
  return {
    redis, facts, connect, onError, changeFeed, sealer, now: clock.now,
    healthChannel: createBroadcast(redis, { changeFeed, channel: keys.channel, topic: 'providers' }),
    ids: createIds(sealer, { partitions, randomBytes }),
    counters: createCounters({ redis, sealer }),
    replicas: waiting === null
      ? null
      : createReplicas(waiting, { count: config.waitReplicas, timeoutMs: replicasTimeoutMs }),
    stop () {
      changeFeed.close()
      clock.close()
    },
    disconnect () {
      for (const connection of connections) connection.disconnect()
    },
  }
}
type Infrastructure = Awaited<ReturnType<typeof createInfrastructure>>

/** The code that the gateway makes in the sandbox. */
const lastDigits = (phoneNumber: string, length: number): string => phoneNumber.slice(-length)

type DomainParts = Required<Pick<AppOptions, 'log' | 'tracing' | 'webhooks'>> & {
  config: Config, infrastructure: Infrastructure, providers: ReturnType<typeof guardProviders>, apps: Apps
}

/** Stores, queues, webhooks and the use cases. */
function createDomain ({ config, infrastructure, providers, apps, log, tracing, webhooks }: DomainParts) {
  const { redis, replicas, sealer, ids, changeFeed, counters, onError, now } = infrastructure
  const { metrics, adapters, methods } = providers
  const { retentionMs, publicUrl } = config
  const stored = { redis, replicas, sealer, now, report: metrics.countRoundTrip }
  const store = createStore({ ...stored, ...createRecordCodec(createLinks({ adapters, ids })) })
  const deliveryStore = createStore({ ...stored, encode: encodeDelivery, decode: decodeDelivery })
  const queues = createQueues(redis, onError, now)
  const executor = config.role === 'api' ? null : createInlineExecutor({ maxInFlight: maxInlineWork, log })

  const sender = createWebhookSender(webhooks)
  const keys = createDeliveryKeys({ apps, ids, sealer, retentionMs })
  const deliveries = createDeliveries({
    store: deliveryStore, apps, keys, endpoints: createEndpoints(
      { store: deliveryStore, sealer, now },
    ), send: sender.send, queues,
    executor, telemetry: { metrics, log, tracing }, now,
    viewOf: verification => viewVerification(verification, { attemptId: ids.attemptId }),
  })
  const randomPartition = (): number => randomBytes(1).readUInt8() % partitions
  const deliveryLog = createDeliveryLog({ store: deliveryStore, ids, keys, deliveries, tracing, randomPartition, now })

  const limits = createLimits({
    sealer, apps, messagesPerNumber: { ...config.messagesPerNumber, exemptApp: config.sandbox ? sandboxAppId : null },
  })
  const budget = createUnverifiedBudget({
    counters, now, onError: () => log.debug('traffic not shared; it will be retried'),
    ruleOf (appId) {
      const rule = apps.byId(appId)?.unverifiedBudget
      return rule?.mode === 'off' ? null : { ...defaultRule, ...rule }
    },
  })
  const gateway = createVerifications({
    storage: { store, sealer, ids, changeFeed, retentionMs },
    providers: { adapters, methods, publicUrl, fixedCode: config.sandbox ? lastDigits : undefined },
    apps: {
      byId: apps.byId,
      limits, budget, country: createCountryPolicy({ sealer, metrics, log }),
      messages: createMessagePolicy({ apps, budget, sealer, metrics, log }),
    },
    work: { queues, executor, deliveries },
    telemetry: { metrics, log, tracing },
    now,
  })
  registerGauges(metrics.registry, {
    adapters, queues, store, deliveries: deliveryLog, budget, sandbox: config.sandbox, now,
  })
  return { store, queues, executor, sender, deliveryLog, budget, gateway }
}

/**
 * The whole composition: connections, providers, use cases, and routes and workers as the role says. Does not listen
 * yet.
 */
export async function startApp (config: Config, options: AppOptions): Promise<RunningApp> {
  const { log, tracing = noTracing, providers = allProviders, live = {}, webhooks = {}, renderMetricsEveryMs } = options
  for (const warning of config.warnings) log.warn(warning)
  const clock: Clock = options.now === undefined ? createClock() : { now: options.now, async follow () {}, close () {} }
  const { now } = clock
  // First, because a setting or an apps file that cannot work must not wait for Redis.
  const unguarded = openProviders(config, providers, now)
  const loadApps = createLoadApps(config, options.sandbox?.webhook)
  const initialApps = loadApps(unguarded.methods)
  const infrastructure = await createInfrastructure(config, log, clock)
  const { ids } = infrastructure
  const opened = guardProviders(unguarded, infrastructure, { log, tracing })
  const { metrics, http } = opened
  const apps = createApps(initialApps, now)
  metrics.recordAppsLoaded(now())
  const domain = createDomain({ config, infrastructure, providers: opened, apps, log, tracing, webhooks })
  const { store, queues, executor, sender, deliveryLog, budget, gateway } = domain

  const workers = config.role === 'api'
    ? null
    : startWorkers({ redis: infrastructure.connect('worker'), queues, processors: gateway, metrics, log, now })
  const health = createHealth({ store, workers, isSlow: watchEventLoop(), now })
  const parts: ServerParts = {
    config, health, telemetry: { metrics, log, tracing }, gateway, deliveries: deliveryLog, live,
    access: { apps, ids, windowCounters: createWindowCounters({ sync: infrastructure.counters.increment, now }), now,
      addressTag: network => addressTag(infrastructure.sealer, network),
    },
    twilio: config.twilioCompat ? { routing: createRoutingContext(opened.adapters, opened.methods) } : undefined,
    page: options.sandbox?.page, queues: config.queuesPage ? queues : undefined,
    renderMetricsEveryMs,
  }
  const server = await buildServer(parts)
  const operations = config.operations === null ? null : await buildOperationsServer(server, parts)

  return {
    server, operations, gateway, apps,
    summary: summarize({ config, providers, adapters: opened.adapters, redis: infrastructure.facts, apps, now }),
    reload: createReload({ apps, loadApps, files: config, providers: opened, log, now }),
    async close (delayMs = 0) {
      health.drain()
      if (delayMs > 0) await delay(delayMs)
      opened.health.close()
      infrastructure.stop()
      // In parallel: together they must take less than the time that a supervisor grants.
      await Promise.all(
        [stopServing(server, requestsGraceMs), workers?.close(jobsGraceMs), executor?.close(jobsGraceMs)],
      )
      if (operations !== null) await stopServing(operations, operationsGraceMs)
      const closing = Promise.all([budget.close(), queues.close(), http.close(), sender.close()])
      await Promise.race([closing, delay(disconnectMs, undefined, { ref: false })])
      infrastructure.disconnect()
    },
  }
}

async function stopServing (server: Server, graceMs: number): Promise<void> {
  // A close waits for every connection: also for those that stay open after their last response, or never carried a
  // request.
  const closeIdle = setInterval(() => server.server.closeIdleConnections(), 100)
  const closeAll = setTimeout(() => server.server.closeAllConnections(), graceMs)
  try {
    await server.close()
  } finally {
    clearInterval(closeIdle)
    clearTimeout(closeAll)
  }
}
