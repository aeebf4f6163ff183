import { execFile } from 'node:child_process'
import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { addApp, describeApps } from '../../scripts/apps.ts'
import { hashKey, type App } from '../../src/apps/apps.ts'

const root = join(import.meta.dirname, '../..')
const folder = await mkdtemp(join(tmpdir(), 'verigate-apps-'))
t.teardown(() => rm(folder, { recursive: true, force: true }))
const run = (...args: string[]): Promise<{ code: number, stdout: string, stderr: string }> => new Promise(done => {
  execFile(
    process.execPath, [join(root, 'scripts/apps.ts'), ...args],
    (error, stdout, stderr) => done({ code: Number(error?.code ?? 0), stdout, stderr }),
  )
})
const app = (id: string): App => ({ id, name: id, keys: [{ sha256: hashKey(id), scopes: [] }] })

t.test('an app is added, and the rest of the file stays as it is', async t => {
  const own = '[\n\t{"id": "a", "name":"a", "keys": []}\n]\n'
  const texts = ['', '[]', '[]\n', '[ ]', `[${JSON.stringify(app('a'))}]`, own]
  for (const text of texts) {
    const added = addApp(text, app('b'))
    t.match(JSON.parse(added).at(-1), app('b'), JSON.stringify(text))
    t.ok(added.startsWith(text.trim().slice(0, -1).trimEnd()))
    t.match(JSON.parse(addApp(added, app('c'))), { length: text.includes('"a"') ? 3 : 2 })
  }
  t.match(addApp(own, app('b')), /,\n\t\{\n\t\t"id": "b",\n/, 'with its indentation')
  for (const text of ['{}', '[', 'x', '[{"id":1}]', `[${JSON.stringify(app('b'))}]`]) {
    t.throws(() => addApp(text, app('b')), /nothing is written: the file/, text)
  }
})

t.test('the command adds, checks and refuses', async t => {
  const [path, link] = [join(folder, 'apps.json'), join(folder, 'link.json')]
  const { code, stdout } = await run('add', path, '--id=shop', '--name=The shop', '--scope=verifications:read')
  t.equal(code, 0)
  const [key = ''] = /^vgk_\S+$/m.exec(stdout) ?? []
  t.strictSame(JSON.parse(await readFile(path, 'utf8')), [
    { id: 'shop', name: 'The shop', keys: [{ sha256: hashKey(key), scopes: ['verifications:read'] }] },
  ])
  t.equal((await stat(path)).mode & 0o007, 0, 'not for everybody')
  await symlink(path, link)
  await chmod(path, 0o604)
  t.equal((await run('add', link, '--id=bank')).code, 0)
  t.equal((await stat(path)).mode & 0o777, 0o604, 'with the rights that it had')
  t.match(JSON.parse(await readFile(path, 'utf8')), [{ id: 'shop' }, { id: 'bank' }])
  t.strictSame((await readdir(folder)).sort(), ['apps.json', 'link.json'], 'no draft stays')
  t.match(await run('add', path, '--id=bank'), { code: 1, stdout: '', stderr: /two apps with the same id/ })
  await writeFile(`${path}.new`, '')
  t.match(await run('add', path, '--id=late'), { code: 1, stdout: '', stderr: /another command is changing the file/ })
  await rm(`${path}.new`)
  t.match(await run('add', path, '--id=new', '--scope=everything'), { code: 1, stderr: /everything is not a scope/ })

  const shown = await run('check', path)
  t.match(shown, { code: 0, stdout: /^shop \(The shop\)\n {2}key: [0-9a-f]{8}: verifications:read\n/ })
  await writeFile(path, JSON.stringify([
    { ...app('a'), allowedCountries: ['UK'], workflow: ['truid.phone_chek'], allowedOrigins: ['https://a.example/'] },
  ]))
  const wrong = await run('check', path)
  t.equal(wrong.code, 1)
  const places = ['allowedOrigins/0', 'allowedCountries/0', 'workflow/0']
  for (const place of places) t.match(wrong.stderr, `${path}/0/${place} `)
  await writeFile(path, JSON.stringify([{ ...app('a'), workflow: ['truid.phone_check'] }]))
  t.equal((await run('check', path)).code, 0, 'without an environment every method is known')
  const environment = join(folder, 'env')
  await writeFile(environment, [
    'PUBLIC_URL=https://verify.example.com', `SEAL_KEYS=k1:${Buffer.from(hashKey('x'), 'hex').toString('base64')}`,
    'OTPLESS_CLIENT_ID=a', 'OTPLESS_CLIENT_SECRET=b',
  ].join('\n'))
  t.match(await run('check', path, `--env-file=${environment}`), { code: 1, stderr: /\/0\/workflow\/0/ })
  t.match(await run('check', join(folder, 'none')), { code: 1, stderr: /ENOENT/ })
  t.match(await run('check'), { code: 1, stderr: /^npm run -s apps/ })
})

t.test('what an app may do', async t => {
  const text = describeApps([{
    ...app('shop'), workflow: ['truid.phone_check', { method: 'otpless.otp' }], allowedCountries: ['GB', 'IN'],
    keys: [{ id: 'old', sha256: hashKey('x'), scopes: ['providers:read'], expiresAt: '2020-01-01T00:00:00Z' }],
    webhook: { url: 'https://shop.example/hook?secret=hunter2', secrets: ['whsec_hunter2'] },
    testNumbers: {
      '+12025550142': { code: '748291', expiresAt: '2026-01-02T00:00:00Z' },
      '+12025550144': { code: '748291', expiresAt: '2026-01-01T00:00:00Z' },
    },
  }], Date.parse('2026-01-01T00:00:00Z'))
  t.equal(text, [
    'shop (shop)', '  key: old: providers:read until 2020-01-01T00:00:00Z (expired)',
    '  workflow: truid.phone_check, then otpless.otp', '  countries: GB, IN', '  webhook: https://shop.example',
    '  test numbers: 1, and 1 expired', '',
  ].join('\n'))
})
