import { request } from 'undici'
import t from 'tap'
import { ask, start, until, type Answer } from '../receiver.ts'
import { get, json, post, refused, statusOf, type Started } from './client.ts'

const initiate = (started: Started, phoneNumber: unknown = '919999999900', more: object = {}) =>
  post(started, '/auth/v1/initiate/sna', { phoneNumber, ...more })
const read = (started: Started, requestId: unknown): Promise<Answer> =>
  get(started, `/auth/v1/status?requestId=${String(requestId)}`)

/** The device opens the link: the places it was sent to, and the last answer. */
async function open (link: unknown): Promise<{ hops: string[], status: number, text: string }> {
  const hops: string[] = []
  for (let place = String(link); ;) {
    const { statusCode, headers: { location }, body } = await request(place)
    const text = await body.text()
    if (typeof location !== 'string') return { hops, status: statusCode, text }
    hops.push(new URL(location).pathname.split('/')[1] ?? '')
    place = location
  }
}

/** Starts, opens the link, and waits for this status. */
async function run (started: Started, phoneNumber: string, status: string) {
  const { json: { requestId, link } } = await initiate(started, phoneNumber)
  const end = await open(link)
  await until(async () => (await read(started, requestId)).json['status'] === status)
  return { requestId, end, answer: (await read(started, requestId)).json }
}

t.test('INIT, the device\'s way to the operator and back, PENDING, SUCCESS', async t => {
  const started = await start(t)
  const answer = await initiate(
    started, '919999999900', { mcc: '405', mnc: '51', correlationId: 'login-1', metadata: { a: 1 }, expiry: 60 },
  )
  t.equal(answer.status, 200)
  const { requestId, link } = answer.json
  t.match(answer.json, {
    requestId: String, status: 'INIT', link: `${started.simulators.url}/sna/continue/${String(requestId)}`,
    operator: 'JIO', phoneDetail: { operator: 'JIO', countryCode: '91', country: 'IN', type: 'MOBILE' },
    simDetail: { operator: 'JIO', mcc: 405, mnc: 51 }, networkDetail: { ip: String, ipType: 'IPV6' },
  })
  t.notOk('error' in answer.json)
  const message = 'Authentication not completed, please try again later.'
  t.match((await read(started, requestId)).json, {
    token: requestId, status: 'INIT', message, correlationId: 'login-1', metadata: { a: 1 },
  })

  t.strictSame(await open(link), { hops: ['operator', 'sna'], status: 200, text: '' }, 'without a result')
  await until(async () => (await read(started, requestId)).json['status'] === 'SUCCESS')
  const documented = {
    token: requestId, status: 'SUCCESS', correlationId: 'login-1', completedAt: Number, operator: 'JIO',
    identities: [{
      identityType: 'MOBILE', identityValue: '919999999900', channel: 'SILENT_AUTH', methods: ['SILENT_AUTH'],
      verified: true, verifiedTimestamp: Number,
    }], networkDetail: { continue: { ip: String }, callback: { ip: String } },
  }
  t.match((await read(started, requestId)).json, documented)
  t.match((await statusOf(started, requestId)).json, documented, 'POST is documented, too')
  t.equal((await open(link)).status, 400, 'it is over')

  const events = (await started.gateway.first(3)).map(({ body }) => body)
  t.match(events, [
    { eventType: 'AUTH', data: { status: 'INITIATED' } },
    {
      eventType: 'SNA', timestamp: Number, data: {
        status: 'SUCCESS', correlationId: 'login-1', authSessionId: String, operator: 'JIO', metaData: { a: 1 },
        authenticationDetails: {
          phone: {
            channel: ['SILENT_AUTH'], method: 'SILENT_AUTH', phoneNumber: '9999999900', countryCode: '+91', requestId,
          },
        },
      },
    },
    { eventType: 'AUTH', data: { status: 'SUCCESS', token: String } },
  ])
  t.ok(Number(events[1]?.['timestamp']) < 1e11, 'in seconds')
})

