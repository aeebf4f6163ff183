import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createApps, readAppsFile, sandboxApp, type App } from '../../src/apps/apps.ts'
import { allowsReturnUrl } from '../../src/apps/return-urls.ts'

const hash = (key: string): string => createHash('sha256').update(key).digest('hex')
const app = (more: Partial<App> = {}): App => (
  { id: 'shop', name: 'Shop', keys: [{ sha256: hash('vgk_one'), scopes: ['verifications:read'] }], ...more }
)

t.test('keys are found by their hash', async t => {
  const apps = createApps(
    [
      app(
        {
          keys: [
            { sha256: hash('vgk_one').toUpperCase(), scopes: ['verifications:read'] },
            { sha256: hash('vgk_two'), scopes: [] },
          ],
        },
      ),
    ],
  )
  t.equal(apps.byKey('vgk_one')?.app.id, 'shop')
  t.strictSame([...apps.byKey('vgk_one')?.scopes ?? []], ['verifications:read'])
  t.strictSame([...apps.byKey('vgk_two')?.scopes ?? ['x']], [], 'two keys of one app, for rotation')
  t.equal(apps.byKey('vgk_three'), null)
  t.equal(apps.byKey(''), null)
  t.equal(apps.byId('shop')?.name, 'Shop')
  t.equal(apps.byId('bank'), null)
  apps.replace([app({ id: 'bank', keys: [{ sha256: hash('vgk_four'), scopes: [] }] })])
  t.equal(apps.byKey('vgk_one'), null, 'a key that was taken out is out at once')
  t.equal(apps.byKey('vgk_four')?.app.id, 'bank')
})

t.test('the file', async t => {
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
})

t.test('webhooks of the file', async t => {
  const folder = t.testdir()
  const read = (webhook: unknown): App[] => {
    const path = join(folder, 'apps.json')
    writeFileSync(path, JSON.stringify([app({ id: 'bank', keys: [] }), { ...app(), webhook }]))
    return readAppsFile(path)
  }
  const secret = (length: number): string => `whsec_${Buffer.alloc(length, 'top secret').toString('base64')}`
  const url = 'https://shop.example/hooks?token=of-the-shop'
  for (const good of [
    { url, secrets: [secret(24)] }, {
      url: 'http://10.0.0.7:8080/hooks', secrets: [secret(64), secret(32)], events: ['verified', 'created'],
    }, { url: 'http://hooks.internal/', secrets: [secret(25)], events: [] },
  ]) t.match(read(good)[1]?.webhook, good)
  const wrong: [unknown, RegExp][] = [
    [
      { url: 'ftp://shop.example/top-secret', secrets: [secret(24)] }, /\/url must be an https URL/,
    ], [{ url: 'top-secret', secrets: [secret(24)] }, /\/url/],
    [{ url: 'file:///top-secret', secrets: [secret(24)] }, /\/url/], [
      { url: 'gopher://127.0.0.1:6379/top-secret', secrets: [secret(24)] }, /\/url/,
    ],
    [
      { url: 'https://user:top-secret@shop.example/', secrets: [secret(24)] }, /\/url/,
    ], [{ url: 'https://top-secret@shop.example/', secrets: [secret(24)] }, /\/url/],
    [{ url, secrets: [] }, /\/secrets/], [
      { url, secrets: Array(6).fill(secret(24)) }, /\/secrets/,
    ], [{ url }, /\/webhook/],
    [
      { url, secrets: [secret(24), secret(23)] }, /\/secrets\/1 must be whsec_ and the base64 of 24 to 64 bytes/,
    ], [{ url, secrets: [secret(65)] }, /\/secrets\/0/],
    [
      { url, secrets: [secret(24).slice(6)] }, /\/secrets\/0/,
    ], [{ url, secrets: ['whsec_top-secret'] }, /\/secrets\/0/], [{ url, secrets: [7] }, /\/secrets\/0/],
    [{ url, secrets: [secret(24)], events: ['verification.verified'] }, /\/events\/0/],
  ]
  for (const [webhook, place] of wrong) {
    t.throws(() => read(webhook), { message: place })
    t.throws(
      () => read(webhook), { message: /^APPS_FILE\/1\/webhook(?!.*(top-secret|of-the-shop|dG9wIHN))/ },
      'no value is shown',
    )
  }
})

