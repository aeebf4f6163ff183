import { once } from 'node:events'
import { connect, createServer, Socket } from 'node:net'
import Fastify, { type FastifyBaseLogger } from 'fastify'
import { setImmediate as nextIteration } from 'node:timers/promises'
import t from 'tap'
import { tagAddresses } from '../../../src/api/plugins/client-address.ts'
import { Compile } from 'typebox/compile'
import { ApiError, apiErrors, type ApiErrorCode } from '../../../src/core/errors.ts'
import { createLogger } from '../../../src/telemetry/logger.ts'
import { sendClientError, registerErrorHandlers, buildProblem } from '../../../src/api/plugins/error-handler.ts'
import { Problem } from '../../../src/api/schemas/responses.ts'
import { StoreUnavailable } from '../../../src/store/record-store.ts'
import { buildTestServer } from '../../helpers/server.ts'

const schema = Compile(Problem)
const publicUrl = 'https://verify.example.com'

const build = (t: { teardown (run: () => unknown): void }) => {
  const lines: string[] = []
  let thrown: unknown
  const loggerInstance: FastifyBaseLogger = createLogger('warn', { write: line => { lines.push(line) } })
  const server = Fastify({ loggerInstance })
  server.decorateRequest('caller', null)
  server.decorateRequest('verificationId', null)
  const refused: string[] = []
  registerErrorHandlers(server, { metrics: { countRefused: cause => { refused.push(cause) } }, publicUrl })
  tagAddresses(server, network => `tag of ${network}`)
  server.get('/', async () => { throw thrown })
  t.teardown(() => server.close())
  return { lines, refused, ask: async (error: unknown) => { thrown = error; return server.inject('/') } }
}

const shared = await buildTestServer(t)
// Injected requests do not leave the iteration of the event loop: load shedding would count all tests as one burst.
t.beforeEach(() => nextIteration())

t.test('every error of the table is a problem', async t => {
  const { ask, lines } = build(t)
  for (const code of Object.keys(apiErrors) as ApiErrorCode[]) {
    const answer = await ask(new ApiError(code, 'What happened.'))
    const problem: unknown = answer.json()
    t.equal(answer.statusCode, apiErrors[code].status)
    t.equal(answer.headers['content-type'], 'application/problem+json')
    t.same(schema.Errors(problem), [])
    t.match(problem, {
      type: `${publicUrl}/problems/${code}`, title: apiErrors[code].title, status: apiErrors[code].status,
      detail: 'What happened.', code,
    })
    t.equal(answer.headers['x-request-id'], answer.json().requestId)
  }
  t.strictSame(lines.map(line => JSON.parse(line)).map(({ msg, cause = null }) => [msg, cause]), [
    ['audit', 'unauthenticated'], ['audit', 'forbidden'], ['unexpected error', null],
  ], 'internal errors and refused credentials are logged')
})

t.test('errors with a refusal cause are counted', async t => {
  const { ask, refused } = build(t)
  for (const code of Object.keys(apiErrors) as ApiErrorCode[]) await ask(new ApiError(code, 'What happened.'))
  t.strictSame(
    refused.toSorted(),
    [
      'country_not_allowed', 'forbidden', 'invalid_request', 'number_type_not_allowed', 'overloaded',
      'payload_too_large', 'store_unavailable', 'unauthenticated',
    ],
  )
  refused.length = 0
  await ask(new StoreUnavailable('TIMEOUT'))
  await ask(new Error('a bug'))
  t.strictSame(refused, ['store_unavailable'])
})

