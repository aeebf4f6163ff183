import t, { type Test } from 'tap'
import { createOtlpTracing } from '../../src/telemetry/otel.ts'
import { verificationSpan, noTracing, traceIdOf, type Tracing } from '../../src/telemetry/tracing.ts'
import { startReceiver } from '../sandbox/receiver.ts'

type Span = {
  traceId: string, spanId: string, parentSpanId?: string, name: string, links: { spanId: string }[],
  attributes: { key: string, value: { stringValue?: string } }[], status: { code: number },
}

/** Tracing into a collector of the test; `close` returns the spans by name. */
async function startTracing (t: Test, { sampleRatio = 1, path = '' } = {}): Promise<{
  tracing: Tracing, close: () => Promise<Map<string, Span>>, paths: () => string[],
}> {
  const { url, received } = await startReceiver(t, () => 200)
  const tracing = createOtlpTracing(
    { endpoint: url + path, serviceName: 'verify', sampleRatio },
    { version: '1.2.3', onError: () => t.fail('the export fails') },
  )
  t.teardown(() => tracing.close())
  return {
    tracing, paths: () => received.map(one => one.path),
    async close () {
      await tracing.close()
      const bodies = received.map(({ body }) => body as { resourceSpans: { scopeSpans: { spans: Span[] }[] }[] })
      const spans = bodies.flatMap(
        body => body.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans)),
      )
      return new Map(spans.map(span => [span.name, span]))
    },
  }
}
const remote = (digit: string, flags = '01'): string => `00-${digit.repeat(32)}-${digit.repeat(16)}-${flags}`

t.test('a span belongs to the current span, or to the trace that it continues', async t => {
  const { tracing, close } = await startTracing(t)
  t.equal(tracing.traceparent(), null)
  await tracing.trace('outer', { kind: 'server' }, async () => {
    const own = tracing.traceparent() ?? ''
    t.match(own, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
    await tracing.trace('inner', { kind: 'client' }, async () => {
      t.equal(traceIdOf(tracing.traceparent()), traceIdOf(own))
    })
    await tracing.trace(
      'same trace', { kind: 'client', traceparent: own.replace(/-[0-9a-f]{16}-/, '-1111111111111111-') },
      async () => {},
    )
    await tracing.trace('elsewhere', { kind: 'internal', traceparent: remote('a') }, async () => {
      t.equal(traceIdOf(tracing.traceparent()), 'a'.repeat(32))
      await tracing.trace('below', { kind: 'internal' }, async () => {})
    })
    t.equal(tracing.traceparent(), own, 'as before')
  })
  t.equal(tracing.traceparent(), null)
  const spans = await close()
  const [outer, elsewhere] = [spans.get('outer'), spans.get('elsewhere')]
  t.equal(outer?.parentSpanId, undefined)
  for (const name of ['inner', 'same trace']) t.match(
    spans.get(name), { parentSpanId: outer?.spanId, traceId: outer?.traceId, links: [] }, name,
  )
  t.match(elsewhere, { traceId: 'a'.repeat(32), parentSpanId: 'a'.repeat(16), links: [{ spanId: outer?.spanId }] })
  t.match(outer?.links, [{ spanId: elsewhere?.spanId }], 'linked from both ends')
  t.match(spans.get('below'), { parentSpanId: elsewhere?.spanId, traceId: 'a'.repeat(32) })
})

t.test('an invalid traceparent starts a new trace', async t => {
  const { tracing } = await startTracing(t)
  const traced = (traceparent: string): Promise<string | null> =>
    tracing.trace('any', { kind: 'server', traceparent }, async () => traceIdOf(tracing.traceparent()))
  for (
    const text of [
      '', 'x', remote('0'), remote('A'), `${remote('a')}, ${remote('b')}`, remote('a').replace('00-', 'ff-'),
      remote('a').slice(0, -1), `00-${'a'.repeat(32)}-${'0'.repeat(16)}-01`,
    ]
  ) {
    t.notMatch(await traced(text), /^(a|0|A)\1{31}$/, text)
  }
  t.equal(await traced(remote('a')), 'a'.repeat(32))
  t.equal(await traced(remote('a').replace('00-', 'cc-') + '-more'), 'a'.repeat(32), 'a later version')
})

t.test('of an error a span has only the class', async t => {
  const { tracing, close } = await startTracing(t)
  await t.rejects(
    tracing.trace('fails', { kind: 'client' }, async () => { throw new RangeError('+14155550100') }), RangeError,
  )
  await tracing.trace(
    'marked', { kind: 'client', ...verificationSpan({ id: 'ver_1' }, { a: 'b' }) },
    async setAttributes => setAttributes?.({ 'error.type': 'timeout' }),
  )
  t.equal(await tracing.trace('well', { kind: 'client' }, async () => 'result'), 'result')
  const spans = await close()
  t.match(
    spans.get('fails'),
    { status: { code: 2 }, attributes: [{ key: 'error.type', value: { stringValue: 'RangeError' } }] },
  )
  t.match(
    spans.get('marked'),
    { status: { code: 2 }, attributes: [{ key: 'verigate.verification.id' }, { key: 'a' }, { key: 'error.type' }] },
  )
  t.match(spans.get('well'), { status: { code: 0 }, attributes: [] })
  t.notMatch(JSON.stringify([...spans.values()]), /4155550100|otel\.test/)
})

t.test('unsampled traces are not sent, and the decision of the caller comes first', async t => {
  const { tracing, close } = await startTracing(t, { sampleRatio: 0 })
  await tracing.trace('own', { kind: 'server' }, async () => {
    t.match(tracing.traceparent(), /-00$/, 'the decision is passed on')
    await tracing.trace('below', { kind: 'client' }, async () => {})
  })
  await tracing.trace('wanted', { kind: 'server', traceparent: remote('a') }, async () => {})
  t.same([...(await close()).keys()], ['wanted'])
})

t.test('a path of the endpoint is kept', async t => {
  const { tracing, close, paths } = await startTracing(t, { path: '/tenants/1/' })
  await tracing.trace('any', { kind: 'server' }, async () => {})
  await close()
  t.same(paths(), ['/tenants/1/v1/traces'])
})

t.test('tracing that is off', async t => {
  t.equal(
    await noTracing.trace('any', { kind: 'server' }, async setAttributes => {
      setAttributes?.({ a: 1 })
      return noTracing.traceparent()
    }),
    null,
  )
  t.equal(traceIdOf(null), null)
  await noTracing.close()
})
