import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { providers } from '../src/adapters/index.ts'
import { checkInstallation, writeFindings } from '../src/check.ts'
import { testEnvironment } from './helpers/gateway.ts'

const root = join(import.meta.dirname, '..')
const run = (environment: Record<string, string>, ...args: string[]) =>
  new Promise<{ code: number, stdout: string, stderr: string }>(done => {
    execFile(
      process.execPath, [join(root, 'src/main.ts'), 'check', ...args], { env: environment },
      (error, stdout, stderr) => done({ code: Number(error?.code ?? 0), stdout, stderr }),
    )
  })

t.test('an installation that works, from the environment and from a file', async t => {
  const { environment } = await testEnvironment(t)
  const findings = await checkInstallation(environment)
  t.strictSame(findings.filter(({ verdict }) => verdict === 'wrong'), [])
  t.strictSame([...new Set(findings.filter(({ verdict }) => verdict === 'ok').map(({ subject }) => subject))], [
    'configuration', 'REDIS_URL', 'APPS_FILE', ...providers.map(({ provider }) => provider),
  ])
  const file = `${environment['APPS_FILE']}.env`
  await writeFile(file, Object.entries(environment).map(([name, value]) => `${name}=${value}\n`).join(''))
  const { code, stdout } = await run({}, '--env-file', file)
  t.equal(code, 0)
  t.match(stdout, /^ok +configuration +production, role all$/m)
  const wrong = await run({}, `--env-file=${file}`)
  t.equal(wrong.stdout, stdout, 'the other spelling')
})

t.test('everything that is missing at once, with exit code 1', async t => {
  const { code, stdout } = await run({})
  t.equal(code, 1)
  const missing = ['PUBLIC_URL', 'SEAL_KEYS', 'APPS_FILE']
  t.equal(stdout, missing.map(name => `wrong    configuration  ${name} is required\n`).join(''))
  t.not((await run({}, '--env-file', '/nowhere')).code, 0)
})

t.test('a misspelt variable of a provider, and the sandbox', async t => {
  const { environment } = await testEnvironment(t)
  const findings = await checkInstallation({
    ...environment, TRUID_CLIENT_SECRECT: 'x', TRUID_CLIENT_SECRET: '', TRUID_CLIENT_SECRET_FILE: '/nowhere/hunter2',
  })
  t.match(findings, [{ verdict: 'wrong', text: 'TRUID_CLIENT_SECRET_FILE cannot be read: ENOENT' }])
  const misspelt = await checkInstallation({ ...environment, TRUID_CLIENT_SECRECT: 'x' })
  t.match(misspelt[1], { verdict: 'warning', subject: 'TRUID_CLIENT_SECRECT' })
  const { REDIS_URL = '', SEAL_KEYS = '' } = environment
  t.match(await checkInstallation({ SANDBOX: 'true', REDIS_URL, SEAL_KEYS }), [
    { text: 'sandbox, role all' }, { subject: 'REDIS_URL', verdict: 'ok' }, { verdict: 'warning' },
    { verdict: 'warning' }, { text: 'simulated' },
  ])
})

t.test('lines: in columns, what is wrong last', async t => {
  t.equal(writeFindings([
    { verdict: 'wrong', subject: 'b', text: 'x' }, { verdict: 'ok', subject: 'abc', text: 'y' },
  ]), 'ok       abc  y\nwrong    b    x\n')
})