t.test('a walk that is not the request\'s own ends nowhere', async t => {
  const started = await start(t)
  const { url } = started.simulators
  const { json: { requestId } } = await initiate(started)
  t.equal((await open(`${url}/sna/callback/${String(requestId)}/made-up`)).status, 400)
  t.match((await read(started, requestId)).json, { status: 'INIT' })
  t.equal((await open(`${url}/sna/continue/unknown`)).status, 400)
  const voice = await post(started, '/auth/v1/initiate/voice_approval', { phoneNumber: '919999999900' })
  t.equal((await open(`${url}/sna/continue/${String(voice.json['requestId'])}`)).status, 400)
  refused(t, await read(started, voice.json['requestId']), 400, '7114', 'GET is for SNA only')
})

t.test('each member that strays has its code', async t => {
  const started = await start(t)
  for (const [more, code] of [
    [{ phoneNumber: '+919999999900' }, '7102'], [{ phoneNumber: 919999999900 }, '7102'],
    [{ phoneNumber: undefined }, '7102'], [{ mcc: '404' }, '7101'], [{ mnc: '10' }, '7101'],
    [{ mcc: 404, mnc: 10 }, '7101'], [{ expiry: 29 }, '7113'], [{ expiry: 86_401 }, '7113'],
    [{ expiry: '60' }, '7113'], [{ metadata: 'x' }, '7101'], [{ redirectURI: 'https://a.example' }, '7101'],
  ] as const) refused(t, await initiate(started, '919999999900', more), 400, code, JSON.stringify(more))
  refused(t, await get(started, '/auth/v1/status'), 400, '7119')
  refused(t, await read(started, ''), 400, '7119')
  refused(t, await read(started, 'unknown'), 400, '7114')
})

t.test('a 200 that says FAILED', async t => {
  const started = await start(t)
  const { status, json: answer } = await initiate(started, '919999999991')
  t.equal(status, 200)
  const error = { errorCode: 'SP40005', message: 'Operator not supported', description: String }
  t.match(answer, { requestId: String, status: 'FAILED', error, phoneDetail: {}, simDetail: {} })
  t.notOk('link' in answer)
  t.match((await read(started, answer['requestId'])).json, { status: 'FAILED', message: String, error })
  t.match((await started.gateway.first(2))[1]?.body, {
    eventType: 'SNA', data: {
      status: 'FAILED', error: { errorCode: 'SP40005', errorMessage: 'Operator not supported' },
    },
  })
})

t.test('scenarios', async t => {
  let now = Date.now()
  const started = await start(t, { now: () => now, slowMs: 120 })
  for (const [number, errorCode, ack] of [
    ['919999999901', 'SP40011', 200], ['919999999999', 'SP40010', 200], ['919998881191', 'SP40009', 400],
    ['919998882191', 'SP40007', 200],
  ] as const) {
    const { answer, end } = await run(started, number, 'FAILED')
    t.match(answer, { error: { errorCode }, message: 'Authentication failure' }, number)
    t.notOk('identities' in answer)
    t.equal(end.status, ack, number)
  }
  const openedAt = performance.now()
  await run(started, '919999999993', 'SUCCESS')
  t.ok(performance.now() - openedAt >= 115)
  t.match((await run(started, '919998881198', 'SUCCESS')).answer, {
    token: null, error: null, identities: [null, { identityValue: 919998881198, verifiedTimestamp: String }],
  })
  t.match((await initiate(started, '919998881198')).json, { status: 'PENDING', link: String, error: null })
  t.match((await initiate(started, '919999999995')).json, { status: 'PENDING', link: String })

  const broken = await initiate(started, '919999999998')
  t.strictSame([broken.status, Object.keys(broken.json)], [200, ['requestId', 'status']], 'INIT without a link')
  t.equal((await initiate(started, '919999999996')).status, 500)
  refused(t, await initiate(started, '919998881196'), 429, '7024')
  refused(t, await initiate(started, '919998882196'), 401, '7002')
  const flaky = await initiate(started, '919999999997')
  for (const status of [500, 500, 200]) t.equal((await read(started, flaky.json['requestId'])).status, status)
  const invalid = await initiate(started, '919998881199')
  refused(t, await read(started, invalid.json['requestId']), 400, '7114')
  const expired = await initiate(started, '919998882199')
  refused(t, await read(started, expired.json['requestId']), 401, '7301')

  const silent = await initiate(started, '919999999992')
  t.equal((await open(silent.json['link'])).status, 200)
  const pending = (await read(started, silent.json['requestId'])).json
  t.match(pending, { status: 'PENDING', message: 'Authentication not completed, please try again later.' })
  t.notOk('token' in pending, 'PENDING has none')
  now += 300_000
  refused(t, await read(started, silent.json['requestId']), 401, '7301')
  t.equal((await open(silent.json['link'])).status, 400)
})

