import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { ConnectionError, Verigate } from '../../packages/client/src/index.ts'
import { verifications } from '../../src/api/openapi/verification-examples.ts'
import { exampleProblem } from '../../src/api/openapi/operations.ts'
import type { ApiErrorCode } from '../../src/core/errors.ts'

/** A server that answers each request by the next of these; the last one answers all further ones. */
type Answer = (response: ServerResponse, request: IncomingMessage) => void

const pending = { ...verifications.submitCode.value, revision: 2 }
const verified = { ...verifications.verifiedByFallback.value, revision: 5 }

const json = (body: object, status = 200): Answer => response => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
const problem = (code: ApiErrorCode, headers: Record<string, string> = {}): Answer => response => {
  const body = exampleProblem(code)
  response.writeHead(body.status, { 'content-type': 'application/problem+json', ...headers }).end(JSON.stringify(body))
}
const cut: Answer = response => { response.socket?.destroy() }
const silence: Answer = () => {}
const stream = (...lines: string[]): Answer => response => {
  response.writeHead(200, { 'content-type': 'text/event-stream' }).write(lines.join('\n'))
  setImmediate(() => response.destroy())
}

async function start (t: Test, ...answers: [Answer, ...Answer[]]) {
  const requests: { line: string, headers: IncomingMessage['headers'], at: number }[] = []
  const server = createServer((request, response) => {
    const { method, url, headers } = request
    requests.push({ line: `${method} ${url}`, headers, at: performance.now() })
    const answer = answers.length > 1 ? answers.shift() : answers[0]
    request.resume().on('end', () => answer?.(response, request))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { verigate: new Verigate({ url, apiKey: 'vgk_test', timeoutMs: 500 }), requests }
}

const create = { phoneNumber: '+14155550102' }

t.test('a create is repeated with the same key, after the time that the gateway asks for', async t => {
  const { verigate, requests } = await start(
    t, cut, problem('store_unavailable', { 'retry-after': '1' }), json({ ...pending, clientSecret: 'vcs_x' }, 201),
  )
  t.match(await verigate.create(create), { id: pending.id, clientSecret: 'vcs_x' })
  const keys = requests.map(({ headers }) => headers['idempotency-key'])
  t.match(keys[0], /^[0-9a-f-]{36}$/)
  t.same(keys, [keys[0], keys[0], keys[0]])
  t.ok((requests[2]?.at ?? 0) - (requests[1]?.at ?? 0) >= 990)
})

t.test('what no request can have is refused at once, and not repeated', t => {
  for (
    const options of [{ url: '', apiKey: 'x' }, { url: 'verify', apiKey: 'x' }, { url: 'http://x', apiKey: 'a\nb' }]
  ) {
    t.throws(() => new Verigate(options), TypeError)
  }
  t.end()
})

t.test('retries end', async t => {
  const { verigate, requests } = await start(t, problem('overloaded', { 'retry-after': '0' }))
  await t.rejects(verigate.create(create), { name: 'UnavailableError', code: 'overloaded', retryAfter: 0 })
  t.equal(requests.length, 3)
})

t.test('a long wait is left to the caller', async t => {
  const { verigate, requests } = await start(t, problem('rate_limited', { 'retry-after': '3600' }))
  await t.rejects(verigate.create(create), { name: 'RateLimitedError', retryAfter: 3600 })
  t.equal(requests.length, 1)
})

t.test('what acts for a user is sent once', async t => {
  const { verigate, requests } = await start(t, cut)
  const calls: (() => Promise<unknown>)[] = [
    () => verigate.check(pending.id, { code: '1' }), () => verigate.next(pending.id),
    () => verigate.resend(pending.id), () => verigate.cancel(pending.id), () => verigate.erase(pending.id),
  ]
  for (const call of calls) await t.rejects(async () => { await call() }, { name: 'ConnectionError' })
  t.equal(requests.length, 5)
})

t.test('a request that cannot succeed is sent once', async t => {
  const { verigate, requests } = await start(t, problem('invalid_phone_number'))
  await t.rejects(verigate.create(create), { code: 'invalid_phone_number', errors: [{ field: 'phoneNumber' }] })
  t.equal(requests.length, 1)
})

t.test('no answer in time is a broken connection', async t => {
  const { verigate } = await start(t, silence)
  const error = await verigate.check(pending.id).catch((error: unknown) => error)
  t.ok(error instanceof ConnectionError && error.message.includes('500 ms'))
})

t.test('an answer of something else is an error of its own', async t => {
  const page: Answer = response => response.writeHead(404, { 'content-type': 'text/html' }).end('<h1>Nothing here</h1>')
  const { verigate } = await start(t, page)
  await t.rejects(verigate.get(pending.id), { name: 'ProblemError', code: 'unexpected_response', status: 404 })
})

t.test('waiting outlives outages', async t => {
  const { verigate, requests } = await start(
    t, cut, problem('overloaded', { 'retry-after': '0' }), json(pending), problem(
      'rate_limited', { 'retry-after': '1' },
    ),
    cut, json(verified),
  )
  t.equal((await verigate.waitForResult(pending.id)).status, 'verified')
  t.same(requests.map(({ line }) => line), [
    ...Array(3).fill(`GET /verifications/${pending.id}`),
    ...Array(3).fill(`GET /verifications/${pending.id}?wait=25&revision=2`),
  ])
})

t.test('waiting can be aborted between two tries', async t => {
  const { verigate, requests } = await start(t, problem('overloaded', { 'retry-after': '3600' }))
  const controller = new AbortController()
  const waiting = verigate.waitForResult(pending.id, { signal: controller.signal })
  setTimeout(() => controller.abort(new Error('enough')), 200)
  await t.rejects(waiting, { message: 'enough' })
  t.equal(requests.length, 1)
})

t.test('a proxy that cuts long polls is not asked without a pause', async t => {
  const { verigate, requests } = await start(t, json(pending))
  await t.rejects(verigate.waitForResult(pending.id, { signal: AbortSignal.timeout(1_500) }), { name: 'TimeoutError' })
  t.ok(requests.length <= 3, `${requests.length} requests`)
})

t.test('a stream that breaks continues after the last event', async t => {
  const frame = (data: { revision: number }, type: string): string =>
    `id: ${data.revision}\nevent: verification.${type}\ndata: ${JSON.stringify(data)}\n\n`
  const { verigate, requests } = await start(
    t, problem('overloaded', { 'retry-after': '0' }), stream('retry: 20', '', frame(pending, 'updated')),
    cut, stream(':', '', frame(verified, 'verified')),
  )
  const events = await Array.fromAsync(verigate.events(pending.id))
  t.same(events.map(({ id, type }) => [id, type]), [[2, 'verification.updated'], [5, 'verification.verified']])
  t.equal(events[1]?.verification.status, 'verified')
  t.same(requests.map(({ headers }) => headers['last-event-id']), [undefined, undefined, '2', '2'])
})
