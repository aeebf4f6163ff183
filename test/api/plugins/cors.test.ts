import { once } from 'node:events'
import { connect } from 'node:net'
import { setImmediate as nextIteration } from 'node:timers/promises'
import t from 'tap'
import { allowedOrigins, apiKey, buildTestServer, phoneNumber } from '../../helpers/server.ts'

const [origin = '', second = ''] = allowedOrigins
const starred = [['GET', ''], ['GET', '/events'], ['POST', '/check'], ['POST', '/next'], ['POST', '/resend']] as const
const strangers = [
  'https://evil.example', 'https://shop.example.evil.example', 'http://shop.example', 'https://shop.example:444',
  'https://SHOP.example', 'https://shop.example/', 'null', '*', 'https://other.example',
]
const corsOf = (headers: object): string[] =>
  Object.keys(headers).filter(name => name.startsWith('access-control-')).sort()

const shared = await buildTestServer(t)
// Injected requests do not leave the iteration of the event loop: load shedding would count all tests as one burst.
t.beforeEach(() => nextIteration())

t.test('the calls for front ends allow preflights of the app\'s origins', async t => {
  const { server, create, calls } = shared
  const { id } = await create()
  calls.length = 0
  for (const [method, path] of starred) {
    const url = `/verifications/${id}${path}`
    for (const allowed of [origin, second]) {
      const { statusCode, headers, body } = await server.inject({
        method: 'OPTIONS', url, headers: {
          origin: allowed, 'access-control-request-method': method,
          'access-control-request-headers': 'authorization,content-type',
        },
      })
      t.match({ statusCode, headers, body }, {
        statusCode: 204, body: '', headers: {
          'access-control-allow-origin': allowed, 'access-control-allow-methods': method, vary: 'origin',
          'access-control-max-age': '600',
          'access-control-allow-headers':
            'authorization, content-type, last-event-id, x-request-id, traceparent, tracestate, baggage',
        },
      }, `${method} ${path}`)
      t.notOk('access-control-allow-credentials' in headers, 'no cookies')
    }
    for (const stranger of strangers) {
      const answer = await server.inject(
        { method: 'OPTIONS', url, headers: { origin: stranger, 'access-control-request-method': method } },
      )
      t.same(corsOf(answer.headers), [], `${stranger} ${path}`)
    }
    t.same(corsOf((await server.inject({ method: 'OPTIONS', url })).headers), [], 'without an origin')
  }
  t.same(calls, [], 'the gateway is not called')
})

t.test('pages of an allowed origin may read every response, including errors', async t => {
  const { server, create, failWith, lines } = await buildTestServer(t)
  const { id, clientSecret } = await create()
  const url = `/verifications/${id}`
  const secret = { authorization: `Bearer ${clientSecret}` }
  const readable = {
    'access-control-allow-origin': origin,
    'access-control-expose-headers': 'x-request-id, retry-after, ratelimit, ratelimit-policy', vary: 'origin',
    'x-request-id': /./,
  }
  const ask = (request: object) => server.inject({ url, headers: { origin, ...secret }, ...request })
  t.match(await ask({}), { statusCode: 200, headers: readable })
  t.match(await ask({ headers: { origin } }), { statusCode: 401, headers: readable }, 'no credentials')
  t.match(await ask({ headers: { origin, authorization: 'Bearer vcs_wrong' } }), { statusCode: 401, headers: readable })
  t.match(await ask({ url: `${url}?wait=x` }), { statusCode: 400, headers: readable })
  t.match(
    await ask({ method: 'POST', url: `${url}/check`, payload: { code: '1' } }), { statusCode: 422, headers: readable },
  )
  t.match(
    await ask(
      {
        method: 'POST', url: `${url}/check`, payload: 'x', headers: { origin, ...secret, 'content-type': 'text/plain' },
      },
    ),
    { statusCode: 415, headers: readable },
  )
  t.match(await ask({ method: 'POST', url: `${url}/resend` }), { statusCode: 200, headers: readable })
  t.match(
    await ask({ method: 'POST', url: `${url}/resend` }),
    { statusCode: 429, headers: { ...readable, 'retry-after': /\d/ } },
  )
  t.match(await ask({ url: `${url}/events`, headers: { origin } }), { statusCode: 401, headers: readable })
  failWith(new Error('boom'))
  t.match(await ask({}), { statusCode: 500, headers: readable })
  failWith(null)
  t.match(await ask({ method: 'POST', url: `${url}/next` }), { statusCode: 200, headers: readable })
  t.match(
    await ask({ url: `${url}/events` }),
    { statusCode: 200, headers: { ...readable, 'content-type': 'text/event-stream' } },
  )
  t.same(corsOf((await ask({ headers: secret })).headers), [], 'without an origin')
  for (const stranger of strangers) {
    const answer = await ask({ headers: { ...secret, origin: stranger } })
    t.equal(answer.statusCode, 200)
    t.same(corsOf(answer.headers), [], stranger)
  }
  t.notMatch(lines.join(''), /vcs_/)
  const refused = lines.map(line => JSON.parse(line)).filter(({ msg }) => msg.startsWith('origin refused'))
  t.match(refused[0], {
    level: 40, app: 'sandbox', origin: 'https://evil.example',
    set: /^"allowedOrigins": \["https:\/\/evil.example"\] of the app/,
  })
  const origins = strangers.filter(stranger => URL.parse(stranger)?.origin === stranger)
  t.strictSame(refused.map(one => one.origin), origins, 'each once, and nothing that is not an origin')
})

