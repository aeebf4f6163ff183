import t from 'tap'
import { type Answer, ask, setting, start, until } from '../receiver.ts'

type Started = Awaited<ReturnType<typeof start>>

const json = { 'content-type': 'application/json' }
const unauthorized = { status: 40101, message: 'Unauthorized' }

function push ({ simulators }: Started, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  const appKey = setting(simulators, 'TRUECALLER_APP_KEY')
  return ask(`${simulators.url}/v1/apps/requests`, 'POST', { ...json, appKey, ...headers }, body)
}

function profile ({ simulators }: Started, accessToken: unknown): Promise<Answer> {
  return ask(`${simulators.url}/v1/default`, 'GET', { authorization: `Bearer ${accessToken}` })
}

function open (
  { simulators }: Started, phoneNumber: string, { query = '', nonce = 'nonce-0123456789' } = {},
): Promise<Answer> {
  const partnerKey = setting(simulators, 'TRUECALLER_APP_KEY')
  const parameters = new URLSearchParams({ type: 'btmsheet', requestNonce: nonce, partnerKey, partnerName: 'Sandbox' })
  const url = `truecallersdk://truesdk/web_verify?${parameters}`
  return ask(`${simulators.url}/handset/open${query}`, 'POST', json, { url, phoneNumber })
}

/** Asks for a number that always answers: a callback for an earlier number would have arrived before its own. */
async function afterwards (started: Started): Promise<void> {
  const before = started.gateway.received.length
  await push(started, { phoneNumber: 46760999002, state: 'afterwards' })
  await started.gateway.first(before + 1)
}

t.test('push: the documented way, from request to profile', async t => {
  const started = await start(t, { handsetDelayMs: 150 })
  const answer = await push(started, { phoneNumber: 46760123056, state: 'ne4_cRtzx73-alui_XDvzS5h' })
  t.equal(answer.status, 200)
  t.strictSame(Object.keys(answer.json), ['requestId'])
  t.equal(started.gateway.received.length, 0, 'the callback comes after the answer')
  const [callback] = await started.gateway.first(1)
  t.equal(callback?.path, '/callbacks/truecaller')
  t.match(callback?.headers['content-type'], /^application\/json/)
  t.strictSame(Object.keys(callback?.body ?? {}), ['requestId', 'accessToken', 'state'])
  t.match(
    callback?.body,
    { requestId: answer.json['requestId'], accessToken: /^[\w-]{64}$/, state: 'ne4_cRtzx73-alui_XDvzS5h' },
  )
  for (const time of ['first', 'second']) {
    const { status, json } = await profile(started, callback?.body['accessToken'])
    t.equal(status, 200, `${time} time`)
    t.match(json, { phoneNumbers: [46760123056], onlineIdentity: {} })
  }
})

t.test('push: state is echoed only if it was sent; the callback key is part of the registered URL', async t => {
  const gateway = await start(t)
  const started = await start(
    t, { gatewayUrl: () => `${gateway.gateway.url}/`, settings: { TRUECALLER_CALLBACK_KEY: 'a-key' } },
  )
  await push(started, { phoneNumber: 46760123056 })
  const [callback] = await gateway.gateway.first(1)
  t.equal(callback?.path, '/callbacks/truecaller/a-key')
  t.strictSame(Object.keys(callback?.body ?? {}), ['requestId', 'accessToken'])
})

t.test('push: a bad app key is 404, before anything else is looked at', async t => {
  const started = await start(t)
  for (const headers of [{ appKey: 'wrong' }, { appKey: '' }]) {
    const { status, json } = await push(started, { phoneNumber: '+1' }, headers)
    t.equal(status, 404)
    t.strictSame(json, { code: 404, message: 'Invalid partner credentials.' })
  }
  const { url } = started.simulators
  t.equal(
    (
      await ask(`${url}/v1/apps/requests`, 'POST', { ...json, authorization: 'Bearer x' }, { phoneNumber: 46760123056 })
    ).status,
    404,
  )
})

