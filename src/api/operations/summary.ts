import manifest from '../../../package.json' with { type: 'json' }
import type { Provider } from '../../adapters/adapter.ts'
import type { AdapterMap } from '../../adapters/guard.ts'
import { keyIdOf, type App, type Apps } from '../../apps/apps.ts'
import type { Config } from '../../config.ts'
import type { RedisFacts } from '../../store/preflight.ts'
import { readRedisUrl } from '../../store/redis.ts'

/** What runs here, for the log line of the start. It has names, counts and versions, and no secret. */
export type Summary = {
  version: string
  role: Config['role']
  sandbox: boolean
  publicUrl: string
  /** `on`, or `off` and why. */
  providers: Record<string, string>
  methods: string[]
  apps: AppsSummary
  redis: { form: string, tls: boolean, waitReplicas: number } & RedisFacts
  retentionSeconds: number
}

/** `expiredKeys`: `<app>/<key>`, with the ids of the audit log. `testNumbers`: those that are accepted now. */
export type AppsSummary = { apps: number, keys: number, expiredKeys: string[], testNumbers: number }

export type SummaryParts = {
  config: Pick<Config, 'role' | 'sandbox' | 'publicUrl' | 'redisUrl' | 'waitReplicas' | 'retentionMs'>
  providers: readonly Pick<Provider, 'provider'>[]
  adapters: AdapterMap
  redis: RedisFacts
  apps: Pick<Apps, 'all'>
  now: () => number
}

export function summarize ({ config, providers, adapters, redis, apps, now }: SummaryParts): Summary {
  const { form, tls } = readRedisUrl(config.redisUrl)
  // Without the user and the password that a URL can have.
  const { origin, pathname } = new URL(config.publicUrl)
  const off = providers.map(({ provider }) => [provider, 'off: no credentials'] as const)
  const on = [...adapters.keys()].map(provider => [provider, 'on'] as const)
  return {
    version: manifest.version, role: config.role, sandbox: config.sandbox,
    publicUrl: origin + pathname.replace(/\/$/, ''),
    providers: Object.fromEntries([...off, ...on]),
    methods: [...adapters.values()].flatMap(({ methods }) => Object.keys(methods)),
    apps: summarizeApps([...apps.all()], now()),
    redis: { form, tls, waitReplicas: config.waitReplicas, ...redis },
    retentionSeconds: config.retentionMs / 1000,
  }
}

export function summarizeApps (apps: readonly App[], now: number): AppsSummary {
  const isPast = (time: string | undefined): boolean => time !== undefined && Date.parse(time) <= now
  return {
    apps: apps.length,
    keys: apps.reduce((count, { keys }) => count + keys.length, 0),
    expiredKeys: apps.flatMap(app => app.keys.filter(({ expiresAt }) => isPast(expiresAt))
      .map(key => `${app.id}/${keyIdOf(key)}`)),
    testNumbers: apps.flatMap(({ testNumbers = {} }) => Object.values(testNumbers))
      .filter(({ expiresAt }) => !isPast(expiresAt)).length,
  }
}
