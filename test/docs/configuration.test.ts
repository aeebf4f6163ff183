import { randomBytes } from 'node:crypto'
import t from 'tap'
import { providers } from '../../src/adapters/index.ts'
import { App, defaultLimits, Limits, scopes } from '../../src/apps/apps.ts'
import { defaultRule } from '../../src/apps/unverified-budget.ts'
import { readConfig, variables } from '../../src/config.ts'
import { everyMethod } from '../../scripts/provider-docs.ts'
import { headingsOf, mentions, plain, present, read, rowsOf, sectionOf, sourcesOf } from './documents.ts'

const text = read('docs/configuration.md')
const rows = rowsOf(sectionOf(text, '## Environment variables'))

t.test('every variable is described, and no other', async t => {
  t.strictSame(rows.map(([name = '']) => plain(name)).sort(), Object.keys(variables).sort())
  for (const [name = '', meaning] of rows) t.ok(meaning, name)
})

t.test('no document names a variable that does not exist', async t => {
  const prefixes = Object.keys(variables).map(name => name.slice(0, name.indexOf('_') + 1)).filter(name => name !== '')
  const named = mentions(present, /(?<![A-Za-z_])([A-Z]+_[A-Z_]*[A-Z])(?![A-Za-z_])/g)
    .filter(([name]) => prefixes.some(prefix => name.startsWith(prefix)))
  t.ok(named.length > 20)
  const isKnown = (name: string): boolean => name in variables
    || name.endsWith('_FILE') && 'isSecret' in (variables[name.slice(0, -'_FILE'.length)] ?? {})
  /** Of an instance. */
  const isOfInstance = (name: string): boolean => providers.some(({ provider, ...rest }) => {
    const [, own] = new RegExp(`^${provider.toUpperCase()}_[A-Z]+_(.+)$`).exec(name) ?? []
    return 'hasInstances' in rest && own !== undefined && isKnown(`${provider.toUpperCase()}_${own}`)
  })
  for (const [name, path] of named) t.ok(isKnown(name) || isOfInstance(name), `${path}: ${name}`)
})

t.test('the defaults are those of the code', async t => {
  const given = {
    PUBLIC_URL: 'https://verify.example.com', APPS_FILE: 'apps.json',
    SEAL_KEYS: `k1:${randomBytes(32).toString('base64')}`,
  }
  const config = readConfig(given)
  const traced = readConfig({ ...given, OTEL_TRACES_EXPORTER: 'otlp' }).tracing
  const expected: Record<string, unknown> = {
    PORT: config.port, HOST: config.host, QUEUES_PAGE: config.queuesPage, ROLE: config.role,
    REDIS_URL: config.redisUrl, REDIS_WAIT_REPLICAS: config.waitReplicas, LOG_LEVEL: config.logLevel,
    RETENTION_SECONDS: config.retentionMs / 1000, SHUTDOWN_DELAY_SECONDS: config.shutdownDelayMs / 1000,
    CLIENT_REQUESTS_PER_MINUTE: config.clientRequestsPerMinute, IP_REQUESTS_PER_MINUTE: config.ipRequestsPerMinute,
    PRIVATE_IP_REQUESTS_PER_MINUTE: config.privateIpRequestsPerMinute,
    IDLE_CONNECTIONS_PER_IP: config.idleConnectionsPerIp,
    QUEUE_LIMIT_SECONDS: config.queueLimitMs / 1000,
    SANDBOX: config.sandbox, ALLOW_INSECURE_PROVIDERS: config.allowInsecureProviders,
    OTEL_EXPORTER_OTLP_ENDPOINT: traced?.endpoint, OTEL_SERVICE_NAME: traced?.serviceName,
    OTEL_TRACES_SAMPLER_ARG: traced?.sampleRatio,
  }
  const documented = new Map(rows.map(([name = '', , value = '']) => [plain(name), plain(value)]))
  for (const [name, value] of Object.entries(expected)) t.equal(documented.get(name), String(value), name)
  const required = ['PUBLIC_URL', 'APPS_FILE', 'SEAL_KEYS']
  const asked = [...documented].filter(([, value]) => value === 'required').map(([name]) => name)
  t.strictSame(asked.sort(), required.sort())
  const sources = providers.map(({ provider }) => sourcesOf(provider)).join('\n')
  const ofProviders = [...documented]
    .filter(([name, value]) => /^(TRUECALLER|OTPLESS)_/.test(name) && /\w\.\w/.test(value))
  t.ok(ofProviders.length >= 7)
  for (const [name, value] of ofProviders) t.ok(sources.includes(`'${value}'`), name)
})

t.test('every field of the apps file is described', async t => {
  const fields = rowsOf(sectionOf(text, '### Fields')).flatMap(([names = '']) => names.split(', ').map(plain))
  t.strictSame(fields.sort(), Object.keys(App.properties).sort())
  t.strictSame(rowsOf(sectionOf(text, '### Scopes')).map(([scope = '']) => plain(scope)), [...scopes])
  const limits = rowsOf(sectionOf(text, '### Limits')).map(([name = '', , value = '']) => [plain(name), plain(value)])
  t.strictSame(
    Object.fromEntries(limits),
    Object.fromEntries(Object.keys(Limits.properties).map(name =>
      [name, String(defaultLimits[name as keyof typeof defaultLimits])])),
  )
  const budget = Object.fromEntries(rowsOf(sectionOf(text, '### Unverified budget')).map(([name = '', , value = '']) =>
    [plain(name), plain(value)]))
  t.strictSame(
    budget, { mode: 'enforce', share: String(defaultRule.share), leastPerDay: String(defaultRule.leastPerDay) },
  )
})

t.test('the options of truecaller.web, which have a table of their own', async t => {
  const [, web] = everyMethod().find(([name]) => name === 'truecaller.web') ?? []
  const look = rowsOf(sectionOf(read('docs/providers/truecaller.md'), '## Options of `truecaller.web`'))
    .flatMap(([names = '']) => names.split(', ').map(plain))
  t.strictSame(look.sort(), Object.keys(web?.options.properties ?? {}).sort())
})

t.test('each provider has a page', async t => {
  for (const { provider } of providers) t.ok(headingsOf(read(`docs/providers/${provider}.md`)).length > 3, provider)
})
