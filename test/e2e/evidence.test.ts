import { once } from 'node:events'
import { createServer } from 'node:http'
import { Redis } from 'ioredis'
import { packId } from '../../src/store/keys.ts'
import { readTable } from '../../src/store/tables.ts'
import t, { type Test } from 'tap'
import { clientOf, startGateway, type Answer, type TestGateway } from '../helpers/gateway.ts'
import { startRedis } from '../helpers/redis.ts'
import { startCapturing, type Capturing } from './captured-callbacks.ts'
import { begin, codeFor, numberEnding, readMetric, signIn, walk } from './end-user.ts'

const validate = '/auth/v1/validate/token'
const refused = {
  status: 409, body: { code: 'invalid_state', verificationStatus: 'pending', detail: 'This evidence was used before.' },
}
const asked = ({ simulators }: Pick<TestGateway, 'simulators'>, path: string, method = 'POST'): number =>
  simulators.requests.filter(request => request.method === method && request.path.startsWith(path)).length
const walkedCode = async (url: string): Promise<string> => String((await walk(url))?.body['code'])

t.test('what the app brings', async t => {
  const gateway = await startGateway(t)
  await t.test('the right one, fifty times at once', t => testRight(t, gateway))
  await t.test('one token for fifty verifications at once', t => testFifty(t, gateway))
  await t.test('a token that was used', t => testUsed(t, gateway))
  await t.test('a token whose answer was lost', t => testLost(t, gateway))
  await t.test('a tru.ID code of another check', t => testTruid(t, gateway))
  await t.test('a result is its own app\'s and its own front end\'s', t => testResult(t, gateway))
})

async function testRight (t: Test, gateway: TestGateway) {
  const verified = () =>
    readMetric(gateway.url, 'verigate_verifications_ended_total{method="otpless.otp",status="verified",reason="none"}')
  const before = { asked: asked(gateway, '/auth/v1/verify/otp'), verified: await verified() }
  const otp = await begin(gateway, 'otpless.otp')
  const answers = await Promise.all(Array.from({ length: 50 }, () => otp.check({ code: codeFor(otp.phoneNumber) })))
  t.ok(answers.some(({ status }) => status === 200))
  t.ok(answers.every(({ status }) => [200, 202, 409].includes(status)))
  t.hasStrict(await otp.read(), { status: 'verified', attempts: [{ status: 'verified' }] })
  t.strictSame(
    [asked(gateway, '/auth/v1/verify/otp') - before.asked, await verified() - before.verified], [1, 1],
    'asked once, verified once',
  )

  const token = await signIn(gateway.simulators, { phoneNumber: numberEnding('02') })
  const byToken = await begin(gateway, 'otpless.token', { phoneNumber: null })
  await Promise.all(Array.from({ length: 50 }, () => byToken.check({ token })))
  t.hasStrict(await byToken.read(), { status: 'verified' })
  t.equal(asked(gateway, validate), 1)

  const byCode = await begin(gateway, 'truid.phone_check')
  const code = await walkedCode(byCode.url)
  await Promise.all(Array.from({ length: 50 }, () => byCode.check({ code })))
  t.hasStrict(await byCode.read(), { status: 'verified' })
  t.equal(asked(gateway, '/phone_check', 'PATCH'), 1)
}

async function testFifty (t: Test, gateway: TestGateway) {
  const { shop, bank, simulators } = gateway
  const before = asked(gateway, validate)
  const token = await signIn(simulators, { phoneNumber: numberEnding('02') })
  const many = await Promise.all(Array.from({ length: 50 }, (_, place) =>
    begin({ shop: place % 2 === 0 ? shop : bank }, 'otpless.token', { phoneNumber: null })))
  const answers = await Promise.all(many.map(({ check }) => check({ token })))
  t.equal(answers.filter(({ status }) => status === 200).length, 1, 'exactly one')
  t.equal(asked(gateway, validate) - before, 1, 'the provider is asked once')
  for (const [place, answer] of answers.entries()) {
    const one = many[place]
    if (answer.status === 200) t.hasStrict(answer.body, { status: 'verified' })
    else {
      t.hasStrict(answer, refused)
      t.hasStrict(
        await one?.read(), { status: 'pending', revision: one?.revision, nextAction: { type: 'submitToken' } },
        'as it was',
      )
    }
  }
  const [loser] = many.filter((_, place) => answers[place]?.status === 409)
  const own = await signIn(simulators, { phoneNumber: numberEnding('02') })
  t.hasStrict(
    await loser?.check({ token: own }), { status: 200, body: { status: 'verified' } },
    'a rejected verification still accepts its own token',
  )
}

