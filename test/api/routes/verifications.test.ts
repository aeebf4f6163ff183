import t from 'tap'
import { ApiError } from '../../../src/core/errors.ts'
import { StoreUnavailable } from '../../../src/store/record-store.ts'
import { authorization, buildTestServer, json, phoneNumber } from '../../helpers/server.ts'

t.test('create', async t => {
  const { server, calls, ids } = await buildTestServer(t)
  const body = {
    phoneNumber, workflow: ['otpless.otp'], reference: 'signup-1', metadata: { plan: 'pro' }, device: {
      ip: '203.0.113.7',
    },
    expiresInSeconds: 60, onConflict: 'replace',
  }
  const answer = await server.inject({
    method: 'POST', url: '/verifications', headers: { ...authorization, 'idempotency-key': 'key-1' }, payload: body,
  })
  const created = answer.json()
  t.equal(answer.statusCode, 201)
  t.equal(answer.headers.location, `/verifications/${created.id}`)
  t.equal(answer.headers['cache-control'], 'no-store')
  t.equal(ids.readClientSecret(created.clientSecret), created.id)
  t.match(created, {
    status: 'pending', phoneNumber, metadata: { plan: 'pro' }, nextAction: { type: 'submitCode', attemptsRemaining: 3 },
    attempts: [{ id: /^att_/ }],
  })
  t.match(calls, [{ name: 'create', args: [{ id: 'sandbox' }, body, 'key-1'] }])

  t.equal(
    (await server.inject({ method: 'POST', url: '/verifications', headers: authorization, payload: {} })).statusCode,
    201,
  )
  t.same(calls[1]?.args.slice(1), [{}, null], 'nothing is added')
})

t.test('read', async t => {
  const { server, create } = await buildTestServer(t)
  const { id, clientSecret } = await create()
  const answer = await server.inject({ url: `/verifications/${id}`, headers: authorization })
  t.match(
    answer,
    { statusCode: 200, headers: { 'cache-control': 'no-store', 'content-type': 'application/json; charset=utf-8' } },
  )
  t.notOk('clientSecret' in answer.json(), 'only create returns it')
  t.notOk(answer.body.includes(clientSecret))
  const head = await server.inject({ method: 'HEAD', url: `/verifications/${id}`, headers: authorization })
  t.match(head, { statusCode: 200, body: '', headers: { 'content-length': String(answer.body.length) } })
  const waited = await server.inject({ url: `/verifications/${id}?wait=30&revision=0`, headers: authorization })
  t.equal(waited.body, answer.body, 'a newer revision is returned immediately')
})

t.test('check', async t => {
  const { server, create, calls } = await buildTestServer(t)
  const check = async (id: string, payload?: object) => server.inject({
    method: 'POST', url: `/verifications/${id}/check`, headers: authorization, ...payload && { payload },
  })
  const { id } = await create()
  const wrong = await check(id, { code: '000000' })
  t.match(wrong.json(), { status: 422, code: 'code_incorrect', attemptsRemaining: 2 })
  const right = await check(id, { code: '550100' })
  t.match(right, { statusCode: 200 })
  t.match(
    right.json(), { status: 'verified', verified: true, result: { phoneNumber, profile: { email: 'a@example.com' } } },
  )
  t.match(
    (await check(id, { code: '550100' })).json(),
    { status: 409, code: 'invalid_state', verificationStatus: 'verified' },
  )
  for (const evidence of [
    {}, { token: 'a'.repeat(4096) }, { authorizationCode: 'a', codeVerifier: 'b' }, {
      payload: 'a\nb', signature: 'c', signatureAlgorithm: 'SHA512withRSA',
    },
  ]) {
    const other = await create()
    t.equal((await check(other.id, evidence)).statusCode, 202)
    t.same(calls.at(-1), { name: 'check', args: [other.id, evidence] })
  }
})

t.test('an absent body is an empty one', async t => {
  const { server, create, calls } = await buildTestServer(t)
  for (const headers of [{}, json, { 'content-type': 'application/x-www-form-urlencoded' }]) {
    for (const [path, args] of [
      ['check', [{}]], ['next', ['abandoned', undefined]], ['resend', []], ['cancel', []],
    ] as const) {
      const { id } = await create()
      const answer = await server.inject(
        { method: 'POST', url: `/verifications/${id}/${path}`, headers: { ...authorization, ...headers } },
      )
      t.ok(answer.statusCode < 300, `${path}: ${answer.statusCode}`)
      t.same(calls.at(-1)?.args, [id, ...args])
    }
  }
})

