import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { inspect } from 'node:util'
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import t from 'tap'
import type { ProviderRequest } from '../../src/adapters/adapter.ts'
import { ProviderError } from '../../src/core/errors.ts'
import { createHttp, type HttpOptions } from '../../src/adapters/http.ts'

type Test = { teardown (run: () => unknown): void }
/** A name that no resolver is asked for: its first part is longer than DNS allows. */
const unresolvable = `${'a'.repeat(64)}.invalid`

type Expected = { reason: string, retryable: boolean, status?: number, retryAfterMs?: number | null }
type Asserts = Pick<typeof t, 'match' | 'equal'>

async function listen (t: Test, server: Server): Promise<string> {
  const sockets = new Set<Socket>()
  server.on(
    'connection',
    (socket: Socket) => sockets.add(socket.once('close', () => sockets.delete(socket)).on('error', () => undefined)),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => new Promise(resolve => {
    server.close(resolve)
    for (const socket of sockets) socket.destroy()
  }))
  const address = server.address() as AddressInfo
  return `127.0.0.1:${address.port}`
}

/** A server, and a caller that is allowed to reach it and nothing else. */
async function open (t: Test, answer: (req: IncomingMessage, res: ServerResponse) => void, options: HttpOptions = {}) {
  const host = await listen(t, createServer(answer))
  return { host, ...openTo(t, host, options) }
}

function openTo (t: Test, host: string, options: HttpOptions = {}) {
  const http = createHttp({ allowInsecure: true, timeoutMs: 2000, ...options })
  t.teardown(http.close)
  const request = http.openHttp('acme', [host])
  const call = (more: Partial<ProviderRequest> = {}) =>
    request({ method: 'GET', url: `http://${host}/`, call: 'small talk', ...more })
  return { call, close: http.close, http }
}

const outage = { reason: 'provider_error', retryable: true }
const refused = { reason: 'provider_bad_response', retryable: false }

async function failureOf (promise: Promise<unknown>): Promise<ProviderError> {
  const error = await promise.then(() => null, (error: unknown) => error)
  if (!(error instanceof ProviderError)) throw new Error(`expected a ProviderError, got ${inspect(error)}`)
  return error
}

async function expectFailure (
  t: Asserts, promise: Promise<unknown>, expected: Expected, name: string = expected.reason,
) {
  const error = await failureOf(promise)
  const { status, retryAfterMs, ...more } = { status: null, retryAfterMs: null, ...expected }
  t.match(error, { provider: 'acme', status, retryAfterMs, ...more }, name)
  t.equal(error.message, `acme small talk: ${more.reason}${status === null ? '' : ` (status ${status})`}`)
  t.equal(error.cause, undefined)
}

t.test('what is asked arrives, and the answer comes back parsed', async t => {
  const seen: unknown[] = []
  const { call, host } = await open(t, async (req, res) => {
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk)
    seen.push([req.method, req.url, req.headers.host, req.headers['x-a'], Buffer.concat(chunks).toString()])
    res.writeHead(201, { 'content-type': 'text/html', 'x-list': ['a', 'b'] }).end('{"ok":[1]}')
  })
  const answer = await call({ method: 'PATCH', url: `http://${host}/a%20b?c=d`, headers: { 'x-a': '1' }, body: 'é' })
  t.same(seen, [['PATCH', '/a%20b?c=d', host, '1', 'é']])
  t.equal(answer.status, 201)
  t.same(answer.body, { ok: [1] }, 'whatever the content type says')
  t.equal(answer.headers['x-list'], 'a, b')
})

t.test('a body that is no JSON is undefined', async t => {
  let sent = ''
  const { call } = await open(t, (_req, res) => res.end(sent))
  for (sent of ['', '<html>', '{"a":1,}', 'NaN', '{"a"']) t.equal((await call()).body, undefined, sent)
})