t.test('errors have their members and headers', async t => {
  const { ask } = build(t)
  t.match((await ask(new ApiError('code_incorrect', 'No.', { attemptsRemaining: 2 }))).json(), { attemptsRemaining: 2 })
  t.match(
    (await ask(new ApiError('verification_in_progress', 'No.', { verificationId: 'ver_1' }))).json(),
    { verificationId: 'ver_1' },
  )
  t.match(
    (await ask(new ApiError('invalid_state', 'No.', { verificationStatus: 'failed' }))).json(),
    { verificationStatus: 'failed' },
  )
  const limited = await ask(new ApiError('rate_limited', 'No.', { retryAfterSeconds: 29.2 }))
  t.equal(limited.headers['retry-after'], '30')
  t.notOk('retryAfterSeconds' in limited.json())
  t.equal(limited.headers['cache-control'], 'no-store')
  const refusal = { cause: 'message_limit', numberTag: 'tag-of-the-number' } as const
  t.notMatch((await ask(new ApiError('rate_limited', 'No.', { refusal }))).body, /refusal|tag-of-the-number/)
  t.equal((await ask(new ApiError('unauthenticated', 'No.'))).headers['www-authenticate'], 'Bearer')
})

t.test('errors of Fastify and of the store', async t => {
  const { ask, lines } = build(t)
  const store = await ask(new StoreUnavailable('TIMEOUT'))
  t.match(store.json(), { status: 503, code: 'store_unavailable' })
  t.equal(store.headers['retry-after'], '1')
  for (const [code, expected] of [
    ['FST_ERR_CTP_BODY_TOO_LARGE', { status: 413, code: 'payload_too_large' }], ['FST_ERR_CTP_INVALID_MEDIA_TYPE', {
      status: 415, code: 'unsupported_media_type',
    }],
    [
      'FST_ERR_CTP_INVALID_CONTENT_LENGTH', { status: 400, code: 'invalid_request' },
    ], ['FST_ERR_MAX_PARAM_LENGTH', { status: 404, code: 'not_found' }],
    ['ECONNRESET', { status: 400, code: 'invalid_request' }],
  ] as const) {
    const error = Object.assign(new Error('with +14155550100'), { code, statusCode: 400 })
    const answer = await ask(error)
    t.match(answer.json(), expected, code)
    t.notOk(answer.body.includes('4155550100'))
    t.equal(answer.headers['retry-after'], undefined)
  }
  t.same(lines, [], 'none of them is an internal error')
})

t.test('an internal error reveals nothing, and is logged once with its stack', async t => {
  const { ask, lines } = build(t)
  for (const error of [
    Object.assign(new TypeError('boom'), {
      command: { args: ['canary'] }, headers: { 'x-canary': '1' }, statusCode: 500,
    }), 'a string', undefined, null,
    Object.assign(new Error('boom'), { code: 'ENOENT' }), Object.assign(new Error('boom'), { statusCode: 302 }),
  ]) {
    lines.length = 0
    const answer = await ask(error)
    t.match(answer.json(), { status: 500, code: 'internal_error', detail: apiErrors.internal_error.advice })
    t.notOk(/boom|canary/.test(answer.body + JSON.stringify(answer.headers)))
    if (!(error instanceof Error)) continue
    t.equal(lines.length, 1)
    t.match(JSON.parse(lines[0] ?? ''), {
      level: 50, error: { type: error.name, message: 'boom', stack: /error-handler\.test/ }, msg: 'unexpected error',
    })
    t.notOk(lines[0]?.includes('canary'), 'only the standard members of an Error')
  }
})

