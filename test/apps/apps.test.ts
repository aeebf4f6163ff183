import { createHash } from 'node:crypto'
import t from 'tap'
import { allowsOrigin, createApps, limitOf, sandboxApp, type App } from '../../src/apps/apps.ts'
import { webhookEventNames } from '../../src/core/vocabulary.ts'
import { allowsReturnUrl } from '../../src/apps/return-urls.ts'

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

t.test('the limit of an app, or the default', async t => {
  t.equal(limitOf(app({ limits: { createsPerMinute: 5 } }), 'createsPerMinute'), 5)
  t.equal(limitOf(app({ limits: {} }), 'createsPerMinute'), 600)
  t.equal(limitOf(app({ limits: { createsPerMinute: null } }), 'createsPerMinute'), null, 'no limit')
  t.equal(limitOf(app(), 'wrongCodesPerNumberPerHour'), 15)
  t.equal(limitOf(null, 'wrongCodesPerNumberPerDay'), 50, 'an app that no longer exists')
  t.equal(limitOf(app(), 'createsPerIpPerHour'), null)
  t.equal(limitOf(app(), 'messagesPerAppPerHour'), null)
})

t.test('the sandbox app works for pages of this machine, on any port', async t => {
  const sandbox = sandboxApp('http://localhost:3000')
  t.ok(createApps([sandbox]).byKey('vgk_sandbox')?.scopes.has('verifications:write'))
  for (const origin of ['http://localhost:5173', 'http://127.0.0.1:8080', 'https://[::1]:1', 'http://localhost']) {
    t.ok(allowsOrigin(sandbox, origin), origin)
    t.ok(allowsReturnUrl(sandbox, `${origin}/done?step=2`), `${origin}/done`)
    t.notOk(allowsOrigin(app({}), origin), `${origin} of another app`)
  }
  const others = ['https://localhost.example', 'http://127.0.0.1.example', 'null', 'ftp://localhost', 'file://']
  for (const origin of others) t.notOk(allowsOrigin(sandbox, origin), origin)
  t.notOk(allowsReturnUrl(sandbox, 'http://user@localhost:5173/'))
  t.notOk(allowsReturnUrl(sandbox, 'com.example.app:/verify'))
})

t.test('the sandbox app gets every event at the endpoint of the sandbox', async t => {
  t.notOk('webhook' in sandboxApp('http://localhost:3000'))
  t.match(sandboxApp('http://localhost:3000'), { unverifiedBudget: { mode: 'off' } })
  const { webhook } = sandboxApp('http://localhost:3000', { url: 'http://127.0.0.1:3001/x', secret: 'whsec_x' })
  t.strictSame(webhook, { url: 'http://127.0.0.1:3001/x', secrets: ['whsec_x'], events: [...webhookEventNames] })
})

t.test('a key has an id, and opens nothing once it has expired', async t => {
  const expiresAt = '2030-01-31T12:00:00+01:00'
  let now = Date.parse(expiresAt) - 1
  const one = { sha256: hash('vgk_one'), scopes: [] }
  const apps = createApps(
    [app({ keys: [{ ...one, id: 'ci', expiresAt }, { ...one, sha256: hash('vgk_two') }] })], () => now,
  )
  t.match(apps.byKey('vgk_one'), { keyId: 'ci', app: { id: 'shop' } })
  t.match(apps.byKey('vgk_two'), { keyId: hash('vgk_two').slice(0, 8) }, 'the first digits of its hash')
  now += 1
  t.equal(apps.byKey('vgk_one'), null)
  t.match(apps.byKey('vgk_two'), { app: { id: 'shop' } }, 'the other key of the app stays')
})
