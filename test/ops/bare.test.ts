import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { Agent, request } from 'undici'
import { findExecutable } from '../../scripts/install.ts'
import { variables } from '../../src/config.ts'
import { startGateway } from '../helpers/gateway.ts'
import { freePort, until } from '../helpers/redis.ts'

/** Files for processes without a container: Prometheus, a proxy, systemd. */

const root = join(import.meta.dirname, '../..')
const run = promisify(execFile)
const tools = ['promtool', 'nginx', 'openssl'].map(name => findExecutable([name]))
const [promtool, nginx, openssl] = await Promise.all(tools)

t.test('Prometheus reads the scrape configuration', {
  skip: promtool === null ? 'promtool is not on the PATH' : false,
}, async t => {
  const cwd = join(root, 'ops/prometheus')
  const { stdout, stderr } = await run(promtool ?? '', ['check', 'config', 'bare.yml'], { cwd })
  t.match(stdout + stderr, /SUCCESS: bare\.yml is valid/)
})

t.test('nginx lets through what is public, with the address of the client', {
  skip: nginx === null || openssl === null ? 'nginx or openssl is not on the PATH' : false,
}, async t => {
  const gateway = await startGateway(t, { environment: { TRUSTED_PROXIES: '127.0.0.1' } })
  const folder = await mkdtemp(join(tmpdir(), 'verigate-nginx-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await mkdir(join(folder, 'logs'))
  const port = await freePort()
  const [key, certificate] = [join(folder, 'privkey.pem'), join(folder, 'fullchain.pem')]
  await run(openssl ?? '', [
    'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-subj', '/CN=localhost', '-keyout', key,
    '-out', certificate,
  ])
  const own = (await readFile(join(root, 'ops/proxy/nginx.conf'), 'utf8'))
    .replaceAll(/server 10\.0\.0\.\d+:3000;/g, `server ${new URL(gateway.url).host};`)
    .replace('listen 443 ssl', `listen 127.0.0.1:${port} ssl`)
    .replaceAll('/etc/ssl/verigate', folder).replaceAll('/var/log/nginx', folder)
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map(name => `${name}_temp_path ${join(folder, name)};`).join('\n')
  await writeFile(join(folder, 'nginx.conf'), `
    daemon off; pid ${join(folder, 'pid')}; error_log ${join(folder, 'error.log')};
    events {} http { ${paths}\n${own} }`)
  const args = ['-p', folder, '-c', join(folder, 'nginx.conf')]
  await run(nginx ?? '', ['-t', '-q', ...args])
  const child = spawn(nginx ?? '', args, { stdio: 'ignore' })
  t.teardown(async () => {
    child.kill('SIGTERM')
    if (child.exitCode === null) await once(child, 'exit')
  })
  const dispatcher = new Agent({ connect: { rejectUnauthorized: false } })
  t.teardown(() => dispatcher.close())
  const ask = (path: string, headers: Record<string, string> = {}) =>
    request(`https://127.0.0.1:${port}${path}`, { dispatcher, headers })
  await until(() => ask('/').then(({ statusCode }) => statusCode === 404, () => false), 'it listens')

  for (const path of ['/metrics', '/docs', '/livez', '/providers', '/callbacksx', '/admin/queues']) {
    t.equal((await ask(path)).statusCode, 404, path)
  }
  const { statusCode, headers } = await ask('/verifications/x', { 'x-forwarded-for': '203.0.113.7' })
  t.equal(statusCode, 401)
  t.match(headers['ratelimit-policy'], /"address";q=6000/, 'the address that nginx saw, which is private')
  const { shop } = gateway
  const { id, clientSecret } = (await shop.create({ phoneNumber: '+14155550100', workflow: ['otpless.otp'] })).body as
    Record<string, string>
  const stream = await ask(`/verifications/${id}/events?clientSecret=${clientSecret}`)
  const [first] = await once(stream.body, 'data')
  t.match(String(first), /^(id|event|:|retry)/m, 'an event stream is not buffered')
  stream.body.destroy()
  await ask('/callbacks/truecaller/secret-of-the-operator')
  await ask('/v2/Services/VA0/Verifications/+14155550100')
  const readLog = () => readFile(join(folder, 'verigate.log'), 'utf8')
  await until(async () => /\/events(.|\n)*\/v2\//.test(await readLog()), 'it is logged')
  t.notMatch(await readLog(), /vcs_|secret-of|4155550100/, 'without secrets and numbers')
  t.match(await readLog(), /"GET \/callbacks\/truecaller\/-" (.|\n)*"GET \/v2\/-" 404/)
})

t.test('the unit of systemd sets variables that exist, and is that of the documentation', async t => {
  const unit = await readFile(join(root, 'ops/systemd/verigate@.service'), 'utf8')
  const set = [...unit.matchAll(/^Environment=(\w+)=/gm)].map(([, name = '']) => name)
  t.strictSame(set.filter(name => !(name in variables)), ['NODE_COMPILE_CACHE', 'NODE_OPTIONS'])
  t.match(unit, /^ExecStart=\/usr\/bin\/node src\/main\.ts$/m)
  t.match(unit, /^TimeoutStopSec=25$/m, 'more than a drain takes')
  const [, group = '-'] = /^SupplementaryGroups=(\w+)$/m.exec(unit) ?? []
  const guide = await readFile(join(root, 'docs/operations.md'), 'utf8')
  t.ok(guide.includes(` -g ${group} apps.json `), 'a user without rights reads the apps file')
})
