import t from 'tap'
import type { Callback } from '../../../src/adapters/adapter.ts'
import { StoreUnavailable } from '../../../src/store/record-store.ts'
import { buildTestServer, json, returnKey } from '../../helpers/server.ts'

const isCallback = (value: unknown): value is Callback =>
  typeof value === 'object' && value !== null && 'rawBody' in value

t.test('a callback is passed on unchanged', async t => {
  const { server, calls } = await buildTestServer(t)
  const payload = '{ "requestId": "1", "accessToken": "x" }'
  const answer = await server.inject(
    { method: 'POST', url: '/callbacks/truid', headers: { ...json, 'x-signature': 'abc' }, payload },
  )
  t.match(answer, { statusCode: 200, body: '{}', headers: { 'content-type': 'application/json; charset=utf-8' } })
  t.equal(calls.at(-1)?.args[0], 'truid')
  const callback = calls.at(-1)?.args[1]
  if (!isCallback(callback)) throw new Error('no callback')
  t.match(callback, { key: null, headers: { 'x-signature': 'abc' }, body: { requestId: '1', accessToken: 'x' } })
  t.equal(callback.rawBody.toString(), payload)

  await server.inject({ method: 'POST', url: `/callbacks/truid/${'k'.repeat(48)}`, headers: json, payload: '[]' })
  t.match(calls.at(-1)?.args[1], { key: 'k'.repeat(48), body: [] })
})

t.test('any well-formed body is 200', async t => {
  const { server, calls } = await buildTestServer(t)
  for (const [type, payload] of [
    ['application/json', '{}'], ['application/json', 'null'], ['application/json', '{"__proto__":{"a":1}}'], [
      'application/json; charset=utf-8', '{"a":1}',
    ], ['application/problem+json', '{"a":1}'],
    [
      'application/json', `{"a":${'['.repeat(10_000)}${']'.repeat(10_000)}}`,
    ], ['text/plain', 'hello'], ['text/plain', '{"a":1}'], ['application/x-www-form-urlencoded', 'a=1&b=2'],
    [
      'application/octet-stream', Buffer.from([0, 255]),
    ], ['text/xml', '<a/>'], [
      'multipart/form-data; boundary=x', '--x--',
    ], ['text/plain', 'x'.repeat(60_000)], [undefined, '{"a":1}'], [undefined, undefined],
  ] as const) {
    const answer = await server.inject({
      method: 'POST', url: '/callbacks/truid/unknown', headers: { ...type && { 'content-type': type } },
      ...payload !== undefined && { payload },
    })
    t.equal(answer.statusCode, 200, type ?? 'without a content type')
    const callback = calls.at(-1)?.args[1]
    t.equal(isCallback(callback) && callback.rawBody.length, Buffer.byteLength(payload ?? ''))
  }
})

t.test('malformed callbacks are refused', async t => {
  const { server, calls, failWith, lines } = await buildTestServer(t)
  for (const [url, type, payload, status, code] of [
    ['/callbacks/truid', 'application/json', '{', 400, 'invalid_request'],
    ['/callbacks/truid', 'application/vnd.x+json', 'canary', 400, 'invalid_request'],
    ['/callbacks/truid', 'application/json', '', 400, 'invalid_request'],
    ['/callbacks/truid', 'canary', '{}', 415, 'unsupported_media_type'],
    ['/callbacks/truid', 'application/json', `"${'x'.repeat(70_000)}"`, 413, 'payload_too_large'],
    ['/callbacks/truid', 'text/plain', 'x'.repeat(70_000), 413, 'payload_too_large'],
    [`/callbacks/truid/${'k'.repeat(600)}`, 'application/json', '{}', 404, 'not_found'],
  ] as const) {
    const answer = await server.inject({ method: 'POST', url, headers: { 'content-type': type }, payload })
    t.match(answer.json(), { status, code }, `${type} ${payload.slice(0, 20)}`)
    t.notOk(answer.body.includes('canary'))
  }
  t.same(calls, [])
  t.match((await server.inject({
    method: 'POST', url: '/callbacks/canary', headers: json, payload: '{}',
  })).json(), { status: 404, code: 'not_found' })
  t.notOk(lines.some(line => line.includes('canary')), 'the path is not logged')
  failWith(new StoreUnavailable('TIMEOUT'))
  t.equal((await server.inject({
    method: 'POST', url: '/callbacks/truid', headers: json, payload: '{}',
  })).statusCode, 503, 'the provider retries')
})

t.test('a returning browser is redirected to the app', async t => {
  const { server, calls, lines } = await buildTestServer(t)
  const answer = await server.inject(`/callbacks/truid/${returnKey}?code=secret-code&code=other&state=1`)
  t.match(answer, {
    statusCode: 303, body: '',
    headers: {
      location: 'https://app.example/done?code=secret-code', 'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
    },
  })
  t.same(calls.at(-1), { name: 'readReturn', args: ['truid', returnKey, { code: 'secret-code', state: '1' }] })
  t.notOk(lines.some(line => line.includes('secret-code')))
})

t.test('without a return URL the browser gets a page', async t => {
  const { server } = await buildTestServer(t)
  for (const url of [
    '/callbacks/truid/canary?code=canary', '/callbacks/canary/canary', '/callbacks/truid/%3Cscript%3Ecanary',
    '/callbacks/truid/canary?__proto__=canary&a[b]=canary',
  ]) {
    const answer = await server.inject(url)
    t.match(answer, {
      statusCode: 200,
      headers: {
        'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store', 'referrer-policy': 'no-referrer',
        'content-security-policy': /default-src 'none'/,
      },
    })
    t.match(answer.body, 'You can return to the app')
    t.notMatch(answer.body, /canary|<script/)
  }
  t.match(await server.inject({ method: 'HEAD', url: '/callbacks/truid/x' }), { statusCode: 200, body: '' })
})
