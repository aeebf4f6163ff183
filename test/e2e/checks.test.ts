import t, { type Test } from 'tap'
import { startGateway, type Answer, type TestGateway } from '../helpers/gateway.ts'
import { begin, codeFor, numberEnding, signIn, walk } from './end-user.ts'

const callsTo = ({ simulators }: TestGateway, start: string, method = 'POST'): number =>
  simulators.requests.filter(request => request.method === method && request.path.startsWith(start)).length
const statusesOf = (answers: Answer[]): number[] => [...new Set(answers.map(({ status }) => status))].sort()
const paths = { otp: '/auth/v1/verify/otp', check: '/phone_check' }
const walkedCode = async (url: string): Promise<string> => String((await walk(url))?.body['code'])

t.test('checks', async t => {
  const gateway = await startGateway(t)
  await t.test('fifty wrong codes at once', t => testWrong(t, gateway))
  await t.test('a code of another user', t => testForeign(t, gateway))
  await t.test('who OTPLESS says the user is', t => testIdentities(t, gateway))
  await t.test('evidence that does not fit', t => testUnfit(t, gateway))
  await t.test('"the device is done"', t => testPoll(t, gateway))
})

async function testWrong (t: Test, gateway: TestGateway) {
  const { phoneNumber, check, read } = await begin(gateway, 'otpless.otp')
  const before = callsTo(gateway, paths.otp)
  const answers = await Promise.all(Array.from({ length: 50 }, (_, place) => check({ code: String(900_000 + place) })))
  t.strictSame(statusesOf(answers).filter(status => ![409, 422].includes(status)), [])
  const counted = answers.filter(({ status }) => status === 422)
  t.ok(counted.length >= 1 && counted.length <= 5, `${counted.length} counted`)
  t.equal(callsTo(gateway, paths.otp) - before, counted.length, 'nothing that was not counted was asked')
  t.strictSame(
    counted.map(
      ({ body }) => body['attemptsRemaining'],
    ).sort().reverse(), counted.map((_, place) => 4 - place), 'each counts once',
  )

  for (let left = 5 - counted.length; left > 0; left -= 1) {
    t.equal((await read())['nextAction'].attemptsRemaining, left)
    t.hasStrict(
      await check({ code: 'letters' }), { status: 422, body: { code: 'code_incorrect', attemptsRemaining: left - 1 } },
    )
  }
  t.hasStrict(await read(), { status: 'failed', verified: false, reason: 'code_attempts_exhausted' })
  t.hasStrict(
    await check({ code: codeFor(phoneNumber) }), {
      status: 409, body: { code: 'invalid_state', verificationStatus: 'failed' },
    },
    'the right one comes too late',
  )

  const second = await begin(gateway, 'otpless.otp')
  const mixed = await Promise.all(Array.from({ length: 20 }, (_, place) =>
    second.check({ code: place % 2 === 0 ? codeFor(second.phoneNumber) : String(800_000 + place) })))
  t.ok(mixed.filter(({ status }) => status === 200).length <= 1)
  t.ok(mixed.filter(({ status }) => status === 422).length <= 5)

  const fallen = await begin(gateway, 'otpless.otp', { workflow: ['otpless.otp', 'truid.phone_check'] })
  for (const left of [4, 3, 2, 1, 0]) {
    t.hasStrict(await fallen.check({ code: '000000' }), { status: 422, body: { attemptsRemaining: left } })
  }
  t.hasStrict(
    await fallen.read(),
    {
      status: 'pending',
      attempts: [
        { status: 'failed', reason: 'code_attempts_exhausted' }, { method: 'truid.phone_check', status: 'pending' },
      ],
    },
  )
}

async function testForeign (t: Test, gateway: TestGateway) {
  const [mine, theirs] = [await begin(gateway, 'truid.phone_check'), await begin(gateway, 'truid.phone_check')]
  const [ownCode, theirCode] = [await walkedCode(mine.url), await walkedCode(theirs.url)]
  t.hasStrict(
    await mine.check({ code: theirCode }), {
      status: 200, body: { status: 'failed', verified: false, reason: 'evidence_invalid' },
    },
    'a tru.ID code of another verification',
  )
  t.hasStrict(await mine.check({ code: ownCode }), { status: 409 })
  t.hasStrict(
    await theirs.check({ code: theirCode }), { status: 200, body: { status: 'verified' } },
    'which takes nothing from that one',
  )

  const early = await begin(gateway, 'truid.phone_check')
  t.hasStrict(
    await early.check({ code: 'guessed' }), { status: 200, body: { status: 'failed', reason: 'evidence_invalid' } },
    'a code before the device came',
  )
  const masked = await begin(gateway, 'otpless.otp')
  const other = await begin(gateway, 'otpless.otp')
  t.hasStrict(await masked.check({ code: codeFor(other.phoneNumber) }), { status: 422 })
}