t.test('where a front end may be sent', async t => {
  const shop = app(
    { allowedReturnUrls: ['https://shop.example/verified', 'https://shop.example/app/', 'shop://verified'] },
  )
  for (const url of [
    'https://shop.example/verified', 'https://shop.example/verified?cart=7',
    'https://shop.example/verified?to=../x%2f..&q=a|b', 'https://shop.example/verified#top',
    'https://shop.example/app/', 'https://shop.example/app/deep/page', 'https://shop.example/app/%C3%A9',
    'shop://verified?x=1', 'shop://verified',
  ]) t.ok(allowsReturnUrl(shop, url), url)
  for (const url of ['https://shop.example', 'https://shop.example/', 'https://shop.example?x=1']) {
    t.ok(allowsReturnUrl(app({ allowedReturnUrls: ['https://shop.example'] }), url), `${url}, of an origin`)
  }
  const hostile = {
    elsewhere: [
      'https://shop.example/', 'https://shop.example/verified/more', 'https://shop.example/verified/',
      'https://shop.example/Verified', 'https://shop.example/app', 'shop://other', 'shop://verified/x',
    ],
    'look-alike hosts': [
      'https://shop.example.evil.example/verified', 'https://evil.example/https://shop.example/verified',
      'https://xshop.example/verified', 'https://shop.example.', 'https://shop-example/verified',
      'https://ѕhop.example/verified', 'https://shop.exаmple/app/', 'https://xn--hop-3kd.example/verified',
      'https://shop。example/verified', 'https://shop%2eexample/verified', 'https://SHOP.example/verified',
    ],
    'a trailing dot': ['https://shop.example./verified', 'https://shop.example./app/'],
    'user info': [
      'https://user@shop.example/verified', 'https://user:pw@shop.example/verified', 'https://@shop.example/verified',
      'https://:@shop.example/verified', 'https://shop.example@evil.example/verified',
      'https://shop.example:443@evil.example/verified', 'https://evil.example#@shop.example/verified',
      'https://evil.example?@shop.example/verified', 'https://shop.example%40evil.example/verified',
    ],
    backslashes: [
      'https://shop.example\\@evil.example/verified', 'https://evil.example\\@shop.example/verified',
      'https:\\\\shop.example\\verified', 'https://shop.example/app\\..\\other',
      'https://shop.example/app/\\evil.example',
      'https:/\\shop.example/verified', 'shop://verified\\x',
    ],
    'other ways to write it': [
      'https:shop.example/verified', 'https:/shop.example/verified', 'https:///shop.example/verified',
      '//shop.example/verified', '/verified', 'verified', '', 'HTTPS://shop.example/verified',
      'https://shop.example:443/verified',
    ],
    'a way out of the folder': [
      'https://shop.example/app/../other', 'https://shop.example/app/..', 'https://shop.example/app/./page',
      'https://shop.example/app/%2e%2e/other', 'https://shop.example/app/.%2E/other',
      'https://shop.example/app/..%2fother',
      'https://shop.example/app/..%2Fother', 'https://shop.example/app/..%5cother',
      'https://shop.example/app/%2e%2e%2fother', 'https://shop.example/app/%252e%252e%252fother',
      'https://shop.example/app/..;/../other',
      'https://shop.example/app/x/../../other',
    ],
    'another port': [
      'https://shop.example:8443/verified', 'https://shop.example:80/verified', 'https://shop.example:0/verified',
      'https://shop.example:99999/verified',
    ],
    'another scheme': [
      'http://shop.example/verified', 'ftp://shop.example/verified', 'ws://shop.example/verified', 'shops://verified',
      'javascript:alert(1)', 'javascript://shop.example/verified', 'javascript://shop.example/verified%0aalert(1)',
      'javascript://verified', 'data:text/html,x', 'data://shop.example/verified', 'file:///verified',
      'blob:https://shop.example/verified', 'view-source:https://shop.example/verified',
      'intent://shop.example/verified#Intent;end',
    ],
    'white space': [
      ' https://shop.example/verified', 'https://shop.example/verified ', 'https://shop.example/ver\tified',
      'https://shop.ex\nample/verified', 'ht\ttps://shop.example/verified', 'https://shop.example/verified\r\n',
      'https://shop.example\t@evil.example/verified', 'https://shop.example/verified\0', 'java\nscript:alert(1)',
    ],
    'addresses': [
      'https://2130706433/verified', 'https://0x7f000001/verified', 'https://0177.0.0.1/verified',
      'https://127.1/verified', 'https://127.0.0.1/verified', 'https://[::1]/verified',
      'https://[::ffff:7f00:1]/verified',
    ],
  }
  for (const [name, urls] of Object.entries(hostile)) for (const url of urls) t.notOk(
    allowsReturnUrl(shop, url), `${name}: ${JSON.stringify(url)}`,
  )
  t.notOk(allowsReturnUrl(app(), 'https://shop.example/verified'), 'nothing is allowed unless it is listed')

  const local = app({ allowedReturnUrls: ['http://127.0.0.1/app/', 'http://[::1]/app/'] })
  for (const url of ['http://127.0.0.1/app/x', 'http://[::1]/app/x']) t.ok(allowsReturnUrl(local, url), url)
  for (
    const host of [
      '2130706433', '0x7f000001', '0177.0.0.1', '127.1', '127.0.0.1.', '[0:0:0:0:0:0:0:1]', '[::0001]',
      '[::ffff:127.0.0.1]', 'localhost', '127.0.0.1:80',
    ]
  ) {
    t.notOk(allowsReturnUrl(local, `http://${host}/app/x`), host)
  }
})

t.test('the sandbox has an app of its own', async t => {
  t.ok(createApps([sandboxApp('http://localhost:3000')]).byKey('vgk_sandbox')?.scopes.has('verifications:write'))
})
