import t from 'tap'
import { openEvents, type EventStream } from '../../helpers/events.ts'
import { apiKey, authorization, buildTestServer, phoneNumber } from '../../helpers/server.ts'
import type { Event } from '../../../src/core/events.ts'

type Tap = { teardown (run: () => unknown): void }

const steps = ['otpless.otp', 'truecaller.push'].map(method =>
  ({ method, timeoutMs: 300_000, options: {}, isRepeatable: false, continueWhenRejected: false }))

/** A server with a pending verification of two steps. Each read returns new objects, as the store does. */
async function withStream (t: Tap) {
  const test = await buildTestServer(t)
  const origin = `http://127.0.0.1:${await test.listen()}`
  const created = await test.create({ phoneNumber, reference: 'signup-8842', metadata: { plan: 'pro' } })
  const { get } = test.gateway
  test.gateway.get = async id => structuredClone(await get(id))
  const record = await get(created.id)
  test.keep({
    ...record, workflow: steps, includeProfile: true,
    attempts: record.attempts.map(attempt => 'state' in attempt ? { ...attempt, state: { request: 1 } } : attempt),
  })
  const happen = (event: Event): void => { test.apply(created.id, event) }
  const url = `${origin}/verifications/${created.id}/events`
  const open = (query = '', headers: Record<string, string> = authorization) => openEvents(t, `${url}${query}`, headers)
  return { ...test, ...created, url, open, happen }
}

const proof: Event[] = [
  { type: 'evidenceReceived', attempt: 0, evidence: { from: 'app', value: { code: '1' } } },
  {
    type: 'numberProven', attempt: 0, phoneNumber, profile: null, signals: { line: phoneNumber },
    assurance: { possession: 'message', binding: 'session', restricted: false },
  },
]

t.test('the stream works with an EventSource and is not cached or compressed', async t => {
  const { open, revision, id } = await withStream(t)
  const stream = await open('', { ...authorization, 'accept-encoding': 'gzip, br' })
  t.match(stream, {
    status: 200,
    headers: {
      'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no', 'x-request-id': /./,
      'x-content-type-options': 'nosniff',
    },
  })
  t.notOk('content-encoding' in stream.headers)
  t.match(
    await stream.received(0),
    {
      id: revision, event: 'verification.updated',
      data: { id, phoneNumber, metadata: { plan: 'pro' }, status: 'pending', revision },
    },
  )
  t.match(stream.text(), /^retry: [12]\d{3}\n\nid: \d+\nevent: [a-z._]+\ndata: \{.*\}\n\n$/)
})

t.test('each change has a type', async t => {
  const { open, happen } = await withStream(t)
  const stream = await open()
  await stream.received(0)
  const expect = async (events: Event[], names: string[]): Promise<void> => {
    const from = stream.events.length
    for (const [index, event] of events.entries()) {
      happen(event)
      await stream.received(from + index)
    }
    t.same(stream.events.slice(from).map(({ event }) => event), names.map(name => `verification.${name}`))
  }
  const evidence = { from: 'app', value: { code: '1' } } as const
  await expect([{ type: 'resendRequested', attempt: 0 }], ['updated'])
  await expect(
    [
      {
        type: 'resent', attempt: 0, state: { request: 2 }, action: { type: 'submitCode', length: 4, channels: ['SMS'] },
      },
    ],
    ['action_required'],
  )
  await expect(
    [{ type: 'evidenceReceived', attempt: 0, evidence }, { type: 'codeIncorrect', attempt: 0 }], ['updated', 'updated'],
  )
  await expect([{ type: 'nextRequested', reason: 'abandoned' }], ['updated'])
  await expect([{
    type: 'attemptStarted', attempt: 1, state: { request: 3 }, action: {
      type: 'approveOnDevice', app: 'truecaller',
    }, attemptsRemaining: null, resend: null,
  }], ['action_required'])
  await expect([{ type: 'attemptFailed', attempt: 1, reason: 'user_rejected' }], ['failed'])
  t.equal(await stream.ended, 'ended')
})