t.test('the refusal of a stopping process is readable', async t => {
  const { server, create, listen } = await buildTestServer(t)
  const { id } = await create()
  const socket = connect(await listen(), '127.0.0.1')
  let answer = ''
  socket.on('data', data => { answer += data.toString() })
  const head = (method: string, path: string, ...lines: string[]): string => [
    `${method} ${path} HTTP/1.1`, 'Host: x', ...lines, '', '',
  ].join('\r\n')
  socket.write(`${head('POST', `/verifications/${id}/check`, 'Content-Type: application/json', 'Content-Length: 2')}{`)
  await once(server.server, 'request')
  const closed = server.close()
  while (server.server.listening) await new Promise(resolve => setImmediate(resolve))
  socket.write(`}${head('GET', `/verifications/${id}`, `Origin: ${origin}`)}`)
  await Promise.all([closed, once(socket, 'close')])
  t.match(answer, /HTTP\/1.1 503 [\s\S]*access-control-allow-origin: https:\/\/shop.example\r\n/i)
})

t.test('the origins of an app apply to its own verifications', async t => {
  const { server, ids } = shared
  const [mine, others] = [ids.newId('sandbox', 1), ids.newId('other', 1)]
  for (const [id, from, isReadable] of [
    [mine, origin, true], [mine, 'https://other.example', false], [others, origin, false], [
      others, 'https://other.example', true,
    ],
    ['ver_made-up', origin, false], [`${mine}A`, origin, false], [ids.newId('unknown', 1), origin, false],
  ] as const) {
    for (const method of ['OPTIONS', 'GET'] as const) {
      const { headers } = await server.inject({ method, url: `/verifications/${id}`, headers: { origin: from } })
      t.equal('access-control-allow-origin' in headers, isReadable, `${method} ${from}`)
    }
  }
})

t.test('no other route has CORS headers', async t => {
  const { server, create } = shared
  const { id, clientSecret } = await create()
  for (const credential of [apiKey, clientSecret]) {
    for (const [method, url] of [
      ['POST', '/verifications'], ['GET', '/verifications?reference=a'], [
        'POST', `/verifications/${id}/cancel`,
      ], ['DELETE', `/verifications/${id}`],
      ['GET', '/providers'], ['POST', '/callbacks/truid'], [
        'GET', '/callbacks/truid/key',
      ], ['GET', '/livez'], ['GET', '/metrics'], ['GET', '/openapi.json'],
      ['GET', '/nothing'], ['GET', `/verifications/${id}/nothing`], ['PUT', `/verifications/${id}`],
      ['OPTIONS', '/verifications'], ['OPTIONS', `/verifications/${id}/cancel`], ['OPTIONS', '/providers'],
    ] as const) {
      const payload = method === 'POST' ? { payload: { phoneNumber } } : {}
      const { headers } = await server.inject(
        { method, url, headers: { origin, authorization: `Bearer ${credential}` }, ...payload },
      )
      t.same(corsOf(headers), [], `${method} ${url}`)
    }
  }
})