t.test('a compressed body is unpacked', async t => {
  const text = '{"name":"é"}'
  const accepted: unknown[] = []
  let sent: { coding: string, body: Buffer | string } = { coding: '', body: '' }
  const { call } = await open(t, (req, res) => {
    accepted.push(req.headers['accept-encoding'])
    res.writeHead(200, { 'content-encoding': sent.coding }).end(sent.body)
  }, { maxBytes: 1000 })
  for (const [coding, body] of [
    ['gzip', gzipSync(text)], ['GZIP', gzipSync(text)], ['x-gzip', gzipSync(text)], ['deflate', deflateSync(text)],
    ['deflate', deflateRawSync(text)], ['identity', text], ['', text], ['gzip', gzipSync(`\ufeff${text}`)],
  ] as const) {
    sent = { coding, body }
    t.same((await call()).body, { name: 'é' }, coding)
  }
  for (const [coding, body] of [
    ['br', brotliCompressSync(text)], ['gzip, gzip', gzipSync(gzipSync(text))], ['gzip', ''], ['deflate', ''],
  ] as const) {
    sent = { coding, body }
    t.equal((await call()).body, undefined, `${coding} of ${body.length} bytes`)
  }
  t.same(new Set(accepted), new Set(['gzip, deflate']))

  for (const [name, coding, body] of [
    ['not gzip', 'gzip', '{"a":1}'], ['cut', 'gzip', gzipSync(text).subarray(0, -9)],
    ['cut', 'deflate', deflateRawSync(text).subarray(0, -2)],
    ['a bomb', 'gzip', gzipSync(`"${'x'.repeat(999)}"`)], ['a bomb', 'deflate', deflateSync(`"${'x'.repeat(999)}"`)],
  ] as const) {
    sent = { coding, body }
    await expectFailure(t, call(), refused, `${name}, ${coding}`)
  }
  sent = { coding: 'gzip', body: gzipSync(`"${'x'.repeat(998)}"`) }
  t.equal((await call()).body, 'x'.repeat(998), 'up to the size limit')
})

t.test('every status has its meaning', async t => {
  let status = 0
  const { call, host } = await open(
    t, (_req, res) => res.writeHead(status, { location: `http://${host}/elsewhere` }).end('{}'),
  )
  for (status = 200; status < 1000; status++) {
    if (status < 300 || (status >= 400 && status < 500 && status !== 429)) {
      t.equal((await call()).status, status)
    } else {
      const otherwise = status >= 500 && status < 600 ? 'provider_error' : 'provider_bad_response'
      const reason = status === 429 ? 'rate_limited_by_provider' : otherwise
      await expectFailure(t, call(), { reason, retryable: reason !== 'provider_bad_response', status }, `${status}`)
    }
  }
})

t.test('an interim status is not an answer', async t => {
  let status = 0
  const { call } = await open(t, (_req, res) => res.writeHead(status).end(), { timeoutMs: 1_000 })
  for (status of [100, 101, 102, 103, 150, 199]) await expectFailure(t, call(), refused, `${status}`)

  const early = await open(
    t, (_req, res) => res.writeEarlyHints({ link: '</a>; rel=preload' }, () => res.end('{"ok":true}')),
  )
  t.same((await early.call()).body, { ok: true }, 'but may come before one')
})

t.test('Retry-After is read as seconds or as a date', async t => {
  const now = Date.parse('2026-01-01T00:00:00Z')
  const waits: [string | undefined, number | null][] = [
    ['7', 7000], ['0', 0], ['Thu, 01 Jan 2026 00:01:30 GMT', 90_000], ['Wed, 31 Dec 2025 00:00:00 GMT', 0],
    ['99999999999999999999', 86_400_000], [undefined, null], ['soon', null], ['-5', null], ['1.5', null],
  ]
  let after: string | undefined
  const headers = () => after === undefined ? {} : { 'retry-after': after }
  const { call } = await open(t, (_req, res) => res.writeHead(429, headers()).end(), { now: () => now })
  for (const [text, retryAfterMs] of waits) {
    after = text
    const expected = { reason: 'rate_limited_by_provider', retryable: true, status: 429, retryAfterMs }
    await expectFailure(t, call(), expected, text ?? 'none')
  }
})

t.test('a redirect is not followed', async t => {
  const paths: unknown[] = []
  const { call } = await open(t, (req, res) => {
    paths.push(req.url)
    res.writeHead(307, { location: '/elsewhere' }).end()
  })
  await expectFailure(t, call(), { reason: 'provider_bad_response', retryable: false, status: 307 })
  t.same(paths, ['/'])
})

