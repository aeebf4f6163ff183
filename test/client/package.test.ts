import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { verifications } from '../../src/api/openapi/verification-examples.ts'
import { signWebhook } from '../../src/webhooks/signature.ts'
import { startGateway, keys, webhookSecret } from '../helpers/gateway.ts'
import { freePort, until } from '../helpers/redis.ts'
import { run } from '../helpers/run.ts'

const root = join(import.meta.dirname, '../..')
/** npm of the machine, but with the Node.js of the tests. */
const npm = async (cwd: string, ...args: string[]) => run('npm', args, {
  cwd, env: {
    ...process.env, PATH: `${join(root, 'node_modules/.bin')}:${process.env['PATH']}`, npm_config_offline: 'true',
    npm_config_audit: 'false', npm_config_fund: 'false', npm_config_update_notifier: 'false',
  },
})

/** An empty folder into which the packed client was installed. */
async function installed (t: Test): Promise<string> {
  // Outside of the repository, whose packages would be found otherwise.
  const folder = await mkdtemp(join(tmpdir(), 'verigate-client-'))
  t.teardown(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'package.json'), '{ "type": "module", "private": true }')
  const { stdout } = await npm(join(root, 'packages/client'), 'pack', '--json', '--pack-destination', folder)
  const [{ filename, files }] = JSON.parse(stdout)
  const paths: string[] = files.map(({ path }: { path: string }) => path)
  t.ok(['README.md', 'LICENSE', 'dist/index.js', 'dist/index.d.ts', 'dist/licenses.txt'].every(
    path => paths.includes(path),
  ), paths.join(' '))
  t.notOk(paths.some(path => path.startsWith('src/')))
  await npm(folder, 'install', '--ignore-scripts', `./${filename}`)
  return folder
}

const readme = await readFile(join(root, 'packages/client/README.md'), 'utf8')
const snippets = [...readme.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code = '']) => code)
const [verify = '', follow = '', errors = '', receive = ''] = snippets

t.test('the packed client works in an empty folder, as its README says', async t => {
  const { url } = await startGateway(t)
  const folder = await installed(t)
  t.notMatch(await readFile(join(folder, 'node_modules/@verigate/client/dist/index.js'), 'utf8'), /\bnode:|\brequire\(/)
  const env = { ...process.env, VERIGATE_URL: url, VERIGATE_KEY: keys.shop }
  const linesOf = async (code: string): Promise<string[]> => {
    await writeFile(join(folder, 'snippet.js'), code)
    return (await run(process.execPath, ['snippet.js'], { cwd: folder, env })).stdout.trim().split('\n')
  }
  t.same(await linesOf(verify), ['openUrlOnCellular', 'true +14155550142 otpless.otp'])
  const followed = await linesOf(follow)
  t.equal(followed[0], 'verification.updated')
  t.equal(followed.at(-1), 'verification.verified')
  const [wrong = '', early = ''] = await linesOf(errors)
  t.match(wrong, /^code_incorrect: \d attempts remain$/)
  t.match(early, /^wait \d+ s$/)
  t.equal(snippets.length, 4)

  await t.test('its receiver', async t => {
    const port = await freePort()
    await writeFile(join(folder, 'receiver.js'), receive)
    const child = spawn(process.execPath, ['receiver.js'], {
      cwd: folder, env: {
        ...env, PORT: String(port), WEBHOOK_SECRETS: webhookSecret,
      }, stdio: ['ignore', 'pipe', 'inherit'],
    })
    t.teardown(async () => {
      child.kill()
      await once(child, 'close')
    })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => { output += text })
    const { value: data } = verifications.verifiedByFallback
    const body = JSON.stringify({ type: 'verification.verified', timestamp: data.updatedAt, data })
    const post = async (body: string, headers: Record<string, string>): Promise<number> =>
      (await fetch(`http://127.0.0.1:${port}`, { method: 'POST', body, headers })).status
    await until(async () => post('', {}).then(() => true, () => false), 'it listens')
    const signed = signWebhook({ secrets: [webhookSecret], webhookId: 'msg_1', body, now: Date.now() })
    t.equal(await post(body, signed), 204)
    t.equal(await post(`${body} `, signed), 401)
    t.equal(output.trim(), `${data.id} ${data.result?.phoneNumber}`)
  })

  await t.test('its types, without those of Node.js', async t => {
    await writeFile(join(folder, 'app.ts'), `
      import { Verigate, ProblemError, type NextAction, type Reason } from '@verigate/client'
      const verigate = new Verigate({ url: 'http://localhost:3000', apiKey: 'x' })
      const { clientSecret, nextAction }: { clientSecret: string, nextAction: NextAction | null } =
        await verigate.create({ phoneNumber: '+14155550100', workflow: ['otpless.otp'] })
      if (nextAction?.type === 'submitCode') console.log(nextAction.length.toFixed(), clientSecret)
      const later: Reason = 'a_word_of_tomorrow'
      try {
        await verigate.check('ver_x', { code: '1' })
      } catch (error) {
        if (error instanceof ProblemError && error.code === 'code_incorrect') console.log(error.retryAfter, later)
      }
      // @ts-expect-error: misspelled
      await verigate.create({ phonenumber: '+14155550100' })
      // @ts-expect-error: one kind of evidence
      await verigate.check('ver_x', { code: 1 })
    `)
    for (const options of [['--module', 'nodenext'], ['--module', 'esnext', '--moduleResolution', 'bundler']]) {
      const { stdout } = await run(process.execPath, [
        join(
          root, 'node_modules/.bin/tsc',
        ), '--ignoreConfig', '--noEmit', '--strict', '--skipLibCheck', 'false', '--types', '',
        '--target', 'esnext', '--lib', 'esnext,dom,dom.iterable', ...options, 'app.ts',
      ], { cwd: folder }).catch(({ stdout }: { stdout: string }) => ({ stdout }))
      t.equal(stdout, '', options.join(' '))
    }
  })
})
