import t from 'tap'
import { truecaller } from '../../../src/adapters/truecaller/index.ts'
import { callbackKey, callbackUrl, openAdapter, openIo, openVendor } from '../../../src/conformance/index.ts'
import { appKey, clientId, settings } from './vendor.ts'

t.test('each credential enables its methods', async t => {
  const io = { ...openIo(t), allowInsecure: false }
  const [app, oauth] = [{ TRUECALLER_APP_KEY: appKey }, { TRUECALLER_OAUTH_CLIENT_ID: clientId }]
  const callbackKeys = { TRUECALLER_CALLBACK_KEY: 'e'.repeat(22) }
  const open = (env: Record<string, string>) => truecaller.open(env, io, 'truecaller')
  const methodsOf = (env: Record<string, string>) => Object.keys(open(env)?.methods ?? {}).sort()
  const ofApp = ['truecaller.missed_call', 'truecaller.payload', 'truecaller.push', 'truecaller.web']
  t.strictSame(methodsOf({ ...app, ...callbackKeys }), ofApp)
  t.strictSame(methodsOf(oauth), ['truecaller.missed_call', 'truecaller.oauth'], 'without callbacks, no key for them')
  t.strictSame(methodsOf({ ...app, ...oauth, ...callbackKeys }), [...ofApp, 'truecaller.oauth'].sort())
  t.throws(() => open({ ...app, ...oauth }), { message: /^TRUECALLER_CALLBACK_KEY is missing/ })
  for (const none of [{}, callbackKeys, { TRUECALLER_APP_KEY: '', TRUECALLER_OAUTH_CLIENT_ID: '' }]) {
    t.equal(open(none), null)
  }
  t.equal(open(oauth)?.receive, undefined, 'an adapter without callbacks accepts none')
  t.equal(open(oauth)?.acceptsAnySender, undefined)
  const ranked = Object.entries(open({ ...app, ...oauth, ...callbackKeys })?.methods ?? {})
    .filter(([, { defaultRank }]) => defaultRank !== undefined).map(([name]) => name)
  t.strictSame(ranked.sort(), ['truecaller.push', 'truecaller.web'], 'the others start only when a workflow names them')
})

t.test('a callback key that is set must be in the path', async t => {
  const vendor = await openVendor(t, () => ({}))
  const [key, next] = ['a-callback-key-of-ours-1', 'a-callback-key-of-ours-two']
  const adapter = openAdapter(
    truecaller, { ...settings(vendor), TRUECALLER_CALLBACK_KEY: `${key}, ${next}` }, openIo(t),
  )
  t.equal(adapter.acceptsAnySender, false)
  const body = { requestId: callbackKey, status: 'flow_invoked' }
  const receive = async (key: string | null) =>
    adapter.receive?.({ key, url: callbackUrl, headers: {}, rawBody: Buffer.alloc(0), body })
  for (const wrong of [null, '', `${key}x`, key.slice(1), `${key},${next}`, `${key}, ${next}`, callbackKey, 'é']) {
    t.strictSame(await receive(wrong), { type: 'refused', cause: 'key_missing' }, String(wrong))
  }
  for (const right of [key, next]) t.match(await receive(right), { key: callbackKey, type: 'opened' }, 'each of them')
})

