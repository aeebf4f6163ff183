import { isIP } from 'node:net'
import { Type, type Static, type TProperties } from 'typebox'
import Value from 'typebox/value'
import type { Provider } from './adapters/adapter.ts'
import { providers as allProviders } from './adapters/index.ts'
import { variablesOf } from './adapters/instances.ts'
import { hasMark, readVariable, readVariables, type Environment as GivenEnvironment } from './environment.ts'
import { isPrivateHost } from './net.ts'
import { assertRandomKeys } from './store/sealing.ts'

const text = (description: string) => Type.String({ minLength: 1, description })
const secret = (description: string) => Type.String({ minLength: 1, description, isSecret: true })
const matching = (pattern: string, description: string) => Type.String({ pattern, description })
const count = (description: string) => matching('^[1-9]\\d{0,8}$', description)
const port = (description: string) => matching('^\\d{1,5}$', description)
const url = (description: string) => matching('^https?://[^\\s?#]+$', description)
const flag = (description: string) => Type.Enum(['true', 'false'], { description })

/**
 * The variables of the gateway itself; each provider adds its own (`adapters/<provider>`). These descriptions are the
 * source of the tables in docs/configuration.md. A default value is in parentheses.
 */
const ownVariables = {
  PORT: port('Port to listen on (3000).'),
  HOST: text('Address to listen on (0.0.0.0; in the sandbox 127.0.0.1).'),
  OPERATIONS_PORT: port('Separate port for `/metrics`, `/docs`, `/openapi.json` and `/admin/queues` (`PORT`). '
    + '`/livez` and `/readyz` are served on both.'),
  OPERATIONS_HOST: text('Address to listen on for `OPERATIONS_PORT` (`HOST`).'),
  QUEUES_PAGE: flag('`true` serves a read-only queue dashboard at `/admin/queues`, for API keys with the scope '
    + '`operations:read` (in a browser: as the password).'),
  PUBLIC_URL: url('URL at which providers and browsers reach this gateway, for example `https://verify.example.com`. '
    + 'Required outside the sandbox.'),
  ROLE: Type.Enum(['all', 'api', 'worker'], { description: '`all` (default), `api` or `worker`.' }),
  REDIS_URL: secret('`redis://`, `rediss://`, `redis+sentinel://host:port,host:port/master` or '
    + '`redis+cluster://host:port,host:port` (redis://127.0.0.1:6379).'),
  REDIS_WAIT_REPLICAS: matching('^\\d$', 'Number of Redis replicas that must have a change before it is answered or '
    + 'published (0). If fewer confirm it in time, the response is 503 `store_unavailable`.'),
  APPS_FILE: text('JSON file with the apps and their hashed API keys. Required outside the sandbox.'),
  PROVIDERS_FILE: text('JSON or YAML file with HTTP services that send the gateway\'s own codes, by configuration '
    + 'alone (none). Refused in the sandbox.'),
  SEAL_KEYS: secret('`id:base64[:open],…`: 32-byte keys that encrypt the stored data. The first one encrypts, all of '
    + 'them decrypt. Ids and secrets made with a key marked `:open` are invalid. Required outside the sandbox.'),
  LOG_LEVEL: Type.Enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], {
    description: '`trace`, `debug`, `info` (default), `warn`, `error`, `fatal` or `silent`.',
  }),
  OTEL_TRACES_EXPORTER: Type.Enum(['otlp', 'none'], {
    description: 'OpenTelemetry traces: `otlp` or `none` (`otlp` if an endpoint is set, else `none`).',
  }),
  OTEL_EXPORTER_OTLP_ENDPOINT: url('Collector that receives the traces by OTLP over HTTP (http://localhost:4318). '
    + 'The other `OTEL_EXPORTER_OTLP_…` variables (headers, timeout, compression, certificates) work as '
    + 'OpenTelemetry specifies.'),
  OTEL_SERVICE_NAME: text('Service name in the traces (verigate).'),
  OTEL_TRACES_SAMPLER: Type.Enum(['parentbased_always_on', 'parentbased_traceidratio'], {
    description: '`parentbased_always_on` (default) or `parentbased_traceidratio`. The decision in the `traceparent` '
      + 'of a caller takes precedence.',
  }),
  OTEL_TRACES_SAMPLER_ARG: matching(
    '^(0|1|0?\\.\\d+)$', 'Share of the traces that `parentbased_traceidratio` samples, 0 to 1 (1).',
  ),
  RETENTION_SECONDS: matching('^\\d{1,8}$', 'How long a final verification can be read (86400).'),
  SHUTDOWN_DELAY_SECONDS: matching('^\\d{1,3}$', 'How long requests are still accepted after SIGTERM while `/readyz` '
    + 'returns 503, so that load balancers can notice (0).'),
  SANDBOX: flag('`true` starts simulators of all providers and points the adapters at them. No provider account '
    + 'is needed. It is refused beside credentials of a provider and with a `PUBLIC_URL` that is not http on a '
    + 'loopback or private address.'),
  SANDBOX_PORT: port('Port of the simulators (`PORT` + 1).'),
  TRUSTED_PROXIES: matching('^[0-9A-Fa-f:./,\\s]+$', 'Comma-separated addresses or networks (CIDR) of your own '
    + 'proxies. `X-Forwarded-For` is trusted only from these (none).'),
  CLIENT_REQUESTS_PER_MINUTE: count('Requests per minute with one client secret (120).'),
  IP_REQUESTS_PER_MINUTE: count('Requests per minute without an API key from one public IP address (600).'),
  PRIVATE_IP_REQUESTS_PER_MINUTE: count('Requests per minute without an API key from one private IP address, which may '
    + 'be a proxy that `TRUSTED_PROXIES` lacks (6000).'),
  IDLE_CONNECTIONS_PER_IP: count('Connections without a request that one public IP address may keep open; beyond it '
    + 'the longest idle one is closed (200). A private address may have ten times as many, a trusted proxy any.'),
  QUEUE_LIMIT_SECONDS: matching('^[1-9]\\d{0,2}$', 'How long a new request may wait when more arrive than '
    + 'the process can serve (5). Beyond it requests are answered with 503 `overloaded`.'),
  MESSAGES_PER_NUMBER_PER_HOUR: count('Messages (codes, links, calls, pushes) to one phone number in an hour, over all '
    + 'apps (6).'),
  MESSAGES_PER_NUMBER_PER_DAY: count('The same in a day (15).'),
  TWILIO_COMPAT: flag('`true` serves the part of Twilio\'s Verify API that can be mapped, under `/v2/Services/…`.'),
  ALLOW_INSECURE_PROVIDERS: flag('`true` allows http, ports and loopback addresses in provider URLs. For the sandbox '
    + 'and tests only.'),
} satisfies TProperties

