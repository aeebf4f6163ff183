import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { DCLinter } from 'dclint'
import t, { type Test } from 'tap'
import { request } from 'undici'
import { parse } from 'yaml'
import { readAppsFile } from '../../src/apps/apps-file.ts'
import { variables } from '../../src/config.ts'
import { startSimulators } from '../../src/sandbox/simulators.ts'
import { clientOf, keys, testApps } from '../helpers/gateway.ts'
import { readLine, startListening, type GatewayProcess } from '../helpers/process.ts'
import { freePort, startRedis, until, type TestRedis } from '../helpers/redis.ts'
import { readCompose, root, startedServices, type Service } from './compose.ts'


const example = readFileSync(join(root, '.env.example'), 'utf8')
const sandbox = readCompose()
const gateways = ['sandbox', 'api', 'worker']
const production = ['api', 'worker']
/** What the README advises at the most. */
const longestDelayMs = 15_000
const drainMs = Number(
  /shutdownMs = ([\d_]+)/.exec(readFileSync(join(root, 'src/main.ts'), 'utf8'))?.[1]?.replace('_', ''),
)
const hostPaths = ({ volumes = [] }: Service): string[] =>
  volumes.map(volume => volume.split(':')[0] ?? '').filter(path => path.startsWith('./'))

t.test('docker-compose.yml is of the Compose specification', async t => {
  const results: { messages: { type: string, message: string }[] }[] =
    new DCLinter(
      // The sandbox and production, which have the same port, are never started together.
      { rules: { 'no-duplicate-exported-ports': 0 }, quiet: true, debug: false, exclude: [] },
    ).lintFiles([join(root, 'docker-compose.yml')], false)
  t.equal(results.length, 1)
  t.strictSame(results.flatMap(({ messages }) => messages).filter(({ type }) => type === 'error'), [])
})

t.test('the sandbox starts by its name only, and production with the .env of the example', async t => {
  const monitoring = ['prometheus', 'grafana']
  t.strictSame(startedServices(sandbox, {}), [], 'nothing is the sandbox by default')
  t.strictSame(
    startedServices(sandbox, { COMPOSE_PROFILES: 'sandbox' }), ['sandbox', 'sandbox-redis', ...monitoring],
  )
  t.strictSame(startedServices(sandbox, variablesOf(example)), [...production, 'redis', ...monitoring])
})

t.test('nothing in .env makes a process of production a sandbox, or reaches the sandbox', async t => {
  const before = readCompose({})
  const dotenv = {
    SANDBOX: 'true', REDIS_URL: 'redis://own:6379', TRUID_CLIENT_ID: 'x', COMPOSE_PROFILES: 'production',
  }
  const { services } = readCompose(dotenv)
  for (const name of production) t.match(
    services[name]?.environment, { SANDBOX: 'false', REDIS_URL: 'redis://own:6379' },
  )
  t.strictSame(services['sandbox'], before.services['sandbox'])
  t.match(services['sandbox'], { environment: { SANDBOX: 'true' }, env_file: undefined, volumes: undefined })
})

t.test('each Redis has a password, no port, and a network that only its gateways share', async t => {
  const { services, networks } = readCompose({ REDIS_PASSWORD: 'word' })
  for (
    const [redis, users, password] of [
      ['redis', production, 'word'], ['sandbox-redis', ['sandbox'], 'sandbox'],
    ] as const
  ) {
    const { environment, command = [], ports, networks: own } = services[redis] ?? { image: '' }
    t.strictSame(own, [redis])
    t.equal(networks[redis]?.internal, true)
    t.equal(ports, undefined)
    t.strictSame(environment, { REDISCLI_AUTH: password })
    t.match(command.at(-1), /^exec valkey-server --requirepass "\$\{REDISCLI_AUTH:\?[^}]+}" /)
    const near = Object.keys(services).filter(name => services[name]?.networks?.includes(redis))
    t.strictSame(near.sort(), [redis, ...users].sort())
    for (const name of users) {
      t.equal(services[name]?.environment?.['REDIS_URL'], `redis://:${password}@${redis}:6379`)
      t.ok(Object.hasOwn(services[name]?.depends_on ?? {}, redis))
    }
  }
})