t.test('unknown paths and unsupported methods', async t => {
  const { server } = shared
  for (const url of [
    '/canary', '/verifications/a/b', '/callbacks', '/callbacks/a/b/c', '/openapi', '//',
    `/callbacks/${'a'.repeat(600)}`,
  ]) {
    for (const method of ['GET', 'POST'] as const) {
      const answer = await server.inject({
        method, url, ...method === 'POST' && { payload: '{', headers: { 'content-type': 'application/json' } },
      })
      t.match(answer.json(), { status: 404, code: 'not_found' }, `${method} ${url}`)
      t.notOk(answer.body.includes('canary'))
    }
  }
  for (const [method, url, allow] of [
    ['PUT', '/verifications', 'GET, HEAD, POST'], [
      'PATCH', '/verifications/ver_x?a=1', 'DELETE, GET, HEAD, OPTIONS',
    ], ['GET', '/verifications/ver_x/check', 'OPTIONS, POST'],
    ['DELETE', '/callbacks/truid', 'GET, HEAD, POST'], ['OPTIONS', '/providers', 'GET, HEAD'],
    ['PROPFIND', '/livez', 'GET, HEAD'], ['POST', '/metrics', 'GET, HEAD'],
  ]) {
    const answer = await server.inject({ method: method as 'PUT', url: url ?? '' })
    t.match(answer.json(), { status: 405, code: 'method_not_allowed' }, `${method} ${url}`)
    t.equal(answer.headers['allow'], allow)
  }
  for (const url of ['/verifications/%zz', '/%', '/callbacks/truid/%E0%A4%A', '/%ff%fe']) {
    const answer = await server.inject(url)
    t.match(answer.json(), { status: 400, code: 'invalid_request' }, url)
    t.equal(answer.headers['content-type'], 'application/problem+json')
    t.equal(answer.headers['x-request-id'], answer.json().requestId)
  }
})

t.test('a message that is not HTTP is answered on the socket', async t => {
  const respondTo = async (error: Error & { code?: string }): Promise<string> => {
    const server = createServer(socket => sendClientError(error, socket, publicUrl)).listen(0, '127.0.0.1')
    t.teardown(() => server.close())
    await once(server, 'listening')
    const address = server.address()
    const socket = connect(typeof address === 'object' ? address?.port ?? 0 : 0, '127.0.0.1')
    return (await Array.fromAsync(socket)).join('')
  }
  for (
    const [code, status] of [
      ['ERR_HTTP_REQUEST_TIMEOUT', 408], ['HPE_HEADER_OVERFLOW', 431], ['HPE_INVALID_METHOD', 400],
    ] as const
  ) {
    const [head = '', body = ''] = (await respondTo(Object.assign(new Error('canary'), { code }))).split('\r\n\r\n')
    t.match(head, new RegExp(`^HTTP/1.1 ${status} [\\s\\S]*Connection: close`))
    t.match(JSON.parse(body), { status, code: 'invalid_request' })
    t.same(schema.Errors(JSON.parse(body)), [])
    t.notMatch(body, /canary/)
  }
  t.match(await respondTo(new Error('without a code')), /^HTTP\/1.1 400 /)
  const gone = new Socket()
  gone.destroy()
  sendClientError(new Error('too late'), gone, publicUrl)
  sendClientError(Object.assign(new Error('reset'), { code: 'ECONNRESET' }), new Socket(), publicUrl)
})

t.test('a problem may have a more specific HTTP status than its code', async t => {
  t.match(
    buildProblem(new ApiError('invalid_request', 'Late.'), { problemsUrl: 'p', requestId: 'r', status: 408 }),
    { status: 408, code: 'invalid_request', requestId: 'r' },
  )
})

t.test('404 and 405 take precedence over errors in the body', async t => {
  const { server } = shared
  const ask = (method: 'QUERY' | 'POST' | 'PUT', url: string, payload?: string) =>
    server.inject(
      {
        method: method as 'POST', url,
        ...payload === undefined ? {} : { payload, headers: { 'content-type': 'application/json' } },
      },
    )
  t.match(
    await ask('QUERY', '/livez'), { statusCode: 405, headers: { allow: /GET/ } }, 'a QUERY without a content type',
  )
  t.match((await ask('QUERY', '/nothing')).json(), { code: 'not_found' })
  t.match((await ask('PUT', '/providers', '{')).json(), { code: 'method_not_allowed' }, 'a body that is not JSON')
  t.match(
    (await ask('POST', '/nothing', 'x'.repeat(100_000))).json(), { code: 'not_found' }, 'a body that is too large',
  )
})
