import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { until } from '../helpers/redis.ts'
import { authorization, buildTestServer, json, phoneNumber } from '../helpers/server.ts'

/** Sends bytes without ending the connection. Returns the response, and when the server closed the connection. */
const sendRaw = async (
  port: number, text: string, drip?: string,
): Promise<{ answer: string, closedAfterMs: number }> => {
  const startedAt = performance.now()
  const socket = connect(port, '127.0.0.1')
  let answer = ''
  socket.on('data', data => { answer += data.toString() }).on('error', () => undefined)
  socket.write(text)
  const timer = drip === undefined ? undefined : setInterval(() => { if (socket.writable) socket.write(drip) }, 200)
  await once(socket, 'close')
  clearInterval(timer)
  return { answer, closedAfterMs: performance.now() - startedAt }
}
const head = (line: string, ...headers: string[]): string => [
  line, 'Host: x', `Authorization: ${authorization.authorization}`, ...headers, '', '',
].join('\r\n')

t.test('request ids are returned, or replaced if invalid', async t => {
  const { server, lines } = await buildTestServer(t)
  for (const given of ['abc', 'a'.repeat(128), 'req_1.2:3=4-5']) {
    t.equal(
      (await server.inject({ url: '/nothing', headers: { 'x-request-id': given } })).headers['x-request-id'], given,
    )
  }
  t.equal(JSON.parse(lines[0] ?? '').requestId, 'abc')
  const invalid = ['!~"{}', '+14155550100', 'user-4155550100']
  for (const given of [...invalid, '', 'a b', 'a'.repeat(129), 'ключ', 'a\tb', 'a, b']) {
    t.match((await server.inject({
      url: '/nothing', headers: { 'x-request-id': given },
    })).headers['x-request-id'], /^[0-9a-f-]{36}$/, `"${given.slice(0, 9)}" is replaced`)
  }
  const [one, two] = await Promise.all([server.inject('/livez'), server.inject('/livez')])
  t.not(one.headers['x-request-id'], two.headers['x-request-id'])
})

t.test('the sandbox prints its answers in lines, also errors', async t => {
  for (const sandbox of [true, false]) {
    const { server } = await buildTestServer(t, { sandbox })
    for (const request of [
      { url: '/providers', headers: authorization }, { url: '/providers' }, { url: '/nothing' }, { url: '/%zz' },
      { url: '/livez' }, { method: 'POST' as const, url: '/callbacks/otpless', headers: json, payload: '{}' },
      { method: 'POST' as const, url: '/verifications', headers: { ...authorization, ...json }, payload: '{' },
    ]) {
      const { body, headers } = await server.inject(request)
      const value: unknown = JSON.parse(body)
      t.equal(body, sandbox ? `${JSON.stringify(value, null, 2)}\n` : JSON.stringify(value), request.url)
      t.match(headers['content-type'], /^application\/(problem\+)?json/)
    }
  }
})

t.test('one log line per request, without any value that was sent', async t => {
  const { server, lines, create } = await buildTestServer(t)
  const { id, clientSecret } = await create({ phoneNumber, reference: 'canary', metadata: { canary: 'canary' } })
  t.equal(lines.length, 1)
  const line = JSON.parse(lines[0] ?? '')
  t.match(line, {
    msg: 'request', level: 30, method: 'POST', route: '/verifications', status: 201, durationMs: Number,
    verificationId: id,
    requestId: /.{36}/,
  })
  t.same(
    Object.keys(line).sort(),
    ['durationMs', 'level', 'method', 'msg', 'requestId', 'route', 'status', 'time', 'verificationId'],
  )
  lines.length = 0
  await server.inject({ url: `/verifications/${id}?wait=0`, headers: { authorization: `Bearer ${clientSecret}` } })
  await server.inject({ url: '/verifications?reference=canary', headers: { ...authorization, 'x-canary': 'canary' } })
  await server.inject({ method: 'POST', url: '/canary', headers: json, payload: '{"canary":1}' })
  await server.inject('/verifications/%zzcanary')
  t.same(lines.map(text => JSON.parse(text)).filter(({ audit }) => audit === undefined).map(
    ({ route, status, verificationId }) => [route, status, verificationId],
  ), [
    ['/verifications/:id', 200, id], ['/verifications', 200, undefined], [null, 404, undefined], [null, 400, undefined],
  ])
  t.notMatch(lines.join(''), /canary|vcs_|vgk_|4155550100/)
})

