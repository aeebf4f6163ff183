import { isIP } from 'node:net'
import { Type, type TProperties } from 'typebox'
import Value from 'typebox/value'
import type { Provider } from './adapters/adapter.ts'
import { providers as allProviders } from './adapters/index.ts'
import { variablesOf } from './adapters/instances.ts'

const text = (description: string) => Type.String({ minLength: 1, description })
const count = (description: string) => Type.String({ pattern: '^[1-9]\\d{0,8}$', description })
const flag = (description: string) => Type.Enum(['true', 'false'], { description })

/**
 * Every variable of our own; providers bring theirs (`adapters/<provider>`). The README's table comes from these
 * descriptions.
 */
const ownVariables = {
  PORT: Type.String({ pattern: '^\\d{1,5}$', description: 'Port to listen on (3000).' }),
  HOST: text('Address to listen on (0.0.0.0; in sandbox 127.0.0.1).'),
  OPERATIONS_PORT: Type.String(
    {
      pattern: '^\\d{1,5}$',
      description: 'Port of its own for `/metrics`, `/docs`, `/openapi.json` and `/admin/queues` (`PORT`, like all the rest); `/livez` and `/readyz` are on both.',
    },
  ),
  OPERATIONS_HOST: text('Address to listen on there (`HOST`).'),
  QUEUES_PAGE: flag(
    '`true` shows the queues at `/admin/queues` to API keys with the scope `operations:read` (in a browser: as the password); nothing can be changed there.',
  ),
  PUBLIC_URL: Type.String(
    {
      pattern: '^https?://[^\\s?#]+$',
      description: 'Where providers and browsers reach this gateway, for example `https://verify.example.com`. Required outside the sandbox.',
    },
  ),
  ROLE: Type.Enum(['all', 'api', 'worker'], { description: '`all` (default), `api` or `worker`.' }),
  REDIS_URL: text(
    '`redis://`, `rediss://`, `redis+sentinel://host:port,host:port/master` or `redis+cluster://host:port,host:port` (redis://127.0.0.1:6379).',
  ),
  REDIS_WAIT_REPLICAS: Type.String(
    {
      pattern: '^\\d$',
      description: 'How many replicas of Redis must have a change before it is answered or told (0). With fewer at hand that is 503 `store_unavailable`.',
    },
  ),
  APPS_FILE: text('JSON file of the apps and their hashed keys. Required outside the sandbox.'),
  SEAL_KEYS: text(
    '`id:base64,…`: 32-byte keys that seal what is stored; the first seals, all open. Required outside the sandbox.',
  ),
  LOG_LEVEL: Type.Enum(
    ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
    { description: '`info` (default), `debug`, `warn`, …' },
  ),
  OTEL_TRACES_EXPORTER: Type.Enum(
    ['otlp', 'none'],
    { description: 'Traces (OpenTelemetry): `otlp` or `none` (`otlp` where an endpoint is given, else `none`).' },
  ),
  OTEL_EXPORTER_OTLP_ENDPOINT: Type.String(
    {
      pattern: '^https?://[^\\s?#]+$',
      description: 'Collector that traces are sent to, as OTLP over HTTP (http://localhost:4318). The other `OTEL_EXPORTER_OTLP_…` variables (headers, timeout, compression, certificates) do what OpenTelemetry says.',
    },
  ),
  OTEL_SERVICE_NAME: text('Name of this service in its traces (verigate).'),
  OTEL_TRACES_SAMPLER: Type.Enum(
    ['parentbased_always_on', 'parentbased_traceidratio'],
    {
      description: '`parentbased_always_on` (default) or `parentbased_traceidratio`. What a caller decided in its `traceparent` comes first.',
    },
  ),
  OTEL_TRACES_SAMPLER_ARG: Type.String(
    {
      pattern: '^(0|1|0?\\.\\d+)$',
      description: 'Share of the traces that is kept with `parentbased_traceidratio`, 0 to 1 (1).',
    },
  ),
  RETENTION_SECONDS: Type.String(
    { pattern: '^\\d{1,8}$', description: 'How long a final verification stays readable (86400).' },
  ),
  SHUTDOWN_DELAY_SECONDS: Type.String(
    {
      pattern: '^\\d{1,3}$',
      description: 'How long requests are still taken after SIGTERM while `/readyz` says no: as long as balancers need to notice (0).',
    },
  ),
  SANDBOX: flag(
    '`true` starts simulators of all providers and points the adapters at them. No account is needed anywhere.',
  ),
  SANDBOX_PORT: Type.String(
    { pattern: '^\\d{1,5}$', description: 'Port of the simulators (the gateway\'s port + 1).' },
  ),
  TRUSTED_PROXIES: Type.String({
    pattern: '^[0-9A-Fa-f:./,\\s]+$',
    description: 'Comma-separated addresses or networks (CIDR) of your own proxies: only what they say in `X-Forwarded-For` is believed (none).',
  }),
  CLIENT_REQUESTS_PER_MINUTE: count('Requests per minute with one client secret (120).'),
  IP_REQUESTS_PER_MINUTE: count('Requests per minute without an API key from one public IP address (600).'),
  ALLOW_INSECURE_PROVIDERS: flag('`true` permits http, ports and loopback for provider hosts: sandbox and tests only.'),
} satisfies TProperties

/** All environment variables with their descriptions, in the order of the documentation. */
export const variables: TProperties = Object.assign(
  {}, ownVariables, ...allProviders.map(provider => variablesOf(provider)),
)

const Environment = Type.Partial(Type.Object(ownVariables))