t.test('next, resend, cancel and erase', async t => {
  const { server, create, calls } = await buildTestServer(t)
  const post = async (id: string, path: string, payload?: object) => server.inject({
    method: 'POST', url: `/verifications/${id}/${path}`, headers: authorization, ...payload && { payload },
  })
  const first = await create()
  t.match(
    (await post(first.id, 'next', { reason: 'not_on_cellular' })).json(),
    { status: 'failed', reason: 'not_on_cellular' },
  )
  t.same(calls.at(-1), { name: 'next', args: [first.id, 'not_on_cellular', undefined] })
  await post((await create()).id, 'next', { revision: 2 })
  t.same(calls.at(-1)?.args.slice(1), ['abandoned', 2])

  const second = await create()
  t.equal((await post(second.id, 'resend', {})).statusCode, 200)
  const early = await post(second.id, 'resend')
  t.match(early, { statusCode: 429, headers: { 'retry-after': '30' } })
  t.match((await post(second.id, 'cancel')).json(), { status: 'canceled', reason: 'app_canceled' })
  t.equal((await post(second.id, 'cancel')).statusCode, 409)

  const erase = { method: 'DELETE', url: `/verifications/${second.id}`, headers: authorization } as const
  t.match(await server.inject(erase), { statusCode: 204, body: '' })
  t.match((await server.inject(erase)).json(), { status: 410, code: 'gone' })
  t.equal((await server.inject({ url: `/verifications/${second.id}`, headers: authorization })).statusCode, 410)
})

t.test('find', async t => {
  const { server, create, calls } = await buildTestServer(t)
  const { id } = await create({ phoneNumber, reference: 'a b' })
  await create({ phoneNumber })
  const find = async (query: string) => server.inject({ url: `/verifications?${query}`, headers: authorization })
  t.match((await find('reference=a%20b')).json(), { data: [{ id, phoneNumber }], nextCursor: null })
  t.equal((await find('reference=none')).json().data.length, 0)
  for (const number of ['%2B14155550100', '+14155550100']) t.equal(
    (await find(`phoneNumber=${number}`)).json().data.length, 2, number,
  )
  t.same(calls.at(-1)?.args.slice(1), [{ phoneNumber }, 20])
  t.equal((await find('phoneNumber=%2B14155550100&limit=1')).json().data.length, 1)
  for (const query of ['', 'limit=5', 'reference=a&phoneNumber=%2B14155550100']) {
    t.match((await find(query)).json(), {
      status: 400, code: 'invalid_request', errors: [{ field: 'reference' }, { field: 'phoneNumber' }],
    }, query)
  }
})

