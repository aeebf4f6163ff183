import t from 'tap'
import { authorization, buildTestServer, phoneNumber } from '../../helpers/server.ts'

/** Twenty seconds before the end of a minute. */
const now = (): number => 1_800_000_040_000

t.test('an app has limits of requests and of creates per minute', async t => {
  const { server, apps } = await buildTestServer(t, { now })
  const ask = async (key: string, method: 'GET' | 'POST' = 'GET') => server.inject({
    method, url: method === 'GET'
      ? '/verifications?reference=r'
      : '/verifications', headers: { authorization: `Bearer ${key}` },
    ...method === 'POST' ? { payload: { phoneNumber, onConflict: 'replace' } } : {},
  })
  const first = await ask('vgk_sandbox')
  t.equal(first.statusCode, 200)
  t.match(
    first.headers, { 'ratelimit-limit': '6000', 'ratelimit-remaining': '5999', 'ratelimit-reset': '20' }, 'the default',
  )

  apps.replace(
    [...apps.all()].map(
      app => app.id === 'other' ? { ...app, limits: { requestsPerMinute: 4, createsPerMinute: 2 } } : app,
    ),
  )
  t.match((await ask('vgk_other')).headers, { 'ratelimit-limit': '4', 'ratelimit-remaining': '3' })
  t.match(
    (await ask('vgk_other', 'POST')).headers, { 'ratelimit-limit': '2', 'ratelimit-remaining': '1' },
    'the headers describe the limit with the fewest requests left',
  )
  t.match((await ask('vgk_other', 'POST')).headers, { 'ratelimit-limit': '2', 'ratelimit-remaining': '0' })
  t.match((await ask('vgk_other')).headers, { 'ratelimit-limit': '4', 'ratelimit-remaining': '0' })
  const refused = await ask('vgk_other')
  t.equal(refused.statusCode, 429)
  t.match(refused.json(), { code: 'rate_limited', detail: 'This app sends too many requests.' })
  t.match(refused.headers, { 'ratelimit-limit': '4', 'ratelimit-remaining': '0', 'retry-after': '20' })
  t.equal((await ask('vgk_sandbox')).statusCode, 200, 'another app')
  t.equal((await ask('vgk_reader')).statusCode, 200)

  apps.replace([...apps.all()].map(app => app.id === 'reader' ? { ...app, limits: { requestsPerMinute: null } } : app))
  t.notOk('ratelimit-limit' in (await ask('vgk_reader')).headers, 'no limit, no headers')
})

t.test('the structured fields list every limit of the request', async t => {
  const { server, apps, create } = await buildTestServer(t, { now, ipRequestsPerMinute: 3 })
  apps.replace([...apps.all()].map(
    app => app.id === 'sandbox' ? { ...app, limits: { requestsPerMinute: 10, createsPerMinute: 2 } } : app,
  ))
  const fields = ({ headers }: { headers: object }) => [
    Object(headers)['ratelimit-policy'], Object(headers).ratelimit,
  ]
  const { id, clientSecret } = await create()
  t.strictSame(fields(await server.inject({ url: `/verifications/${id}`, headers: authorization })), [
    '"app";q=10;w=60', '"app";r=8;t=20',
  ])
  const post = () => server.inject({ method: 'POST', url: '/verifications', headers: authorization, payload: {} })
  t.strictSame(fields(await post()), ['"app";q=10;w=60, "creates";q=2;w=60', '"app";r=7;t=20, "creates";r=0;t=20'])
  const refused = await post()
  t.equal(refused.statusCode, 429)
  t.strictSame(fields(refused), ['"app";q=10;w=60, "creates";q=2;w=60', '"app";r=6;t=20, "creates";r=0;t=20'])
  const ask = (remoteAddress: string) => server.inject({
    url: `/verifications/${id}`, headers: { authorization: `Bearer ${clientSecret}` }, remoteAddress,
  })
  t.strictSame(fields(await ask('203.0.113.7')), [
    '"address";q=3;w=60, "client";q=120;w=60', '"address";r=2;t=20, "client";r=119;t=20',
  ])
  t.strictSame(fields(await server.inject('/livez')), [undefined, undefined], 'no limit, no fields')
})

t.test('every request up to the limit is allowed, and no more', async t => {
  const { server, apps } = await buildTestServer(t, { now })
  const max = 40
  apps.replace([...apps.all()].map(app => app.id === 'sandbox' ? { ...app, limits: { requestsPerMinute: max } } : app))
  const left: string[] = []
  for (let n = 0; n < max + 2; n += 1) {
    const { statusCode, headers } = await server.inject({ url: '/providers', headers: authorization })
    left.push(`${statusCode} ${headers['ratelimit-remaining']} ${headers['ratelimit']} ${headers['retry-after'] ?? ''}`)
  }
  const allowed = Array.from({ length: max }, (_, n) => `200 ${max - 1 - n} "app";r=${max - 1 - n};t=20 `)
  t.strictSame(left, [...allowed, '429 0 "app";r=0;t=20 20', '429 0 "app";r=0;t=20 20'])
})

