import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { request } from 'undici'
import { startApp } from '../../src/app.ts'
import { readConfig } from '../../src/config.ts'
import { startSimulators } from '../../src/sandbox/simulators.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { toy } from '../adapters/toy/index.ts'
import { toySimulator } from '../adapters/toy/simulator.ts'
import { clientOf, keys, testApps } from '../helpers/gateway.ts'
import { freePort, startRedis, until } from '../helpers/redis.ts'
import { numberEnding, post, readMetric } from './end-user.ts'

/** The toy provider uses everything that the adapter interface offers. Here a real gateway runs it. */

const returnUrl = 'https://shop.example/verified'

const port = await freePort()
const url = `http://127.0.0.1:${port}`
const folder = await mkdtemp(join(tmpdir(), 'verigate-toy-'))
t.teardown(() => rm(folder, { recursive: true, force: true }))
await writeFile(join(folder, 'apps.json'), JSON.stringify(testApps))
const simulators = await startSimulators({ gatewayUrl: url, handsetDelayMs: 20, simulators: [toySimulator] })
t.teardown(() => simulators.close())
const config = readConfig({
  PORT: String(port), HOST: '127.0.0.1', PUBLIC_URL: url, REDIS_URL: (await startRedis(t)).url,
  APPS_FILE: join(folder, 'apps.json'), SEAL_KEYS: `k1:${randomBytes(32).toString('base64')}`, ...simulators.settings,
}, [toy])
const app = await startApp(config, { log: createLogger('silent'), providers: [toy] })
t.teardown(() => app.close())
await app.server.listen({ port, host: '127.0.0.1' })
const shop = clientOf(url, keys.shop)

const create = async (method: string, more: { returnUrl?: string } = {}) => {
  const phoneNumber = numberEnding('00')
  const { status, body } = await shop.create({ phoneNumber, workflow: [method], ...more })
  return { status, body, phoneNumber, id: String(body['id']), action: body['nextAction'] }
}
const requestsOf = (verb: string, from = 0) => simulators.requests.slice(from).filter(({ method }) => method === verb)
const counted = (provider: string, result: string) =>
  readMetric(url, `verigate_callbacks_total{provider="${provider}",result="${result}"}`)
const answer = (check: string, by: 'poll' | 'webhook') => post(`${simulators.url}/handset/toy/answer/${check}`, { by })
const checkOf = (path: string): string => path.split('/').at(-1) ?? ''

t.test('both instances are configured, each with its own methods and metrics', async t => {
  const { body } = await shop.call('GET', '/providers')
  t.match(body['data'], [
    { provider: 'toy', methods: [{ method: 'toy.call' }, { method: 'toy.silent' }, { method: 'toy.login' }] },
    { provider: 'toy-north', methods: [{ method: 'toy-north.call' }, {}, {}] },
  ])
  const metrics = (await shop.call('GET', '/metrics')).body['text']
  t.match(metrics, /verigate_callbacks_total\{provider="toy-north",result="accepted"\} 0/)
})

t.test('the gateway polls from the start, without a request of the app', async t => {
  const from = simulators.requests.length
  const { id, action } = await create('toy.call')
  t.match(action, { type: 'answerCall' })
  await until(() => requestsOf('GET', from).length > 0, 'the first poll')
  await answer(checkOf(requestsOf('GET', from)[0]?.path ?? ''), 'poll')
  t.match(await shop.waitFor(id), { status: 'verified', result: { method: 'toy.call' } })
})

t.test('a callback is matched by the provider\'s own id, in the instance that it calls', async t => {
  const { id, action } = await create('toy-north.silent')
  await answer(checkOf(action.url), 'webhook')
  t.match(await shop.waitFor(id), { status: 'verified', result: { method: 'toy-north.silent', provider: 'toy-north' } })
  t.strictSame([await counted('toy-north', 'accepted'), await counted('toy', 'accepted')], [1, 0])

  const erased = await create('toy-north.silent')
  await shop.call('DELETE', `/verifications/${erased.id}`)
  await answer(checkOf(erased.action.url), 'webhook')
  t.equal(await counted('toy-north', 'unknown'), 1, 'an erased verification is not found')
})

t.test('the provider changes the step by callback, and reports the delivery', async t => {
  const before = await counted('toy', 'accepted')
  const { id, phoneNumber, action } = await create('toy.silent')
  t.match(action, { type: 'openUrlOnCellular', finish: 'none' })
  await request(action.url)
  t.match(
    await shop.waitFor(id, ({ nextAction }) => nextAction.type === 'submitCode'), { nextAction: { channels: ['SMS'] } },
  )
  await until(async () => await counted('toy', 'accepted') === before + 2, 'the step and the delivery')
  const [attempt] = (await app.gateway.get(id)).attempts
  t.match(attempt, { phase: 'waiting', receipts: [{ status: 'delivered', channel: 'sms' }] })
  const checked = await shop.call('POST', `/verifications/${id}/check`, { code: phoneNumber.slice(-6) })
  t.match(checked, { status: 200, body: { status: 'verified' } })
})

t.test('the provider changes the step in its answer to a query', async t => {
  const { id, action } = await create('toy.silent')
  await request(`${action.url}?quiet=true`)
  await shop.call('POST', `/verifications/${id}/check`, {})
  const { nextAction } = await shop.waitFor(id, ({ nextAction }) => nextAction.type === 'submitCode')
  t.match(nextAction, { type: 'submitCode', length: 6 })
})

t.test('an attempt that ends early is canceled at the provider', async t => {
  const { id, action } = await create('toy.silent')
  const from = simulators.requests.length
  t.equal((await shop.call('POST', `/verifications/${id}/cancel`)).status, 200)
  t.strictSame(requestsOf('DELETE', from).map(({ path }) => path), [`/toy/checks/${checkOf(action.url)}`])
})

t.test('a login with a fixed redirect URL', async t => {
  t.match(await create('toy.login'), { status: 422, body: { code: 'no_eligible_method' } }, 'it needs a returnUrl')
  const [{ id, action }, other] = [await create('toy.login', { returnUrl }), await create('toy.login', { returnUrl })]
  const { searchParams } = new URL(action.url)
  t.equal(searchParams.get('redirect_uri'), `${url}/callbacks/toy`, 'one URL for all attempts')
  const challengeOf = (place: string) => new URL(place).searchParams.get('code_challenge')
  t.not(challengeOf(action.url), challengeOf(other.action.url), 'every attempt has its own random verifier')

  const place = String((await request(action.url)).headers.location)
  const returned = await request(place)
  const arrival = new URL(String(returned.headers.location))
  const code = arrival.searchParams.get('code') ?? ''
  t.equal(returned.statusCode, 303)
  t.strictSame([arrival.origin + arrival.pathname, arrival.searchParams.get('verification')], [returnUrl, id])

  const exchanges = () => simulators.requests.filter(({ path }) => path === '/toy/token').length
  const replayed = await shop.call('POST', `/verifications/${other.id}/check`, { code: 'of-another-login' })
  t.match(replayed.body, { status: 'failed' })
  const before = exchanges()
  const first = await shop.call('POST', `/verifications/${id}/check`, { code })
  t.match(first, { status: 202, body: { status: 'pending' } }, 'the number is not known yet')
  t.match(await shop.waitFor(id), { status: 'verified', result: { method: 'toy.login' } })
  t.equal(exchanges() - before, 1, 'the second query has the token as its state')
})