t.test('push: what strays from the documented body is refused', async t => {
  const started = await start(t)
  const bodies: unknown[] = [
    { phoneNumber: '46760123056' }, {
      phoneNumber: '+46760123056',
    }, { phoneNumber: 46760123056.5 }, { phoneNumber: 123456 },
    { phoneNumber: 1e15 },
    { phoneNumber: -46760123056 }, {}, [], { phone_number: 46760123056 }, { phoneNumber: 46760123056, state: 5 },
    { phoneNumber: 46760123056, callbackUrl: 'https://example.com' }, '{"phoneNumber":', '',
  ]
  for (const body of bodies) {
    const { status, json } = await push(started, body)
    t.equal(status, 400, JSON.stringify(body))
    t.equal(json['code'], 400)
  }
  t.equal((await push(started, { phoneNumber: 46760123056 }, { 'content-type': 'text/plain' })).status, 415)
  t.equal(
    (await push(started, 'phoneNumber=46760123056', { 'content-type': 'application/x-www-form-urlencoded' })).status,
    415,
  )
})

t.test('push: the second request within five minutes gets no second callback', async t => {
  let now = Date.now()
  const started = await start(t, { now: () => now })
  const first = await push(started, { phoneNumber: 46760123056 })
  await started.gateway.first(1)
  now += 5 * 60_000 - 1
  const second = await push(started, { phoneNumber: 46760123056 })
  t.equal(second.status, 200)
  t.not(second.json['requestId'], first.json['requestId'])
  await afterwards(started)
  t.equal(started.gateway.received.length, 2, 'the first and the one afterwards')
  now += 1
  const third = await push(started, { phoneNumber: 46760123056 })
  const [, , callback] = await started.gateway.first(3)
  t.equal(callback?.body['requestId'], third.json['requestId'])
})

t.test('profile: unknown, missing and ten minutes old tokens are 401', async t => {
  let now = Date.now()
  const started = await start(t, { now: () => now })
  await push(started, { phoneNumber: 46760123056 })
  const [callback] = await started.gateway.first(1)
  const accessToken = callback?.body['accessToken']
  now += 10 * 60_000 - 1
  t.equal((await profile(started, accessToken)).status, 200)
  now += 1
  for (const answer of [
    await profile(started, accessToken),
    await profile(started, 'unknown'),
    await ask(`${started.simulators.url}/v1/default`, 'GET'),
    await ask(`${started.simulators.url}/v1/default`, 'GET', { authorization: `Basic ${accessToken}` }),
  ]) {
    t.equal(answer.status, 401)
    t.strictSame(answer.json, unauthorized)
  }
})

t.test('push: scenarios of the start call', async t => {
  const started = await start(t)
  const unsupported = await push(started, { phoneNumber: 46760123091 })
  t.equal(unsupported.status, 403)
  t.strictSame(
    unsupported.json, { code: 1008, message: 'Forbidden: It is forbidden to use sdk login for this phone number.' },
  )
  t.equal((await push(started, { phoneNumber: 46760123096 })).status, 500)
  t.equal((await push(started, { phoneNumber: 46760123099 })).status, 500)
  const malformed = await push(started, { phoneNumber: 46760123098 })
  t.equal(malformed.status, 200)
  t.notOk('requestId' in malformed.json)
  for (const phoneNumber of [46760123092, 46760123090]) t.hasProp(
    (await push(started, { phoneNumber })).json, 'requestId',
  )
  await afterwards(started)
  t.equal(started.gateway.received.length, 1, 'none of these numbers calls back')
})

t.test('push: scenarios of what follows', async t => {
  const started = await start(t, { slowMs: 120 })
  async function outcome (phoneNumber: number, callbacks: number) {
    const askedAt = performance.now()
    const { json: { requestId } } = await push(started, { phoneNumber })
    const received = () => started.gateway.received.filter(({ body }) => body['requestId'] === requestId)
    await until(() => received().length === callbacks)
    const [first] = received()
    return { received, read: () => profile(started, first?.body['accessToken']), waitedMs: (first?.at ?? 0) - askedAt }
  }
  const [odd, repeated, reordered, flaky, slow] = await Promise.all([
    outcome(
      46760123001, 1,
    ), outcome(46760123094, 3), outcome(46760123095, 1), outcome(46760123097, 1), outcome(46760123093, 1),
  ])
  t.match(await odd.read(), { status: 200, json: { phoneNumbers: [46760123002] } }, 'another number')
  t.match(await repeated.read(), { status: 200, json: { phoneNumbers: [46760123094] } })
  t.equal(new Set(repeated.received().map(({ text }) => text)).size, 1, 'three times the same')
  t.match(await reordered.read(), { status: 200, json: { phoneNumbers: [46760123095] } }, 'nothing to reorder')
  t.ok(slow.waitedMs >= 115)
  for (const status of [500, 500, 200]) t.equal((await flaky.read()).status, status)
  await afterwards(started)
  t.equal(started.gateway.received.length, 8, 'and no callback more')
})

