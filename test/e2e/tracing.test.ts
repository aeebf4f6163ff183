import t from 'tap'
import { request } from 'undici'
import { startProxy } from '../faults/proxy.ts'
import { clientOf, keys, testEnvironment, webhookSecret, withWebhook } from '../helpers/gateway.ts'
import { readLine, startListening } from '../helpers/process.ts'
import { startRedis } from '../helpers/redis.ts'
import { startReceiver, type Received } from '../sandbox/receiver.ts'
import { codeFor, numberEnding, post, walk } from './end-user.ts'

type Span = {
  traceId: string, spanId: string, parentSpanId?: string, name: string, kind: number, links?: {
    traceId: string, spanId: string,
  }[]
  attributes: { key: string, value: Record<string, unknown> }[], status: { code?: number }
}
/** Of OTLP. */
const kinds = { internal: 1, server: 2, client: 3, consumer: 5 }

const spansOf = (received: Received[]): Span[] => received.flatMap(({ body }) => {
  const { resourceSpans } = body as { resourceSpans: { scopeSpans: { spans: Span[] }[] }[] }
  return resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans))
})
const read = ({ attributes }: Span): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]))

t.test('one trace, from the call of the app over callback and jobs to its webhook, in whatever process', async t => {
  const collector = await startReceiver(t, () => 200)
  const hooks = await startReceiver(t)
  const redis = await startRedis(t)
  const { environment, url, simulators } = await testEnvironment(
    t, { redisUrl: redis.url, apps: withWebhook(hooks.url, ['verification.verified', 'verification.canceled']) },
  )
  const wire = await startProxy(t, simulators.url)
  const traced = {
    ...environment, OTPLESS_AUTH_URL: wire.url, OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_SERVICE_NAME: 'verify',
    OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=shop',
  }
  const api = await startListening(t, { ...traced, ROLE: 'api' })
  const worker = await startListening(t, { ...traced, ROLE: 'worker', PORT: '0' })
  const shop = clientOf(url, keys.shop)

  const caller = { traceId: 'c0ffee00000000000000000000000001', spanId: 'c0ffee0000000001' }
  const headers = { traceparent: `00-${caller.traceId}-${caller.spanId}-01` }
  const phoneNumber = numberEnding('02')
  const push = await shop.create({ phoneNumber, workflow: ['truecaller.push'] }, headers)
  await shop.waitFor(push.body.id)
  const [hook] = await hooks.first(1)

  // What else may come by with a secret in its address.
  const other = numberEnding('04')
  const check = await shop.create({ phoneNumber: other, workflow: ['truid.phone_check'] })
  const code = (await walk(check.body.nextAction.url))?.body['code']
  t.equal((await shop.call('POST', `/verifications/${check.body.id}/check`, { code })).status, 200)
  await shop.call('GET', `/verifications?phoneNumber=${encodeURIComponent(other)}`)
  const events = await request(`${url}/verifications/${check.body.id}/events?clientSecret=${check.body.clientSecret}`)
  await events.body.text()
  const otp = await shop.create({ phoneNumber: other, workflow: ['otpless.otp'] })
  await shop.call('POST', `/verifications/${otp.body.id}/check`, { code: codeFor(other) })
  const stranger = { ...headers, traceparent: '00-bad00000000000000000000000000bad-bad0000000000bad-01' }
  await post(`${url}/callbacks/truid/secret-of-a-callback`, { check_id: 'secret-of-a-callback' }, stranger)
  await clientOf(url, null).call(
    'GET', `/callbacks/truid/secret-of-a-callback?code=${String(code)}`, undefined, stranger,
  )
  await clientOf(url, null).call('GET', `/nothing/${other}`)
  for (const path of ['/livez', '/readyz', '/metrics']) await shop.call('GET', path)
  const unsampled = await shop.create(
    { phoneNumber: numberEnding('02'), workflow: ['otpless.otp'] },
    { traceparent: headers.traceparent.replace(/1-01$/, '2-00') },
  )
  await shop.call('POST', `/verifications/${unsampled.body.id}/cancel`)
  await hooks.first(4)
  for (const process of [api, worker]) {
    process.signal('SIGTERM')
    t.equal((await process.ended).code, 0)
  }
  const spans = spansOf(collector.received)
  const one = (name: string, traceId = caller.traceId): Span => {
    const found = spans.filter(span => span.name === name && span.traceId === traceId)
    if (found.length !== 1) throw new Error(
      `${found.length} spans ${name} of ${spans.map(span => span.name).join(', ')}`,
    )
    return found[0] as Span
  }

  const created = one('POST /verifications')
  t.match(created, { parentSpanId: caller.spanId, kind: kinds.server })
  t.match(
    read(created),
    {
      'http.route': '/verifications', 'http.request.method': 'POST', 'http.response.status_code': 201,
      'verigate.verification.id': push.body.id,
    },
  )
  const tree: [name: string, parent: Span, kind: number, attributes: Record<string, unknown>][] = [
    [
      'truecaller start', created, kinds.client,
      { 'verigate.provider': 'truecaller', 'verigate.method': 'truecaller.push', 'verigate.result': 'ok' },
    ],
    ['callback truecaller', created, kinds.internal, { 'verigate.result': 'accepted' }],
    ['job resolve', created, kinds.consumer, {}],
    ['truecaller resolve', one('job resolve'), kinds.client, { 'verigate.result': 'ok' }],
    [
      'webhook verification.verified', created, kinds.client,
      {
        'verigate.delivery.id': `whd_${push.body.id.slice(4)}_${JSON.parse(hook?.text ?? '{}').data.revision}`,
        'http.response.status_code': 204,
      },
    ],
  ]
  for (const [name, parent, kind, attributes] of tree) {
    const span = one(name)
    t.match(span, { parentSpanId: parent.spanId, kind, status: { code: 0 } }, name)
    t.match(read(span), { 'verigate.verification.id': push.body.id, ...attributes })
  }
  t.equal(
    spans.filter(({ traceId, name }) => traceId === caller.traceId && name !== 'tick').length, 1 + tree.length,
    'and no other',
  )
  t.equal(
    hook?.headers['traceparent'], `00-${caller.traceId}-${one('webhook verification.verified').spanId}-01`,
    'the app can go on with it',
  )
  t.notMatch(hook?.text, /traceparent|c0ffee/)

  const called = spans.find(
    ({ name, links = [] }) =>
      name === 'POST /callbacks/:provider' && links.some(({ traceId }) => traceId === caller.traceId),
  )
  if (called === undefined) throw new Error('the callback is not linked')
  t.equal(called.parentSpanId, undefined, 'a call of a provider has a trace of its own')
  t.match(
    one('callback truecaller').links, [{ traceId: called.traceId, spanId: called.spanId }], 'and the two are linked',
  )
  t.match(called.links, [{ spanId: one('callback truecaller').spanId }])

  const checking = spans.find(
    span => span.name === 'POST /verifications/:id/check' && read(span)['verigate.verification.id'] === check.body.id,
  )
  const resolving = spans.find(span => span.name === 'truid resolve')
  t.match(
    resolving?.links, [{ spanId: checking?.spanId }],
    'what another call of the app brings about is in the trace of the create, and linked',
  )
  t.equal(
    resolving?.traceId,
    spans.find(({ name, traceId }) => name === 'truid start' && traceId === resolving?.traceId)?.traceId,
  )

  t.notOk(spans.some(({ traceId }) => traceId.startsWith('bad')), 'strangers do not choose')
  t.notOk(
    spans.some(({ traceId }) => traceId === caller.traceId.replace(/1$/, '2')),
    'what the caller does not keep is not kept',
  )
  t.notOk(spans.some(({ name }) => /livez|readyz|metrics|nothing/.test(name)), 'operations and noise are left out')
  t.same([...new Set(spans.flatMap(span => Object.keys(read(span))))].sort(), [
    'http.request.method', 'http.response.status_code', 'http.route', 'verigate.delivery.id', 'verigate.method',
    'verigate.provider', 'verigate.result', 'verigate.verification.id',
  ], 'no other attribute is sent')

  const sent = collector.received.map(({ text }) => text).join('\n')
  t.match(sent, '"verify"')
  t.ok(collector.received.every(({ path, headers: heard }) => path === '/v1/traces' && heard['x-tenant'] === 'shop'))
  const secrets = [
    ...[phoneNumber, other].map(
      number => number.slice(2),
    ), String(code), check.body.clientSecret, otp.body.clientSecret, keys.shop, webhookSecret,
    'secret-of', '127.0.0.1', 'http://',
    ...Object.entries(environment).filter(
      ([name]) => /SECRET|APP_KEY|CLIENT_ID|SEAL/.test(name),
    ).map(([, value]) => value),
  ]
  t.same(secrets.filter(secret => sent.includes(secret)), [], 'no number, no secret, no address in all that was sent')
  t.notOk(spans.some(span => JSON.stringify([span.name, read(span)]).includes(codeFor(other))), 'and no code')
  t.ok(wire.passed.length >= 2)
  t.notOk(
    wire.passed.some(({ headers: heard }) => 'traceparent' in heard || 'tracestate' in heard),
    'no trace header reaches a provider',
  )

  const lines = [...api.logs, ...worker.logs].map(readLine)
  for (const msg of ['provider call', 'verification ended', 'webhook', 'request']) {
    t.ok(
      lines.some(
        line => line['msg'] === msg && line['traceId'] === caller.traceId && line['verificationId'] === push.body.id,
      ),
      `the line "${msg}" leads to the trace`,
    )
  }
})

t.test('an unreachable collector blocks no request', async t => {
  const redis = await startRedis(t)
  const { environment, url } = await testEnvironment(
    t,
    {
      redisUrl: redis.url,
      environment: { OTEL_TRACES_EXPORTER: 'otlp', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' },
    },
  )
  const gateway = await startListening(t, environment)
  const shop = clientOf(url, keys.shop)
  const { body: { id }, status } = await shop.create({ phoneNumber: numberEnding('02'), workflow: ['truecaller.push'] })
  t.equal(status, 201)
  t.match(await shop.waitFor(id), { status: 'verified' })
  gateway.signal('SIGTERM')
  t.equal((await gateway.ended).code, 0)
  t.notMatch(gateway.logs.join(''), /127\.0\.0\.1:9/, 'no address in the log')
})
