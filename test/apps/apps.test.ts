import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createApps, readAppsFile, sandboxApp, type App } from '../../src/apps/apps.ts'

const hash = (key: string): string => createHash('sha256').update(key).digest('hex')
const app = (more: Partial<App> = {}): App => (
  { id: 'shop', name: 'Shop', keys: [{ sha256: hash('vgk_one'), scopes: ['verifications:read'] }], ...more }
)

t.test('keys are found by their hash', async t => {
  const apps = createApps([app({
    keys: [
      { sha256: hash('vgk_one').toUpperCase(), scopes: ['verifications:read'] },
      { sha256: hash('vgk_two'), scopes: [] },
    ],
  })])
  t.equal(apps.byKey('vgk_one')?.app.id, 'shop')
  t.strictSame([...apps.byKey('vgk_one')?.scopes ?? []], ['verifications:read'])
  t.strictSame([...apps.byKey('vgk_two')?.scopes ?? ['x']], [], 'a second key of the app, for rotation')
  t.equal(apps.byKey('vgk_three'), null)
  t.equal(apps.byKey(''), null)
  t.equal(apps.byId('shop')?.name, 'Shop')
  t.equal(apps.byId('bank'), null)
  apps.replace([app({ id: 'bank', keys: [{ sha256: hash('vgk_four'), scopes: [] }] })])
  t.equal(apps.byKey('vgk_one'), null, 'a removed key is invalid at once')
  t.equal(apps.byKey('vgk_four')?.app.id, 'bank')
})

t.test('APPS_FILE', async t => {
  const folder = t.testdir()
  const read = (content: unknown): App[] => {
    const path = join(folder, 'apps.json')
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
    return readAppsFile(path)
  }
  t.strictSame(read([app()]), [app()])
  t.throws(() => read('{'), /^APPS_FILE cannot be read: it is not JSON/)
  t.throws(() => readAppsFile(join(folder, 'absent')), /APPS_FILE cannot be read: ENOENT/)
  t.throws(() => read([app(), app()]), /APPS_FILE has two apps with the same id/)
  t.throws(() => read([app(), app({ id: 'bank' })]), /APPS_FILE has the same key twice/)
  t.throws(
    () => read([{ ...app(), keys: [{ sha256: 'vgk_in_clear', scopes: [] }] }]),
    { message: /^APPS_FILE\/0\/keys\/0\/sha256 (?!.*vgk_in_clear)/ },
  )
  t.throws(
    () => read([{ ...app(), keys: [{ sha256: hash('a'), scopes: ['everything'] }] }]),
    /APPS_FILE\/0\/keys\/0\/scopes\/0/,
  )
  t.throws(() => read({ ...app() }), /APPS_FILE/)
  t.throws(() => read([{ ...app(), colour: 'red' }]), /APPS_FILE\/0/)
  for (const minAssurance of [1, 2, 3] as const) t.match(read([app({ minAssurance })]), [{ minAssurance }])
  for (const minAssurance of [0, 4, '2', null]) {
    t.throws(() => read([{ ...app(), minAssurance }]), { message: /^APPS_FILE\/0\/minAssurance / })
  }
})

t.test('the webhooks of APPS_FILE', async t => {
  const folder = t.testdir()
  const read = (webhook: unknown): App[] => {
    const path = join(folder, 'apps.json')
    writeFileSync(path, JSON.stringify([app({ id: 'bank', keys: [] }), { ...app(), webhook }]))
    return readAppsFile(path)
  }
  const secret = (length: number): string => `whsec_${Buffer.alloc(length, 'top secret').toString('base64')}`
  const url = 'https://shop.example/hooks?token=of-the-shop'
  for (const valid of [
    { url, secrets: [secret(24)] },
    { url: 'http://10.0.0.7:8080/hooks', secrets: [secret(64), secret(32)], events: ['verified', 'created'] },
    { url: 'http://hooks.internal/', secrets: [secret(25)], events: [] },
  ]) t.match(read(valid)[1]?.webhook, valid)
  const invalid: [unknown, RegExp][] = [
    [{ url: 'ftp://shop.example/top-secret', secrets: [secret(24)] }, /\/url must be an https URL/],
    [{ url: 'top-secret', secrets: [secret(24)] }, /\/url/],
    [{ url: 'file:///top-secret', secrets: [secret(24)] }, /\/url/],
    [{ url: 'gopher://127.0.0.1:6379/top-secret', secrets: [secret(24)] }, /\/url/],
    [{ url: 'https://user:top-secret@shop.example/', secrets: [secret(24)] }, /\/url/],
    [{ url: 'https://top-secret@shop.example/', secrets: [secret(24)] }, /\/url/],
    [{ url, secrets: [] }, /\/secrets/],
    [{ url, secrets: Array(6).fill(secret(24)) }, /\/secrets/],
    [{ url }, /\/webhook/],
    [{ url, secrets: [secret(24), secret(23)] }, /\/secrets\/1 must be whsec_ and the base64 of 24 to 64 bytes/],
    [{ url, secrets: [secret(65)] }, /\/secrets\/0/],
    [{ url, secrets: [secret(24).slice(6)] }, /\/secrets\/0/],
    [{ url, secrets: ['whsec_top-secret'] }, /\/secrets\/0/],
    [{ url, secrets: [7] }, /\/secrets\/0/],
    [{ url, secrets: [secret(24)], events: ['verification.verified'] }, /\/events\/0/],
  ]
  for (const [webhook, path] of invalid) {
    t.throws(() => read(webhook), { message: path })
    t.throws(
      () => read(webhook), { message: /^APPS_FILE\/1\/webhook(?!.*(top-secret|of-the-shop|dG9wIHN))/ },
      'no value is shown',
    )
  }
})

t.test('the sandbox app', async t => {
  t.ok(createApps([sandboxApp('http://localhost:3000')]).byKey('vgk_sandbox')?.scopes.has('verifications:write'))
})
