import t, { type Test } from 'tap'
import { startGateway, type Answer, type TestGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/redis.ts'
import { codeFor, numberEnding } from './end-user.ts'

/** A gateway whose clock runs ahead of the machine's; `sweep` then does what is due. */
async function startAhead (t: Test): Promise<TestGateway & { pass (seconds: number): Promise<void> }> {
  let aheadMs = 0
  const gateway = await startGateway(t, { now: () => Date.now() + aheadMs })
  return { ...gateway, pass: async seconds => { aheadMs += seconds * 1000; await gateway.app.gateway.sweep() } }
}
type Ahead = Awaited<ReturnType<typeof startAhead>>

const timeIn = (verification: Answer['body'], name: string): number => Date.parse(verification[name])

t.test('with a clock that runs ahead', async t => {
  const ahead = await startAhead(t)
  await t.test('resend', t => testResend(t, ahead))
  await t.test('a resend that fails', t => testFailedResend(t, ahead))
  await t.test('the deadline', t => testDeadline(t, ahead))
  await t.test('an attempt\'s time', t => testAttemptTime(t, ahead))
})

async function testResend (t: Test, { shop, simulators, pass }: Ahead) {
  const phoneNumber = numberEnding('02')
  const sent = () => simulators.requests.filter(({ path }) => path === '/auth/v1/initiate/otp').length
  const before = sent()
  const created = await shop.create({ phoneNumber, workflow: ['otpless.otp'] })
  const { id } = created.body
  const resend = () => shop.call('POST', `/verifications/${id}/resend`)
  t.hasStrict(created.body['availableActions'][1], { action: 'resend', remaining: 2 })

  const early = await resend()
  t.hasStrict(early, { status: 429, body: { code: 'rate_limited', status: 429 } })
  const waitSeconds = Number(early.headers['retry-after'])
  t.ok(waitSeconds >= 25 && waitSeconds <= 30, `Retry-After: ${waitSeconds}`)
  t.equal(sent() - before, 1)

  await pass(waitSeconds)
  const again = await Promise.all([1, 2, 3, 4, 5].map(resend))
  t.strictSame(again.map(({ status }) => status).sort(), [200, 429, 429, 429, 429], 'one of many at once')
  const answer = again.find(({ status }) => status === 200)
  t.hasStrict(answer?.body, { status: 'pending', nextAction: { type: 'submitCode', attemptsRemaining: 5 } })
  t.hasStrict(answer?.body['availableActions'][1], { action: 'resend', remaining: 1 })
  t.ok(answer?.body['revision'] > created.body['revision'])
  t.equal(answer?.body['attempts'].length, 1, 'the same attempt')
  t.equal(sent() - before, 2)

  await pass(31)
  const last = await resend()
  t.equal(last.status, 200)
  t.strictSame(last.body['availableActions'].map(({ action }: { action: string }) => action), ['next'])
  t.equal(sent() - before, 3)
  await pass(31)
  t.hasStrict(
    await resend(), { status: 409, body: { code: 'invalid_state', verificationStatus: 'pending' } },
    'a third one is refused',
  )
  t.equal(sent() - before, 3)
  t.hasStrict(
    await shop.call(
      'POST', `/verifications/${id}/check`, { code: codeFor(phoneNumber) },
    ), { status: 200, body: { status: 'verified' } },
  )
  t.hasStrict(await resend(), { status: 409, body: { verificationStatus: 'verified' } })

  for (const method of ['truid.phone_check', 'truecaller.push']) {
    const { body } = await shop.create({ phoneNumber: numberEnding('92'), workflow: [method] })
    t.hasStrict(
      await shop.call('POST', `/verifications/${body['id']}/resend`), { status: 409, body: { code: 'invalid_state' } },
      method,
    )
  }
}

async function testFailedResend (t: Test, { shop, simulators, pass }: Ahead) {
  const phoneNumber = numberEnding('02')
  const { body: { id } } = await shop.create({ phoneNumber, workflow: ['otpless.otp'] })
  await pass(31)
  simulators.fail({ provider: 'otpless', path: '/auth/v1/initiate', answer: 500 })
  t.hasStrict(
    await shop.call('POST', `/verifications/${id}/resend`), { status: 503, body: { code: 'provider_unavailable' } },
  )
  t.hasStrict(
    (await shop.call('GET', `/verifications/${id}`)).body, { status: 'pending', nextAction: { type: 'submitCode' } },
  )
  t.hasStrict(
    await shop.call(
      'POST', `/verifications/${id}/check`, { code: codeFor(phoneNumber) },
    ), { status: 200, body: { status: 'verified' } },
    'the first code is still good',
  )
}

async function testDeadline (t: Test, { shop, bank, pass, app }: Ahead) {
  const phoneNumber = numberEnding('02')
  const created = await shop.create(
    { phoneNumber, expiresInSeconds: 60, workflow: ['otpless.otp', 'truid.phone_check'] },
  )
  const { id, revision } = created.body
  t.equal(timeIn(created.body, 'expiresAt') - timeIn(created.body, 'createdAt'), 60_000)
  const other = await bank.create({ phoneNumber, expiresInSeconds: 600, workflow: ['otpless.otp'] })
  await pass(58)
  t.hasStrict((await shop.call('GET', `/verifications/${id}`)).body, { status: 'pending', revision })
  await pass(2.1)
  const expired = (await shop.call('GET', `/verifications/${id}`)).body
  t.hasStrict(
    expired, { status: 'expired', verified: false, reason: 'deadline', nextAction: null, revision: revision + 1 },
  )
  t.strictSame(expired['availableActions'], [])
  t.hasStrict(expired['attempts'], [{ status: 'expired', reason: 'deadline' }])
  t.equal(expired['attempts'].length, 1, 'nothing more is started')
  await Promise.all([1, 2, 3, 4].map(() => app.gateway.sweep()))
  t.equal((await shop.call('GET', `/verifications/${id}`)).body['revision'], revision + 1, 'once')
  t.hasStrict(
    await shop.call('POST', `/verifications/${id}/check`, { code: codeFor(phoneNumber) }),
    { status: 409, body: { code: 'invalid_state', verificationStatus: 'expired' } },
  )
  t.hasStrict(
    (await bank.call('GET', `/verifications/${other.body['id']}`)).body, { status: 'pending' }, 'the others go on',
  )
  t.equal((await shop.create({ phoneNumber, workflow: ['otpless.otp'] })).status, 201, 'the number is free')
}

async function testAttemptTime (t: Test, { shop, pass, simulators }: Ahead) {
  const phoneNumber = numberEnding('92')
  const workflow = [
    { method: 'truid.phone_check', timeoutSeconds: 40 }, { method: 'truecaller.push', timeoutSeconds: 50 },
    { method: 'otpless.otp', timeoutSeconds: 60 },
  ]
  const { body } = await shop.create({ phoneNumber, workflow })
  const seen = async (count: number) => shop.waitFor(
    body['id'], ({ attempts, nextAction }) => attempts.length === count && nextAction?.type !== 'wait',
  )
  t.equal(timeIn(body['nextAction'], 'expiresAt') - timeIn(body['attempts'][0], 'startedAt'), 40_000)
  await pass(41)
  const second = await seen(2)
  t.hasStrict(
    second['attempts'],
    [{ status: 'expired', reason: 'attempt_timeout' }, { method: 'truecaller.push', status: 'pending' }],
  )
  t.equal(second['nextAction'].type, 'approveOnDevice')
  await pass(51)
  const third = await seen(3)
  t.equal(third['nextAction'].type, 'submitCode')
  t.equal(simulators.requests.filter(({ path }) => path === '/v1/apps/requests').length, 2, 'each is started once')
  await pass(61)
  t.hasStrict(
    await shop.waitFor(body['id']),
    {
      status: 'expired', reason: 'attempt_timeout',
      attempts: [{}, {}, { status: 'expired', reason: 'attempt_timeout' }],
    },
  )
}

t.test('after its retention a final one is gone', async t => {
  const { shop } = await startGateway(t, { environment: { RETENTION_SECONDS: '1' } })
  const { body: { id } } = await shop.create(
    { phoneNumber: numberEnding('02'), workflow: ['otpless.otp'], reference: 'r-1' },
  )
  const { body: { id: live } } = await shop.create({ phoneNumber: numberEnding('04'), workflow: ['otpless.otp'] })
  await shop.call('POST', `/verifications/${id}/cancel`)
  const ended = Date.now()
  t.hasStrict(await shop.call('GET', `/verifications/${id}`), { status: 200, body: { status: 'canceled' } })
  let answer: Answer | undefined
  await until(async () => (answer = await shop.call('GET', `/verifications/${id}`)).status !== 200, 'it goes')
  t.hasStrict(answer, { status: 410, body: { code: 'gone' } })
  t.ok(Date.now() - ended >= 900, 'not before')
  t.hasStrict(await shop.call('POST', `/verifications/${id}/cancel`), { status: 410 })
  t.strictSame((await shop.call('GET', '/verifications?reference=r-1')).body['data'], [])
  t.hasStrict(
    await shop.call('GET', `/verifications/${live}`), { status: 200, body: { status: 'pending' } }, 'a live one stays',
  )
})