t.test('large headers and many headers are accepted', async t => {
  const { server } = await buildTestServer(t)
  for (const headers of [
    { 'x-large': 'x'.repeat(60_000) }, Object.fromEntries(
      Array.from({ length: 900 }, (_, index) => [`x-${index}`, 'x']),
    ),
  ]) {
    t.equal((await server.inject({
      method: 'POST', url: '/verifications', headers: { ...authorization, ...headers }, payload: {},
    })).statusCode, 201)
  }
})

t.test('responses have security headers', async t => {
  const { server } = await buildTestServer(t)
  for (const url of ['/livez', '/nothing']) {
    t.match((await server.inject(url)).headers, {
      'content-security-policy': 'default-src \'none\'; frame-ancestors \'none\'', 'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer', 'cache-control': 'no-store',
    })
  }
  t.notOk('strict-transport-security' in (await server.inject('/livez')).headers, 'not for a public URL with http')
  const { server: secured } = await buildTestServer(t, { publicUrl: 'https://verify.example' })
  t.equal((await secured.inject('/livez')).headers['strict-transport-security'], 'max-age=31536000')
  t.notOk('x-powered-by' in (await server.inject('/livez')).headers)
})

t.test('a message that is not HTTP gets a problem, and the connection is closed', async t => {
  const { listen } = await buildTestServer(t)
  const port = await listen()
  for (const [text, status] of [
    ['canary\r\n\r\n', 400], [head('GET /livez HTTP/9.9'), 400], [head('CANARY /livez HTTP/1.1'), 400], [
      head('GET /livez HTTP/1.1', 'Content-Length: canary'), 400,
    ],
    [
      head('POST /verifications HTTP/1.1', 'Content-Length: 2', 'Transfer-Encoding: chunked'), 400,
    ], [head('GET /livez HTTP/1.1', 'X-Nul: canary\0'), 400],
    [
      head('GET /livez HTTP/1.1', `X-Canary: ${'canary'.repeat(5000)}`), 431,
    ], [head(`GET /${'canary'.repeat(5000)} HTTP/1.1`), 431],
    [
      head(
        'POST /verifications HTTP/1.1', 'Content-Type: application/json', 'Transfer-Encoding: chunked',
      ) + 'canary\r\n',
      400,
    ],
  ] as const) {
    const { answer } = await sendRaw(port, text)
    const [first = '', ...rest] = answer.split('\r\n')
    const body = rest.at(-1) ?? ''
    const about = text.slice(0, 40).replaceAll('\r\n', ' ')
    t.match(first, new RegExp(`^HTTP/1.1 ${status} `), about)
    t.match(answer, /content-type: application\/problem\+json\r\n/i, about)
    t.match(JSON.parse(body), { status, code: 'invalid_request', requestId: /./ }, about)
    t.match(answer, new RegExp(`x-request-id: ${JSON.parse(body).requestId}`, 'i'))
    t.notMatch(answer, /canary/)
  }
})

t.test('slow requests are closed', async t => {
  const { listen, server } = await buildTestServer(t)
  const port = await listen()
  const slowHead = 'GET /livez HTTP/1.1\r\nHost: x\r\n'
  const slowBody = head('POST /verifications HTTP/1.1', 'Content-Type: application/json', 'Content-Length: 1000')
  const answers = await Promise.all([
    sendRaw(port, slowHead), sendRaw(
      port, slowHead, 'X-A: b\r\n',
    ), sendRaw(port, `${slowBody}{`), sendRaw(port, `${slowBody}{`, ' '),
    sendRaw(port, head('POST /callbacks/truid HTTP/1.1', 'Transfer-Encoding: chunked'), '1\r\na\r\n'),
  ])
  for (const { answer, closedAfterMs } of answers) {
    t.ok(closedAfterMs > 2000 && closedAfterMs < 6900, `after ${Math.round(closedAfterMs)} ms`)
    t.match(answer, /^HTTP\/1.1 408 [\s\S]*"status":408/)
  }
  t.equal((await server.inject('/livez')).statusCode, 200)
})

