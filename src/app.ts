import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Provider } from './adapters/adapter.ts'
import { providers as allProviders } from './adapters/index.ts'
import { createApps, readAppsFile, sandboxApp, type Apps } from './apps.ts'
import { createAttempts } from './attempts.ts'
import { guardAdapter } from './breaker.ts'
import { createChanges } from './changes.ts'
import type { Config } from './config.ts'
import { createDeliveries } from './deliveries.ts'
import { readDelivery } from './delivery.ts'
import { createEvidenceClaims } from './evidence.ts'
import { createGateway, type Gateway } from './gateway.ts'
import { createHttp } from './http.ts'
import { createIds } from './ids.ts'
import { openQueues } from './jobs/queues.ts'
import { startWorkers, type Workers } from './jobs/workers.ts'
import type { Logger } from './logger.ts'
import { byProvider, createMetrics } from './metrics.ts'
import type { LiveOptions } from './plugins/live.ts'
import { createSealer } from './seal.ts'
import { buildServer, type Server } from './server.ts'
import { createAnnouncements } from './store/announcements.ts'
import { checkRedis } from './store/check.ts'
import { createKeys, partitions } from './store/keys.ts'
import { connectRedis, untilReady } from './store/redis.ts'
import { createStore } from './store/store.ts'
import { readVerification } from './verification.ts'
import { viewVerification } from './view.ts'
import { createWebhookSender, type WebhookOptions } from './webhook.ts'
import { collectMethods } from './workflow.ts'

export type RunningApp = {
  server: Server
  gateway: Gateway
  apps: Apps
  /** Reads `APPS_FILE` again; if it is not valid the old set stays, and the error is thrown. */
  reloadApps (): void
  /** Stops taking requests and jobs, lets those in hand finish, and leaves; within about eight seconds, also when Redis is away. */
  close (): Promise<void>
}

/** How long requests, and jobs, in hand are waited for when the process stops. What is cut off is taken up again by the sweeper. */
const requestsGraceMs = 7_000
const jobsGraceMs = 5_000

export type AppOptions = {
  log: Logger
  now?: () => number
  /** The registry, or another list of providers. */
  providers?: readonly Provider[]
  live?: LiveOptions
  webhooks?: WebhookOptions
}

/** The whole composition on one page: connections, then the core's shell, then routes and workers as the role says. Does not listen yet. */
export async function startApp (
  config: Config, { log, now = Date.now, providers = allProviders, live = {}, webhooks: webhookOptions = {} }: AppOptions,
): Promise<RunningApp> {
  const onError = (error: Error): void => log.warn({ cause: error.message }, 'redis')
  const redis = connectRedis(config.redisUrl, 'api', { onError })
  const subscriber = connectRedis(config.redisUrl, 'subscriber', { onError })
  await untilReady(redis)
  await checkRedis(redis, message => log.warn(message))

  const sealer = createSealer(config.sealKeys)
  const ids = createIds(sealer, { partitions, randomBytes })
  const store = createStore({ redis, sealer, read: readVerification })
  const announcements = createAnnouncements(subscriber, createKeys('vg').channel)
  const loadApps = () => [
    ...(config.appsFile === null ? [] : readAppsFile(config.appsFile)),
    ...(config.sandbox ? [sandboxApp(config.publicUrl)] : []),
  ]
  const apps = createApps(loadApps())

  const http = createHttp({ allowInsecure: config.allowInsecureProviders })
  const opened = providers.flatMap(provider =>
    provider.open(config.settings, { openHttp: http.openHttp, now, allowInsecure: config.allowInsecureProviders }) ?? [])
  const methods = collectMethods(opened)
  const metrics = createMetrics(byProvider(methods.keys()))
  const adapters = new Map(opened.map(adapter => [adapter.provider, guardAdapter(adapter, {
    now,
    report: call => {
      metrics.countCall(call)
      log.info(call, 'provider call')
    },
  })]))
  if (adapters.size === 0) log.warn('no provider is configured')

  const queues = openQueues(redis, onError)
  const attempts = createAttempts({ adapters, ids, publicUrl: config.publicUrl, now })
  const evidenceClaims = createEvidenceClaims({ adapters, attempts, sealer, now })
  const surroundings = { methods, isStopped: (provider: string) => adapters.get(provider)?.isStopped() ?? true }
  const changes = createChanges({ store, sealer, attempts, evidenceClaims, surroundings, queues, metrics, log, now, retentionMs: config.retentionMs })
  const webhooks = createWebhookSender(webhookOptions)
  const deliveries = createDeliveries({
    store: createStore({ redis, sealer, read: readDelivery }), apps, ids, sealer, send: webhooks.send, queues, metrics, log, now, randomBytes,
    retentionMs: config.retentionMs, viewOf: verification => viewVerification(verification, { attemptId: ids.attemptId }),
  })
  const gateway = createGateway({ changes, store, ids, sealer, adapters, attempts, deliveries, methods, announcements, publicUrl: config.publicUrl, metrics, log, now, randomBytes })

  let workers: Workers | null = null
  let workerRedis: ReturnType<typeof connectRedis> | null = null
  if (config.role !== 'api') {
    workerRedis = connectRedis(config.redisUrl, 'worker', { onError })
    workers = startWorkers({ redis: workerRedis, queues, gateway, metrics, log, now })
  }
  let isDraining = false
  const isReady = async (): Promise<boolean> => {
    if (isDraining || workers?.isAlive() === false) return false
    return store.ping().then(() => true, () => false)
  }
  const server = await buildServer({ gateway, deliveries, ids, apps, config, metrics, log, isReady, live })

  return {
    server,
    gateway,
    apps,
    reloadApps: () => apps.replace(loadApps()),
    async close () {
      isDraining = true
      announcements.close()
      const stopServing = async (): Promise<void> => {
        // Closing waits for every connection: also for those that stay open after their last answer, or never carried a request.
        const untangle = setInterval(() => server.server.closeIdleConnections(), 100)
        const cutOff = setTimeout(() => server.server.closeAllConnections(), requestsGraceMs)
        try {
          await server.close()
        } finally {
          clearInterval(untangle)
          clearTimeout(cutOff)
        }
      }
      // At once, not in turn: together they must stay below the time that a supervisor grants.
      await Promise.all([stopServing(), workers?.close(jobsGraceMs)])
      await Promise.race([Promise.all([queues.close(), http.close(), webhooks.close()]), delay(500, undefined, { ref: false })])
      for (const connection of [redis, subscriber, workerRedis]) connection?.disconnect()
    },
  }
}