async function testIdentities (t: Test, gateway: TestGateway) {
  const { simulators } = gateway
  const phoneNumber = numberEnding('02')
  const email = 'ada@example.com'
  const settle = async (user: Parameters<typeof signIn>[1], expected: string | null) => {
    const verification = await begin(gateway, 'otpless.token', { phoneNumber: expected, onConflict: 'replace' })
    const token = await signIn(simulators, user)
    return (await verification.check({ token })).body
  }
  for (const expected of [phoneNumber, null]) {
    const name = expected === null ? 'discovering' : 'of a number'
    t.hasStrict(
      await settle({ phoneNumber, verified: false }, expected),
      { status: 'failed', verified: false, reason: 'number_mismatch', result: null }, `unverified, ${name}`,
    )
    t.hasStrict(
      await settle({ phoneNumber, email, verified: false }, expected), { status: 'failed', reason: 'number_mismatch' },
    )
    t.hasStrict(
      await settle({ email }, expected), {
        status: 'failed', verified: false, reason: 'evidence_invalid', result: null,
      },
      `e-mail only, ${name}`,
    )
    t.hasStrict(
      await settle({ phoneNumber, email }, expected), { status: 'verified', phoneNumber, result: { phoneNumber } },
      `e-mail first, then the number, ${name}`,
    )
    t.hasStrict(
      await settle({ phoneNumber: phoneNumber.slice(1) }, expected), { status: 'verified', phoneNumber },
      `without +, ${name}`,
    )
  }
  t.hasStrict(
    await settle({ phoneNumber: numberEnding('04') }, phoneNumber),
    { status: 'failed', reason: 'number_mismatch', phoneNumber, result: null }, 'of another number',
  )
}

async function testUnfit (t: Test, gateway: TestGateway) {
  const evidence = {
    code: { code: '123456' }, token: { token: 't' }, authorizationCode: { authorizationCode: 'a', codeVerifier: 'v' },
    payload: { payload: 'p', signature: 's', signatureAlgorithm: 'SHA512withRSA' }, none: {},
  }
  for (const [method, fitting] of [
    ['otpless.otp', ['code']], ['otpless.token', ['token']], [
      'truid.phone_check', ['code', 'none'],
    ], ['truecaller.push', ['none']],
  ] as const) {
    const { check, read, revision } = await begin(gateway, method, { phoneNumber: numberEnding('92') })
    for (const [kind, value] of Object.entries(evidence).filter(([kind]) => !fitting.some(one => one === kind))) {
      t.hasStrict(
        await check(value), {
          status: 409, body: { code: 'invalid_state', verificationStatus: 'pending' },
        }, `${kind} for ${method}`,
      )
    }
    for (const value of [
      { code: 1 }, { code: '' }, { code: null }, { code: '1', token: 't' }, { authorizationCode: 'a' }, {
        payload: 'p', signature: 's',
      },
      { other: 'x' }, { code: ['1'] },
      { code: 'x'.repeat(3000) }, [], 'text', 1, '{"code":"1","__proto__":{}}', '{',
    ]) {
      const name = JSON.stringify(value).slice(0, 60)
      t.hasStrict(await check(value), { status: 400, body: { code: 'invalid_request' } }, name)
    }
    t.hasStrict(await read(), { status: 'pending', revision }, `${method} is as it was`)
    t.hasStrict(await check(null), { status: 400, body: { code: 'invalid_request' } }, '`null` is a body, and not `{}`')
  }
}

async function testPoll (t: Test, gateway: TestGateway) {
  const { shop } = gateway
  const push = await begin(gateway, 'truecaller.push', { phoneNumber: numberEnding('92') })
  t.hasStrict(await push.check({}), { status: 202, body: { status: 'pending' } }, 'there is no provider to ask')
  t.hasStrict(await push.check(), { status: 202 }, 'an absent body is the same')
  const checked = await begin(
    gateway, 'truid.phone_check', { workflow: [{ method: 'truid.phone_check', options: { version: 'v0.1' } }] },
  )
  const asked = await checked.check({})
  t.ok([200, 202].includes(asked.status))
  t.hasStrict(await shop.waitFor(checked.id), { status: 'verified' })
  const coded = await begin(gateway, 'truid.phone_check')
  const code = await walkedCode(coded.url)
  t.hasStrict(
    await coded.check({}), { status: 202, body: { status: 'pending', verified: false } },
    'in v0.2 only the code proves it',
  )
  t.hasStrict(
    await coded.check({ code }), { status: 200, body: { status: 'verified' } }, 'for which asking leaves room',
  )
}