t.test('settings that cannot be used are named, and their values are not', async t => {
  const io = { ...openIo(t), allowInsecure: false }
  const unusable = {
    TRUECALLER_APP_KEY: ['a b', 'clé'],
    TRUECALLER_OAUTH_CLIENT_ID: ['a b', 'clé'],
    TRUECALLER_OAUTH_URL: ['http://evil.example', 'https://evil.example/v1'],
    TRUECALLER_OTP_URL: ['http://evil.example', 'https://evil.example/v1'],
    TRUECALLER_PACKAGE_NAME: ['com.evil.app,', 'evil app', '1evil', ','],
    TRUECALLER_API_URL: [
      'http://evil.example', 'https://evil.example:8443', 'https://u@evil.example', 'https://evil.example/path', 'evil',
      'HTTPS://evil.example',
    ],
    TRUECALLER_PROFILE_URL: ['http://evil.example', 'https://evil.example?a', 'https://evil.example#a'],
    TRUECALLER_PROFILE_HOSTS: [
      'evil.example:8443', 'https://evil.example', 'evil.example,', 'Evil.example', 'a b', '*.evil.example/',
    ],
    TRUECALLER_CALLBACK_KEY: [
      '', 'short', 'evil/evil/evil/evil/evil', 'e'.repeat(21), 'e'.repeat(129), `${'e'.repeat(22)},`,
      `${'e'.repeat(22)},evil`,
    ],
  }
  for (const [name, values] of Object.entries(unusable)) {
    for (const value of values) {
      const env = { TRUECALLER_APP_KEY: 'key', TRUECALLER_CALLBACK_KEY: 'e'.repeat(22), [name]: value }
      const error = t.throws(
        () => truecaller.open(env, io, 'truecaller'), { message: new RegExp(`^${name} `) }, `${name} ${value}`,
      )
      t.notMatch(String(error), 'evil')
    }
  }
  const usable = {
    TRUECALLER_CALLBACK_KEY: `${'e'.repeat(22)},${'f'.repeat(128)}`,
    TRUECALLER_API_URL: 'https://api4-noneu.truecaller.com/', TRUECALLER_PROFILE_HOSTS: 'a.example, b.example',
    TRUECALLER_OAUTH_CLIENT_ID: clientId, TRUECALLER_OAUTH_URL: 'https://oauth-account-eu.truecaller.com',
    TRUECALLER_PACKAGE_NAME: 'com.example.app, com.example_2.App',
  }
  t.ok(truecaller.open({ TRUECALLER_APP_KEY: 'key', ...usable }, io, 'truecaller'))
})

t.test('a test that names its own server sends no token to Truecaller', async t => {
  const io = openIo(t)
  const hosts: string[][] = []
  const openHttp: typeof io.openHttp = (provider, allowed) => (hosts.push(allowed), io.openHttp(provider, allowed))
  const own = 'https://vendor.example'
  const env = { TRUECALLER_OAUTH_CLIENT_ID: clientId }
  const otpHost = (more: Record<string, string>, allowInsecure: boolean) => {
    truecaller.open({ ...env, ...more }, { ...io, openHttp, allowInsecure }, 'truecaller')
    return hosts.pop()?.[2]
  }
  const vendors = 'sdk-otp-verification-noneu.truecaller.com'
  t.equal(otpHost({ TRUECALLER_API_URL: own }, true), 'vendor.example')
  t.equal(otpHost({ TRUECALLER_OAUTH_URL: own }, true), 'vendor.example')
  t.equal(otpHost({ TRUECALLER_API_URL: own, TRUECALLER_OTP_URL: 'https://otp.example' }, true), 'otp.example')
  t.equal(otpHost({}, true), vendors)
  t.equal(otpHost({ TRUECALLER_API_URL: own, TRUECALLER_OAUTH_URL: own }, false), vendors, 'not in production')
})

t.test('without a callback key it starts only where that is permitted, and says so', async t => {
  const [io, env] = [openIo(t), { TRUECALLER_APP_KEY: 'key' }]
  const open = (allowInsecure: boolean, allow?: string) =>
    truecaller.open({ ...env, TRUECALLER_ALLOW_UNKEYED_CALLBACKS: allow }, { ...io, allowInsecure }, 'truecaller')
  for (const allow of [undefined, 'false']) {
    t.throws(() => open(false, allow), { message: /^TRUECALLER_CALLBACK_KEY is missing/ })
  }
  t.equal(open(false, 'true')?.acceptsAnySender, true)
  t.equal(open(true)?.acceptsAnySender, true)
})
