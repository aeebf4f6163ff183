import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import t from 'tap'
import { readConfig, variables } from '../src/config.ts'
import { readPrivateKey } from '../src/adapters/settings.ts'
import { hasMark } from '../src/environment.ts'

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
  const names = [
    'PORT', 'ROLE', 'SANDBOX', 'LOG_LEVEL', 'RETENTION_SECONDS', 'OPERATIONS_PORT', 'REDIS_WAIT_REPLICAS',
    'PUBLIC_URL', 'ALLOW_INSECURE_PROVIDERS',
  ]
  for (const name of names) {
    const message = refusal({ ...production, [name]: secret })
    t.match(message, name)
    t.notMatch(message, secret)
  }
  const all = refusal({ ...production, ...Object.fromEntries(names.map(name => [name, secret])) })
  t.strictSame(names.filter(name => !all.includes(`${name} must`)), [], 'all in one error')
})

t.test('every variable has a description', async t => {
  for (const [name, schema] of Object.entries(variables)) t.ok(
    'description' in schema && typeof schema.description === 'string' && schema.description !== '', name,
  )
  t.ok('TRUID_CLIENT_SECRET' in variables)
})

t.test('a secret can be in a file', async t => {
  const { SEAL_KEYS, ...others } = production
  const folder = t.testdir({
    keys: `${SEAL_KEYS}\n`, windows: 'redis://:word@redis:6379\r\n', id: 'client', secret: 'word', empty: '\n',
    lines: 'one\ntwo\n',
  })
  const path = (name: string): string => join(folder, name)
  const config = readConfig({
    ...others, SEAL_KEYS_FILE: path('keys'), REDIS_URL_FILE: path('windows'), TRUID_CLIENT_ID_FILE: path('id'),
    TRUID_CLIENT_SECRET_FILE: path('secret'), TRUID_CLIENT_SECRET: '',
  })
  t.match(config, {
    sealKeys: SEAL_KEYS, redisUrl: 'redis://:word@redis:6379',
    settings: { TRUID_CLIENT_ID: 'client', TRUID_CLIENT_SECRET: 'word' },
  }, 'without the line end')

  const cases: [environment: Record<string, string>, message: string][] = [
    [{ ...production, SEAL_KEYS_FILE: path('keys') }, 'SEAL_KEYS and SEAL_KEYS_FILE are both set'],
    [{ ...others, SEAL_KEYS_FILE: path('missing') }, 'SEAL_KEYS_FILE cannot be read: ENOENT'],
    [{ ...others, SEAL_KEYS_FILE: folder }, 'SEAL_KEYS_FILE cannot be read: EISDIR'],
    [{ ...others, SEAL_KEYS_FILE: path('empty') }, 'SEAL_KEYS_FILE names an empty file'],
    [{ ...production, OTPLESS_CLIENT_SECRET_FILE: path('lines') },
      'OTPLESS_CLIENT_SECRET_FILE contains a line end or another control character'],
  ]
  for (const [environment, message] of cases) t.equal(refusal(environment), `Configuration: ${message}`)
  t.equal(readConfig({ ...production, PORT_FILE: path('id') }).port, 3000, 'what is no secret has no file')
  const secrets = Object.entries(variables).filter(([, schema]) => 'isSecret' in schema).map(([name]) => name)
  const looksSecret = /SECRET|_KEYS?$|TOKEN$|PASSWORD|REDIS_URL$|CLIENT_ID$/
  t.strictSame(Object.keys(variables).filter(name => looksSecret.test(name) && !secrets.includes(name)), [])
})

t.test('a private key can be the lines of a PEM file, or one line', async t => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const folder = t.testdir({ pem, windows: pem.replaceAll('\n', '\r\n') })
  const name = 'CAMARA_PRIVATE_KEY'
  for (const given of [
    { [`${name}_FILE`]: join(folder, 'pem') }, { [`${name}_FILE`]: join(folder, 'windows') }, { [name]: pem },
    { [name]: pem.replaceAll('\n', '\\n') },
    { [name]: privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64') },
  ]) {
    const value = readConfig({ ...production, ...given }).settings[name] ?? ''
    t.notMatch(value, /\n/)
    t.ok(readPrivateKey(name, value).equals(privateKey))
  }
})

t.test('a line end or another control character is refused by name, in every variable', async t => {
  for (const name of Object.keys(variables)) {
    const lines = hasMark(variables[name] ?? {}, 'hasLines') ? [] : ['a\n', 'a\r\nb']
    for (const value of [...lines, '\u0000', '\ta', 'a\u0085', 'a\u2028b']) {
      const message = refusal({ ...production, [name]: value })
      // The names of instances are read first, because they make more variables.
      const isNamed = name.endsWith('_INSTANCES') && new RegExp(`^${name} must be different names`).test(message)
      t.ok(isNamed || message === `Configuration: ${name} contains a line end or another control character`, message)
    }
  }
})

