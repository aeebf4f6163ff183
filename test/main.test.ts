import { createHash, randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import t from 'tap'
import { clientOf, keys, testEnvironment } from './helpers/gateway.ts'
import { readLine, startProcess, type GatewayProcess } from './helpers/process.ts'
import { startRedis, until } from './helpers/redis.ts'

t.jobs = 3

const lineWith = ({ logs }: GatewayProcess, text: string) => readLine(logs.find(line => line.includes(text)) ?? '{}')
const messages = ({ logs }: GatewayProcess): unknown[] => logs.map(line => readLine(line)['msg'])

t.test('an invalid environment fails the startup with one line, which names the variable and shows no value', {
  buffered: true,
}, async t => {
  // Nothing listens there: a wrong setting must not wait for Redis.
  const { environment } = await testEnvironment(t, { redisUrl: 'redis://127.0.0.1:1' })
  const { SEAL_KEYS: _sealKeys, ...withoutKeys } = environment
  const own = Object.fromEntries(
    Object.entries(environment).filter(([name]) => !/^(TRUECALLER|TRUID|OTPLESS|ALLOW)_/.test(name)),
  )
  const cases: { name: string, environment: Record<string, string> }[] = [
    { name: 'PORT', environment: { ...environment, PORT: 'hunter2' } },
    { name: 'REDIS_URL', environment: { ...environment, REDIS_URL: 'redis://:hunter2@h:port' } },
    { name: 'SEAL_KEYS', environment: withoutKeys },
    { name: 'APPS_FILE', environment: { ...environment, APPS_FILE: '/nowhere/hunter2.json' } },
    { name: 'TRUID_CLIENT_SECRET', environment: { ...environment, TRUID_CLIENT_SECRET: '' } },
    { name: 'TRUID_CLIENT_SECRET', environment: { ...environment, TRUID_CLIENT_SECRET: 'hunter2\n' } },
    { name: 'SEAL_KEYS_FILE', environment: { ...withoutKeys, SEAL_KEYS_FILE: '/nowhere/hunter2' } },
    { name: 'TRUECALLER_CALLBACK_KEY', environment: { ...own, TRUECALLER_APP_KEY: 'hunter2' } },
    { name: 'OTPLESS_CLIENT_ID', environment: { SANDBOX: 'true', OTPLESS_CLIENT_ID: 'hunter2' } },
  ]
  const started = cases.map(({ name, environment }) => ({ name, refused: startProcess(t, environment) }))
  for (const { name, refused } of started) {
    t.equal((await refused.ended).code, 1, name)
    t.equal(refused.complaints.length, 1, 'one line')
    const { msg, level, cause } = readLine(refused.complaints[0] ?? '{}')
    t.match({ msg, level }, { msg: 'startup failed', level: 60 })
    t.match(cause, name)
    t.notMatch([...refused.complaints, ...refused.logs].join('\n'), /hunter2/)
    t.notOk(messages(refused).includes('listening'))
  }
})

t.test('a Redis that may evict keys fails the startup', { buffered: true }, async t => {
  const redis = await startRedis(t, ['--maxmemory-policy', 'allkeys-lru'])
  const refused = startProcess(t, (await testEnvironment(t, { redisUrl: redis.url })).environment)
  t.equal((await refused.ended).code, 1)
  t.match(
    readLine(refused.complaints[0] ?? '{}')['cause'],
    /^REDIS_URL: maxmemory-policy must be noeviction, it is allkeys-lru$/,
  )
})

t.test('a sandbox and a production process never share a Redis', { buffered: true }, async t => {
  const redis = await startRedis(t)
  const { environment } = await testEnvironment(t, { redisUrl: redis.url })
  await startProcess(t, { ...environment, ROLE: 'api' }).listening
  const refused = startProcess(t, { SANDBOX: 'true', PORT: '0', ROLE: 'api', REDIS_URL: redis.url })
  t.equal((await refused.ended).code, 1)
  t.match(readLine(refused.complaints[0] ?? '{}')['cause'], /^REDIS_URL: this Redis is used in the mode production/)
})

t.test('a port in use fails the startup', { buffered: true }, async t => {
  const { environment } = await testEnvironment(t)
  const first = startProcess(t, environment)
  await first.listening
  const second = startProcess(t, environment)
  t.equal((await second.ended).code, 1)
  t.match(readLine(second.complaints[0] ?? '{}'), { msg: 'startup failed', cause: /EADDRINUSE/ })
})

t.test('it logs its address, also with PORT=0, and exits on SIGTERM and SIGINT', {
  buffered: true,
}, async t => {
  const { environment } = await testEnvironment(t)
  for (const [port, signal] of [[environment['PORT'] ?? '', 'SIGTERM'], ['0', 'SIGINT']] as const) {
    const gateway = startProcess(t, { ...environment, PORT: port, ROLE: 'api' })
    const address = await gateway.listening
    t.match(address, /^http:\/\/127\.0\.0\.1:[1-9]\d*$/)
    if (port !== '0') t.equal(new URL(address).port, port)
    t.match(lineWith(gateway, '"listening"'), {
      msg: 'listening', address, version: /^\d/, role: 'api', sandbox: false, retentionSeconds: 86_400,
      providers: { truecaller: 'on', truid: 'on', otpless: 'on' }, apps: { apps: 2, keys: 3, expiredKeys: [] },
      redis: { form: 'standalone', tls: false, version: /^\d+\.\d+/, hasAppendOnlyFile: false },
    })
    t.ok(Object.entries(environment).every(([name, value]) =>
      !/KEY|SECRET|CLIENT|APP_ID/.test(name) || !gateway.logs.join('').includes(value)), 'no secret')
    await until(async () => (await clientOf(address, null).call('GET', '/readyz')).status === 200, 'it is ready')
    gateway.signal(signal)
    t.equal((await gateway.ended).code, 0)
    t.match(lineWith(gateway, '"stopping"'), { reason: signal, delayMs: 0 })
    t.match(readLine(gateway.logs.at(-1) ?? '{}'), { msg: 'stopped', reason: signal, durationMs: /^\d+$/ })
    t.same(gateway.complaints, [])
  }
})

t.test('the separate port for operators', { buffered: true }, async t => {
  const { environment } = await testEnvironment(t)
  const gateway = startProcess(t, { ...environment, ROLE: 'api', OPERATIONS_PORT: '0' })
  const address = await gateway.listening
  const operations = String(lineWith(gateway, '"listening"')['operations'])
  t.match(operations, /^http:\/\/127\.0\.0\.1:[1-9]\d*$/)
  const statuses = async (url: string): Promise<number[]> =>
    Promise.all(['/readyz', '/metrics'].map(async path => (await clientOf(url, null).call('GET', path)).status))
  // A busy machine is not ready at once.
  for (const url of [address, operations]) await until(async () => (await statuses(url))[0] === 200, 'it is ready')
  t.equal((await statuses(address))[1], 404)
  t.equal((await statuses(operations))[1], 200)
  gateway.signal('SIGTERM')
  t.equal((await gateway.ended).code, 0)
  await t.rejects(statuses(operations), /ECONNREFUSED/)
})

t.test('while Redis is down the startup waits, and logs it', { buffered: true }, async t => {
  const redis = await startRedis(t)
  const { environment } = await testEnvironment(t, { redisUrl: redis.url })
  await redis.stop()
  const waiting = startProcess(t, environment)
  await until(() => messages(waiting).includes('redis'), 'it logs it')
  t.match(readLine(waiting.logs[0] ?? '{}'), { msg: 'redis', cause: /ECONNREFUSED/ })
  waiting.signal('SIGTERM')
  t.not((await waiting.ended).code, 1, 'it can be stopped')
})

t.test('APPS_FILE is reloaded on SIGHUP and when it changes', { buffered: true }, async t => {
  const { environment, url } = await testEnvironment(t)
  const appsFile = environment['APPS_FILE'] ?? ''
  const gateway = startProcess(t, { ...environment, ROLE: 'api' })
  await gateway.listening
  const added = `vgk_${randomBytes(8).toString('hex')}`
  const statusFor = async (key: string): Promise<number> => (
    await clientOf(url, key).call('GET', '/verifications?reference=x')
  ).status
  const count = (message: string): number => messages(gateway).filter(msg => msg === message).length
  t.equal(await statusFor(added), 401)

  const apps = JSON.parse(await readFile(appsFile, 'utf8'))
  const sha256 = createHash('sha256').update(added).digest('hex')
  apps.push({ id: 'new', name: 'New', keys: [{ sha256, scopes: ['verifications:read'] }] })
  await writeFile(appsFile, JSON.stringify(apps))
  gateway.signal('SIGHUP')
  await until(() => count('APPS_FILE reloaded') > 0, 'it is reloaded')
  t.equal(await statusFor(added), 200, 'a new key works')
  t.equal(await statusFor(keys.shop), 200)

  await writeFile(appsFile, '[{"id":"hunter2"}]')
  gateway.signal('SIGHUP')
  await until(() => count('APPS_FILE reload failed; keeping the previous apps') > 0, 'the reload fails')
  t.match(gateway.logs.findLast(line => line.includes('reload failed')), /APPS_FILE/)
  t.notMatch(gateway.logs.join('\n'), /hunter2/)
  t.equal(await statusFor(added), 200, 'the previous apps stay')

  const before = count('APPS_FILE reloaded')
  await writeFile(appsFile, JSON.stringify(apps.slice(0, 2)))
  await until(() => count('APPS_FILE reloaded') > before, 'a change needs no signal')
  t.equal(await statusFor(added), 401, 'a removed key is refused')
  gateway.signal('SIGTERM')
  t.equal((await gateway.ended).code, 0)
})

t.test('the sandbox needs nothing but Redis', { buffered: true }, async t => {
  const redis = await startRedis(t)
  const callbackKey = randomBytes(16).toString('hex')
  const gateway = startProcess(
    t, { SANDBOX: 'true', PORT: '0', REDIS_URL: redis.url, TRUECALLER_CALLBACK_KEY: callbackKey, ROLE: 'api' },
  )
  const address = await gateway.listening
  t.match(lineWith(gateway, '"listening"'), { sandbox: true, simulators: /^http:\/\/127\.0\.0\.1:\d+$/ })
  const app = clientOf(address, 'vgk_sandbox')
  const created = await app.create({ phoneNumber: '+14155550100', workflow: ['otpless.otp'] })
  t.match(created, { status: 201, body: { nextAction: { type: 'submitCode' } } })
  const checked = await app.call('POST', `/verifications/${created.body['id']}/check`, { code: '550100' })
  t.match(checked, { status: 200, body: { status: 'verified' } })
  const own = await app.create({ phoneNumber: '+14155550142', workflow: ['acme.sms'] })
  const proven = await app.call('POST', `/verifications/${own.body['id']}/check`, { code: '550142' })
  t.match(proven, { status: 200, body: { status: 'verified' } }, 'the gateway\'s own codes are the last digits, too')
  gateway.signal('SIGTERM')
  t.equal((await gateway.ended).code, 0)
})

t.test('an uncaught error shuts the process down, with exit code 1', { buffered: true }, async t => {
  const { environment } = await testEnvironment(t)
  const broken = 'data:text/javascript,process.on("SIGUSR2", () => { throw new Error("uncaught in a test") })'
  const options = `${process.env['NODE_OPTIONS'] ?? ''} --import=${encodeURI(broken)}`
  const gateway = startProcess(t, { ...environment, NODE_OPTIONS: options, ROLE: 'api' })
  await gateway.listening
  gateway.signal('SIGUSR2')
  t.equal((await gateway.ended).code, 1)
  t.ok(
    gateway.logs.some(
      line => line.includes('shutting down after an uncaught error') && line.includes('uncaught in a test'),
    ), 'it logs the error',
  )
  t.match(lineWith(gateway, '"stopped"'), { reason: 'uncaught error' })
})
