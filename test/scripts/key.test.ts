import { execFile } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { makeKey } from '../../scripts/key.ts'
import { createApps, hashKey } from '../../src/apps/apps.ts'

const root = join(import.meta.dirname, '../..')
const run = (...args: string[]): Promise<{ code: number, stdout: string, stderr: string }> => new Promise(done => {
  execFile(
    process.execPath, [join(root, 'scripts/key.ts'), ...args],
    (error, stdout, stderr) => done({ code: Number(error?.code ?? 0), stdout, stderr }),
  )
})

t.test('a key opens what its entry says', async t => {
  const { key, entry } = makeKey([])
  t.match(key, /^vgk_[A-Za-z0-9_-]{43}$/)
  t.equal(entry.sha256, hashKey(key))
  t.not(makeKey([]).key, key)
  const apps = createApps([{ id: 'shop', name: 'Shop', keys: [entry] }])
  t.match(apps.byKey(key), { app: { id: 'shop' } })
  t.strictSame(
    [...apps.byKey(key)?.scopes ?? []],
    ['verifications:read', 'verifications:write', 'webhooks:read', 'webhooks:write', 'providers:read'],
  )
  t.equal(apps.byKey(`${key}x`), null)
  t.strictSame(
    makeKey(['operations:read', 'verifications:read']).entry.scopes, ['verifications:read', 'operations:read'],
  )
  t.throws(() => makeKey(['verifications:all']), /verifications:all is not a scope; there are verifications:read/)
})

t.test('the command', async t => {
  const { code, stdout } = await run('verifications:read')
  t.equal(code, 0)
  const [, key = '', , , entry = ''] = stdout.split('\n')
  t.strictSame(JSON.parse(entry), { sha256: hashKey(key), scopes: ['verifications:read'] })
  t.match(await run('everything'), { code: 1, stdout: '', stderr: /everything is not a scope/ })
})
