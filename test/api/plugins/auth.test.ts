import t from 'tap'
import { callingApp, isMasked, isOperator, type Caller } from '../../../src/api/plugins/auth.ts'
import { apiKey, buildTestServer, phoneNumber } from '../../helpers/server.ts'

const bearer = (credential: string) => ({ authorization: `Bearer ${credential}` })

const shared = await buildTestServer(t)

t.test('unknown credentials are 401 with a challenge', async t => {
  const { server, calls } = shared
  for (const headers of [
    {}, { authorization: '' }, { authorization: 'Bearer' }, { authorization: 'Bearer ' }, { authorization: apiKey },
    { authorization: `Basic ${apiKey}` },
    bearer('vgk_unknown'), bearer(
      `${apiKey} ${apiKey}`,
    ), bearer('vcs_unknown'), bearer('x'.repeat(8000)), bearer('ключ'),
  ]) {
    for (const request of [{ method: 'POST', url: '/verifications' }, {
      method: 'GET', url: '/verifications/ver_x',
    }, { method: 'GET', url: '/providers' }] as const) {
      const answer = await server.inject({ ...request, headers })
      t.match(answer, { statusCode: 401, headers: { 'www-authenticate': 'Bearer' } })
      t.equal(answer.json().code, 'unauthenticated')
      t.notMatch(answer.body, /v(gk|cs)_/, 'the credential is not shown')
    }
  }
  t.same(calls, [], 'the gateway is not called')
  t.equal((await server.inject({
    url: '/providers', headers: { authorization: `bearer  ${apiKey}` },
  })).statusCode, 200, 'the scheme is case-insensitive')
})

t.test('each call requires its scope', async t => {
  const { server, ids } = shared
  const id = ids.newId('reader', 1)
  for (const [method, url, scope] of [
    ['POST', '/verifications', 'verifications:write'],
    ['POST', `/verifications/${id}/check`, 'verifications:write'],
    ['POST', `/verifications/${id}/next`, 'verifications:write'],
    ['POST', `/verifications/${id}/resend`, 'verifications:write'],
    ['POST', `/verifications/${id}/cancel`, 'verifications:write'],
    ['DELETE', `/verifications/${id}`, 'verifications:write'],
    ['GET', '/providers', 'providers:read'],
  ] as const) {
    const answer = await server.inject({ method, url, headers: bearer('vgk_reader') })
    t.match(answer.json(), { status: 403, code: 'forbidden', detail: new RegExp(scope) }, `${method} ${url}`)
  }
  for (const url of ['/verifications?reference=a', `/verifications/${id}`]) {
    t.match(
      (await server.inject({ url, headers: bearer('vgk_nobody') })).json(),
      { code: 'forbidden', detail: /verifications:read/ },
    )
    t.not((await server.inject({ url, headers: bearer('vgk_reader') })).statusCode, 403)
  }
})

t.test('an id of another app is 404 without a call of the gateway', async t => {
  const { server, ids, calls, create } = shared
  const { id } = await create()
  calls.length = 0
  for (const [key, foreign] of [
    ['vgk_other', id], [
      apiKey, ids.newId('other', 3),
    ], [apiKey, 'ver_made-up'], [apiKey, `${id}A`], [apiKey, 'x'.repeat(500)],
  ] as const) {
    for (const [method, path] of [
      ['GET', ''], ['POST', '/check'], ['POST', '/next'], ['POST', '/resend'], ['POST', '/cancel'], ['DELETE', ''],
    ] as const) {
      const answer = await server.inject({ method, url: `/verifications/${foreign}${path}`, headers: bearer(key) })
      t.match(answer.json(), { status: 404, code: 'not_found' }, `${method} ${path}`)
    }
  }
  t.same(calls, [])
})

t.test('a client secret gives access to its verification, on the calls for front ends', async t => {
  const { server, create, ids, calls } = shared
  const mine = await create({ phoneNumber, metadata: { plan: 'pro' } })
  const others = await create()
  calls.length = 0
  for (const [method, path] of [['GET', ''], ['POST', '/check'], ['POST', '/next'], ['POST', '/resend']] as const) {
    t.equal((await server.inject({
      method, url: `/verifications/${others.id}${path}`, headers: bearer(mine.clientSecret),
    })).statusCode, 404, `${path} of another`)
  }
  for (const [method, url] of [
    ['POST', '/verifications'], ['GET', '/verifications?reference=a'], [
      'POST', `/verifications/${mine.id}/cancel`,
    ], ['DELETE', `/verifications/${mine.id}`], ['GET', '/providers'],
  ] as const) {
    const { statusCode } = await server.inject({ method, url, headers: bearer(mine.clientSecret) })
    t.equal(statusCode, 403, `${method} ${url}`)
  }
  t.same(calls, [])
  t.equal((await server.inject({
    url: `/verifications/${mine.id}`, headers: bearer(`${mine.clientSecret.slice(0, -2)}AA`),
  })).statusCode, 401, 'a forged client secret')

  const shown = (await server.inject({ url: `/verifications/${mine.id}`, headers: bearer(mine.clientSecret) })).json()
  t.match(shown, { id: mine.id, phoneNumber: '+1********00', metadata: {} })
  const full = (await server.inject({ url: `/verifications/${mine.id}`, headers: bearer(apiKey) })).json()
  t.match(full, { phoneNumber, metadata: { plan: 'pro' } })
  t.equal(
    (
      await server.inject({ url: '/verifications/ver_x', headers: bearer(ids.clientSecret(ids.newId('gone', 1))) })
    ).statusCode,
    404,
  )
})

t.test('the calling app of a route without an API key is a TypeError', async t => {
  const { server } = shared
  await server.ready()
  t.throws(() => callingApp(Object.assign(Object.create(null), { caller: null })), TypeError)
  t.throws(() => callingApp(Object.assign(Object.create(null), { caller: { clientOf: 'ver_x' } })), TypeError)
})

t.test('who is an operator, and who sees the masked view only', async t => {
  const key = (...scopes: string[]): Caller =>
    ({ app: { id: 'shop', name: 'Shop', keys: [] }, keyId: 'k', scopes: new Set(scopes) })
  const requestOf = (caller: Caller | null) => ({ caller }) as Parameters<typeof isMasked>[0]
  const callers = [
    key('operations:read'), key('operations:read', 'verifications:read'), key('verifications:read'),
    { clientOf: 'ver_x' }, null,
  ].map(requestOf)
  t.strictSame(callers.map(isOperator), [true, false, false, false, false])
  t.strictSame(callers.map(isMasked), [false, false, false, true, true])
})
