import Fastify from 'fastify'
import t from 'tap'
import { acceptAnyBody, acceptJson, fillAbsentBody } from '../../../src/api/plugins/body-parsers.ts'

const build = (accept: typeof acceptJson) => {
  const server = Fastify({ bodyLimit: 1000 })
  server.removeAllContentTypeParsers()
  accept(server)
  server.post('/', async request => ({ body: request.body ?? 'nothing' }))
  server.post('/filled', { preValidation: fillAbsentBody }, async request => ({ body: request.body }))
  t.teardown(() => server.close())
  return async (payload: string | Buffer | undefined, contentType?: string, url = '/') =>
    server.inject({
      method: 'POST', url, ...payload !== undefined && { payload },
      headers: { ...contentType !== undefined && { 'content-type': contentType } },
    })
}

t.test('every spelling of the JSON media type is accepted', async t => {
  const post = build(acceptJson)
  for (const type of [
    'application/json', 'application/json; charset=utf-8', 'Application/JSON', 'application/json ;charset=utf-8',
    'application/json;x="a;b"', 'application/json\t; a=b',
  ]) {
    t.same((await post('{"a":1}', type)).json(), { body: { a: 1 } }, type)
  }
})

t.test('other types are 415 before the body is read', async t => {
  const post = build(acceptJson)
  for (const type of [
    'text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/jsonx',
    'application/merge-patch+json',
    'text/json', 'json', 'application/json, text/plain', 'application/', ';', '*/*',
  ]) t.equal((await post('{"a":1}', type)).statusCode, 415, type)
  t.equal((await post('{"a":1}')).statusCode, 415, 'no content type')
  t.equal((await post(Buffer.alloc(5000), 'text/plain')).statusCode, 415, 'a body that is also too large')
})

t.test('an absent body is undefined, or {} on routes that allow it', async t => {
  const post = build(acceptJson)
  for (const [payload, type] of [
    [undefined, undefined], [undefined, 'application/json'], ['', 'application/json'], [
      '', 'application/x-www-form-urlencoded',
    ],
  ] as const) {
    t.same((await post(payload, type)).json(), { body: 'nothing' })
    t.same((await post(payload, type, '/filled')).json(), { body: {} })
  }
  t.same((await post('null', 'application/json', '/filled')).json(), { body: null }, 'null is a value')
  t.same((await post('{"a":1}', 'application/json', '/filled')).json(), { body: { a: 1 } })
})

t.test('a lone surrogate is refused, a pair is accepted', async t => {
  const post = build(acceptJson)
  for (
    const payload of [
      '{"a":"\\ud800"}', '{"a":"\\uDfFf"}', '{"\\udbff":1}', '{"a":"\\udc00\\ud800"}', '{"a":"\\ud83d\\ud83d\\ude00"}',
      '{"a":"\\\\\\ud800"}', '{"a":"\\ud83d\\\\\\ude00"}',
    ]
  ) {
    t.match((await post(payload, 'application/json')).json(), { message: /surrogate/ }, payload)
  }
  for (
    const payload of [
      '{"a":"\\ud83d\\ude00"}', '{"a":"😀"}', '{"a":"\\\\ud800"}', '{"a":"\\ud7ff\\ue000"}',
      '{"a":"\\uD83D\\uDE00\\ud83d\\ude00"}',
    ]
  ) {
    t.same((await post(payload, 'application/json')).json(), { body: JSON.parse(payload) }, payload)
  }
})

t.test('invalid JSON and prototype pollution are refused', async t => {
  const post = build(acceptJson)
  for (const payload of [
    '{', ' ', '{"a":}', '\u0000', '{"a":"\u0000"}', 'undefined', '{"__proto__":{"a":1}}', '{"a":{"\\u005f_proto__":1}}',
    '{"constructor":{"prototype":{"a":1}}}', '[1',
  ]) {
    t.equal((await post(payload, 'application/json')).statusCode, 400, payload)
  }
  t.equal((await post(`"${'a'.repeat(2000)}"`, 'application/json')).statusCode, 413)
})

t.test('any body of a provider is accepted with its bytes', async t => {
  const server = Fastify({ bodyLimit: 1000 })
  t.teardown(() => server.close())
  server.removeAllContentTypeParsers()
  acceptAnyBody(server)
  const bodies: unknown[] = []
  server.post('/', async request => { bodies.push(request.body); return {} })
  const post = async (payload: string | Buffer | undefined, contentType?: string): Promise<unknown> => {
    bodies.length = 0
    const answer = await server.inject({
      method: 'POST', url: '/', ...payload !== undefined && { payload },
      headers: { ...contentType !== undefined && { 'content-type': contentType } },
    })
    return answer.statusCode === 200 ? bodies[0] : answer.statusCode
  }
  t.same(await post('{ "a" : 1 }', 'application/json'), { rawBody: Buffer.from('{ "a" : 1 }'), body: { a: 1 } })
  t.same(await post('{"a":1}', 'application/vnd.truid+json'), { rawBody: Buffer.from('{"a":1}'), body: { a: 1 } })
  t.same(
    await post('{"a":1}', 'text/plain'), {
      rawBody: Buffer.from('{"a":1}'), body: { a: 1 },
    }, 'JSON with another content type',
  )
  t.same(await post('{"a":1}'), { rawBody: Buffer.from('{"a":1}'), body: { a: 1 } }, 'without a content type')
  t.same(
    await post('a=1&b=2', 'application/x-www-form-urlencoded'), { rawBody: Buffer.from('a=1&b=2'), body: undefined },
  )
  t.same(
    await post(Buffer.from([0, 255, 1]), 'application/octet-stream'),
    { rawBody: Buffer.from([0, 255, 1]), body: undefined },
  )
  for (const payload of ['{"a":1,"__proto__":{"b":1}}', '{"a":1,"constructor":{"prototype":{"b":1}}}']) {
    for (const type of ['application/json', 'text/plain']) {
      const { rawBody, body } = await post(payload, type) as { rawBody: Buffer, body: object }
      t.equal(rawBody.toString(), payload)
      t.strictSame(Object.getOwnPropertyNames(body), ['a'], `${payload}: without the member that could forge`)
    }
  }
  t.equal(await post(undefined), undefined)
  for (const payload of ['{', '', 'a=1']) t.equal(
    await post(payload, 'application/json'), 400, payload,
  )
  t.equal(await post(Buffer.alloc(2000), 'text/plain'), 413)
})