t.test('a seal key that is not random is refused, except in the sandbox', async t => {
  const SEAL_KEYS = `k1:${Buffer.alloc(32).toString('base64')}`
  t.match(refusal({ ...production, SEAL_KEYS }), /^SEAL_KEYS: entry 1 is not random/)
  t.match(refusal({ ...production, SEAL_KEYS: 'k1:AA' }), /^SEAL_KEYS: entry 1 must be/)
  t.equal(readConfig({ SANDBOX: 'true', SEAL_KEYS }).sealKeys, SEAL_KEYS)
})

t.test('the sandbox is refused where it could be taken for the real thing', async t => {
  const credentials = Object.entries(variables).filter(([, schema]) => 'isCredential' in schema).map(([name]) => name)
  t.ok(['TRUECALLER_APP_KEY', 'TRUID_CLIENT_ID', 'OTPLESS_WEBHOOK_SECRET'].every(name => credentials.includes(name)))
  for (const name of credentials) {
    const message = `Configuration: SANDBOX cannot be true together with ${name}`
    t.equal(refusal({ SANDBOX: 'true', [name]: 'value' }), message)
    t.equal(refusal({ SANDBOX: 'true', [`${name}_FILE`]: import.meta.filename }).includes(name), true, 'from a file')
  }
  const refused = [
    'https://verify.example.com', 'http://verify.example.com', 'https://localhost:3000', 'http://203.0.113.1:3000',
    'http://localhost.example.com', 'http://169.254.169.254', 'http://[2001:db8::1]', 'http://user@verify.example',
  ]
  for (const PUBLIC_URL of refused) {
    const message = refusal({ SANDBOX: 'true', PUBLIC_URL })
    t.match(message, /^Configuration: SANDBOX needs a PUBLIC_URL that is http/, PUBLIC_URL)
  }
  const accepted = [
    'http://localhost:3000', 'http://app.localhost/base', 'http://127.0.0.1', 'http://[::1]:3000', 'http://10.1.2.3',
    'http://192.168.1.20:3000', 'http://[fd00::1]',
  ]
  for (const PUBLIC_URL of accepted) t.ok(readConfig({ SANDBOX: 'true', PUBLIC_URL }).sandbox, PUBLIC_URL)
  t.ok(readConfig({ SANDBOX: 'true', TRUECALLER_CALLBACK_KEY: 'a-key-of-ours' }).sandbox, 'it is no credential')
})

t.test('what an operator should know is a warning', async t => {
  const warningsFor = (PUBLIC_URL: string, more = {}) => readConfig({ ...production, ...more, PUBLIC_URL }).warnings
  const [plain, insecure] = [/^PUBLIC_URL is http/, /^ALLOW_INSECURE_PROVIDERS is true/]
  t.strictSame(warningsFor('https://verify.example.com'), [])
  t.match(warningsFor('http://verify.example.com'), [plain])
  t.strictSame(warningsFor('http://10.0.0.1'), [])
  const more = { ALLOW_INSECURE_PROVIDERS: 'true' }
  t.match(warningsFor('http://verify.example.com', more), [plain, insecure])
  t.match(warningsFor('https://verify.example.com', more), [insecure])
  t.strictSame(warningsFor('http://127.0.0.1:3000', more), [])
})

t.test('a providers file: not in the sandbox, and its variables are none of Verigate\'s own', async t => {
  t.throws(() => readConfig({ SANDBOX: 'true', PROVIDERS_FILE: 'providers.json' }), {
    message: 'Configuration: SANDBOX cannot be true together with PROVIDERS_FILE',
  })
  const { lookUp, providersFile } = readConfig({ SANDBOX: 'true', ACME_TOKEN: 'secret', EMPTY: '', LINES: 'a\nb' })
  t.equal(providersFile, null)
  t.strictSame([lookUp('ACME_TOKEN'), lookUp('EMPTY'), lookUp('ABSENT')], ['secret', null, null])
  const { lookUp: lookUpInProcess } = readConfig(Object.assign(Object.create({ inherited: 'x' }), { SANDBOX: 'true' }))
  t.equal(lookUpInProcess('inherited'), null, 'only what is set')
  for (const own of ['SEAL_KEYS', 'TWILIO_API_SECRET']) {
    t.throws(() => lookUp(own), { message: 'it is one of Verigate\'s own: use another name' }, own)
  }
  t.throws(() => lookUp('LINES'), { message: 'LINES contains a line end or another control character' })
})