async function testUsed (t: Test, gateway: TestGateway) {
  const { url, shop, bank, simulators } = gateway
  const phoneNumber = numberEnding('02')
  const token = await signIn(simulators, { phoneNumber })
  const first = await begin(gateway, 'otpless.token', { phoneNumber })
  t.hasStrict(await first.check({ token }), { status: 200, body: { status: 'verified' } })
  const before = asked(gateway, validate)
  for (const [name, client] of Object.entries({ 'the same app': shop, 'another app': bank })) {
    const { body } = await client.create({ phoneNumber, workflow: ['otpless.token'] })
    const path = `/verifications/${body['id']}`
    t.hasStrict(await client.call('POST', `${path}/check`, { token }), refused, name)
    t.hasStrict(
      await clientOf(url, body['clientSecret']).call('POST', `${path}/check`, { token }), refused,
      `${name}, by its front end`,
    )
    t.hasStrict((await client.call('GET', path)).body, { status: 'pending', revision: body['revision'], result: null })
  }
  await shop.call('DELETE', `/verifications/${first.id}`)
  t.hasStrict(
    await (await begin(gateway, 'otpless.token')).check({ token }), refused, 'erasing does not make it good again',
  )

  const askedSoFar = asked(gateway, validate)
  for (const spelled of [`${token} `, ` ${token}`, `${token}\n`]) {
    t.hasStrict(await (await begin(gateway, 'otpless.token')).check({ token: spelled }), refused)
  }
  t.equal(asked(gateway, validate), askedSoFar, 'with a blank it is no other token: the provider is not asked')

  // A token that proves another number is used up as well; one that proves nothing is not claimed.
  const stray = await signIn(simulators, { phoneNumber: numberEnding('04') })
  t.hasStrict(
    await (await begin(gateway, 'otpless.token')).check({ token: stray }),
    { body: { status: 'failed', reason: 'number_mismatch' } },
  )
  t.hasStrict(await (await begin(gateway, 'otpless.token')).check({ token: stray }), refused)
  t.equal(asked(gateway, validate) - before, 1)
  for (let times = 0; times < 2; times += 1) {
    t.hasStrict(
      await (await begin(gateway, 'otpless.token')).check({ token: 'made-up' }),
      { body: { status: 'failed', reason: 'evidence_invalid' } },
    )
  }

  const given = await begin(gateway, 'otpless.token', { workflow: ['otpless.token', { method: 'otpless.token' }] })
  const slow = await signIn(simulators, { phoneNumber: given.phoneNumber })
  simulators.fail({ provider: 'otpless', path: validate, answer: 503, times: 1 })
  t.hasStrict(await given.check({ token: slow }), { status: 202 })
  t.hasStrict(
    await shop.call('POST', `/verifications/${given.id}/next`, {}),
    { status: 200, body: { status: 'verified', attempts: [{ status: 'verified' }] } },
    'the next attempt does not start while it is checked, and it wins',
  )
}

async function testLost (t: Test, gateway: TestGateway) {
  const { shop, simulators } = gateway
  const token = await signIn(simulators, { phoneNumber: numberEnding('02') })
  const { id, check } = await begin(gateway, 'otpless.token', { phoneNumber: null })
  simulators.fail({ provider: 'otpless', path: validate, answer: 500, times: 1 })
  t.hasStrict(await check({ token }), { status: 202 })
  t.equal((await check({ token })).status, 202, 'the same again, for the same verification, changes nothing')
  t.hasStrict(
    await (await begin(gateway, 'otpless.token')).check({ token }), refused, 'for another it is taken already',
  )
  t.hasStrict(await shop.waitFor(id), { status: 'verified' })
}

async function testTruid (t: Test, gateway: TestGateway) {
  const [first, second] = [await begin(gateway, 'truid.phone_check'), await begin(gateway, 'truid.phone_check')]
  const [firstCode, secondCode] = [await walkedCode(first.url), await walkedCode(second.url)]
  t.hasStrict(await first.check({ code: firstCode }), { status: 200, body: { status: 'verified' } })
  const before = asked(gateway, '/phone_check', 'PATCH')
  t.hasStrict(await second.check({ code: firstCode }), refused)
  t.equal(asked(gateway, '/phone_check', 'PATCH'), before, 'tru.ID is not asked')
  t.hasStrict(
    await second.read(), { status: 'pending', revision: second.revision, nextAction: { type: 'openUrlOnCellular' } },
  )
  const third = await begin(gateway, 'truid.phone_check')
  t.hasStrict(await third.check({ code: `${firstCode} ` }), refused, 'nor with a blank')
  t.equal(asked(gateway, '/phone_check', 'PATCH'), before)
  t.hasStrict(await second.check({ code: secondCode }), { status: 200, body: { status: 'verified' } })

  const byNumber = await begin(gateway, 'otpless.otp')
  const other = await begin(gateway, 'otpless.otp', { phoneNumber: `+1416${byNumber.phoneNumber.slice(5)}` })
  t.hasStrict(await byNumber.check({ code: codeFor(byNumber.phoneNumber) }), { status: 200 })
  t.hasStrict(
    await other.check({ code: codeFor(other.phoneNumber) }), { status: 200 }, 'two messages may bring the same code',
  )
}

