import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { parseEnv } from 'node:util'
import t from 'tap'
import { startChild } from '../../scripts/child.ts'
import { checkProviders } from '../../src/checks/providers.ts'
import { providers } from '../../src/adapters/index.ts'
import { freePort, until } from '../helpers/redis.ts'

const script = join(import.meta.dirname, '../../scripts/simulators.ts')

t.test('the variables that it writes let a production configuration call the simulators', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'verigate-simulators-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const [file, port] = [join(folder, 'env'), String(await freePort())]
  const child = startChild(process.execPath, [script, `--port=${port}`, `--write=${file}`], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(() => child.stop(0))
  let settings: NodeJS.Dict<string> = {}
  await until(async () => {
    settings = parseEnv(await readFile(file, 'utf8').catch(() => ''))
    return settings['ALLOW_INSECURE_PROVIDERS'] === 'true'
  }, 'the file is written')
  t.equal((await stat(file)).mode & 0o077, 0, 'for its owner only')
  t.equal(settings['TRUID_API_URL'], `http://127.0.0.1:${port}`)
  const { findings } = await checkProviders({ settings, allowInsecureProviders: true }, providers)
  t.strictSame(findings.filter(({ verdict }) => verdict === 'wrong'), [])
  t.equal((await child.stop()).code, 0)
})

t.test('without a file they are printed; a wrong option prints the usage', async t => {
  const child = startChild(process.execPath, [script, '--port=0'], { stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => child.stop(0))
  let printed = ''
  child.stdout?.on('data', data => { printed += String(data) })
  await until(() => printed.includes('OTPLESS_CLIENT_SECRET='), 'they are printed')
  t.match(parseEnv(printed), { TRUID_CLIENT_ID: /./, OTPLESS_AUTH_URL: /^http:/ })
  await child.stop()
  const wrong = startChild(process.execPath, [script, '--port=x'], { stdio: ['ignore', 'ignore', 'pipe'] })
  t.match(wrong.stderr === null ? '' : await text(wrong.stderr), /^npm run -s simulators/)
  t.equal((await wrong.ended).code, 1)
})

t.test('a file that cannot be written, or has other variables, ends it', async t => {
  const file = join(t.testdir({ env: 'TRUID_CLIENT_ID=x\nSEAL_KEYS=k1:secret\n' }), 'env')
  for (const [path, message] of [[file, /has SEAL_KEYS; name another/], [join(file, 'x'), /ENOTDIR/]] as const) {
    const child = startChild(process.execPath, [script, '--port=0', `--write=${path}`], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    t.teardown(() => child.stop(0))
    t.match(child.stderr === null ? '' : await text(child.stderr), message)
    t.equal((await child.ended).code, 1)
  }
  t.match(await readFile(file, 'utf8'), 'SEAL_KEYS=k1:secret', 'and stays as it was')
})
