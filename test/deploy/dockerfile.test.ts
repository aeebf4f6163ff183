import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { networkInterfaces, tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { request } from 'undici'
import { walk } from '../e2e/end-user.ts'
import { clientOf, keys, testEnvironment } from '../helpers/gateway.ts'
import { freePort, startRedis, until } from '../helpers/redis.ts'
import { buildImage, readInstructions, userOf } from './dockerfile.ts'


const context = resolve(import.meta.dirname, '../..')

t.test('what the Dockerfile copies is all that Docker is given', async t => {
  const copied = readInstructions(await readFile(join(context, 'Dockerfile'), 'utf8'))
    .filter(({ name, words }) => name === 'COPY' && !words.startsWith('--from='))
    .flatMap(({ words }) => words.split(' ').slice(0, -1))
  const [first, ...rest] = (await readFile(join(context, '.dockerignore'), 'utf8')).trim().split('\n')
  t.equal(first, '*')
  t.strictSame(rest.sort(), [...new Set(copied)].map(name => `!${name}`).sort())
})

t.test('the image starts, works and stops as its user, has no development file, and writes no file', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'verigate-image-'))
  // The image's user works in it.
  await chmod(folder, 0o755)
  t.teardown(async () => {
    await run('chmod', ['-R', 'u+w', folder])
    await rm(folder, { recursive: true })
  })
  const binaries = join(folder, 'bin')
  await mkdir(binaries)
  await cp(process.execPath, join(binaries, 'node'))
  // tap and npm hand themselves down to every process by these.
  const inherited = Object.entries(process.env).filter(
    ([name]) => name !== 'NODE_OPTIONS' && !/^_?TAP|^npm_(?!config_cache)/.test(name),
  )
  const image = await buildImage(context, folder, {
    ...Object.fromEntries(inherited), PATH: `${binaries}:${process.env['PATH']}`, npm_config_prefer_offline: 'true',
    npm_config_update_notifier: 'false',
  })
  const [uid = 0, gid = 0] = image.user.split(':').map(Number)
  t.ok(uid > 0 && gid > 0, 'the user is a number, and not root')
  t.strictSame([image.exposed, image.stopSignal], ['3000', 'SIGTERM'])

  const workdir = join(image.root, image.workdir)
  const locked = JSON.parse(await readFile(join(context, 'package-lock.json'), 'utf8')).packages
  const contained = [...(await readFile(join(workdir, 'LICENSES.txt'), 'utf8')).matchAll(/^=== (\S+) /gm)]
    .map(([, folder = '']) => folder)
  t.ok(contained.includes('node_modules/fastify'))
  t.strictSame(contained.filter(path => locked[path].dev === true), [], 'no package of development')

  await run('chmod', ['-R', 'a-w', image.root])

  const options = { cwd: workdir, ...userOf(image) }
  const listed = Object.entries({ ...image.environment, PATH: binaries }).map(([name, value]) => `${name}=${value}`)
  const isRejected = 'console.log(require(\'./main.cjs\').cachedDataRejected)'
  const refused = spawn(
    'env', ['-i', ...listed, 'node', '-e', isRejected], { ...options, stdio: ['ignore', 'pipe', 'ignore'] },
  )
  t.equal(await text(refused.stdout), 'false\n', 'its compiled code is used')

  const checked = spawn('env', ['-i', ...listed, 'node', 'main.cjs', 'check'], {
    ...options, stdio: ['ignore', 'pipe', 'ignore'],
  })
  t.match(await text(checked.stdout), /^wrong +configuration +PUBLIC_URL is required$/m, 'the command `check`')

  // Node then refuses to write a file, wherever.
  const readOnly = { ...image.environment, PATH: binaries, NODE_OPTIONS: '--permission --allow-fs-read=*' }
  /** By `env`, since tap puts itself into the environment of every process that is spawned. */
  const start = async (environment: Record<string, string>) => {
    const variables = Object.entries({ ...readOnly, ...environment }).map(([name, value]) => `${name}=${value}`)
    const started = spawn(
      'env', ['-i', ...variables, ...image.command], { ...options, stdio: ['ignore', 'ignore', 'pipe'] },
    )
    t.teardown(() => started.kill('SIGKILL'))
    const complaints = text(started.stderr)
    const ended = once(started, 'exit')
    const isReady = async (): Promise<boolean> => {
      if (started.exitCode !== null) throw new Error(`ended with ${started.exitCode}: ${await complaints}`)
      return await request(`http://127.0.0.1:${environment['PORT']}/readyz`)
        .then(({ statusCode }) => statusCode === 200, () => false)
    }
    await until(isReady, '/readyz is 200')
    const check = (): Promise<number> => run('env', ['-i', ...variables, ...image.healthcheck], options)
    return { check, async stop () {
      started.kill('SIGTERM')
      t.strictSame(await ended, [0, null])
    } }
  }

  const production = await testEnvironment(t)
  // The image's user reads it.
  await chmod(dirname(production.environment['APPS_FILE'] ?? ''), 0o755)
  const { stop } = await start({ ...production.environment, QUEUES_PAGE: 'true' })
  const shop = clientOf(production.url, keys.shop)
  const { body: { id } } = await shop.create({ phoneNumber: '+14155550100', workflow: ['truecaller.push'] })
  t.equal((await shop.waitFor(id))['status'], 'verified')
  for (const path of [
    '/livez', '/metrics', '/openapi.json', '/docs', '/docs/static/swagger-ui.css', '/elements/phone-verification.js',
    '/problems/not_found',
  ]) t.equal((await request(production.url + path)).statusCode, 200, path)
  t.equal((await request(`${production.url}/admin/queues`)).statusCode, 401, 'the queue dashboard is loaded')
  await stop()

  const redis = await startRedis(t)
  const environment = {
    SANDBOX: 'true', PORT: String(await freePort()), SANDBOX_PORT: String(await freePort()), REDIS_URL: redis.url,
  }
  const url = `http://127.0.0.1:${environment.PORT}`
  const sandbox = await start(environment)
  t.equal(await sandbox.check(), 0, 'healthy')
  t.equal((await request(`${url}/sandbox/page/main.ts`)).statusCode, 200, 'the page of the sandbox')

  const app = clientOf(url, 'vgk_sandbox')
  for (const [last, method] of ['truecaller.push', 'truid.phone_check'].entries()) {
    const { status, body } = await app.create({ phoneNumber: `+1415555010${2 * last}`, workflow: [method] })
    t.equal(status, 201)
    if (method === 'truid.phone_check') {
      const arrival = await walk(body['nextAction'].url)
      await app.call('POST', `/verifications/${body['id']}/check`, { code: arrival?.body['code'] })
    }
    t.equal((await app.waitFor(body['id']))['status'], 'verified', method)
  }
  const outside = Object.values(networkInterfaces()).flat().find(
    one => one?.family === 'IPv4' && !one.internal,
  )?.address ?? '127.0.0.2'
  for (const port of [environment.PORT, environment.SANDBOX_PORT]) t.ok(
    (await request(`http://${outside}:${port}/`)).statusCode > 0, 'reached from outside the container',
  )

  await sandbox.stop()
  t.equal(await sandbox.check(), 1, 'and is not healthy any more')
})

/** The exit code. */
async function run (
  command: string, args: string[], options: { cwd?: string, uid?: number, gid?: number } = {},
): Promise<number> {
  const [code] = await once(spawn(command, args, { ...options, stdio: 'ignore' }), 'exit')
  return Number(code)
}