async function testResult (t: Test, gateway: TestGateway) {
  const { url, shop, bank } = gateway
  const phoneNumber = numberEnding('02')
  const create = async () => (
    await shop.create({ phoneNumber, workflow: ['otpless.otp'], reference: 'of-the-shop' })
  ).body
  const { id, clientSecret } = await create()
  const path = `/verifications/${id}`
  t.hasStrict(
    await shop.call('POST', `${path}/check`, { code: codeFor(phoneNumber) }),
    { status: 200, body: { status: 'verified' } },
  )
  const stranger = clientOf(url, (await create())['clientSecret'])
  for (const [name, client] of Object.entries({ 'another app': bank, 'another front end': stranger })) {
    for (const place of ['', '/events', '?wait=1', '?revision=0']) {
      t.hasStrict(
        await client.call('GET', `${path}${place}`), { status: 404, body: { code: 'not_found' } }, `${name} ${place}`,
      )
    }
    t.equal((await client.call('POST', `${path}/check`, {})).status, 404)
  }
  t.equal(
    (await clientOf(url, null).call('GET', `${path}/events?clientSecret=${clientSecret.slice(0, -4)}AAAA`)).status, 401,
  )
  for (const query of [`phoneNumber=${encodeURIComponent(phoneNumber)}`, 'reference=of-the-shop']) {
    t.strictSame((await bank.call('GET', `/verifications?${query}`)).body['data'], [])
  }
  t.hasStrict(
    await clientOf(url, clientSecret).call('GET', path),
    { status: 200, body: { status: 'verified', result: { profile: null } } },
  )
}

t.test('what callbacks bring', async t => {
  const caught = await startCapturing(t)
  await t.test('the token of another user', t => testReplayed(t, caught))
  await t.test('one token for fifty at once', t => testRaced(t, caught))
})

async function testReplayed (
  t: Test, { approve, deliver, counted, say, shop, bank, url, simulators, revisionOf }: Capturing,
) {
  const own = await approve(numberEnding('02'))
  await deliver(own.grant)
  t.hasStrict(await shop.waitFor(own.id), { status: 'verified' })
  const { accessToken, endpoint } = own.grant.body
  const target = await approve(numberEnding('04'))
  const { body: elsewhere } = await bank.create({ workflow: ['truecaller.web'] })
  const nonce = new URL(elsewhere['nextAction'].url).searchParams.get('requestNonce')
  const before = asked({ simulators }, '/v1/default', 'GET')
  t.strictSame(await counted(async () => {
    for (const requestId of [target.nonce, nonce]) t.strictSame(
      await say({ requestId, accessToken, endpoint }), { status: 200, body: {} },
    )
    await Promise.all(Array.from({ length: 50 }, () => say({ requestId: target.nonce, accessToken })))
  }), { replayed: 52 })
  t.equal(await revisionOf(target.id), target.revision, 'nothing changes')
  t.hasStrict(
    (await bank.call('GET', `/verifications/${elsewhere['id']}`)).body,
    { status: 'pending', revision: elsewhere['revision'] },
  )
  t.equal(asked({ simulators }, '/v1/default', 'GET'), before, 'no profile is fetched')
  t.strictSame(
    await counted(() => say({ requestId: own.nonce, accessToken, endpoint })), { late: 1 },
    'for its own verification it is late',
  )
  await deliver(target.grant)
  t.hasStrict(await shop.waitFor(target.id), { status: 'verified' }, 'the right one is still awaited')
  t.equal(await readMetric(url, 'verigate_callbacks_total{provider="truid",result="replayed"}'), 0)
}

