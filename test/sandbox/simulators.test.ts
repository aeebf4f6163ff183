import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync, inflateSync } from 'node:zlib'
import t from 'tap'
import { request } from 'undici'
import { providers } from '../../src/adapters/index.ts'
import { openAdapters, variablesOf } from '../../src/adapters/instances.ts'
import { readConfig, variables } from '../../src/config.ts'
import { simulators as all, startSimulators } from '../../src/sandbox/simulators.ts'
import { openIo } from '../../src/conformance/index.ts'
import { ask, setting, start } from './receiver.ts'

const json = { 'content-type': 'application/json' }

t.test('the settings point a gateway at them', async t => {
  const { simulators: { url, settings } } = await start(t)
  t.match(url, /^http:\/\/127\.0\.0\.1:\d+$/)
  t.equal(settings['ALLOW_INSECURE_PROVIDERS'], 'true')
  const known = Object.assign({}, variables, ...providers.map(provider => variablesOf(provider, settings)))
  const names = providers.map(({ provider }) => provider)
  const simulated = all.map(({ provider }) => provider)
  const others = simulated.filter(name => !names.some(known => known === name))
  for (const [name, value] of Object.entries(settings)) {
    const isOther = others.some(other => name.startsWith(`${other.toUpperCase()}_`))
    t.ok(name in known || isOther, `${name} is a variable of the gateway, or of its PROVIDERS_FILE`)
    if (name.endsWith('_URL')) t.equal(URL.parse(value)?.origin, url, name)
  }
  const config = readConfig({
    ...settings, PUBLIC_URL: 'http://localhost:3000', REDIS_URL: 'redis://127.0.0.1:1',
    SEAL_KEYS: `k1:${randomBytes(32).toString('base64')}`, APPS_FILE: 'apps.json',
  })
  const adapters = openAdapters(providers, config.settings, openIo(t))
  t.same(adapters.map(({ provider }) => provider).filter(id => !id.includes('-')), names, 'every provider is on')
  t.same(names.filter(name => !simulated.includes(name)), [], 'every provider has a simulator')
  t.ok(simulated.includes('acme'), 'and so has PROVIDERS_FILE')
})

t.test('every folder is in the list', async t => {
  const folder = join(import.meta.dirname, '../../src/sandbox')
  const names = readdirSync(
    folder, { withFileTypes: true },
  ).filter(entry => entry.isDirectory() && entry.name !== 'page').map(({ name }) => name)
  t.same(names.sort(), all.map(({ provider }) => provider).sort())
})

t.test('requests are kept, without query or body, and the handset\'s are not', async t => {
  const { simulators } = await start(t, { now: () => 5 })
  await ask(`${simulators.url}/v1/default?phone=1`, 'GET')
  await ask(`${simulators.url}/handset/otpless/token`, 'POST', json, { phoneNumber: '+919999999900' })
  await ask(`${simulators.url}/oauth2/v1/token`, 'POST')
  await ask(`${simulators.url}/auth/v1/verify/otp`, 'POST', json, {})
  t.strictSame(simulators.requests, [
    { provider: 'truecaller', method: 'GET', path: '/v1/default', at: 5 },
    { provider: 'truid', method: 'POST', path: '/oauth2/v1/token', at: 5 },
    { provider: 'otpless', method: 'POST', path: '/auth/v1/verify/otp', at: 5 },
  ])
})

t.test('only the latest requests are kept', async t => {
  const { simulators } = await start(t)
  for (let index = 0; index < 9999; index += 1) simulators.requests.push(
    { provider: 'truid', method: 'GET', path: `/${index}`, at: 0 },
  )
  await ask(`${simulators.url}/v1/default`, 'GET')
  await ask(`${simulators.url}/v1/default`, 'GET')
  t.equal(simulators.requests.length, 10_000)
  t.equal(simulators.requests[0]?.path, '/1')
})

