import { once } from 'node:events'
import { connect } from 'node:net'
import { setImmediate as nextIteration } from 'node:timers/promises'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { createAdmission } from '../../../src/api/plugins/load-shedding.ts'
import { registerErrorHandlers } from '../../../src/api/plugins/error-handler.ts'
import { traceRequests } from '../../../src/api/plugins/request-tracing.ts'
import { noTracing } from '../../../src/telemetry/tracing.ts'
import { until } from '../../helpers/redis.ts'
import { authorization, buildTestServer } from '../../helpers/server.ts'

const metricOf = async ({ server }: Awaited<ReturnType<typeof buildTestServer>>, name: string): Promise<number> =>
  Number(new RegExp(`^${name} (\\S+)$`, 'm').exec((await server.inject('/metrics')).body)?.[1])

t.test('five requests begin in an iteration of the event loop, in the order of their arrival', async t => {
  const test = await buildTestServer(t)
  const { server, calls } = test
  await server.ready()
  const ask = (n: number) => server.inject({ url: `/verifications?reference=${n}`, headers: authorization })
  const begun = (): unknown[] => calls.map(({ args: [, by] }) => Number(Object(by).reference))
  const asked = Array.from({ length: 23 }, (_, n) => ask(n))
  const perIteration: number[] = []
  for (let before = 0; before < 23; before = begun().length) {
    await nextIteration()
    if (begun().length > before) perIteration.push(begun().length - before)
  }
  t.ok(Math.max(...perIteration) <= 5, `${perIteration}`)
  t.strictSame(begun(), Array.from({ length: 23 }, (_, n) => n))
  t.ok((await Promise.all(asked)).every(({ statusCode }) => statusCode === 200))
  t.equal(await metricOf(test, 'verigate_http_request_wait_seconds_count'), 18, 'the others had to wait')
  t.equal(await metricOf(test, 'verigate_http_requests_waiting'), 0)
})

t.test('probes, metrics and callbacks do not wait', async t => {
  const { server } = await buildTestServer(t)
  await server.ready()
  const answered: string[] = []
  const ask = (url: string, rest = {}) => server.inject({ url, ...rest }).then(() => { answered.push(url) })
  const waiting = Array.from({ length: 200 }, () => ask('/providers', { headers: authorization }))
  await Promise.all([
    ask('/livez'), ask('/metrics'), ask('/callbacks/truecaller', { method: 'POST', payload: {} }),
  ])
  t.ok(answered.length < 100, `after ${answered.length - 3} of 200`)
  await Promise.all(waiting)
})

/** A server with the queue alone. An iteration that begins requests takes as long as the test says. */
function startQueue (t: Test, limitMs: number) {
  let [at, iterationMs] = [0, 0]
  const waits: number[] = []
  const server = Fastify()
  t.teardown(() => server.close())
  registerErrorHandlers(server, { metrics: { countRefused () {} }, publicUrl: 'http://localhost' })
  let refusals = 0
  const metrics = {
    countRefused () { refusals += 1 },
    recordQueue: () => { at += iterationMs },
    recordWait: (waitedMs: number) => { waits.push(waitedMs) },
  }
  traceRequests(server, noTracing)
  server.addHook('onRequest', createAdmission({ limitMs, metrics, now: () => at }))
  server.get('/', async () => 'served')
  const ask = (count: number) => Array.from({ length: count }, async () => {
    const { statusCode, headers, body } = await server.inject('/')
    return { status: statusCode, headers, body, isRefused: body.includes('The server is overloaded.'), at }
  })
  return { server, ask, waits, at: () => at, refusals: () => refusals, setPace: (ms: number) => { iterationMs = ms } }
}

t.test('a request that would wait too long is refused at once, and so is one that has waited too long', async t => {
  const { server, ask, waits, at, refusals, setPace } = startQueue(t, 1_000)
  await server.ready()
  setPace(10)
  const first = ask(400)
  while (at() < 600) await nextIteration()
  const askedAt = at()
  // Three hundred took 600 ms, so 450 take 900 ms. A hundred are still waiting.
  const second = await Promise.all(ask(600))
  const refused = second.filter(({ isRefused }) => isRefused)
  t.ok(refused.length > 230 && refused.length < 270, `${refused.length} of 600 are refused`)
  t.ok(refused.every(({ at }) => at - askedAt < 50), 'at once')
  t.equal(refusals(), refused.length)
  const { headers = {}, body = '', status = 0 } = refused[0] ?? {}
  t.match(headers, { 'retry-after': '1', 'content-type': 'application/problem+json' })
  t.equal(status, 503)
  t.match(JSON.parse(body), { status: 503, code: 'overloaded', type: 'http://localhost/problems/overloaded' })
  t.ok((await Promise.all(first)).every(({ status }) => status === 200))
  t.ok(waits.length > 700 && Math.max(...waits) <= 1_000, 'the others are served within the limit')

  const third = ask(150)
  await nextIteration()
  setPace(100)
  const slow = await Promise.all(third)
  const late = slow.filter(({ isRefused }) => isRefused)
  t.ok(late.length > 30 && late.length < 60, `${late.length} of 150 are refused when each iteration takes 100 ms`)
  t.equal((await Promise.all(ask(1)))[0]?.status, 200, 'an empty queue serves')
})

t.test('a request whose client has gone is not begun', async t => {
  const { server, calls, listen } = await buildTestServer(t)
  const port = await listen()
  const { authorization: credential } = authorization
  const request = `GET /verifications?reference=gone HTTP/1.1\r\nhost: a\r\nauthorization: ${credential}\r\n\r\n`
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  const arrived = new Promise(resolve => { server.server.once('request', resolve) })
  const others = Array.from(
    { length: 200 }, () => server.inject({ url: '/verifications?reference=waiting', headers: authorization }),
  )
  socket.write(request)
  await arrived
  socket.resetAndDestroy()
  await Promise.all(others)
  await until(async () => (await server.inject('/metrics')).body.includes('verigate_http_requests_waiting 0'), 'all')
  t.equal(calls.length, 200)
})
