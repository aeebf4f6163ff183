import t from 'tap'
import type { Adapter, AttemptContext, Outcome, Started } from '../../src/adapters/adapter.ts'
import { guardAdapter, type GuardedAdapter } from '../../src/adapters/guard.ts'
import { ProviderError } from '../../src/core/errors.ts'
import type { Reason } from '../../src/core/reasons.ts'
import { noTracing } from '../../src/telemetry/tracing.ts'
import type { ProviderCall } from '../../src/core/vocabulary.ts'

const attempt: AttemptContext = {
  id: 'att_1', method: 'acme.otp', phoneNumber: '+14155550100', options: {}, locale: null, device: {}, state: null, expiresAt: 0,
  callbackKey: 'k', callbackUrl: 'https://x.example/', redirectUrl: null,
}
const subject = { id: 'ver_1' }
const started: Started = { state: null, action: { type: 'answerCall' } }

/** An adapter that answers as it is told, a clock that is set, and what was reported. */
function bench (): {
  guarded: GuardedAdapter, calls: ProviderCall[], clock: { now: number },
  say: { answer: () => Promise<Started>, outcome: () => Promise<Outcome> },
} {
  const clock = { now: Date.now() }
  const calls: ProviderCall[] = []
  const say = { answer: async () => started, outcome: async (): Promise<Outcome> => ({ verdict: 'incorrect' }) }
  const adapter: Adapter = { provider: 'acme', methods: {}, start: () => say.answer(), resolve: () => say.outcome() }
  return {
    guarded: guardAdapter(adapter, { now: () => clock.now, report: call => { calls.push(call) }, tracing: noTracing }),
    calls, clock, say,
  }
}
const failing = (reason: Reason) => async (): Promise<never> => { throw new ProviderError('acme', 'start', reason) }

t.test('answers pass through and are reported', async t => {
  const { guarded, calls, say } = bench()
  t.equal(await guarded.start(attempt, subject), started)
  t.same(await guarded.resolve(attempt, {}, { repeated: false }, subject), { verdict: 'incorrect' })
  say.outcome = async () => ({ verdict: 'denied', reason: 'user_rejected' })
  await guarded.resolve(attempt, {}, { repeated: false }, subject)
  t.match(calls, [
    { provider: 'acme', method: 'acme.otp', call: 'start', verificationId: 'ver_1', result: 'ok', reason: null },
    { call: 'resolve', result: 'ok' },
    { call: 'resolve', result: 'denied', reason: 'user_rejected' },
  ])
  t.match(guarded.health(), { breaker: 'closed', errorRate: 0, lastFailure: null })
  t.notOk(guarded.isOpen())
})

t.test('each report says who has to mend it', async t => {
  const { guarded, calls, say } = bench()
  await guarded.start(attempt, subject)
  for (const reason of ['carrier_unsupported', 'provider_timeout', 'provider_misconfigured'] as const) {
    say.answer = failing(reason)
    await t.rejects(guarded.start(attempt, subject))
  }
  t.strictSame(calls.map(({ blame }) => blame), ['none', 'user', 'provider', 'operator'])
  const faulty = bench()
  faulty.say.answer = async () => { throw new TypeError('a bug of ours') }
  await t.rejects(faulty.guarded.start(attempt, subject), TypeError)
  t.match(faulty.calls, [{ result: 'error', reason: 'provider_error', blame: 'us' }])
})

t.test('it opens when half of at least ten calls failed', async t => {
  const { guarded, calls, say } = bench()
  for (let n = 0; n < 5; n += 1) await guarded.start(attempt, subject)
  say.answer = failing('provider_error')
  for (let n = 0; n < 5; n += 1) {
    t.equal(guarded.isOpen(), false)
    await t.rejects(guarded.start(attempt, subject), /: provider_error$/)
  }
  t.ok(guarded.isOpen())
  t.match(guarded.health(), { breaker: 'open', errorRate: 0.5, lastFailure: { reason: 'provider_error' } })
  const before = calls.length
  await t.rejects(guarded.start(attempt, subject), /: provider_unavailable$/)
  t.equal(calls.length, before, 'nothing was called')
})

t.test('a documented no is a good answer of a healthy provider', async t => {
  const { guarded, calls, say } = bench()
  say.answer = failing('number_not_registered')
  for (let n = 0; n < 30; n += 1) await t.rejects(guarded.start(attempt, subject), /: number_not_registered$/)
  t.match(guarded.health(), { breaker: 'closed', errorRate: 0 })
  t.match(calls[0], { result: 'error', reason: 'number_not_registered' })
})

t.test('bad credentials open it at once; later one call probes', async t => {
  const { guarded, clock, say } = bench()
  say.answer = failing('provider_misconfigured')
  await t.rejects(guarded.start(attempt, subject), /: provider_misconfigured$/)
  t.ok(guarded.isOpen())
  t.equal(guarded.health().breaker, 'open')
  clock.now += 5_000
  t.notOk(guarded.isOpen(), 'a start is let through to probe')
  t.match(
    guarded.health(),
    {
      breaker: 'halfOpen', lastSuccessAt: null,
      lastFailure: { at: clock.now - 5_000, reason: 'provider_misconfigured' },
    },
  )
})

t.test('old failures are forgotten', async t => {
  const { guarded, clock, say } = bench()
  say.answer = failing('provider_error')
  for (let n = 0; n < 9; n += 1) await t.rejects(guarded.start(attempt, subject))
  t.equal(guarded.health().errorRate, 1)
  clock.now += 36_000
  t.equal(guarded.health().errorRate, 0)
  await t.rejects(guarded.start(attempt, subject))
  t.notOk(guarded.isOpen())
})
