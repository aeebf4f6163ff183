import { randomBytes } from 'node:crypto'
import t from 'tap'
import { readConfig, variables } from '../src/config.ts'

const production = {
  PUBLIC_URL: 'https://verify.example/', APPS_FILE: '/etc/apps.json',
  SEAL_KEYS: `k1:${randomBytes(32).toString('base64')}`,
}

function refusal (environment: Record<string, string>): string {
  try {
    readConfig(environment)
    return ''
  } catch (error) {
    return error instanceof Error ? error.message : ''
  }
}

t.test('production', async t => {
  t.match(readConfig(production), {
    port: 3000, host: '0.0.0.0', publicUrl: 'https://verify.example', role: 'all',
    redisUrl: 'redis://127.0.0.1:6379', appsFile: '/etc/apps.json', logLevel: 'info',
    retentionMs: 86_400_000, sandbox: false, allowInsecureProviders: false,
  })
  t.match(readConfig(
    {
      ...production, PORT: '8080', ROLE: 'worker', RETENTION_SECONDS: '60', SHUTDOWN_DELAY_SECONDS: '5',
      TRUECALLER_APP_KEY: 'key', UNRELATED: 'x',
    },
  ), {
    port: 8080, role: 'worker', retentionMs: 60_000, shutdownDelayMs: 5_000, settings: { TRUECALLER_APP_KEY: 'key' },
  })
  t.equal(readConfig(production).waitReplicas, 0)
  t.equal(readConfig({ ...production, REDIS_WAIT_REPLICAS: '2' }).waitReplicas, 2)
  t.equal(readConfig({ ...production, PORT: '' }).port, 3000, 'an empty variable counts as absent')
  t.equal(readConfig(production).operations, null)
  t.same(
    readConfig({ ...production, HOST: '10.0.0.1', OPERATIONS_PORT: '9000' }).operations,
    { port: 9000, host: '10.0.0.1' },
  )
  t.same(
    readConfig({ ...production, OPERATIONS_PORT: '9000', OPERATIONS_HOST: '127.0.0.1' }).operations,
    { port: 9000, host: '127.0.0.1' },
  )
  t.throws(() => { Object.assign(readConfig(production), { port: 1 }) }, TypeError, 'frozen')
})

t.test('tracing is off unless it is configured', async t => {
  t.equal(readConfig(production).tracing, null)
  const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' }
  t.same(
    readConfig({ ...production, ...endpoint }).tracing,
    { endpoint: 'http://collector:4318', serviceName: 'verigate', sampleRatio: 1 },
  )
  t.equal(readConfig({ ...production, ...endpoint, OTEL_TRACES_EXPORTER: 'none' }).tracing, null)
  t.match(readConfig(
    { ...production, OTEL_TRACES_EXPORTER: 'otlp', OTEL_SERVICE_NAME: 'verify', OTEL_TRACES_SAMPLER_ARG: '0.1' },
  ).tracing, {
    endpoint: 'http://localhost:4318', serviceName: 'verify', sampleRatio: 1,
  })
  t.equal(
    readConfig(
      { ...production, ...endpoint, OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.1' },
    ).tracing?.sampleRatio,
    0.1,
  )
  for (
    const [name, value] of [
      ['OTEL_TRACES_EXPORTER', 'console'], ['OTEL_TRACES_SAMPLER_ARG', '1.5'],
      ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector:4318'],
    ] as const
  ) {
    t.match(refusal({ ...production, [name]: value }), name)
  }
})

t.test('trusted proxies are addresses and networks', async t => {
  const { trustedProxies } = readConfig({ ...production, TRUSTED_PROXIES: '10.0.0.0/8, ::1,' })
  t.strictSame(trustedProxies, ['10.0.0.0/8', '::1'])
  for (const value of ['10.0.0', '10.0.0.0/33', '::/129', '10.0.0.0/8/8', '0.0.0.0/0', '::/0']) {
    t.match(refusal({ ...production, TRUSTED_PROXIES: value }), /^Configuration: TRUSTED_PROXIES must be/, value)
  }
})

t.test('a port is at most 65535', async t => {
  for (const name of ['PORT', 'OPERATIONS_PORT', 'SANDBOX_PORT']) {
    t.equal(refusal({ ...production, [name]: '65536' }), `Configuration: ${name} must be at most 65535`)
  }
})

t.test('the sandbox needs no variable', async t => {
  t.match(
    readConfig({ SANDBOX: 'true' }),
    {
      sandbox: true, host: '127.0.0.1', publicUrl: 'http://localhost:3000', appsFile: null, sandboxPort: 3001,
      allowInsecureProviders: true,
    },
  )
})

t.test('the error names each missing or invalid variable and shows no value', async t => {
  for (const name of ['PUBLIC_URL', 'APPS_FILE', 'SEAL_KEYS']) {
    t.throws(() => readConfig({ ...production, [name]: undefined }), new RegExp(`${name} is required`))
  }
  const secret = 'hunter2 hunter2'
  for (
    const name of [
      'PORT', 'ROLE', 'SANDBOX', 'LOG_LEVEL', 'RETENTION_SECONDS', 'OPERATIONS_PORT', 'REDIS_WAIT_REPLICAS',
      'PUBLIC_URL', 'ALLOW_INSECURE_PROVIDERS',
    ]
  ) {
    const message = refusal({ ...production, [name]: secret })
    t.match(message, name)
    t.notMatch(message, secret)
  }
  t.throws(() => readConfig({ ...production, PORT: 'x', ROLE: 'y' }), /PORT.*ROLE/, 'all in one error')
})

t.test('every variable has a description', async t => {
  for (const [name, schema] of Object.entries(variables)) t.ok(
    'description' in schema && typeof schema.description === 'string' && schema.description !== '', name,
  )
  t.ok('TRUID_CLIENT_SECRET' in variables)
})
