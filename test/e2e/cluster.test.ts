import t, { type Test } from 'tap'
import { startGateway, type Client, type TestGateway } from '../helpers/gateway.ts'
import { connectTo, startCluster } from '../helpers/redis.ts'
import { act, codeFor, numberEnding, post, signIn, walk } from './end-user.ts'

t.test('on a Cluster of three masters', async t => {
  const { url, nodes } = await startCluster(t)
  t.match(url, /^redis\+cluster:\/\//)
  let aheadMs = 0
  const gateway = await startGateway(t, { redisUrl: url, now: () => Date.now() + aheadMs })
  await t.test('each method, from create to verified', t => testLifecycles(t, gateway))
  await t.test('Idempotency-Key', t => testIdempotency(t, gateway))
  await t.test('a second verification of a number', t => testConflict(t, gateway))
  await t.test('callbacks, repeated and late', t => testCallbacks(t, gateway))
  await t.test('evidence is good once', t => testEvidence(t, gateway))
  await t.test('fallback', t => testFallback(t, gateway))
  await t.test('lists and erasure', t => testLists(t, gateway))
  await t.test('every master holds some', async t => {
    for (const node of nodes) t.ok(await (await connectTo(t, node.url)).dbsize() > 10)
  })
  await t.test('expiry', t => testExpiry(t, gateway, seconds => { aheadMs += seconds * 1000 }))
})

async function testLifecycles (t: Test, { shop, simulators }: TestGateway) {
  // Several of each, so that they fall to every master.
  const methods = ['truecaller.push', 'truecaller.web', 'truid.phone_check', 'otpless.token', 'otpless.otp']
  await Promise.all(methods.flatMap(method => Array.from({ length: 8 }, async () => {
    const phoneNumber = numberEnding('02')
    const created = await shop.create({ workflow: [method], ...method === 'truecaller.web' ? {} : { phoneNumber } })
    t.hasStrict(created, { status: 201, body: { status: 'pending' } })
    await act(shop, simulators, created.body, phoneNumber)
    const end = await shop.waitFor(created.body['id'])
    t.hasStrict(
      end, { status: 'verified', phoneNumber, result: { method, phoneNumber }, attempts: [{ status: 'verified' }] },
      method,
    )
  })))
}

async function testIdempotency (t: Test, { shop, bank, simulators }: TestGateway) {
  const sent = () => simulators.requests.filter(({ path }) => path === '/auth/v1/initiate/otp').length
  const before = sent()
  // The key's slot is seldom the number's: ten keys meet every case.
  await Promise.all(Array.from({ length: 10 }, async (_, place) => {
    const body = { phoneNumber: numberEnding('02'), workflow: ['otpless.otp'] }
    const key = { 'idempotency-key': `key-${place}` }
    const answers = await Promise.all(Array.from({ length: 10 }, () => shop.create(body, key)))
    t.strictSame([...new Set(answers.map(({ status }) => status))], [201])
    t.equal(new Set(answers.map(answer => answer.body['id'])).size, 1)
    t.hasStrict(
      await shop.create({ ...body, reference: 'other' }, key),
      { status: 422, body: { code: 'idempotency_key_reused' } },
    )
    t.equal((await bank.create(body, key)).status, 201)
  }))
  t.equal(sent() - before, 20, 'one message for each app and key')

  // What was refused for the number's sake gives its key back.
  for (let place = 0; place < 5; place += 1) {
    const body = { phoneNumber: numberEnding('02'), workflow: ['otpless.otp'] }
    const { body: first } = await shop.create(body)
    const key = { 'idempotency-key': `refused-${place}` }
    t.hasStrict(
      await shop.create(body, key),
      { status: 409, body: { code: 'verification_in_progress', verificationId: first['id'] } },
    )
    await shop.call('POST', `/verifications/${first['id']}/cancel`)
    t.equal((await shop.create(body, key)).status, 201)
  }
}

async function testConflict (t: Test, { shop, bank }: TestGateway) {
  await Promise.all(Array.from({ length: 6 }, async () => {
    const body = { phoneNumber: numberEnding('02'), workflow: ['otpless.otp'] }
    const answers = await Promise.all(Array.from({ length: 6 }, () => shop.create(body)))
    t.strictSame(answers.map(({ status }) => status).sort(), [201, 409, 409, 409, 409, 409])
    const id = answers.find(({ status }) => status === 201)?.body['id']
    t.equal((await bank.create(body)).status, 201)
    const replacing = await shop.create({ ...body, onConflict: 'replace' })
    t.hasStrict(replacing, { status: 201, body: { status: 'pending' } })
    t.hasStrict((await shop.call('GET', `/verifications/${id}`)).body, { status: 'canceled', reason: 'superseded' })
    t.hasStrict(
      await shop.call('POST', `/verifications/${replacing.body['id']}/check`, { code: codeFor(body.phoneNumber) }),
      { status: 200, body: { status: 'verified' } },
    )
    t.equal((await shop.create(body)).status, 201, 'an end frees the number')
  }))
}

async function testCallbacks (t: Test, { shop, simulators, url }: TestGateway) {
  await Promise.all(Array.from({ length: 4 }, async () => {
    const { body } = await shop.create({ workflow: ['truecaller.web'] })
    const requestId = new URL(body['nextAction'].url).searchParams.get('requestNonce')
    const repeated = numberEnding('94')
    await act(shop, simulators, body, repeated)
    const end = await shop.waitFor(body['id'])
    t.hasStrict(end, { status: 'verified', phoneNumber: repeated })
    const refuse = () => post(`${url}/callbacks/truecaller`, { requestId, status: 'user_rejected' })
    const answers = await Promise.all(Array.from({ length: 20 }, refuse))
    t.ok(answers.every(({ status }) => status === 200))
    t.strictSame((await shop.call('GET', `/verifications/${body['id']}`)).body, end)
  }))
}

async function testEvidence (t: Test, { shop, bank, simulators }: TestGateway) {
  // The evidence's slot is seldom the verification's: ten of them meet every case.
  await Promise.all(Array.from({ length: 10 }, async () => {
    const token = await signIn(simulators, { phoneNumber: numberEnding('02') })
    const bring = async (client: Client) => {
      const { body } = await client.create({ workflow: ['otpless.token'] })
      return () => client.call('POST', `/verifications/${body['id']}/check`, { token })
    }
    const many = await Promise.all(Array.from({ length: 10 }, (_, place) => bring(place % 2 === 0 ? shop : bank)))
    // Each submits it three times at once: a write that loses against the same verification does not lose the claim.
    const answers = await Promise.all(many.map(one => Promise.all([one(), one(), one()])))
    const winners = answers.filter(([...own]) => own.some(({ status }) => status === 200))
    t.equal(winners.length, 1)
    for (const own of answers) if (own !== winners[0]) t.ok(
      own.every(({ status, body }) => status === 409 && body['verificationStatus'] === 'pending'),
    )
    t.equal((await (await bring(shop))()).status, 409, 'also afterwards')
  }))
  const byCode = await shop.create({ phoneNumber: numberEnding('02'), workflow: ['truid.phone_check'] })
  const other = await shop.create({ phoneNumber: numberEnding('02'), workflow: ['truid.phone_check'] })
  const code = (await walk(other.body['nextAction'].url))?.body['code']
  t.hasStrict(
    (await shop.call('POST', `/verifications/${byCode.body['id']}/check`, { code })).body,
    { status: 'failed', reason: 'evidence_invalid' },
  )
  t.hasStrict(
    (await shop.call('POST', `/verifications/${other.body['id']}/check`, { code })).body, { status: 'verified' },
    'what was not taken is given back',
  )
}

async function testFallback (t: Test, { shop, simulators }: TestGateway) {
  const phoneNumber = numberEnding('91')
  const { body } = await shop.create({ phoneNumber, workflow: ['truid.phone_check', 'truecaller.push', 'otpless.otp'] })
  await act(shop, simulators, body, phoneNumber)
  const end = await shop.waitFor(body['id'])
  t.hasStrict(end, { status: 'failed', reason: 'carrier_unsupported' })
  t.strictSame(
    end['attempts'].map(({ reason }: { reason: string }) => reason),
    ['carrier_unsupported', 'number_not_registered', 'carrier_unsupported'],
  )

  const silent = numberEnding('92')
  const first = await shop.create({ phoneNumber: silent, workflow: ['truecaller.push', 'otpless.otp'] })
  const next = await shop.call('POST', `/verifications/${first.body['id']}/next`, { reason: 'app_not_installed' })
  t.hasStrict(
    next,
    {
      status: 200,
      body: {
        attempts: [{ status: 'failed', reason: 'app_not_installed' }, { method: 'otpless.otp', status: 'pending' }],
      },
    },
  )
  const second = await shop.create(
    { phoneNumber: silent, workflow: ['truecaller.push', 'otpless.otp'], onConflict: 'replace' },
  )
  t.hasStrict(
    second,
    { status: 201, body: { attempts: [{ status: 'skipped', reason: 'recently_tried' }, { status: 'pending' }] } },
  )
}

async function testLists (t: Test, { shop, bank }: TestGateway) {
  const ids: string[] = []
  for (let place = 0; place < 6; place += 1) {
    ids.unshift(
      (
        await shop.create({ phoneNumber: numberEnding('02'), workflow: ['otpless.otp'], reference: 'cluster-order' })
      ).body['id'],
    )
  }
  const list = async (query: string, client = shop) =>
    (await client.call('GET', `/verifications?${query}`)).body['data'].map(({ id }: { id: string }) => id)
  t.strictSame([...await list('reference=cluster-order')].sort(), [...ids].sort(), 'of all masters')
  t.equal((await list('reference=cluster-order&limit=2')).length, 2)
  t.strictSame(await list('reference=cluster-order', bank), [])
  for (const id of ids) {
    t.equal((await shop.call('DELETE', `/verifications/${id}`)).status, 204)
    t.equal((await shop.call('GET', `/verifications/${id}`)).status, 410)
  }
  t.strictSame(await list('reference=cluster-order'), [])
}

async function testExpiry (t: Test, { shop, app }: TestGateway, pass: (seconds: number) => void) {
  const create = (request: object) => shop.create({ phoneNumber: numberEnding('92'), ...request })
  const timed = await Promise.all(Array.from(
    { length: 6 },
    () =>
      create(
        {
          workflow: [
            { method: 'truid.phone_check', timeoutSeconds: 40 }, { method: 'otpless.otp', timeoutSeconds: 3600 },
          ],
        },
      ),
  ))
  const short = await Promise.all(
    Array.from({ length: 6 }, () => create({ workflow: ['otpless.otp'], expiresInSeconds: 60 })),
  )
  pass(41)
  await app.gateway.sweep()
  const fallen = await Promise.all(
    timed.map(({ body }) => shop.waitFor(body['id'], ({ nextAction }) => nextAction?.type === 'submitCode')),
  )
  for (const one of fallen) {
    t.hasStrict(
      one, { status: 'pending', attempts: [{ status: 'expired', reason: 'attempt_timeout' }, { status: 'pending' }] },
    )
  }
  pass(20)
  await app.gateway.sweep()
  for (const { body } of short) t.hasStrict(
    (await shop.call('GET', `/verifications/${body['id']}`)).body, { status: 'expired', reason: 'deadline' },
  )
  pass(600)
  await app.gateway.sweep()
  for (const { body } of timed) t.hasStrict(
    (await shop.call('GET', `/verifications/${body['id']}`)).body, { status: 'expired', reason: 'deadline' },
  )
}
