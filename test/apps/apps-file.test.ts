import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { App } from '../../src/apps/apps.ts'
import { inspectApps, readAppsFile, type AppsFileChecks } from '../../src/apps/apps-file.ts'

const hash = (key: string): string => createHash('sha256').update(key).digest('hex')
const app = (more: Partial<App> = {}): App => (
  { id: 'shop', name: 'Shop', keys: [{ sha256: hash('vgk_one'), scopes: ['verifications:read'] }], ...more }
)

/** Reads a file whose second app has these members. */
function readerOf (t: Test, checks: AppsFileChecks = {}) {
  const path = join(t.testdir(), 'apps.json')
  return (more: object): App[] => {
    writeFileSync(path, JSON.stringify([app({ id: 'bank', keys: [] }), { ...app(), ...more }]))
    return readAppsFile(path, checks)
  }
}

t.test('APPS_FILE', async t => {
  const folder = t.testdir()
  const read = (content: unknown): App[] => {
    const path = join(folder, 'apps.json')
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
    return readAppsFile(path)
  }
  t.strictSame(read([app()]), [app()])
  t.throws(() => read('{'), /^APPS_FILE cannot be read: it is not JSON \(line 1 column 2\)$/)
  t.strictSame(read('\uFEFF[]'), [], 'a byte order mark')
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

t.test('the problems of every app, and that one may have more than are listed', async t => {
  const wrong = { ...app(), minAssurance: 9 }
  const { problems } = inspectApps(JSON.stringify(Array(9).fill(wrong)))
  t.strictSame([...new Set(problems.map(problem => problem.split(' ', 1)[0]))],
    Array.from({ length: 9 }, (_, index) => `/${index}/minAssurance`))
  const keys = Array(9).fill({ sha256: 1, scopes: [] })
  t.equal(inspectApps(JSON.stringify([{ ...app(), keys }])).problems.at(-1), '/0 may have more problems than these')
  t.strictSame(inspectApps('{}').problems, [' must be an array'])
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
    {
      url: 'http://10.0.0.7:8080/hooks', secrets: [secret(64), secret(32)],
      events: ['verification.verified', 'verification.created'],
    },
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
    [{ url, secrets: [secret(24)], events: ['verified'] }, /\/events\/0/],
    [{ url: 'http://203.0.113.7/top-secret', secrets: [secret(24)] }, /\/url/],
    [{ url: 'https://169.254.169.254/top-secret', secrets: [secret(24)] }, /\/url/],
    [{ url: 'https://[fe80::1]/top-secret', secrets: [secret(24)] }, /\/url/],
  ]
  for (const [webhook, path] of invalid) {
    t.throws(() => read(webhook), { message: path })
    t.throws(
      () => read(webhook), { message: /^APPS_FILE\/1\/webhook(?!.*(top-secret|of-the-shop|dG9wIHN))/ },
      'no value is shown',
    )
  }
})

t.test('origins that no browser sends, and return URLs that allow nothing', async t => {
  const read = readerOf(t)
  const origins = [
    'https://shop.example', 'https://shop.example:8443', 'http://localhost:8080', 'capacitor://localhost',
    'https://xn--mnchen-3ya.example',
  ]
  t.strictSame(read({ allowedOrigins: origins })[1]?.allowedOrigins, origins)
  for (const origin of [
    'https://shop.example/', 'https://shop.example/app', 'https://*.shop.example', '*', 'null', 'shop.example',
    'https://SHOP.example', 'https://shop.example:443', 'https://user@shop.example', 'https://münchen.example', '',
    'https://shop.example?x', 'file://', 'https://shop.example ',
  ]) {
    t.throws(
      () => read({ allowedOrigins: ['https://shop.example', origin] }),
      { message: /^APPS_FILE\/1\/allowedOrigins\/1 must be an origin(?!.*SHOP)/ }, origin,
    )
  }
  const urls = ['https://shop.example/verified', 'https://shop.example/app/', 'https://shop.example']
  t.strictSame(read({ allowedReturnUrls: urls })[1]?.allowedReturnUrls, urls)
  for (const url of [
    '*', 'https://shop.example/*', '/verified', 'shop.example/verified', 'https://user@shop.example/',
    'https://shop.example/a/../b', 'HTTPS://shop.example/', 'https://shop.example\\a',
  ]) {
    t.throws(() => read({ allowedReturnUrls: [url] }), /^APPS_FILE\/1\/allowedReturnUrls\/0 must be a URL/, url)
  }
})

t.test('countries, methods and options that do not exist', async t => {
  const read = readerOf(t, {
    countries: new Set(['GB', 'US']),
    findWorkflowProblem: ({ workflow = [] }) =>
      workflow.includes('absent.otp') ? { field: 'workflow/1', message: 'is not available' } : null,
  })
  read({ allowedCountries: ['GB', '001'], deniedCountries: ['US'], workflow: ['loud.otp'] })
  t.throws(
    () => read({ allowedCountries: ['GB', 'UK'] }), /^APPS_FILE\/1\/allowedCountries\/1 must be a country/,
  )
  t.throws(() => read({ deniedCountries: ['XX'] }), /^APPS_FILE\/1\/deniedCountries\/0 must be a country/)
  t.throws(() => read({ deniedCountries: ['gb'] }), /^APPS_FILE\/1\/deniedCountries\/0/)
  t.throws(
    () => read({ workflow: ['loud.otp', 'absent.otp'] }), /^APPS_FILE\/1\/workflow\/1 is not available/,
  )
  t.throws(() => read({ limits: { requestsPerHour: 1 } }), /^APPS_FILE\/1\/limits/)
  t.throws(() => read({ webhook: { url: 'https://shop.example/', secrets: [], events: ['verified'] } }), /\/1\/webhook/)
})

t.test('ids and expiry of keys', async t => {
  const read = readerOf(t)
  const key = (name: string, more: object = {}) => ({ sha256: hash(name), scopes: [], ...more })
  const keys = [
    key('vgk_a', { id: 'ci-1', expiresAt: '2020-01-31T00:00:00Z' }), key('vgk_b'),
    key('vgk_c', { id: 'ci-2', expiresAt: '2028-02-29T23:59:59.5+05:30' }),
  ]
  t.strictSame(read({ keys })[1]?.keys, keys, 'one that has expired is no error')
  for (const expiresAt of [
    '2030-02-30T00:00:00Z', '2029-02-29T00:00:00Z', '2030-13-01T00:00:00Z', '2030-01-31', 'tomorrow', '',
    '2030-01-31T00:00:00', '2030-01-31T25:00:00Z',
  ]) {
    t.throws(
      () => read({ keys: [key('vgk_a'), key('vgk_b', { expiresAt })] }),
      /^APPS_FILE\/1\/keys\/1\/expiresAt must be an RFC 3339 time/, expiresAt,
    )
  }
  t.throws(
    () => read({ keys: [key('vgk_a', { id: 'x' }), key('vgk_b', { id: 'x' })] }), /\/1\/keys must have different/,
  )
  t.throws(() => read({ keys: [key('vgk_a', { id: 'a b' })] }), /^APPS_FILE\/1\/keys\/0\/id/)
})

t.test('test numbers', async t => {
  const read = readerOf(t, { isPhoneNumber: text => text.startsWith('+1') })
  const inDays = (days: number): string => new Date(Date.now() + days * 86_400_000).toISOString()
  const number = '+14155550100'
  const entry = (more: object = {}) => (
    { testNumbers: { [number]: { code: '123456', expiresAt: inDays(89), ...more } } }
  )
  t.match(read(entry())[1]?.testNumbers, { [number]: { code: '123456' } })
  t.match(read(entry({ expiresAt: inDays(-1) }))[1]?.testNumbers, { [number]: {} }, 'one that has expired is no error')
  t.match(read({ ...entry({ code: '1234' }), weakCodes: true })[1]?.testNumbers, { [number]: { code: '1234' } })
  const refused: [object, RegExp][] = [
    [entry({ expiresAt: inDays(91) }), /^APPS_FILE\/1\/testNumbers\/…00\/expiresAt must be .* 90 days ahead/],
    [entry({ expiresAt: 'tomorrow' }), /\/testNumbers\/…00\/expiresAt/],
    [entry({ expiresAt: undefined }), /^APPS_FILE\/1\/testNumbers\/…00/],
    [entry({ code: '71345' }), /\/testNumbers\/…00\/code must have at least 6 digits(?!.*71345)/],
    [entry({ code: 'abcdef' }), /\/testNumbers\/…00\/code(?!.*abcdef)/],
    [entry({ colour: 'red' }), /\/testNumbers\/…00/],
    [{ testNumbers: { [number]: '123456' } }, /\/testNumbers\/…00(?!.*123456)/],
    [
      { testNumbers: { 4155550100: { code: '123456', expiresAt: inDays(1) } } },
      /\/testNumbers\/…00 must be an E.164/,
    ],
    [
      { testNumbers: { 'phone +1 415 555 0100': { code: '123456', expiresAt: inDays(1) } } },
      /testNumbers\/…00 must be/,
    ],
  ]
  for (const [members, message] of refused) t.throws(() => read(members), { message })
})
