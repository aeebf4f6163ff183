import Fastify from 'fastify'
import { Gauge, Registry } from 'prom-client'
import { gunzipSync } from 'node:zlib'
import t from 'tap'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { metricsRoutes } from '../../../src/api/operations/routes.ts'
import { Liveness, ProviderList, Readiness } from '../../../src/api/schemas/responses.ts'
import { authorization, buildTestServer } from '../../helpers/server.ts'

t.test('the probes report health', async t => {
  const workers = { isAlive: () => true, isStuck: () => false }
  let ping = async (): Promise<void> => {}
  let isSlow = false
  const { server, lines } = await buildTestServer(
    t, { health: { store: { ping: () => ping() }, workers, isSlow: () => isSlow } },
  )
  const ask = async (url: string, schema: TSchema, statusCode: number): Promise<unknown> => {
    const answer = await server.inject(url)
    t.equal(answer.statusCode, statusCode, url)
    t.same(Compile(schema).Errors(answer.json()), [], 'matches the schema')
    return answer.json()
  }
  t.same(await ask('/livez', Liveness, 200), { status: 'ok', checks: { eventLoop: 'ok', workers: 'ok' } })
  t.match(
    await ask('/readyz', Readiness, 200),
    { status: 'ready', checks: { redis: 'ok', workers: 'ok', eventLoop: 'ok', draining: false } },
  )
  ping = async () => { throw new Error('down') }
  t.match(
    await ask('/readyz', Readiness, 503), { status: 'unavailable', checks: { redis: 'unreachable', workers: 'ok' } },
  )
  await ask('/livez', Liveness, 200)
  isSlow = true
  t.match(await ask('/readyz', Readiness, 503), { status: 'unavailable', checks: { eventLoop: 'slow' } })
  workers.isStuck = () => true
  t.match(await ask('/livez', Liveness, 503), { status: 'stuck', checks: { workers: 'stuck' } })
  t.same(lines, [], 'probes are not logged')
})

t.test('metrics are in the Prometheus format', async t => {
  const { server } = await buildTestServer(t)
  const answer = await server.inject('/metrics')
  t.match(answer, { statusCode: 200, headers: { 'content-type': /^text\/plain; version=/ } })
  t.match(answer.body, /^verigate_verifications_created_total 0$/m)
})

t.test('metrics are compressed for those who ask', async t => {
  const { server } = await buildTestServer(t)
  const scrape = (encoding?: string) =>
    server.inject({ url: '/metrics', headers: encoding === undefined ? {} : { 'accept-encoding': encoding } })
  for (const encoding of ['gzip', 'deflate, GZIP;q=0.5', 'gzip;q=0.01']) {
    const { headers, rawPayload } = await scrape(encoding)
    t.match(headers, { 'content-encoding': 'gzip', vary: 'accept-encoding', 'content-type': /^text\/plain/ })
    t.match(gunzipSync(rawPayload).toString(), /^# HELP/)
  }
  for (const encoding of [undefined, 'identity', 'br', 'gzip;q=0', 'gzip; q=0.0, br', 'xgzipx']) {
    const { headers, body } = await scrape(encoding)
    t.notOk('content-encoding' in headers, String(encoding))
    t.match(body, /^# HELP/)
  }
})

t.test('metrics are rendered at most once a second, however many scrapes there are', async t => {
  const registry = new Registry()
  const renderedAt: number[] = []
  registry.registerMetric(new Gauge({
    name: 'rendered', help: 'Renderings', registers: [],
    collect () { this.set(renderedAt.push(performance.now())) },
  }))
  const server = Fastify()
  t.teardown(() => server.close())
  server.setSerializerCompiler(() => value => JSON.stringify(value))
  await server.register(metricsRoutes, { metrics: { registry } })
  const scrape = async () => /^rendered (\d+)$/m.exec((await server.inject('/metrics')).body)?.[1]
  t.strictSame(new Set(await Promise.all(Array.from({ length: 50 }, scrape))), new Set(['1']))
  t.strictSame(new Set(await Promise.all(Array.from({ length: 50 }, scrape))), new Set(['2']), 'fresh values')
  const [first = 0, second = 0] = renderedAt
  t.equal(renderedAt.length, 2)
  t.ok(second - first >= 998, 'a second apart')
})

t.test('providers match the schema', async t => {
  const { server } = await buildTestServer(t)
  const list: unknown = (await server.inject({ url: '/providers', headers: authorization })).json()
  t.same(Compile(ProviderList).Errors(list), [])
  t.match(
    list, { data: [{ provider: 'otpless', methods: [{ method: 'otpless.otp' }], health: { breaker: 'closed' } }] },
  )
})