t.test('creates have their own limit', async t => {
  const { server, apps, lines, refused } = await buildTestServer(t, { now })
  apps.replace([...apps.all()].map(app => app.id === 'sandbox' ? { ...app, limits: { createsPerMinute: 1 } } : app))
  const create = () =>
    server.inject(
      {
        method: 'POST', url: '/verifications', headers: authorization, payload: { phoneNumber, onConflict: 'replace' },
      },
    )
  t.equal((await create()).statusCode, 201)
  t.match(
    (await create()).json(), { status: 429, code: 'rate_limited', detail: 'This app creates too many verifications.' },
  )
  t.equal((await server.inject({ url: '/providers', headers: authorization })).statusCode, 200)
  t.equal(await refused('rate_limited_creates'), 1)
  t.match(
    lines.map(line => JSON.parse(line)).find(({ audit }) => audit === 'refused'),
    { cause: 'rate_limited_creates', app: 'sandbox', route: '/verifications' },
  )
})

t.test('a client secret has a limit of its own', async t => {
  const { server, create } = await buildTestServer(t, { now })
  const [one, other] = [await create(), await create({ phoneNumber: '+14155550102' })]
  const ask = async ({ id, clientSecret }: { id: string, clientSecret: string }) =>
    server.inject({ url: `/verifications/${id}`, headers: { authorization: `Bearer ${clientSecret}` } })
  t.match((await ask(one)).headers, { 'ratelimit-limit': '120', 'ratelimit-remaining': '119' })
  for (let n = 1; n < 120; n += 1) await ask(one)
  t.match((await ask(one)).json(), { status: 429, detail: 'Too many requests for this verification.' })
  t.equal((await ask(other)).statusCode, 200)
  t.equal(
    (await server.inject({ url: `/verifications/${one.id}`, headers: authorization })).statusCode, 200,
    'the app is not limited',
  )
})

t.test('unknown callers are limited by address', async t => {
  const build = (trustedProxies: string[]) => buildTestServer(t, { trustedProxies, ipRequestsPerMinute: 3, now })
  const { server, create, refused } = await build(['10.0.0.0/8'])
  const { id, clientSecret } = await create()
  type Headers = Record<string, string>
  const ask = (
    remoteAddress: string, forwarded: string | null, headers: Headers = { authorization: 'Bearer vgk_guess' },
    url = '/providers',
  ) => server.inject({
    url, remoteAddress, headers: { ...headers, ...forwarded === null ? {} : { 'x-forwarded-for': forwarded } },
  })
  for (let n = 0; n < 3; n += 1) t.equal((await ask('10.0.0.1', '203.0.113.7')).statusCode, 401)
  const guess = await ask('10.0.0.1', '203.0.113.7')
  t.match(guess.json(), { status: 429, detail: 'Too many requests from this address.' })
  t.match(guess.headers, { 'retry-after': '20' })
  t.equal(await refused('rate_limited_ip'), 1)
  t.equal(await refused('unauthenticated'), 3)
  t.equal((await ask('10.0.0.1', '203.0.113.8')).statusCode, 401, 'another address')
  t.equal(
    (
      await ask('10.0.0.1', '203.0.113.7', authorization)
    ).statusCode, 200, 'a caller with a key has the limit of its app',
  )
  t.equal(
    (
      await ask('10.0.0.1', '203.0.113.7', { authorization: `Bearer ${clientSecret}` }, `/verifications/${id}`)
    ).statusCode,
    429, 'front ends are counted, too',
  )
  t.equal(
    (await ask('10.0.0.1', '203.0.113.7', {}, '/callbacks/truid/some-key')).statusCode, 429,
    'so are returning browsers',
  )

  const spoofed = '198.51.100.1'
  for (let n = 0; n < 3; n += 1) t.equal((await ask(spoofed, `203.0.113.${n}`)).statusCode, 401)
  t.equal((await ask(spoofed, '203.0.113.200')).statusCode, 429, 'the header of an untrusted client is ignored')
  for (let n = 0; n < 3; n += 1) t.equal((await ask('10.0.0.1', `203.0.113.${n}, 198.51.100.2`)).statusCode, 401)
  t.equal(
    (await ask('10.0.0.1', '203.0.113.99, 198.51.100.2')).statusCode, 429,
    'addresses that the client sent to the proxy are ignored',
  )
  for (let n = 0; n < 3; n += 1) t.equal((await ask('10.0.0.1', `2001:db8:1:1::${n}`)).statusCode, 401)
  t.equal((await ask('10.0.0.1', '2001:db8:1:1:ffff::1')).statusCode, 429, 'an IPv6 network counts as one address')

  const bare = await buildTestServer(t, { ipRequestsPerMinute: 3, privateIpRequestsPerMinute: 6, now })
  const askBare = (remoteAddress: string) =>
    bare.server.inject(
      {
        url: '/providers', remoteAddress,
        headers: { 'x-forwarded-for': '203.0.113.7', authorization: 'Bearer vgk_guess' },
      },
    )
  for (let n = 0; n < 6; n += 1) t.equal(
    (await askBare('10.0.0.1')).statusCode, 401, 'a private address may be an undeclared proxy: its limit is higher',
  )
  t.match((await askBare('10.0.0.1')).json(), { status: 429, detail: 'Too many requests from this address.' })
  t.equal((await askBare('127.0.0.1')).statusCode, 401, 'another private address')
  for (let n = 0; n < 3; n += 1) await askBare('198.51.100.9')
  t.equal((await askBare('198.51.100.9')).statusCode, 429)
})