t.test('the deadline holds for the whole call', async t => {
  const slow: Record<string, (req: IncomingMessage, res: ServerResponse) => void> = {
    'no answer': () => undefined,
    'headers, then nothing': (_req, res) => res.writeHead(200, { 'content-length': 5 }).flushHeaders(),
    'a failure, then nothing': (_req, res) => res.writeHead(503, { 'content-length': 5 }).flushHeaders(),
    'a drip': (_req, res) => {
      const timer = setInterval(() => res.write(' '), 20)
      res.on('close', () => clearInterval(timer))
    },
  }
  for (const [name, answer] of Object.entries(slow)) {
    const { call } = await open(t, answer, { timeoutMs: 150 })
    const startedAt = performance.now()
    await expectFailure(t, call(), { reason: 'provider_timeout', retryable: true }, name)
    const took = performance.now() - startedAt
    t.ok(took > 100 && took < 1000, `${name} took ${Math.round(took)} ms`)
  }
})

t.test('a request can have a shorter deadline, not a longer one', async t => {
  const { call } = await open(t, () => undefined, { timeoutMs: 400 })
  for (const [timeoutMs, least, most] of [[50, 40, 350], [60_000, 350, 5_000]] as const) {
    const startedAt = performance.now()
    await expectFailure(t, call({ timeoutMs }), { reason: 'provider_timeout', retryable: true })
    const took = performance.now() - startedAt
    t.ok(took > least && took < most, `${timeoutMs}: ${Math.round(took)} ms`)
  }
})

t.test('the deadline holds while a connection is being made', async t => {
  const host = await listen(t, createTcpServer(() => undefined))
  const { http } = openTo(t, host, { timeoutMs: 150 })
  const startedAt = performance.now()
  const call = http.openHttp('acme', [host])({ method: 'GET', url: `https://${host}/`, call: 'small talk' })
  await expectFailure(
    t, call, { reason: 'provider_timeout', retryable: true }, 'a TLS handshake that is never answered',
  )
  t.ok(performance.now() - startedAt < 1000)
})

t.test('a body is read up to the cap and no further', async t => {
  let size = 0
  const { call } = await open(t, (_req, res) => res.end(`"${'x'.repeat(size - 2)}"`), { maxBytes: 1000 })
  size = 1000
  t.equal((await call()).body, 'x'.repeat(998))
  size = 1001
  await expectFailure(t, call(), refused)

  const endless = await open(t, (_req, res) => {
    const more = () => { while (!res.destroyed && res.write('x'.repeat(10_000))); }
    res.on('drain', more)
    more()
  })
  await expectFailure(t, endless.call(), refused)

  const headers = await open(t, (_req, res) => res.writeHead(200, { 'x-long': 'x'.repeat(50_000) }).end())
  await expectFailure(t, headers.call(), refused)
})

t.test('a network that breaks is the provider\'s outage', async t => {
  const reset = await open(t, req => req.socket.destroy())
  await expectFailure(t, reset.call(), outage, 'closed before the answer')
  const cut = await open(
    t, (_req, res) => res.writeHead(200, { 'content-length': 100 }).write('{"a"', () => res.destroy()),
  )
  await expectFailure(t, cut.call(), outage, 'closed within a measured body')
  const chunked = await open(t, (_req, res) => res.write('{"a"', () => res.destroy()))
  await expectFailure(t, chunked.call(), outage, 'closed within a chunked body')
  const announced = await open(
    t, (_req, res) => res.writeHead(200, { connection: 'close' }).write('{"a"', () => res.destroy()),
  )
  await expectFailure(t, announced.call(), outage, 'closed within a chunked body, as announced')
  await expectFailure(t, openTo(t, '127.0.0.1:1').call(), outage, 'refused')
  await expectFailure(t, openTo(t, unresolvable).call(), outage, 'no such name')
  const plain = await open(t, (_req, res) => res.end())
  await expectFailure(t, plain.call({ url: `https://${plain.host}/` }), outage, 'no TLS')
})

t.test('what is not HTTP is a bad response, and what would not be is not sent', async t => {
  const host = await listen(
    t, createTcpServer(socket => socket.once('data', () => socket.end('SSH-2.0-OpenSSH_9.6\r\n'))),
  )
  await expectFailure(t, openTo(t, host).call(), refused)
  const { call } = await open(t, (_req, res) => res.end())
  await expectFailure(t, call({ headers: { authorization: 'Bearer a\r\nx: y' } }), refused)
})