t.test('idle connections are closed and do not block others', async t => {
  const { listen, server } = await buildTestServer(t)
  const port = await listen()
  const texts = [
    '', 'P', 'POST /verifications HTTP/1.1\r\nHost: x\r\n',
    head('POST /verifications HTTP/1.1', 'Content-Type: application/json', 'Content-Length: 9'),
  ]
  const idle = Promise.all(texts.flatMap(text => Array.from({ length: 250 }, () => sendRaw(port, text))))
  const isFull = async (): Promise<boolean> =>
    await new Promise<number>(done => { server.server.getConnections((_error, count) => done(count)) }) >= 1000
  await until(isFull, 'all connections are open')
  const startedAt = performance.now()
  const [answer] = await Promise.all([fetch(`http://127.0.0.1:${port}/livez`), fetch(`http://127.0.0.1:${port}/livez`)])
  t.equal(answer.status, 200)
  t.ok(performance.now() - startedAt < 2_000)
  const closed = (await idle).map(({ closedAfterMs }) => closedAfterMs)
  t.ok(Math.max(...closed) < 8_000, `the last one after ${Math.round(Math.max(...closed))} ms`)
  t.equal(server.server.maxConnections, 20_000)
})

t.test('an incomplete body is no error, and a declared length above the limit is 413', async t => {
  const { listen, lines } = await buildTestServer(t)
  const port = await listen()
  const socket = connect(port, '127.0.0.1')
  socket.write(`${head('POST /verifications HTTP/1.1', 'Content-Type: application/json', 'Content-Length: 1000')}{`)
  await once(socket, 'connect')
  socket.destroy()
  const { answer } = await sendRaw(
    port, head('POST /verifications HTTP/1.1', 'Content-Type: application/json', 'Content-Length: 100000000'),
  )
  t.match(answer, /^HTTP\/1.1 413 [\s\S]*connection: close[\s\S]*payload_too_large/i)
  t.notOk(lines.some(line => JSON.parse(line).level > 40))
})

t.test('a stopping server completes running requests and closes their connections', async t => {
  const { server, listen } = await buildTestServer(t)
  const port = await listen()
  const socket = connect(port, '127.0.0.1')
  let answer = ''
  socket.on('data', data => { answer += data.toString() })
  socket.write(`${head('POST /verifications HTTP/1.1', 'Content-Type: application/json', 'Content-Length: 2')}{`)
  await once(server.server, 'request')
  const closed = server.close()
  while (server.server.listening) await new Promise(resolve => setImmediate(resolve))
  socket.write(`}${head('GET /livez HTTP/1.1')}`)
  await Promise.all([closed, once(socket, 'close')])
  const [, first, second] = answer.split('HTTP/1.1 ')
  t.match(first, /^201 [\s\S]*\r\nconnection: close\r\n/i, 'the response announces the close')
  t.equal(second, undefined, 'no further request of the connection is served')
})

t.test('a worker serves only health and metrics', async t => {
  const { server } = await buildTestServer(t, { role: 'worker' })
  for (const url of ['/livez', '/readyz', '/metrics']) t.equal((await server.inject(url)).statusCode, 200, url)
  for (const url of ['/verifications', '/callbacks/otpless']) {
    t.equal((await server.inject({ method: 'POST', url, headers: authorization, payload: {} })).statusCode, 404, url)
  }
})

t.test('operations can have their own port', async t => {
  const { server, operationsServer, lines } = await buildTestServer(
    t, { publicUrl: 'https://verify.example', operations: { port: 0, host: '127.0.0.1' } },
  )
  for (const url of ['/metrics', '/docs', '/docs/json', '/openapi.json']) {
    t.equal((await server.inject(url)).statusCode, 404, `${url} is not on the public port`)
    t.equal((await operationsServer.inject(url)).statusCode, 200, url)
  }
  for (const one of [server, operationsServer]) for (const url of ['/livez', '/readyz']) t.equal(
    (await one.inject(url)).statusCode, 200, url,
  )
  for (const url of ['/verifications?reference=a', '/providers', '/verifications/ver_a']) {
    t.match(
      await operationsServer.inject({ url, headers: authorization }),
      { statusCode: 404, headers: { 'content-type': 'application/problem+json' } }, url,
    )
  }
  const document = (await operationsServer.inject('/openapi.json')).json()
  t.same(document.servers, [{ url: 'https://verify.example' }], 'calls go to the public URL')
  t.ok('/verifications' in document.paths && document.openapi === '3.1.0')
  t.notMatch(lines.join(''), /"level":50/)
})