async function testRaced (t: Test, { approve, counted, say, shop }: Capturing) {
  const many = await Promise.all(
    Array.from({ length: 50 }, async () => (await shop.create({ workflow: ['truecaller.web'] })).body),
  )
  const { grant } = await approve(numberEnding('02'))
  const { accessToken, endpoint } = grant.body
  const results = await counted(() => Promise.all(many.map(({ nextAction }) =>
    say({ requestId: new URL(nextAction.url).searchParams.get('requestNonce'), accessToken, endpoint }))))
  t.strictSame(results, { accepted: 1, replayed: 49 })
  const read = async (): Promise<string[]> =>
    Promise.all(many.map(async ({ id }) => (await shop.call('GET', `/verifications/${id}`)).body['status']))
  await Promise.any(many.map(({ id }) => shop.waitFor(id)))
  t.equal((await read()).filter(status => status === 'verified').length, 1)
  t.equal((await read()).filter(status => status === 'pending').length, 49)
}

/** An OTPLESS that gives every request of a turn the same id. */
async function startRepeating (t: Test) {
  let id = 'request-0'
  const server = createServer(
    (_request, response) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ requestId: id })),
  )
    .listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  return {
    url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`, use: (other: string) => { id = other },
  }
}

t.test('an id of the provider\'s is one attempt\'s', async t => {
  let aheadMs = 0
  const provider = await startRepeating(t)
  const gateway = await startGateway(
    t, { environment: { OTPLESS_AUTH_URL: provider.url }, now: () => Date.now() + aheadMs },
  )
  const { shop, bank } = gateway
  const create = (client = shop, workflow = ['otpless.otp']): Promise<Answer> =>
    client.create({ phoneNumber: numberEnding('02'), workflow })
  const many = await Promise.all(Array.from({ length: 20 }, (_, place) => create(place % 2 === 0 ? shop : bank)))
  t.ok(many.every(({ status }) => status === 201))
  t.equal(many.filter(({ body }) => body['status'] === 'pending').length, 1, 'who came first has it')
  for (const { body } of many.filter(({ body }) => body['status'] !== 'pending')) {
    t.hasStrict(
      body, { status: 'failed', reason: 'provider_unavailable', attempts: [{ reason: 'provider_bad_response' }] },
    )
  }
  t.hasStrict((await create(shop, ['otpless.otp', 'otpless.token'])).body, {
    status: 'pending', attempts: [
      { status: 'failed', reason: 'provider_bad_response' }, { method: 'otpless.token', status: 'pending' },
    ],
  }, 'the next method takes its place')

  provider.use('request-1')
  const { body } = await create()
  t.equal(body['status'], 'pending')
  aheadMs = 31_000
  provider.use('request-0')
  t.hasStrict(
    await shop.call('POST', `/verifications/${body['id']}/resend`),
    { status: 503, body: { code: 'provider_unavailable' } },
  )
  t.hasStrict(
    (await shop.call('GET', `/verifications/${body['id']}`)).body,
    { status: 'pending', nextAction: { type: 'submitCode' } },
  )
  aheadMs = 62_000
  provider.use('request-1')
  t.hasStrict(
    await shop.call('POST', `/verifications/${body['id']}/resend`), { status: 200 }, 'its own again is no other\'s',
  )
})

t.test('in Redis a claim tells nothing of the evidence, nor of who brought it', async t => {
  const server = await startRedis(t)
  const redis = new Redis(server.url)
  t.teardown(() => redis.disconnect())
  const gateway = await startGateway(t, { redisUrl: server.url })
  const token = await signIn(gateway.simulators, { phoneNumber: numberEnding('02') }) ?? ''
  const byToken = await begin(gateway, 'otpless.token', { phoneNumber: null })
  await byToken.check({ token })
  const push = await begin(gateway, 'truecaller.push', { phoneNumber: numberEnding('92') })
  const claims = (await Promise.all((await redis.keys('vg:{q*}t*')).map(async key =>
    readTable(await redis.getBuffer(key), 0).map(entry => ({ key, ...entry, left: entry.expiresAt - Date.now() })))
  )).flat().filter(({ field }) => field === '' || /^(live|once)/.test(field))
  t.equal(claims.length, 4, 'the token, the push asked for lately, its id, and the live verification of a number')
  const ids = [packId(push.id), `${packId(push.id)}\0`]
  t.strictSame(
    claims.map(({ value }) => value).filter(value => value.includes(packId(push.id))).toSorted(), ids,
    'only the last two lead to their verification',
  )
  const shown = JSON.stringify(claims)
  for (const word of [byToken.id, byToken.id.slice(4), packId(byToken.id), token, 'otpless', 'truecaller']) {
    t.notOk(shown.includes(JSON.stringify(word).slice(1, -1)), word)
  }
  t.equal(
    claims.filter(({ left }) => left > 86_000_000 && left <= 86_400_000).length, 2,
    'evidence and ids are remembered for a day',
  )
})
