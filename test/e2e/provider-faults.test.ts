import t from 'tap'
import { startGateway } from '../helpers/gateway.ts'
import { until } from '../helpers/redis.ts'
import { begin, codeFor, numberEnding } from './end-user.ts'

const paths = { otp: '/auth/v1/verify/otp', check: '/phone_check' }

t.test('a provider that fails while it is asked', async t => {
  const gateway = await startGateway(t, { simulatorOptions: { slowMs: 800 } })
  const { shop, simulators } = gateway
  for (const answer of [500, 503, 429, 'reset'] as const) {
    const { id, phoneNumber, check } = await begin(gateway, 'otpless.otp')
    simulators.fail({ provider: 'otpless', path: paths.otp, answer })
    t.hasStrict(
      await check({ code: codeFor(phoneNumber) }), {
        status: 202, body: { status: 'pending', nextAction: { type: 'wait' } },
      },
      `${answer}: 202`,
    )
    t.hasStrict(await check({ code: codeFor(phoneNumber) }), { status: 202 }, 'the same again changes nothing')
    t.hasStrict(
      await check({ code: '000000' }), { status: 409, body: { code: 'invalid_state' } },
      'other evidence is rejected meanwhile',
    )
    const waitsFrom = performance.now()
    t.hasStrict(
      await shop.waitFor(id), { status: 'verified', attempts: [{ status: 'verified' }] }, 'then verified by the job',
    )
    t.ok(performance.now() - waitsFrom < 6000, 'before the sweep would have done it')
    const [refused, last] = simulators.requests.filter(({ path }) => path === paths.otp).slice(-2)
    const afterMs = (last?.at ?? 0) - (refused?.at ?? 0)
    if (answer === 429 || answer === 503) t.ok(
      afterMs >= 900, `Retry-After: 1 is honoured, it was asked again after ${afterMs} ms`,
    )
  }
  const wrong = await begin(gateway, 'otpless.otp')
  simulators.fail({ provider: 'otpless', path: paths.otp, answer: 500 })
  t.hasStrict(await wrong.check({ code: '000000' }), { status: 202 })
  t.hasStrict(
    await shop.waitFor(
      wrong.id, ({ nextAction }) => nextAction?.type === 'submitCode',
    ), { nextAction: { attemptsRemaining: 4 } },
    'a wrong one is counted by the job',
  )

  const slow = await begin(gateway, 'otpless.otp', { phoneNumber: numberEnding('93') })
  const checking = slow.check({ code: codeFor(slow.phoneNumber) })
  await until(async () => (await slow.read())['nextAction']?.type === 'wait', 'it is being checked')
  await shop.call('POST', `/verifications/${slow.id}/cancel`)
  t.hasStrict(await checking, { body: { status: 'canceled', verified: false } }, 'canceled while it was asked')
  t.hasStrict(await slow.read(), { status: 'canceled', verified: false, result: null })

  const { body: { data } } = await shop.call('GET', '/providers')
  const otpless = data.find(({ provider }: { provider: string }) => provider === 'otpless')
  t.match(
    otpless.health,
    { breaker: 'closed', lastSuccessAt: /^20.*Z$/, lastFailure: { at: /^20.*Z$/, reason: 'provider_error' } },
    'the operator sees it',
  )
  t.ok(otpless.health.errorRate > 0 && otpless.health.errorRate < 1)
  t.equal((await shop.call('GET', '/readyz')).status, 200, 'and traffic is sent here all the same')
})

t.test('a provider that hangs', async t => {
  const gateway = await startGateway(t)
  const { shop, simulators } = gateway
  for (const [provider, path] of [
    ['otpless', paths.otp], ['truid', paths.check],
  ] as const) simulators.fail({ provider, path, answer: 'hang' })
  const otp = await begin(gateway, 'otpless.otp')
  const started = performance.now()
  const [checked, created] = await Promise.all([
    otp.check({ code: codeFor(otp.phoneNumber) }),
    shop.create({ phoneNumber: numberEnding('02'), workflow: ['truid.phone_check', 'otpless.otp'] }),
  ])
  const tookMs = performance.now() - started
  t.ok(tookMs < 60_000, `${tookMs} ms`)
  t.ok([200, 202].includes(checked.status), `answered ${checked.status}`)
  t.hasStrict(await shop.waitFor(otp.id), { status: 'verified' })
  t.hasStrict(
    created,
    {
      status: 201,
      body: {
        status: 'pending', attempts: [
          { status: 'failed', reason: 'provider_timeout' }, { method: 'otpless.otp', status: 'pending' },
        ],
      },
    },
  )
})