/** What the process runs with. `settings` are the providers' variables, as strings. */
export type Config = Readonly<{
  port: number
  host: string
  /** Where what is for operators only is served; null: where all the rest is. */
  operations: Readonly<{ port: number, host: string }> | null
  queuesPage: boolean
  publicUrl: string
  role: 'all' | 'api' | 'worker'
  redisUrl: string
  waitReplicas: number
  appsFile: string | null
  sealKeys: string
  logLevel: string
  /** Where traces go, and how many; null: tracing is off. */
  tracing: Readonly<{ endpoint: string, serviceName: string, sampleRatio: number }> | null
  retentionMs: number
  shutdownDelayMs: number
  sandbox: boolean
  sandboxPort: number
  allowInsecureProviders: boolean
  trustedProxies: readonly string[]
  clientRequestsPerMinute: number
  ipRequestsPerMinute: number
  settings: Readonly<Record<string, string | undefined>>
}>

/** Not a secret: the sandbox holds invented numbers only, and its Redis may outlive the process. */
const sandboxSealKeys = `sandbox:${Buffer.alloc(32, 'verigate sandbox').toString('base64')}`

/**
 * Reads and checks the environment, once, at start. Throws an `Error` that names each offending variable and shows no
 * value.
 */
export function readConfig (
  environment: Readonly<Record<string, string | undefined>>, providers: readonly Provider[] = allProviders,
): Config {
  const all: TProperties = Object.assign(
    {}, ownVariables, ...providers.map(provider => variablesOf(provider, environment)),
  )
  const known = Object.keys(all)
  const given = Object.fromEntries(
    known.map(name => [name, environment[name]]).filter(([, value]) => value !== undefined && value !== ''),
  )
  const problems = Value.Errors(Type.Partial(Type.Object(all)), given).map(error => `${error.instancePath.slice(1)} ${error.message}`)
  if (problems.length > 0) throw new Error(`Configuration: ${[...new Set(problems)].join('; ')}`)
  const own = Value.Parse(
    Environment, Object.fromEntries(Object.entries(given).filter(([name]) => name in ownVariables)),
  )
  for (
    const name of ['PORT', 'OPERATIONS_PORT', 'SANDBOX_PORT'] as const
  ) if (Number(own[name] ?? 0) > 65_535) throw new Error(`Configuration: ${name} must be at most 65535`)

  const sandbox = own.SANDBOX === 'true'
  const port = Number(own.PORT ?? 3000)
  const host = own.HOST ?? (sandbox ? '127.0.0.1' : '0.0.0.0')
  const allowInsecureProviders = sandbox || own.ALLOW_INSECURE_PROVIDERS === 'true'
  const required = (name: 'PUBLIC_URL' | 'APPS_FILE' | 'SEAL_KEYS', fallback: string | null): string => {
    const value = own[name] ?? fallback
    if (value === null) throw new Error(`Configuration: ${name} is required`)
    return value
  }
  return Object.freeze({
    port,
    host,
    operations: own.OPERATIONS_PORT === undefined
      ? null
      : Object.freeze({ port: Number(own.OPERATIONS_PORT), host: own.OPERATIONS_HOST ?? host }),
    queuesPage: own.QUEUES_PAGE === 'true',
    publicUrl: required('PUBLIC_URL', allowInsecureProviders ? `http://localhost:${port}` : null).replace(/\/+$/, ''),
    role: own.ROLE ?? 'all',
    redisUrl: own.REDIS_URL ?? 'redis://127.0.0.1:6379',
    waitReplicas: Number(own.REDIS_WAIT_REPLICAS ?? 0),
    appsFile: sandbox ? own.APPS_FILE ?? null : required('APPS_FILE', null),
    sealKeys: required('SEAL_KEYS', sandbox ? sandboxSealKeys : null),
    logLevel: own.LOG_LEVEL ?? 'info',
    tracing: (own.OTEL_TRACES_EXPORTER ?? (own.OTEL_EXPORTER_OTLP_ENDPOINT === undefined ? 'none' : 'otlp')) === 'none'
      ? null
      : Object.freeze({
      endpoint: own.OTEL_EXPORTER_OTLP_ENDPOINT ?? 'http://localhost:4318',
      serviceName: own.OTEL_SERVICE_NAME ?? 'verigate',
      sampleRatio: own.OTEL_TRACES_SAMPLER === 'parentbased_traceidratio'
        ? Number(own.OTEL_TRACES_SAMPLER_ARG ?? 1)
        : 1,
    }),
    retentionMs: Number(own.RETENTION_SECONDS ?? 86_400) * 1000,
    shutdownDelayMs: Number(own.SHUTDOWN_DELAY_SECONDS ?? 0) * 1000,
    sandbox,
    sandboxPort: Number(own.SANDBOX_PORT ?? (port === 0 ? 0 : port + 1)),
    allowInsecureProviders,
    trustedProxies: readNetworks(own.TRUSTED_PROXIES ?? ''),
    clientRequestsPerMinute: Number(own.CLIENT_REQUESTS_PER_MINUTE ?? 120),
    ipRequestsPerMinute: Number(own.IP_REQUESTS_PER_MINUTE ?? 600),
    settings: Object.freeze(given),
  })
}

function readNetworks (text: string): string[] {
  const networks = text.split(',').map(network => network.trim()).filter(network => network !== '')
  for (const network of networks) {
    const [, address = '', bits = '0'] = /^([0-9A-Fa-f:.]+)(?:\/(\d{1,3}))?$/.exec(network) ?? []
    const version = isIP(address)
    if (version === 0 || Number(bits) > (version === 4 ? 32 : 128)) throw new Error(
      'Configuration: TRUSTED_PROXIES must be addresses or networks such as 10.0.0.0/8, with commas between',
    )
  }
  return networks
}
