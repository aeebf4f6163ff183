import { randomBytes } from 'node:crypto'
import type { Provider } from './adapters/adapter.ts'
import { collectMethods, guardAdapter } from './adapters/guard.ts'
import { createHttp } from './adapters/http.ts'
import { openAdapters } from './adapters/instances.ts'
import { createProviderHealth, type HealthChannel } from './adapters/provider-health.ts'
import type { Config } from './config.ts'
import { queueNames } from './jobs/queues.ts'
import { unavailableCodes } from './store/record-store.ts'
import type { Logger } from './telemetry/logger.ts'
import { byProvider, createMetrics } from './telemetry/metrics.ts'
import type { Tracing } from './telemetry/tracing.ts'

/** The adapters of the configured providers, with their network. Throws `Error` for a setting that cannot work. */
export function openProviders (config: Config, providers: readonly Provider[], now: () => number) {
  const http = createHttp({ allowInsecure: config.allowInsecureProviders, now })
  const io = { openHttp: http.openHttp, now, randomBytes, allowInsecure: config.allowInsecureProviders }
  const opened = openAdapters(providers, config.settings, io)
  return { http, opened, methods: collectMethods(opened) }
}

/** Their guards, with shared health, and the metrics that name their methods. */
export function guardProviders (
  { opened, methods, http }: ReturnType<typeof openProviders>,
  { healthChannel, now }: { healthChannel: HealthChannel, now: () => number },
  { log, tracing }: { log: Logger, tracing: Tracing },
) {
  const metrics = createMetrics({
    providers: byProvider(methods.keys()), queues: Object.values(queueNames), storeErrorCodes: unavailableCodes,
  })
  const health = createProviderHealth({ now, channel: healthChannel, id: randomBytes(12).toString('base64url') })
  const adapters = new Map(
    opened.map(adapter => [adapter.provider, guardAdapter(adapter, { now, tracing, metrics, log, health })]),
  )
  if (adapters.size === 0) log.warn('no provider is configured')
  return { http, methods, metrics, adapters, health }
}
