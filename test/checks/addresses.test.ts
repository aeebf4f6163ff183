import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { hashKey } from '../../src/apps/apps.ts'
import { checkApps, checkPublicUrl } from '../../src/checks/addresses.ts'
import { webhookSecret } from '../helpers/gateway.ts'

const folder = await mkdtemp(join(tmpdir(), 'verigate-check-'))
t.teardown(() => rm(folder, { recursive: true, force: true }))

async function fileOf (apps: unknown): Promise<string> {
  const path = join(folder, 'apps.json')
  await writeFile(path, JSON.stringify(apps))
  return path
}

const app = (id: string, more: object = {}) =>
  ({ id, name: id, keys: [{ sha256: hashKey(id), scopes: [], ...more }] })
const webhook = (url: string) => ({ url, secrets: [webhookSecret] })

t.test('an apps file: what it has, what has expired, and where webhooks go', async t => {
  const path = await fileOf([
    app('shop', { expiresAt: '2020-01-01T00:00:00Z' }), { ...app('bank'), webhook: webhook('http://localhost/x') },
    // No resolver is asked for a name whose first part is longer than DNS allows.
    { ...app('cafe'), webhook: webhook(`https://${'a'.repeat(64)}.invalid/x`) },
  ])
  t.match(await checkApps(path, {}), [
    { verdict: 'ok', subject: 'APPS_FILE', text: 'apps: 3, keys: 3' },
    { verdict: 'warning', text: /^the key shop\/[0-9a-f]{8} has expired/ },
    { verdict: 'ok', subject: 'webhook of bank', text: 'http://localhost resolves' },
    { verdict: 'wrong', subject: 'webhook of cafe', text: /does not resolve/ },
  ])
  t.match(await checkApps(await fileOf([]), {}), [{ verdict: 'ok' }, { verdict: 'warning', text: /^has no key/ }])
  t.match(await checkApps(await fileOf([{ id: 'shop' }]), {}), [{ verdict: 'wrong', text: /^\/0/ }])
  t.match(await checkApps(join(folder, 'none'), {}), [{ verdict: 'wrong', text: 'cannot be read: ENOENT' }])
})

t.test('the public URL', async t => {
  const check = (publicUrl: string, trustedProxies = ['10.0.0.0/8'], warnings: string[] = []) =>
    checkPublicUrl({ publicUrl, trustedProxies, warnings })
  t.match(await check('http://localhost:3000'), [{ verdict: 'warning', text: /^is a local address/ }])
  const unresolvable = `https://${'a'.repeat(64)}.invalid`
  t.match(await check(unresolvable), [{ verdict: 'warning', text: /^is not reachable from here/ }])
  t.match(await check(unresolvable, [], ['PUBLIC_URL is http: x']), [
    {}, { verdict: 'warning', subject: 'PUBLIC_URL', text: 'is http: x' },
    { verdict: 'warning', subject: 'TRUSTED_PROXIES', text: /^is not set/ },
  ])
})
