import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Adapter, AdapterIo, Provider } from './adapters/adapter.ts'
import { collectMethods, guardAdapter, type AdapterMap, type Methods, type OpenedMethods } from './adapters/guard.ts'
import { createHttp } from './adapters/http.ts'
import { declared, providers as allProviders } from './adapters/index.ts'
import { openAdapters } from './adapters/instances.ts'
import { createProviderHealth, type HealthChannel } from './adapters/provider-health.ts'
import type { Config } from './config.ts'
import { queueNames } from './jobs/queues.ts'
import { unavailableCodes } from './store/record-store.ts'
import type { Logger } from './telemetry/logger.ts'
import { byProvider, createMetrics } from './telemetry/metrics.ts'
import type { Tracing } from './telemetry/tracing.ts'

export type FileSettings = Pick<Config, 'providersFile' | 'lookUp' | 'allowInsecureProviders'>

/** What stands for a test number, and for channels and reasons that are not named, in metrics. */
const reserved = ['test', 'other', 'none']

/**
 * The providers of `PROVIDERS_FILE`, and everything that is wrong with it: each begins with its path in the file, or
 * with a blank. Shows no value.
 */
export function inspectProvidersFile (
  { providersFile, lookUp, allowInsecureProviders: allowInsecure }: FileSettings,
  providers: readonly Pick<Provider, 'provider'>[] = allProviders,
): ReturnType<typeof declared.inspectProviders> {
  if (providersFile === null) return { declared: [], problems: [] }
  let text: string
  try {
    text = readFileSync(providersFile, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : 'unknown'
    return { declared: [], problems: [` cannot be read: ${code}`] }
  }
  const taken = new Set([...providers.map(({ provider }) => provider), ...reserved])
  return declared.inspectProviders(text, { lookUp, allowInsecure, taken })
}

/** Opens the providers of `PROVIDERS_FILE`. Throws an `Error` with everything that is wrong with the file. */
function openDeclared (config: FileSettings, providers: readonly Provider[], io: AdapterIo): Adapter[] {
  const { declared: found, problems } = inspectProvidersFile(config, providers)
  if (problems.length > 0) throw new Error(problems.map(problem => `PROVIDERS_FILE${problem}`).join('; '))
  return found.flatMap(({ provider, env }) => provider.open(env, io, provider.provider) ?? [])
}

/** The adapters of the configured providers, with their network. Throws `Error` for a setting that cannot work. */
export function openProviders (config: Config, providers: readonly Provider[], now: () => number) {
  const http = createHttp({ allowInsecure: config.allowInsecureProviders, now })
  const io = { openHttp: http.openHttp, now, randomBytes, allowInsecure: config.allowInsecureProviders }
  const opened = openAdapters(providers, config.settings, io)
  const openAll = (): Adapter[] => [...opened, ...openDeclared(config, providers, io)]
  const all = openAll()
  return { http, openAll, all, methods: new Map(collectMethods(all)) }
}

/** Their guards, with shared health, and the metrics that name their methods. */
export function guardProviders (
  { all, openAll, methods, http }: ReturnType<typeof openProviders>,
  { healthChannel, now }: { healthChannel: HealthChannel, now: () => number },
  { log, tracing }: { log: Logger, tracing: Tracing },
) {
  const metrics = createMetrics({
    providers: byProvider(methods.keys()), queues: Object.values(queueNames), storeErrorCodes: unavailableCodes,
  })
  const health = createProviderHealth({ now, channel: healthChannel, id: randomBytes(12).toString('base64url') })
  const adapters = new Map<string, ReturnType<typeof guardAdapter>>()

  /** Changes both maps in place, because every use case holds them. */
  function use (opened: readonly Adapter[]): void {
    adapters.clear()
    methods.clear()
    for (const adapter of opened) {
      adapters.set(adapter.provider, guardAdapter(adapter, { now, tracing, metrics, log, health }))
    }
    for (const [name, method] of collectMethods(opened)) methods.set(name, method)
  }
  use(all)
  if (adapters.size === 0) log.warn('no provider is configured')

  return {
    http, metrics, health, adapters: adapters as AdapterMap, methods: methods as OpenedMethods,
    /**
     * Reads `PROVIDERS_FILE` again. `assertUsable` throws where its methods are too few; then, or when the file is
     * invalid, nothing changes and the `Error` is thrown.
     */
    reload (assertUsable: (methods: Methods) => void): void {
      const opened = openAll()
      const next = collectMethods(opened)
      assertUsable(next)
      const added = [...next.keys()].filter(method => !methods.has(method))
      use(opened)
      metrics.addMethods(byProvider(added))
    },
  }
}