const canary = 'canary4155550100'
const deep = (depth: number): string => `${'['.repeat(depth)}1${']'.repeat(depth)}`
const nested = (depth: number): string => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`

t.test('invalid requests are 4xx, and name the field but not the value', async t => {
  const { server, create, calls, lines } = await buildTestServer(t)
  const { id } = await create()
  calls.length = 0
  const one = `/verifications/${id}`
  type Case = [
    name: string, method: 'GET' | 'POST' | 'DELETE', url: string, body: string
      | Buffer | null, headers: Record<string, string>,
    status: number, field: string | null,
  ]
  const bad = (url: string, body: unknown, field: string | null, status = 400): Case =>
    [
      typeof body === 'string' ? body.slice(0, 50) : JSON.stringify(body).slice(0, 80), 'POST', url,
      typeof body === 'string' ? body : JSON.stringify(body), json, status, field,
    ]
  const posts = ['/verifications', `${one}/check`, `${one}/next`, `${one}/resend`, `${one}/cancel`]
  const cases: Case[] = [
    ...posts.flatMap((url): Case[] => [
      bad(url, '{', null), bad(url, canary, null), bad(url, '\u0000', null), bad(
        url, '{"a":"\u0000"}', null,
      ), bad(url, '\ufeff', null),
      bad(url, [], ''), bad(url, '"text"', ''), bad(url, '1', ''), bad(url, 'true', ''), bad(url, deep(10_000), ''),
      bad(url, { extra: canary }, 'extra'), bad(url, { [`${canary}!`]: 1 }, '*'), bad(url, nested(10_000), 'a'),
      bad(url, `{"__proto__":{"admin":"${canary}"}}`, null), bad(
        url, `{"constructor":{"prototype":"${canary}"}}`, null,
      ),
      bad(url, { extra: 'x'.repeat(70_000) }, null, 413),
      ['gzip', 'POST', url, Buffer.from([0x1f, 0x8b, 8, 0]), { ...json, 'content-encoding': 'gzip' }, 400, null],
      ...[
        'text/plain', 'application/xml', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x',
        'application/json, application/json', 'json', '%', ';;;', canary,
      ]
        .map((type): Case => [type, 'POST', url, '{}', { 'content-type': type }, 415, null]),
      ['no type', 'POST', url, '{}', {}, 415, null],
    ]),
    ['empty', 'POST', '/verifications', '', json, 400, ''],
    ['null', 'POST', '/verifications', 'null', json, 400, ''],
    ...([
      [
        { phoneNumber: 14155550100 }, 'phoneNumber',
      ], [{ phoneNumber: [canary] }, 'phoneNumber'], [{ phoneNumber: null }, 'phoneNumber'],
      [{ phoneNumber: '' }, 'phoneNumber'],
      [{ phoneNumber: canary.repeat(3) }, 'phoneNumber'], [
        { phoneNumber: `${canary}\u0000` }, 'phoneNumber',
      ], [{ phoneNumber: { toString: 1 } }, 'phoneNumber'],
      [{ workflow: canary }, 'workflow'], [{ workflow: [] }, 'workflow'], [{
        workflow: Array(11).fill('otpless.otp'),
      }, 'workflow'], [{ workflow: [canary] }, 'workflow/0'],
      [{ workflow: ['otpless.otp', { method: canary }] }, 'workflow/1/method'], [{
        workflow: [{ method: 'otpless.otp', timeoutSeconds: 3601 }],
      }, 'workflow/0/timeoutSeconds'],
      [{ workflow: [{ method: 'otpless.otp', options: canary }] }, 'workflow/0/options'], [{
        workflow: [{ method: 'otpless.otp', options: { a: { b: canary } } }],
      }, 'workflow/0/options/a'],
      [{ workflow: [null] }, 'workflow/0'], [{ workflow: { 0: canary } }, 'workflow'],
      [
        { reference: canary.repeat(16) }, 'reference',
      ], [{ reference: 1 }, 'reference'], [{ reference: `${canary}\n` }, 'reference'],
      [{ metadata: canary }, 'metadata'], [{ metadata: { plan: 1 } }, 'metadata/plan'], [
        { metadata: { plan: canary.repeat(32) } }, 'metadata/plan',
      ], [{ metadata: { '+1 415': 1 } }, 'metadata/*'],
      [{
        metadata: Object.fromEntries(Array.from({ length: 21 }, (_, index) => [`k${index}`, canary])),
      }, 'metadata'], [{ metadata: { [canary.repeat(3)]: 'a' } }, 'metadata/*'],
      [{ locale: canary }, 'locale'], [{ device: canary }, 'device'], [{ device: { ip: canary } }, 'device/ip'], [
        { device: { imei: canary } }, 'device/imei',
      ],
      [{ returnUrl: canary }, 'returnUrl'], [{ returnUrl: `https://a.example/${'a'.repeat(2048)}` }, 'returnUrl'],
      [{ expiresInSeconds: 29 }, 'expiresInSeconds'], [
        { expiresInSeconds: '600' }, 'expiresInSeconds',
      ], [{ expiresInSeconds: 1e400 }, 'expiresInSeconds'], [{ expiresInSeconds: 60.5 }, 'expiresInSeconds'],
      [{ onConflict: canary }, 'onConflict'],
    ] as const).map(([body, field]) => bad('/verifications', body, field)),
    ...([
      [{ code: canary.repeat(200) }, 'code'], [{ code: 550100 }, 'code'], [{ code: '' }, 'code'], [
        { code: 'a', token: canary }, 'token',
      ],
      [{ token: canary.repeat(300) }, 'token'],
      [{ authorizationCode: canary }, 'codeVerifier'], [
        { payload: canary, signature: canary }, 'signatureAlgorithm',
      ], [{ code: `${canary}\u0000` }, 'code'],
    ] as const).map(([body, field]) => bad(`${one}/check`, body, field)),
    bad(`${one}/next`, { reason: canary }, 'reason'), bad(
      `${one}/next`, { reason: 'deadline' }, 'reason',
    ), bad(`${one}/next`, { reason: null }, 'reason'),
    bad(`${one}/next`, { revision: -1 }, 'revision'), bad(`${one}/next`, { revision: '3' }, 'revision'),
    ...[`wait=${canary}`, 'wait=31', 'wait=-1', 'wait=1.5', 'wait=', 'wait=1&wait=2', 'wait[]=1'].map((query): Case =>
      [query, 'GET', `${one}?${query}`, null, {}, 400, query.startsWith('wait[]') ? '*' : 'wait']),
    ...['revision=-1', `revision=${'9'.repeat(30)}`, 'revision=a'].map((query): Case => [
      query, 'GET', `${one}?${query}`, null, {}, 400, 'revision',
    ]),
    ['unknown query', 'GET', `${one}?extra=${canary}`, null, {}, 400, 'extra'],
    ...['limit=0', 'limit=101', 'limit=x', 'limit=1&limit=1'].map((query): Case => [
      query, 'GET', `/verifications?reference=a&${query}`, null, {}, 400, 'limit',
    ]),
    ...[
      'reference=', `reference=${canary.repeat(16)}`, 'reference=a&reference=b', 'reference=%00',
    ].map((query): Case => [query.slice(0, 30), 'GET', `/verifications?${query}`, null, {}, 400, 'reference']),
    ['two numbers', 'GET', '/verifications?phoneNumber=1&phoneNumber=2', null, {}, 400, 'phoneNumber'],
    ...[`${canary} `.repeat(2), 'x'.repeat(256), 'ключ', ''].map((key): Case =>
      [
        `key ${key.slice(0, 9)}`, 'POST', '/verifications', '{}', { ...json, 'idempotency-key': key }, 400,
        'idempotency-key',
      ]),
    ['a path with a NUL', 'GET', '/verifications/%00', null, {}, 404, null],
    ['a path that goes up', 'GET', '/verifications/..%2f..%2fmetrics', null, {}, 404, null],
  ]
  const offenders: unknown[] = []
  for (const [name, method, url, body, headers, status, field] of cases) {
    const response = await server.inject(
      { method, url, headers: { ...authorization, ...headers }, ...body !== null && { payload: body } },
    )
    const problem = response.json()
    const isAsExpected = response.statusCode === status
      && response.headers['content-type'] === 'application/problem+json'
      && problem.requestId === response.headers['x-request-id']
      && (field === null || problem.errors?.some((error: { field: string }) => error.field === field))
      && !response.body.includes('canary')
    if (!isAsExpected) offenders.push([method, url.replace(id, ':id').slice(0, 60), name, status, field, problem])
  }
  t.ok(cases.length > 200, `${cases.length} cases`)
  t.same(offenders, [])
  t.same(calls, [], 'the gateway is not called')
  t.notOk(lines.some(line => line.includes('canary')), 'the log does not contain the values')
  t.notOk(lines.some(line => JSON.parse(line).level > 30))
})

t.test('errors of the gateway become problems', async t => {
  const { server, failWith } = await buildTestServer(t)
  for (const [error, expected] of [
    [
      new ApiError('verification_in_progress', 'Busy.', { verificationId: 'ver_x' }),
      { status: 409, verificationId: 'ver_x' },
    ],
    [new StoreUnavailable('TIMEOUT'), { status: 503, code: 'store_unavailable' }],
    [new Error('boom'), { status: 500, code: 'internal_error' }],
  ] as const) {
    failWith(error)
    t.match(
      (await server.inject({ method: 'POST', url: '/verifications', headers: authorization, payload: {} })).json(),
      expected,
    )
  }
})

t.test('the location of a new verification starts with the path of the public URL', async t => {
  for (const [publicUrl, base] of [
    ['https://verify.example', ''], ['https://example.com/verify', '/verify'], ['https://example.com/a/b', '/a/b'],
  ] as const) {
    const { server } = await buildTestServer(t, { publicUrl })
    const created = await server.inject({ method: 'POST', url: '/verifications', headers: authorization, payload: {} })
    t.equal(created.headers.location, `${base}/verifications/${created.json().id}`)
  }
})