t.test('only the listed hosts are reached, in no other spelling', async t => {
  let requests = 0
  const { http, host } = await open(t, (_req, res) => {
    requests++
    res.end()
  })
  const port = host.split(':')[1]
  const insecure = http.openHttp('acme', [host])
  for (const url of [
    `http://localhost:${port}/`, 'http://127.0.0.1/', `http://127.0.0.1:1/`, `ftp://${host}/`, `http://user@${host}/`,
    `http://:p@${host}/`, `http://@${host}/`, `http://${host}/#`, `http://${host}/#a`, `HTTP://${host}/`,
    `http://2130706433:${port}/`,
    `http://127.1:${port}/`, `http:/\\${host}/`, `http:${host}/`, ` http://${host}/`, `http://${host}\t/`,
    `http://${host}`,
    `http://${host}\\@evil/`, `//${host}/`, '', 'nonsense', `http://0x7f000001:${port}/`, `http://0177.0.0.1:${port}/`,
    `http://[::ffff:127.0.0.1]:${port}/`, `http://[::1]:${port}/`, `http://localhost.:${port}/`,
    `http://127.0.0.1.:${port}/`,
    'http://169.254.169.254/', 'http://[fe80::1]/', 'http://100.64.0.1/', 'http://127.0.0.1:6379/', `file://${host}/`,
    `gopher://${host}/`,
  ]) await expectFailure(t, insecure({ method: 'GET', url, call: 'small talk' }), refused, url)

  const strict = createHttp()
  t.teardown(strict.close)
  const hosts = [
    host, '127.0.0.1', 'localhost', 'api.localhost', '[::1]', 'provider.invalid', 'provider.invalid:8443', unresolvable,
  ]
  const secure = strict.openHttp('acme', hosts)
  for (const url of [
    `http://${host}/`, `https://${host}/`, 'https://127.0.0.1/', 'https://localhost/', 'https://api.localhost/',
    'https://[::1]/',
    'http://provider.invalid/', 'https://provider.invalid:8443/', 'https://provider.invalid:443/',
    'https://provider.invalid./',
    'https://Provider.invalid/', 'https://provider.invalid.evil.example/',
  ]) await expectFailure(t, secure({ method: 'GET', url, call: 'small talk' }), refused, url)
  t.equal(requests, 0)
  const listed = secure({ method: 'GET', url: `https://${unresolvable}/`, call: 'small talk' })
  await expectFailure(t, listed, outage, 'a listed one is tried')
})

t.test('neither URL nor headers nor bodies are in an error, but for the scrubbed text of the provider', async t => {
  const { call, host } = await open(t, async (req, res) => {
    const sent = Buffer.concat(await Array.fromAsync(req, chunk => Buffer.from(chunk)))
    const message = `No route: ${[req.url, req.headers['x-a'], sent, req.headers.host].join(' ')}`
    res.writeHead(500, { 'x-secret': 'secret-3' }).end(JSON.stringify({ message, key: 'secret-4' }))
  })
  const error = await failureOf(
    call({ method: 'POST', url: `http://${host}/secret-1`, headers: { 'x-a': 'secret-2' }, body: 'secret-5' }),
  )
  t.notMatch(inspect(error, { depth: 10, showHidden: true }), /secret|127\.0\.0\.1/)
  t.match(error.vendor?.text, /^No route: /)
})

t.test('connections are kept until it is closed', async t => {
  const sockets = new Set<unknown>()
  const { call, close, http } = await open(t, (req, res) => {
    sockets.add(req.socket)
    res.end('1')
  })
  for (let i = 0; i < 20; i++) await call()
  t.ok(sockets.size <= 2, 'one in use, one being freed')
  const last = call()
  const other = await open(t, (_req, res) => res.end('1'))
  await close()
  t.equal((await last).body, 1, 'a call under way is finished')
  await expectFailure(t, call(), outage, 'and no other begun')
  const elsewhere = http.openHttp('acme', [other.host])
  await expectFailure(
    t, elsewhere({ method: 'GET', url: `http://${other.host}/`, call: 'small talk' }), outage, 'nor elsewhere',
  )
})