t.test('web: the dialog opens, the user agrees, the profile is in the shape of the web SDK', async t => {
  const started = await start(t)
  const opened = await open(started, '+919999999900')
  t.equal(opened.status, 202)
  const [first, second] = await started.gateway.first(2)
  t.strictSame(first?.body, { requestId: 'nonce-0123456789', status: 'flow_invoked' })
  t.strictSame(Object.keys(second?.body ?? {}), ['requestId', 'accessToken', 'endpoint'])
  t.equal(second?.body['requestId'], 'nonce-0123456789')
  t.equal(second?.body['endpoint'], `${setting(started.simulators, 'TRUECALLER_PROFILE_URL')}/v1/default`)
  t.match(
    (await profile(started, second?.body['accessToken'])).json, { phoneNumbers: ['919999999900'], isActive: 'True' },
  )
})

t.test('web: the response to a bad link or number says why', async t => {
  const { simulators } = await start(t)
  const to = (body: unknown, query = '') => ask(`${simulators.url}/handset/open${query}`, 'POST', json, body)
  const bad = await to({ url: 'truecallersdk://truesdk/web_verify?type=popup', phoneNumber: '+919999999900' })
  t.equal(bad.status, 400)
  t.match(bad.json, { message: 'requestNonce is missing' })
  t.equal((await to({ url: 'truecallersdk://', phoneNumber: 'me' })).status, 400)
  t.equal((await to({ phoneNumber: '+919999999900' })).status, 400)
  t.equal((await to({ url: 'x', phoneNumber: '+919999999900' }, '?other=1')).status, 400)
})

t.test('web: scenarios', async t => {
  const started = await start(t, { slowMs: 120 })
  async function outcome (phoneNumber: string, callbacks: number) {
    const nonce = `nonce-${phoneNumber}`
    await open(started, phoneNumber, { nonce })
    const received = () => started.gateway.received.filter(({ body }) => body['requestId'] === nonce)
    await until(() => received().length === callbacks)
    const said = received().map(({ body }) => 'accessToken' in body ? 'token' : body['status'])
    const accessToken = received().find(({ body }) => 'accessToken' in body)?.body['accessToken']
    const pauseMs = (received()[1]?.at ?? 0) - (received()[0]?.at ?? 0)
    return { said, pauseMs, read: () => profile(started, accessToken) }
  }
  const [rejected, reordered, repeated, startFails, slow, odd, malformed, failing, flaky] = await Promise.all([
    outcome('919999999990', 2), outcome('919999999995', 2), outcome('919999999994', 6), outcome('919999999996', 2),
    outcome('919999999993', 2), outcome('919999999901', 2), outcome('919999999998', 2), outcome('919999999999', 2),
    outcome('919999999997', 2), outcome('919999999992', 0),
  ])
  t.strictSame(rejected.said, ['flow_invoked', 'user_rejected'])
  t.strictSame(reordered.said, ['token', 'flow_invoked'])
  const three = (word: string) => [word, word, word]
  t.strictSame(repeated.said, [...three('flow_invoked'), ...three('token')])
  t.strictSame(startFails.said, ['flow_invoked', 'token'], 'no start call that could fail')
  t.ok(slow.pauseMs >= 110)
  t.match(await odd.read(), { status: 200, json: { phoneNumbers: ['919999999902'] } })
  t.notOk('phoneNumbers' in (await malformed.read()).json)
  for (let time = 0; time < 4; time += 1) t.equal((await failing.read()).status, 500, 'the generic error, every time')
  for (const status of [500, 500, 200]) t.equal((await flaky.read()).status, status)
  await afterwards(started)
  t.equal(started.gateway.received.length, 23, 'silence for what is not answered')
})