/** All environment variables with their descriptions, in the order of the documentation. */
export const variables: TProperties = Object.assign(
  {}, ownVariables, ...allProviders.map(provider => variablesOf(provider)),
)

const Environment = Type.Partial(Type.Object(ownVariables))
type Environment = Static<typeof Environment>

/** The configuration of the process. `settings` are the providers' variables, as strings. */
export type Config = Readonly<{
  port: number
  host: string
  /** Where the routes for operators are served; null: on the same port as the API. */
  operations: Readonly<{ port: number, host: string }> | null
  queuesPage: boolean
  publicUrl: string
  role: 'all' | 'api' | 'worker'
  redisUrl: string
  waitReplicas: number
  appsFile: string | null
  providersFile: string | null
  /**
   * A variable that PROVIDERS_FILE names; null: it is not set. Throws `Error` for one of Verigate's own, and for a file
   * that cannot be read.
   */
  lookUp: (name: string) => string | null
  sealKeys: string
  logLevel: string
  /** Where traces are sent, and the share that is sampled; null: tracing is off. */
  tracing: Readonly<{ endpoint: string, serviceName: string, sampleRatio: number }> | null
  retentionMs: number
  shutdownDelayMs: number
  sandbox: boolean
  sandboxPort: number
  allowInsecureProviders: boolean
  trustedProxies: readonly string[]
  clientRequestsPerMinute: number
  ipRequestsPerMinute: number
  privateIpRequestsPerMinute: number
  idleConnectionsPerIp: number
  queueLimitMs: number
  twilioCompat: boolean
  messagesPerNumber: Readonly<{ perHour: number, perDay: number }>
  settings: Readonly<Record<string, string | undefined>>
  /** What the operator should know about these values, to be logged at the start. */
  warnings: readonly string[]
}>

