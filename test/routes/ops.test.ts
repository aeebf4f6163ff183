import t from 'tap'
import { Compile } from 'typebox/compile'
import { ProviderList } from '../../src/routes/schemas.ts'
import { authorization, buildTestServer } from '../helpers/server.ts'

t.test('health', async t => {
  let ready = true
  const { server, lines } = await buildTestServer(t, { isReady: () => ready })
  t.match(await server.inject('/livez'), { statusCode: 200, body: '{"status":"ok"}' })
  t.match(await server.inject('/readyz'), { statusCode: 200, body: '{"status":"ready"}' })
  ready = false
  t.match(await server.inject('/readyz'), { statusCode: 503, body: '{"status":"unavailable"}' })
  t.equal((await server.inject('/livez')).statusCode, 200, 'it is alive all the same')
  t.same(lines, [], 'probes leave no lines')
})

t.test('under pressure work is refused, and probes are answered all the same', async t => {
  const { server } = await buildTestServer(t)
  await server.ready()
  const stall = async (): Promise<void> => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1200)
    await new Promise(resolve => setImmediate(resolve))
  }
  const until = Date.now() + 10_000
  while (!server.isUnderPressure() && Date.now() < until) await stall()
  const refused = await server.inject({ url: '/providers', headers: authorization })
  t.match(refused.json(), { status: 503, code: 'overloaded' })
  t.match(refused.headers, { 'retry-after': '1', 'content-type': 'application/problem+json' })
  for (const url of ['/livez', '/readyz', '/metrics']) t.equal((await server.inject(url)).statusCode, 200, url)
})

t.test('metrics', async t => {
  const { server } = await buildTestServer(t)
  const answer = await server.inject('/metrics')
  t.match(answer, { statusCode: 200, headers: { 'content-type': /^text\/plain; version=/ } })
  t.match(answer.body, /^verigate_verifications_created_total 0$/m)
})

t.test('providers', async t => {
  const { server } = await buildTestServer(t)
  const list: unknown = (await server.inject({ url: '/providers', headers: authorization })).json()
  t.same(Compile(ProviderList).Errors(list), [])
  t.match(list, { data: [{ provider: 'otpless', methods: [{ method: 'otpless.otp' }], health: { breaker: 'closed' } }] })
})
