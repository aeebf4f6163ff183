import t from 'tap'
import { Agent, request } from 'undici'
import type { Attributes, SpanOptions, Tracing } from '../../../src/telemetry/tracing.ts'
import { until } from '../../helpers/redis.ts'
import { authorization, buildTestServer } from '../../helpers/server.ts'

type Span = SpanOptions & { name: string, recorded: Attributes, isEnded: boolean }

/** A tracing that records its spans. */
function recordSpans (): { tracing: Tracing, spans: Span[] } {
  const spans: Span[] = []
  return {
    spans,
    tracing: {
      async trace (name, options, work) {
        const span: Span = { ...options, name, recorded: {}, isEnded: false }
        spans.push(span)
        try {
          return await work(attributes => Object.assign(span.recorded, attributes))
        } finally {
          span.isEnded = true
        }
      },
      traceparent: () => null,
      close: async () => {},
    },
  }
}
const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

t.test('a request has one span, named after its route', async t => {
  const { tracing, spans } = recordSpans()
  const { listen, create } = await buildTestServer(t, { tracing })
  const { id } = await create()
  const url = `http://127.0.0.1:${await listen()}`
  const ask = async (path: string, headers = {}): Promise<number> => {
    const { statusCode, body } = await request(`${url}${path}`, { headers: { traceparent, ...headers } })
    await body.dump()
    return statusCode
  }
  spans.length = 0
  t.equal(await ask(`/verifications/${id}?wait=0`, authorization), 200)
  t.equal(await ask('/verifications/canary'), 401)
  t.equal(await ask('/callbacks/truid/canary?code=canary'), 200)
  for (const path of ['/livez', '/readyz', '/metrics', '/canary', '/verifications/%zz']) await ask(path, authorization)
  await until(() => spans.every(({ isEnded }) => isEnded), 'all spans have ended')
  t.match(spans.map(({ name, recorded }) => [name, recorded['http.response.status_code']]), [
    ['GET /verifications/:id', 200], ['GET /verifications/:id', 401], ['GET /callbacks/:provider/:key', 200],
  ])
  t.same(
    spans.map(span => span.traceparent), [traceparent, traceparent, undefined], 'callbacks do not continue a trace',
  )
  t.same(spans.map(({ recorded }) => recorded['verigate.verification.id']), [id, undefined, undefined])
  t.ok(spans.every(({ kind, recorded }) => kind === 'server' && !('error.type' in recorded)))
  t.notMatch(JSON.stringify(spans), /canary/)
})

t.test('internal errors mark the span, and a disconnected client ends it', async t => {
  const { tracing, spans } = recordSpans()
  const { listen, create, failWith } = await buildTestServer(t, { tracing })
  const { id } = await create()
  const url = `http://127.0.0.1:${await listen()}/verifications/${id}`
  // One connection per request, so that none stays open.
  const dispatcher = new Agent({ pipelining: 0 })
  failWith(new Error('broken'))
  const broken = await request(url, { headers: authorization, dispatcher })
  await broken.body.dump()
  t.equal(broken.statusCode, 500)
  failWith(null)
  const controller = new AbortController()
  const stream = await request(`${url}/events`, { headers: authorization, dispatcher, signal: controller.signal })
  stream.body.on('error', () => {})
  t.equal(spans.at(-1)?.isEnded, false)
  controller.abort()
  await until(() => spans.length === 3 && spans.slice(1).every(({ isEnded }) => isEnded), 'both spans have ended')
  t.match(
    spans.slice(1).map(({ name, recorded }) => [name, recorded['error.type']]),
    [['GET /verifications/:id', '500'], ['GET /verifications/:id/events', undefined]],
  )
})