t.test('images that are not built here are pinned by their digest', async t => {
  const images = Object.values(sandbox.services).filter(({ build }) => build === undefined).map(({ image }) => image)
  t.equal(images.length, 4)
  for (const image of images) t.match(image, /^[\w/]+:[\w.-]+@sha256:[0-9a-f]{64}$/)
})

t.test('every service is confined, watched, restarted, and bound to loopback', async t => {
  for (const [name, service] of Object.entries(sandbox.services)) {
    t.match(
      service,
      { restart: 'unless-stopped', read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] }, name,
    )
    t.ok(
      service.healthcheck !== undefined || service.build === '.',
      `${name} has a health check, of its own or of the Dockerfile`,
    )
    for (const port of service.ports ?? []) t.match(port, /^127\.0\.0\.1:/, name)
    for (const path of hostPaths(service)) t.ok(existsSync(join(root, path)), `${name} mounts ${path}`)
    for (const volume of service.volumes ?? []) t.ok(
      volume.startsWith('./') ? volume.endsWith(':ro') : (volume.split(':')[0] ?? '') in sandbox.volumes, volume,
    )
  }
  t.ok(drainMs > 0)
  for (const name of gateways) t.ok(
    Number.parseInt(sandbox.services[name]?.stop_grace_period ?? '') * 1000 > longestDelayMs + drainMs,
    `${name} has the time to drain`,
  )
})

