import t from 'tap'
import { startGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/redis.ts'
import { begin, codeFor, numberEnding } from './end-user.ts'

t.test('next beside a code', async t => {
  const gateway = await startGateway(t, { simulatorOptions: { slowMs: 800 } })
  const { shop, simulators } = gateway
  const workflow = ['otpless.otp', 'truid.phone_check']
  const next = (id: string, body: object = {}) => shop.call('POST', `/verifications/${id}/next`, body)

  await t.test('at the same time: an accepted code is judged, and the right one wins', async t => {
    const right = await Promise.all(Array.from({ length: 30 }, async () => {
      const { id, phoneNumber, check, read } = await begin(gateway, 'otpless.otp', { workflow })
      const [checked, moved] = await Promise.all([check({ code: codeFor(phoneNumber) }), next(id)])
      return { checked: checked.status, moved: moved.status, status: (await read())['status'] }
    }))
    for (const { checked, moved, status } of right) {
      t.ok(checked === 200 ? status === 'verified' : checked === 409 && moved === 200, `${checked} ${moved} ${status}`)
    }
    t.ok(right.some(({ status }) => status === 'verified'))
    const wrong = await Promise.all(Array.from({ length: 12 }, async () => {
      const { id, check } = await begin(gateway, 'otpless.otp', { workflow })
      const [checked, moved] = await Promise.all([check({ code: '000000' }), next(id)])
      return { checked: checked.status, code: checked.body['code'], moved: moved.status }
    }))
    for (const { checked, code, moved } of wrong) {
      t.equal(moved, 200)
      t.equal(code, checked === 422 ? 'code_incorrect' : 'invalid_state', 'counted, or not looked at')
    }
  })

  await t.test('while a slow provider checks it', async t => {
    const { id, phoneNumber, check, read } = await begin(gateway, 'otpless.otp', {
      phoneNumber: numberEnding('93'), workflow,
    })
    const checking = check({ code: codeFor(phoneNumber) })
    await until(async () => (await read())['nextAction']?.type === 'wait', 'it is being checked')
    t.hasStrict(await next(id), { status: 200, body: { status: 'verified', attempts: [{ status: 'verified' }] } })
    t.hasStrict(await checking, { status: 200, body: { status: 'verified' } })
  })

  await t.test('a button that is pressed twice ends one attempt', async t => {
    const { id, revision, read } = await begin(gateway, 'truid.phone_check', {
      workflow: ['truid.phone_check', 'otpless.otp', 'truecaller.push'],
    })
    const answers = [await next(id, { revision }), await next(id, { revision })]
    t.hasStrict(answers[1], { status: 409, body: { code: 'invalid_state', verificationStatus: 'pending' } })
    t.equal(answers[0]?.status, 200)
    t.equal((await read())['attempts'].length, 2)
    const early = await next(id)
    t.hasStrict(early, { status: 429, body: { code: 'rate_limited' } }, 'two messages within 30 s')
    const waitSeconds = Number(early.headers['retry-after'])
    t.ok(waitSeconds > 0 && waitSeconds <= 30, `Retry-After: ${waitSeconds}`)
    const { availableActions, attempts } = await read()
    const [{ action, availableAt }] = availableActions
    t.equal(action, 'next')
    t.ok(Date.parse(availableAt) >= Date.parse(attempts[1].startedAt) + 30_000)
    t.notOk(simulators.requests.some(({ path }) => path === '/v1/apps/requests'), 'no push was sent')
    t.hasStrict(await next(id, { reason: 'bored' }), { status: 400, body: { code: 'invalid_request' } })
  })
})

t.test('creates that replace', async t => {
  const { shop } = await startGateway(t)
  const phoneNumber = numberEnding('10')
  const body = { phoneNumber, workflow: ['truid.phone_check'], onConflict: 'replace' }
  const answers = await Promise.all(Array.from({ length: 10 }, () => shop.create(body)))
  t.strictSame(answers.map(({ status }) => status), Array.from({ length: 10 }, () => 201))
  const { body: { data } } = await shop.call('GET', `/verifications?phoneNumber=${encodeURIComponent(phoneNumber)}`)
  const live = data.filter(({ status }: { status: string }) => status === 'pending')
  t.equal(live.length, 1, 'one stays')
  const named = await shop.create({ ...body, reference: 'a' })
  t.hasStrict(await shop.create({ ...body, reference: 'b' }), {
    status: 409, body: { code: 'verification_in_progress', verificationId: named.body['id'] },
  })
  t.equal((await shop.create({ ...body, reference: 'a' })).status, 201)
})