t.test('changes that were not read are sent as one event', async t => {
  const { happen, open, gateway } = await withStream(t)
  const stream = await open()
  await stream.received(0)
  // The read is delayed until the fallback is complete.
  const { get } = gateway
  const held = Promise.withResolvers<void>()
  gateway.get = async id => {
    await held.promise
    return get(id)
  }
  happen({ type: 'nextRequested', reason: 'abandoned' })
  happen(
    {
      type: 'attemptStarted', attempt: 1, state: null, action: { type: 'approveOnDevice', app: 'truecaller' },
      attemptsRemaining: null, resend: null,
    },
  )
  held.resolve()
  t.match(
    await stream.received(1),
    { event: 'verification.action_required', id: 4, data: { nextAction: { type: 'approveOnDevice' } } },
  )
})

for (const [name, events] of [
  ['verified', proof], ['failed', [{ type: 'attemptFailed', attempt: 0, reason: 'user_rejected' }]],
  ['canceled', [{ type: 'canceled', reason: 'app_canceled' }]],
] as const) {
  t.test(`${name}: the stream ends after this event; a later stream has only it; after it there is none`, async t => {
    const { open, happen } = await withStream(t)
    const stream = await open()
    await stream.received(0)
    for (const event of events) happen(event)
    t.equal(await stream.ended, 'ended')
    const last = stream.events.at(-1)
    t.match(last, { event: `verification.${name}`, data: { status: name } })
    const late = await open()
    t.equal(await late.ended, 'ended')
    t.match(late.events, [{ id: last?.id, event: `verification.${name}` }])
    t.equal(late.events.length, 1)
    for (
      const [query, headers] of [
        ['', { 'last-event-id': String(last?.id) }], [`?lastEventId=${last?.id}`, {}], ['?lastEventId=99', {}],
      ] as const
    ) {
      const known = await open(query, { ...authorization, ...headers })
      t.equal(known.status, 204, 'stops the reconnections of an EventSource')
      await known.ended
      t.equal(known.text(), '')
    }
  })
}

t.test('a known state is not sent again', async t => {
  const { open, happen, revision } = await withStream(t)
  const streams: { stream: EventStream, first: number }[] = []
  for (const [query, headers, first] of [
    [`?lastEventId=${revision}`, {}, 3], [
      '', { 'last-event-id': String(revision) }, 3,
    ], [`?lastEventId=${revision - 1}`, {}, 2],
    [
      '?lastEventId=1', { 'last-event-id': String(revision) }, 3,
    ], ['', { 'last-event-id': 'nonsense' }, 2], ['', { 'last-event-id': '' }, 2],
    ['?lastEventId=77', {}, 3],
  ] as const) {
    const stream = await open(query, { ...authorization, ...headers })
    t.equal(stream.status, 200)
    if (first === 2) t.match(await stream.received(0), { id: first })
    else t.same(stream.events, [])
    streams.push({ stream, first })
  }
  happen({ type: 'resendRequested', attempt: 0 })
  for (const { stream, first } of streams) t.match(await stream.received(3 - first), { id: 3 })
})

t.test('erasure ends the streams; later ones get 410', async t => {
  const { open, server, id } = await withStream(t)
  const stream = await open()
  await stream.received(0)
  await server.inject({ method: 'DELETE', url: `/verifications/${id}`, headers: authorization })
  t.equal(await stream.ended, 'ended')
  t.equal(stream.events.length, 1)
  t.match(await open(), { status: 410, headers: { 'content-type': 'application/problem+json' } })
})