t.test('faults replace as many answers as asked, of that provider and path only', async t => {
  const { simulators } = await start(t)
  const profile = () => ask(`${simulators.url}/v1/default?x=1`, 'GET')
  simulators.fail({ provider: 'truecaller', answer: 503, path: '/v1/default', times: 2 })
  simulators.fail({ provider: 'truecaller', answer: 418, path: '/v1/apps' })
  t.equal((await ask(`${simulators.url}/auth/v1/verify/otp`, 'POST', json, {})).status, 401)
  const first = await profile()
  t.equal(first.status, 503)
  t.equal(first.headers.get('retry-after'), '1')
  t.equal((await profile()).status, 503)
  t.equal((await profile()).status, 401)
  t.equal((await ask(`${simulators.url}/v1/apps/requests`, 'POST')).status, 418)
  simulators.fail({ provider: 'truecaller', answer: 'redirect' })
  const redirect = await profile()
  t.equal(redirect.status, 307)
  t.equal(redirect.headers.get('location'), `${simulators.url}/v1/default?x=1`)
  simulators.fail({ provider: 'truecaller', answer: 'reset' })
  await t.rejects(profile())
  t.equal((await profile()).status, 401)
})

t.test('close ends what hangs, what waits and what listens', async t => {
  const { simulators, gateway } = await start(t, { handsetDelayMs: 60_000 })
  simulators.fail({ provider: 'otpless', answer: 'hang' })
  const hanging = ask(`${simulators.url}/auth/v1/verify/otp`, 'POST', json, {})
  hanging.catch(() => {})
  const appKey = setting(simulators, 'TRUECALLER_APP_KEY')
  await ask(`${simulators.url}/v1/apps/requests`, 'POST', { ...json, appKey }, { phoneNumber: 46760123456 })
  const begunAt = performance.now()
  await simulators.close()
  await t.rejects(hanging)
  t.ok(performance.now() - begunAt < 2000)
  await t.rejects(ask(`${simulators.url}/v1/default`, 'GET'))
  t.equal(gateway.received.length, 0)
})

t.test('they can be reached on any address, and a port that is taken is an error', async t => {
  const { simulators, gateway } = await start(t, { host: '0.0.0.0' })
  t.equal((await ask(`${simulators.url}/v1/default`, 'GET')).status, 401)
  await t.rejects(
    startSimulators({ gatewayUrl: gateway.url, port: Number(new URL(simulators.url).port) }), { code: 'EADDRINUSE' },
  )
})

t.test('an error of a simulator itself is reported without the content of the request', async t => {
  const errors: string[] = []
  let broken = false
  const now = () => {
    if (broken) throw new RangeError('14155550100')
    return Date.now()
  }
  const { simulators } = await start(t, { now, onError: message => errors.push(message) })
  broken = true
  t.equal(
    (await ask(`${simulators.url}/handset/otpless/token`, 'POST', json, { phoneNumber: '14155550100' })).status, 500,
  )
  broken = false
  t.strictSame(errors, ['POST /handset/otpless/token: RangeError'])
})

t.test('answers are compressed for a client that can read that', async t => {
  const { simulators } = await start(t)
  const coding = async (accepted: string | null) => {
    const answer = await request(`${simulators.url}/v1/default`, {
      headers: accepted === null ? {} : { 'accept-encoding': accepted },
    })
    const bytes = Buffer.from(await answer.body.arrayBuffer())
    const used = answer.headers['content-encoding'] ?? null
    const text = used === 'gzip' ? gunzipSync(bytes) : used === 'deflate' ? inflateSync(bytes) : bytes
    t.strictSame(JSON.parse(text.toString()), { status: 40101, message: 'Unauthorized' })
    t.equal(Number(answer.headers['content-length']), bytes.length)
    return used
  }
  t.equal(await coding(null), null)
  t.equal(await coding('identity'), null)
  t.equal(await coding('gzip;q=0, br'), null)
  t.equal(await coding('gzip, deflate, br'), 'gzip')
  t.equal(await coding('br, deflate;q=0.5'), 'deflate')
})