t.test('reordered: the webhook says SUCCESS while the status does not yet', async t => {
  const seen: unknown[] = []
  const started = await start(t, {
    answer: ({ body }) => {
      seen.push((body['data'] as { status: string }).status)
      return seen.length === 1 ? undefined : 200
    },
  })
  const { requestId } = await runUnanswered(started)
  t.strictSame(seen, ['SUCCESS'])
  t.match((await read(started, requestId)).json, { status: 'PENDING' })
})

/** Until the first webhook has arrived, which nobody answers. */
async function runUnanswered (started: Started) {
  const { json: { requestId, link } } = await initiate(started, '919999999995')
  await open(link)
  await started.gateway.first(1)
  return { requestId }
}

t.test('the SDK flow: created, not started, ended', async t => {
  const started = await start(t)
  const create = (body: object) => post(started, '/auth/v1/create', body)
  const status = (requestId: unknown) => get(started, `/auth/v2/status?requestId=${String(requestId)}`)
  const runSdk = (requestId: unknown) =>
    ask(`${started.simulators.url}/handset/otpless/sdk`, 'POST', json, { requestId })
  const { status: code, json: { requestId } } = await create({ phoneNumber: '9999999900', countryCode: '91', tid: 'x' })
  t.equal(code, 200)
  t.match(requestId, /^ARID_[0-9A-F]{12}$/)
  refused(t, await status(requestId), 400, '7170', 'not the end: it may start')
  refused(t, await statusOf(started, requestId), 400, '7170')
  t.equal((await runSdk(requestId)).status, 204)
  t.match((await status(requestId)).json, {
    auths: [{
      identityType: 'MOBILE', identityValue: '919999999900', channel: 'SILENT_AUTH', methods: ['SILENT_AUTH'],
      status: 'SUCCESS', verifiedTimestamp: Number, type: 'PRIMARY',
    }], derivedOperator: 'JIO', deviceFingerprinting: { status: 'SUCCESS' },
  })
  refused(t, await runSdk(requestId), 400, '7119', 'once')
  for (const [phoneNumber, auth] of [
    ['9999999901', { status: 'FAILED', error: { errorCode: 'SP40011', message: String, description: String } }],
    ['9999999991', { status: 'FAILED', error: { errorCode: 'SP40005' } }], ['9999999992', { status: 'PENDING' }],
  ] as const) {
    const { json: { requestId: id } } = await create({ phoneNumber, countryCode: '91' })
    await runSdk(id)
    t.match((await status(id)).json, { auths: [auth] })
  }
  for (const [body, errorCode] of [
    [{}, '7106'], [{ phoneNumber: '9999999900' }, '7106'], [{ countryCode: '91' }, '7106'],
    [{ phoneNumber: '+919999999900', countryCode: '91' }, '7102'], [{ email: 'ada' }, '7104'],
    [{ email: 'ada@example.com', expiry: 59 }, '7113'],
  ] as const) refused(t, await create(body), 400, errorCode, JSON.stringify(body))
  refused(t, await status('x'), 400, '7119')
  refused(t, await status('ARID_0123456789AB'), 400, '7119')
})
