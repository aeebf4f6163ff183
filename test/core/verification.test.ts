import t from 'tap'
import { actionOf, availableActions, currentAttempt, isFinal, providerOf } from '../../src/core/verification.ts'
import { action, apply, events, nextStep, pendingAttempt, start, states } from './fixtures.ts'

t.test('currentAttempt and isFinal', async t => {
  for (const name of ['verified', 'failed', 'expired', 'canceled'] as const) {
    t.equal(currentAttempt(states[name]), null, name)
    t.ok(isFinal(states[name]), name)
  }
  const second = apply(states.waiting, events.attemptFailed)
  t.match(currentAttempt(second), { index: 1, attempt: { method: 'otpless.otp', phase: 'starting' } })
  t.notOk(isFinal(second))
})

t.test('actionOf: what the front end must do now', async t => {
  const shown = (name: keyof typeof states) => actionOf(pendingAttempt(states[name]))
  t.strictSame(shown('waiting'), action)
  t.strictSame(shown('resolvingPoll'), action, 'while the provider is queried, the device may still have to act')
  t.strictSame(shown('polling'), action)
  for (
    const name of ['unclaimed', 'claimed', 'callbackFirst', 'resolvingApp', 'resolvingProvider', 'pollingApp'] as const
  ) {
    t.equal(shown(name), null, name)
  }
  t.strictSame(actionOf(pendingAttempt(apply(states.waiting, events.stepChanged))), nextStep)
})

t.test('availableActions: what the front end may do besides', async t => {
  const next = { action: 'next', availableAt: start }
  t.strictSame(availableActions(states.waiting), [next, { action: 'resend', availableAt: start, remaining: 1 }])
  t.strictSame(availableActions(apply(states.waiting, events.resendRequested)), [next], 'none is left')
  t.strictSame(availableActions(states.resolvingApp), [next], 'not while evidence is being checked')
  t.strictSame(availableActions(states.unclaimed), [next])
  t.strictSame(availableActions(states.verified), [])
})

t.test('providerOf', async t => {
  t.equal(providerOf('truecaller.push'), 'truecaller')
})