/** Not a secret: the sandbox stores invented numbers only. It is constant because Redis may outlive the process. */
const sandboxSealKeys = `sandbox:${Buffer.alloc(32, 'verigate sandbox').toString('base64')}`

/**
 * Reads and validates the environment once, at startup. Throws an `Error` that names each invalid variable and shows no
 * value.
 */
export function readConfig (
  environment: GivenEnvironment, providers: readonly Provider[] = allProviders,
): Config {
  const { own, settings, known, credentials } = validate(environment, providers)
  const sandbox = own.SANDBOX === 'true'
  const port = Number(own.PORT ?? 3000)
  const host = own.HOST ?? (sandbox ? '127.0.0.1' : '0.0.0.0')
  const allowInsecureProviders = sandbox || own.ALLOW_INSECURE_PROVIDERS === 'true'
  const publicUrl = own.PUBLIC_URL ?? (allowInsecureProviders ? `http://localhost:${port}` : '')
  const sealKeys = own.SEAL_KEYS ?? (sandbox ? sandboxSealKeys : '')
  const appsFile = own.APPS_FILE ?? (sandbox ? null : '')
  const missing = Object.entries({ PUBLIC_URL: publicUrl, SEAL_KEYS: sealKeys, APPS_FILE: appsFile })
    .filter(([, value]) => value === '').map(([name]) => `${name} is required`)
  if (missing.length > 0) throw new Error(`Configuration: ${missing.join('; ')}`)
  if (sandbox) assertSandbox(publicUrl, [...credentials, ...own.PROVIDERS_FILE === undefined ? [] : ['PROVIDERS_FILE']])
  else assertRandomKeys(sealKeys)
  return Object.freeze({
    port,
    host,
    operations: own.OPERATIONS_PORT === undefined
      ? null
      : Object.freeze({ port: Number(own.OPERATIONS_PORT), host: own.OPERATIONS_HOST ?? host }),
    queuesPage: own.QUEUES_PAGE === 'true',
    publicUrl: publicUrl.replace(/\/+$/, ''),
    role: own.ROLE ?? 'all',
    redisUrl: own.REDIS_URL ?? 'redis://127.0.0.1:6379',
    waitReplicas: Number(own.REDIS_WAIT_REPLICAS ?? 0),
    appsFile,
    providersFile: own.PROVIDERS_FILE ?? null,
    lookUp (name) {
      if (known.has(name)) throw new Error('it is one of Verigate\'s own: use another name')
      return readVariable(name, environment)
    },
    sealKeys,
    logLevel: own.LOG_LEVEL ?? 'info',
    tracing: readTracing(own),
    retentionMs: Number(own.RETENTION_SECONDS ?? 86_400) * 1000,
    shutdownDelayMs: Number(own.SHUTDOWN_DELAY_SECONDS ?? 0) * 1000,
    sandbox,
    sandboxPort: Number(own.SANDBOX_PORT ?? (port === 0 ? 0 : port + 1)),
    allowInsecureProviders,
    trustedProxies: readNetworks(own.TRUSTED_PROXIES ?? ''),
    clientRequestsPerMinute: Number(own.CLIENT_REQUESTS_PER_MINUTE ?? 120),
    ipRequestsPerMinute: Number(own.IP_REQUESTS_PER_MINUTE ?? 600),
    privateIpRequestsPerMinute: Number(own.PRIVATE_IP_REQUESTS_PER_MINUTE ?? 6_000),
    idleConnectionsPerIp: Number(own.IDLE_CONNECTIONS_PER_IP ?? 200),
    queueLimitMs: Number(own.QUEUE_LIMIT_SECONDS ?? 5) * 1000,
    twilioCompat: own.TWILIO_COMPAT === 'true',
    messagesPerNumber: Object.freeze({
      perHour: Number(own.MESSAGES_PER_NUMBER_PER_HOUR ?? 6), perDay: Number(own.MESSAGES_PER_NUMBER_PER_DAY ?? 15),
    }),
    settings: Object.freeze(settings),
    warnings: warningsOf(publicUrl, allowInsecureProviders),
  })
}

