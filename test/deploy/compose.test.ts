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
import { readAppsFile } from '../../src/apps/apps.ts'
import { variables } from '../../src/config.ts'
import { startSimulators } from '../../src/sandbox/simulators.ts'
import { clientOf, keys, testApps } from '../helpers/gateway.ts'
import { readLine, startListening, type GatewayProcess } from '../helpers/process.ts'
import { freePort, startRedis, type TestRedis } from '../helpers/redis.ts'
import { readCompose, root, startedServices, type Service } from './compose.ts'


const example = readFileSync(join(root, '.env.example'), 'utf8')
const sandbox = readCompose()
const gateways = ['api', 'worker']
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
      { rules: {}, quiet: true, debug: false, exclude: [] },
    ).lintFiles([join(root, 'docker-compose.yml')], false)
  t.equal(results.length, 1)
  t.strictSame(results.flatMap(({ messages }) => messages).filter(({ type }) => type === 'error'), [])
})

t.test('from a fresh clone all but the worker starts, with the .env of the example all of it', async t => {
  t.strictSame(startedServices(sandbox, {}), ['api', 'redis', 'prometheus', 'grafana'])
  t.strictSame(startedServices(sandbox, variablesOf(example)), ['api', 'worker', 'redis', 'prometheus', 'grafana'])
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
  t.strictSame(named.filter(name => !known.includes(name)), ['COMPOSE_PROFILES'])
})

t.test('the example of the apps is one, and opens to no key', async t => {
  const [app] = readAppsFile(join(root, 'ops/compose/apps.example.json'))
  t.match(app?.keys, [{ sha256: '0'.repeat(64) }])
})

t.test('Prometheus looks for the gateways, and Grafana for Prometheus, where they are', async t => {
  const { scrape_configs: [scrape], rule_files: rules } = parse(
    readFileSync(join(root, 'ops/prometheus/prometheus.yml'), 'utf8'),
  )
  const [{ names, port }] = scrape.dns_sd_configs
  t.strictSame([...names].sort(), gateways)
  for (const name of gateways) t.equal(String(port), sandbox.services[name]?.environment?.['PORT'])
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
  const redis = await startComposedRedis(t)
  const url = await startComposed(t, 'api', { redis })
  const app = clientOf(url, 'vgk_sandbox')
  const { body } = await app.create({ phoneNumber: '+14155550100', workflow: ['truecaller.push'] })
  t.equal((await app.waitFor(body['id']))['status'], 'verified')
})

t.test('production starts with what its containers are given: the api answers, the worker works', async t => {
  const redis = await startComposedRedis(t)
  const port = await freePort()
  const publicUrl = `http://127.0.0.1:${port}`
  const simulators = await startSimulators({ gatewayUrl: publicUrl, handsetDelayMs: 20 })
  t.teardown(() => simulators.close())
  const dotenv = {
    ...variablesOf(example), PUBLIC_URL: publicUrl, SEAL_KEYS: `k1:${randomBytes(32).toString('base64')}`,
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
async function startComposedRedis (t: Test): Promise<TestRedis> {
  return await startRedis(t, sandbox.services['redis']?.command?.slice(1))
}

/**
 * The process of a service, outside its container: names of hosts and paths of mounts become those that are here.
 * Resolves with its address once it is
 * ready and has said nothing worse than a warning about how it was set up.
 */
async function startComposed (
  t: Test, name: 'api' | 'worker', { redis, dotenv = {}, port }: {
    redis: TestRedis, dotenv?: Record<string, string>, port?: number,
  },
): Promise<string> {
  const { environment = {}, volumes = [], env_file: files } = readCompose(dotenv).services[name] ?? { image: '' }
  t.strictSame(files, [{ path: '.env', required: false }])
  const given: Record<string, string> = { ...dotenv, ...environment }
  t.equal(given['REDIS_URL'], 'redis://redis:6379')
  const own = {
    ...given, HOST: '127.0.0.1', PORT: String(port ?? await freePort()), SANDBOX_PORT: String(await freePort()),
    REDIS_URL: redis.url,
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
  t.equal((await request(`${address}/readyz`)).statusCode, 200, `${name} is ready`)
  const said = started.logs.map(readLine)
  t.strictSame(said.filter(({ level }) => Number(level) >= 40), [], 'and has nothing to complain about')
  t.match(
    said.find(({ msg }) => msg === 'listening'),
    { role: name === 'worker' ? 'worker' : dotenv['COMPOSE_PROFILES'] === undefined ? 'all' : 'api' },
  )
  return address
}