t.test('web: what the callback says can be replaced', async t => {
  const started = await start(t)
  await open(started, '919999999900', { query: `?endpoint=${encodeURIComponent('https://evil.example/v1/default')}` })
  t.match((await started.gateway.first(2))[1]?.body, { endpoint: 'https://evil.example/v1/default' })
  await open(started, '919999999900', { query: '?status=use_another_number' })
  t.strictSame(
    (await started.gateway.first(4))[3]?.body, { requestId: 'nonce-0123456789', status: 'use_another_number' },
  )
})

t.test('a callback that gets no 2xx comes again', async t => {
  const statuses = [500, 302]
  const started = await start(t, { answer: () => statuses.shift() ?? 200 })
  await push(started, { phoneNumber: 46760123056 })
  const received = await started.gateway.first(3)
  t.equal(new Set(received.map(({ text }) => text)).size, 1)
})

t.test('push: other outcomes of 90, 96, 98 and 99', async t => {
  const started = await start(t)
  const refused = await push(started, { phoneNumber: 46760182096 })
  t.equal(refused.status, 404)
  t.equal(refused.text, '', 'one version of the documentation has no body')
  const hanging = new AbortController()
  const appKey = setting(started.simulators, 'TRUECALLER_APP_KEY')
  const unanswered = fetch(`${started.simulators.url}/v1/apps/requests`, {
    method: 'POST', headers: { ...json, appKey }, body: '{"phoneNumber":46760183096}', signal: hanging.signal,
  }).then(({ status }) => status, () => 'none')
  await until(() => started.simulators.requests.length === 2)
  t.hasProp((await push(started, { phoneNumber: 46760181090 })).json, 'requestId', 'no event for a closed dialog')
  await push(started, { phoneNumber: 46760182099 })
  const [expired] = await started.gateway.first(1)
  t.match(await profile(started, expired?.body['accessToken']), { status: 401, json: unauthorized })
  const { json: { requestId } } = await push(started, { phoneNumber: 46760181098 })
  const [, unusual] = await started.gateway.first(2)
  t.match(unusual?.body, { requestId, accessToken: String, state: null, status: null, endpoint: null })
  t.match(await profile(started, unusual?.body['accessToken']), {
    status: 200, json: { phoneNumbers: [null, '00 467 60181098'], name: {}, gender: null },
  })
  await afterwards(started)
  t.equal(started.gateway.received.length, 3)
  hanging.abort()
  t.equal(await unanswered, 'none')
})

t.test('web: a phone without the app, a dialog that is closed, unusual callbacks', async t => {
  const started = await start(t)
  t.equal((await open(started, '919999999991')).status, 404, 'no app opens the link')
  await open(started, '919999981090')
  t.strictSame((await started.gateway.first(2)).map(({ body }) => body['status']), ['flow_invoked', 'flow_cancelled'])
  await open(started, '919999981098', { nonce: 'nonce-unusual' })
  const [, , opened, granted] = await started.gateway.first(4)
  t.strictSame(opened?.body, { requestId: 'nonce-unusual', status: 'flow_invoked', accessToken: null })
  t.match(granted?.body, { requestId: 'nonce-unusual', accessToken: String, state: null, status: null, endpoint: '' })
})

t.test('a limit to another provider leaves the number to this one', async t => {
  const started = await start(t)
  t.equal((await push(started, { phoneNumber: 46760123391 })).status, 200)
  t.equal((await push(started, { phoneNumber: 46760123291 })).status, 403)
})

t.test('unknown routes and bad bodies repeat nothing that was sent', async t => {
  const started = await start(t)
  const { url } = started.simulators
  for (const path of ['/v1/keys?appKey=hunter2', '/v1/apps/requests?appKey=hunter2']) {
    const answer = await ask(`${url}${path}`, 'GET')
    t.match(answer, { status: 404, json: { code: 404, message: 'Not Found' } })
    t.notMatch(answer.text, /hunter2/)
  }
  for (const body of ['{"phoneNumber":hunter2}', { phoneNumber: 'hunter2' }]) {
    t.notMatch((await push(started, body)).text, /hunter2|hunt/)
  }
})