t.test('two streams of one verification: each caller has its own view of the same change', async t => {
  const { open, clientSecret, happen } = await withStream(t)
  const app = await open()
  const client = await open('', { authorization: `Bearer ${clientSecret}` })
  await Promise.all([app.received(0), client.received(0)])
  for (const event of proof) happen(event)
  for (const [stream, number] of [[app, phoneNumber], [client, '+1********00']] as const) {
    await stream.ended
    t.match(
      stream.events.at(-1), { data: { status: 'verified', phoneNumber: number, result: { phoneNumber: number } } },
    )
  }
  t.notMatch(client.text(), /4155550100|pro"/)
})

t.test('the client secret may be in the query of this route only', async t => {
  const { open, clientSecret, lines, url, create, server, id } = await withStream(t)
  for (
    const [query, headers] of [
      [`?clientSecret=${clientSecret}`, {}], ['', { authorization: `Bearer ${clientSecret}` }],
    ] as const
  ) {
    const stream = await open(query, headers)
    t.match(await stream.received(0), { data: { phoneNumber: '+1********00', metadata: {} } })
    t.notMatch(stream.text(), /4155550100|pro"/)
    stream.close()
  }
  const other = await create()
  for (const [query, headers, status] of [
    ['', {}, 401], ['?clientSecret=', {}, 401], [
      '?clientSecret=vcs_wrong', {}, 401,
    ], [`?clientSecret=${apiKey}`, {}, 401], [`?clientSecret=${id}`, {}, 401],
    [`?clientSecret=${clientSecret}&clientSecret=${clientSecret}`, {}, 401], [`?clientsecret=${clientSecret}`, {}, 401],
    [`?clientSecret=${other.clientSecret}`, {}, 404], [
      `?clientSecret=${clientSecret}`, { authorization: 'Bearer vgk_unknown' }, 401,
    ],
    ['', { authorization: 'Bearer vgk_nobody' }, 403], ['', { authorization: 'Bearer vgk_other' }, 404],
    [`?clientSecret=${clientSecret}&lastEventId=x`, {}, 400], [`?clientSecret=${clientSecret}&extra=1`, {}, 400],
  ] as const) {
    const refused = await open(query, headers)
    t.equal(refused.status, status, query)
    await refused.ended
    t.notMatch(refused.text(), /vcs_|vgk_/)
  }
  // Other routes ignore the query.
  for (
    const [method, path] of [
      ['GET', ''], ['POST', '/check'], ['POST', '/next'], ['POST', '/resend'], ['POST', '/cancel'], ['DELETE', ''],
    ] as const
  ) {
    t.equal(
      (await server.inject({ method, url: `/verifications/${id}${path}?clientSecret=${clientSecret}` })).statusCode,
      401, `${method} ${path}`,
    )
  }
  t.equal(
    (await server.inject({ method: 'HEAD', url: `${new URL(url).pathname}?clientSecret=${clientSecret}` })).statusCode,
    405, 'there is no HEAD route',
  )
  t.notMatch(lines.join(''), /vcs_|vgk_|clientSecret|4155550100/)
})

t.test('every route, called with a client secret', async t => {
  const { server, id, clientSecret, create, happen } = await withStream(t)
  const headers = { authorization: `Bearer ${clientSecret}` }
  await server.ready()
  const other = await create()
  const opened: Record<string, number> = {
    'GET /verifications/:id': 200, 'HEAD /verifications/:id': 200, 'GET /verifications/:id/events': 200,
    'POST /verifications/:id/check': 422,
    'POST /verifications/:id/next': 200, 'POST /verifications/:id/resend': 200,
  }
  const isPublic = /^(GET|HEAD|POST|OPTIONS) \/(callbacks\/.*|livez|readyz|metrics|openapi\.json|docs.*)$|^OPTIONS /
  const paths = server.documented.flatMap(({ method, url }) => [method].flat().map(verb => [verb, url]))
  const seen = new Set<string>()
  const bodies: Record<string, object> = { 'POST /verifications/:id/check': { code: '000000' } }
  // `next` ends the verification: last.
  for (
    const [method = '', route = ''] of [...paths, ['HEAD', '/verifications/:id']].sort(
      (a, b) => Number(a[1]?.endsWith('next')) - Number(b[1]?.endsWith('next')),
    )
  ) {
    const name = `${method} ${route}`
    seen.add(name)
    if (isPublic.test(name)) continue
    const call = (of: string) => server.inject({
      method: method as 'GET', url: route.replace(':id', of), headers, ...method === 'POST' && {
        payload: bodies[name] ?? {},
      },
    })
    if (name === 'GET /verifications/:id/events') {
      // The stream of a pending verification would not end.
      t.equal((await call(other.id)).statusCode, 404, `${name} of another`)
      continue
    }
    if (route.includes('/verifications/:id')) t.ok(
      [403, 404].includes((await call(other.id)).statusCode), `${name} of another`,
    )
    const { statusCode, body } = await call(id)
    t.equal(statusCode, opened[name] ?? 403, name)
    t.notMatch(body, /4155550100|"pro"/, name)
  }
  happen({ type: 'canceled', reason: 'app_canceled' })
  t.equal((await server.inject({ url: `/verifications/${id}/events`, headers })).statusCode, 200)
  t.same(Object.keys(opened).filter(name => !seen.has(name)), [], 'the table is complete')
})