const isLocal = (url: URL | null): boolean => url !== null && isPrivateHost(url.hostname)

/** The simulators verify any number by its last digits. */
function assertSandbox (publicUrl: string, credentials: readonly string[]): void {
  if (credentials.length > 0) {
    throw new Error(`Configuration: SANDBOX cannot be true together with ${credentials.join(', ')}`)
  }
  const url = URL.parse(publicUrl)
  if (url?.protocol !== 'http:' || !isLocal(url)) {
    throw new Error('Configuration: SANDBOX needs a PUBLIC_URL that is http on a loopback or private address')
  }
}

function warningsOf (publicUrl: string, allowInsecureProviders: boolean): string[] {
  const url = URL.parse(publicUrl)
  if (isLocal(url)) return []
  return [
    ...url?.protocol === 'http:' ? ['PUBLIC_URL is http: anyone on the network path can read and change requests'] : [],
    ...allowInsecureProviders ? ['ALLOW_INSECURE_PROVIDERS is true: it is for tests only'] : [],
  ]
}

/**
 * The known variables that are set (`settings`), those of the gateway itself (`own`), the names of all that are known,
 * and of those that are set and are credentials of a provider.
 */
function validate (environment: GivenEnvironment, providers: readonly Provider[]) {
  const known: TProperties = Object.assign(
    {}, ownVariables, ...providers.map(provider => variablesOf(provider, environment)),
  )
  const settings = readVariables(known, environment)
  const own = Value.Parse(
    Environment, Object.fromEntries(Object.entries(settings).filter(([name]) => name in ownVariables)),
  )
  for (const name of ['PORT', 'OPERATIONS_PORT', 'SANDBOX_PORT'] as const) {
    if (Number(own[name] ?? 0) > 65_535) throw new Error(`Configuration: ${name} must be at most 65535`)
  }
  const credentials = Object.entries(known)
    .filter(([name, schema]) => name in settings && hasMark(schema, 'isCredential')).map(([name]) => name)
  return { own, settings, known: new Set(Object.keys(known)), credentials }
}

function readTracing (own: Environment): Config['tracing'] {
  const exporter = own.OTEL_TRACES_EXPORTER ?? (own.OTEL_EXPORTER_OTLP_ENDPOINT === undefined ? 'none' : 'otlp')
  if (exporter === 'none') return null
  const isSampled = own.OTEL_TRACES_SAMPLER === 'parentbased_traceidratio'
  return Object.freeze({
    endpoint: own.OTEL_EXPORTER_OTLP_ENDPOINT ?? 'http://localhost:4318',
    serviceName: own.OTEL_SERVICE_NAME ?? 'verigate',
    sampleRatio: isSampled ? Number(own.OTEL_TRACES_SAMPLER_ARG ?? 1) : 1,
  })
}

function readNetworks (text: string): string[] {
  const networks = text.split(',').map(network => network.trim()).filter(network => network !== '')
  for (const network of networks) {
    const [, address = '', bits = '1'] = /^([0-9A-Fa-f:.]+)(?:\/(\d{1,3}))?$/.exec(network) ?? []
    const version = isIP(address)
    // A network of all addresses would let any client choose its own.
    if (version === 0 || Number(bits) < 1 || Number(bits) > (version === 4 ? 32 : 128)) {
      throw new Error('Configuration: TRUSTED_PROXIES must be comma-separated addresses or networks like 10.0.0.0/8')
    }
  }
  return networks
}