t.test('only variables that there are', async t => {
  const known = Object.keys(variables)
  for (const name of gateways) t.strictSame(
    Object.keys(sandbox.services[name]?.environment ?? {}).filter(variable => !known.includes(variable)), [], name,
  )
  const named = [...example.matchAll(/^(?:# )?([A-Z_]+)=/gm)].map(([, name = '']) => name)
  t.ok(named.length > 10)
  t.strictSame(named.filter(name => !known.includes(name)), ['COMPOSE_PROFILES', 'REDIS_PASSWORD'])
})

t.test('the example of the apps is one, and opens to no key', async t => {
  const [app] = readAppsFile(join(root, 'ops/compose/apps.example.json'))
  t.match(app?.keys, [{ sha256: '0'.repeat(64) }])
})

t.test('Prometheus looks for the gateways, and Grafana for Prometheus, where they are', async t => {
  const { scrape_configs: [scrape], rule_files: rules } = parse(
    readFileSync(join(root, 'ops/prometheus/prometheus.yml'), 'utf8'),
  )
  const targets: { names: string[], port: number }[] = scrape.dns_sd_configs
  t.strictSame(targets.flatMap(({ names }) => names).sort(), [...gateways].sort())
  for (const { names, port } of targets) {
    for (const name of names) {
      const { PORT, OPERATIONS_PORT = PORT } = sandbox.services[name]?.environment ?? {}
      t.equal(String(port), OPERATIONS_PORT, name)
    }
  }
  t.strictSame(rules, ['alerts.yaml'])
  const { datasources: [source] } = parse(
    readFileSync(join(root, 'ops/grafana/provisioning/datasources/prometheus.yaml'), 'utf8'),
  )
  t.equal(source.url, 'http://prometheus:9090')
  const { providers: [provider] } = parse(
    readFileSync(join(root, 'ops/grafana/provisioning/dashboards/verigate.yaml'), 'utf8'),
  )
  t.ok(
    sandbox.services['grafana']?.volumes?.includes(
      `./ops/grafana/verigate.json:${provider.options.path}/verigate.json:ro`,
    ),
  )
})

t.test('Prometheus takes its configuration', {
  skip: hasPromtool() ? false : 'promtool is not on the PATH',
}, async t => {
  const config = join(root, 'ops/prometheus/prometheus.yml')
  t.doesNotThrow(() => execFileSync('promtool', ['check', 'config', config], { stdio: ['ignore', 'pipe', 'pipe'] }))
})

t.test('the sandbox starts with what its container is given', async t => {
  const redis = await startComposedRedis(t, 'sandbox')
  const url = await startComposed(t, 'sandbox', { redis })
  const app = clientOf(url, 'vgk_sandbox')
  const { body } = await app.create({ phoneNumber: '+14155550100', workflow: ['truecaller.push'] })
  t.equal((await app.waitFor(body['id']))['status'], 'verified')
})

t.test('production starts with what its containers are given: the api answers, the worker works', async t => {
  const redis = await startComposedRedis(t, 'word')
  const port = await freePort()
  const publicUrl = `http://127.0.0.1:${port}`
  const simulators = await startSimulators({ gatewayUrl: publicUrl, handsetDelayMs: 20 })
  t.teardown(() => simulators.close())
  const dotenv = {
    ...variablesOf(example), REDIS_PASSWORD: 'word', PUBLIC_URL: publicUrl,
    SEAL_KEYS: `k1:${randomBytes(32).toString('base64')}`,
    ...simulators.settings,
  }
  await startComposed(t, 'worker', { redis, dotenv })
  const url = await startComposed(t, 'api', { redis, dotenv, port })
  const app = clientOf(url, keys.shop)
  const { body } = await app.create({ phoneNumber: '+14155550102', workflow: ['truecaller.push'] })
  t.equal((await app.waitFor(body['id']))['status'], 'verified', 'a callback is a job')
})

function variablesOf (text: string): Record<string, string> {
  return Object.fromEntries(Object.entries(parseEnv(text)).map(([name, value]) => [name, value ?? '']))
}

function hasPromtool (): boolean {
  try {
    execFileSync('promtool', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** A Redis with the settings of its service, which keeps its data as they say. */
async function startComposedRedis (t: Test, password: string): Promise<TestRedis> {
  const [, words = ''] = /^exec valkey-server (.*)$/.exec(sandbox.services['redis']?.command?.at(-1) ?? '') ?? []
  const args = words.replace(/"\$\{[^}]*}"/, password).split(' ').map(word => word === '""' ? '' : word)
  t.strictSame(args.slice(0, 4), ['--requirepass', password, '--appendonly', 'yes'])
  return startRedis(t, args)
}

/**
 * The process of a service, outside its container: names of hosts and paths of mounts become those that are here.
 * Resolves with its address once it is
 * ready and has said nothing worse than a warning about how it was set up.
 */
async function startComposed (
  t: Test, name: 'sandbox' | 'api' | 'worker', { redis, dotenv = {}, port }: {
    redis: TestRedis, dotenv?: Record<string, string>, port?: number,
  },
): Promise<string> {
  const { environment = {}, volumes = [], env_file: files } = readCompose(dotenv).services[name] ?? { image: '' }
  t.strictSame(files, name === 'sandbox' ? undefined : [{ path: '.env', required: false }])
  const given: Record<string, string> = { ...dotenv, ...environment }
  const redisUrl = new URL(given['REDIS_URL'] ?? '')
  redisUrl.host = new URL(redis.url).host
  const own = {
    ...given, HOST: '127.0.0.1', PORT: String(port ?? await freePort()), SANDBOX_PORT: String(await freePort()),
    REDIS_URL: redisUrl.href, ...given['OPERATIONS_PORT'] === undefined ? {} : { OPERATIONS_PORT: '0' },
  }
  const mount = volumes.find(volume => given['APPS_FILE']?.startsWith(`${volume.split(':')[1]}/`))
  if (given['APPS_FILE'] !== undefined) {
    t.equal(mount, './ops/compose:/etc/verigate:ro')
    const file = join(t.testdir({}), 'apps.json')
    await writeFile(file, JSON.stringify(testApps))
    Object.assign(own, { APPS_FILE: file })
  }
  const started: GatewayProcess = await startListening(t, own)
  const address = await started.listening
  await until(async () => {
    const { statusCode, body } = await request(`${address}/readyz`)
    await body.dump()
    return statusCode === 200
  }, `${name} is ready`)
  const said = started.logs.map(readLine)
  t.strictSame(said.filter(({ level }) => Number(level) >= 40), [], 'and has nothing to complain about')
  t.match(
    said.find(({ msg }) => msg === 'listening'),
    { role: name === 'sandbox' ? 'all' : name },
  )
  return address
}
