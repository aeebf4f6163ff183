import t from 'tap'
import { createVerification } from '../../src/core/decide.ts'
import { canServe, skipIneligible } from '../../src/core/routing.ts'
import { asked, request, start, states, step } from './fixtures.ts'
import type { NewVerification } from '../../src/core/verification.ts'

const methods = new Map([
  ['loud.otp', { needsPhoneNumber: true }],
  ['silent.check', { needsPhoneNumber: true }],
  ['finder.web', { needsPhoneNumber: false }],
  ['operator.number', { needsPhoneNumber: true, needsReturnUrl: true }],
])

t.test('canServe: the method is configured and has what it needs', async t => {
  const serves = (method: string, phoneNumber: string | null, returnUrl: string | null = null): boolean =>
    canServe({ method }, { phoneNumber, returnUrl }, methods)
  t.ok(serves('loud.otp', asked))
  t.notOk(serves('loud.otp', null))
  t.ok(serves('finder.web', null))
  t.ok(serves('finder.web', asked))
  t.notOk(serves('operator.number', asked))
  t.ok(serves('operator.number', asked, 'https://shop.example/'))
  t.notOk(serves('operator.number', null, 'https://shop.example/'))
  t.notOk(serves('absent.otp', asked))
})

/** The attempts of a new verification, with the reasons of those that were skipped. */
function route (workflow: string[], more: Partial<NewVerification> = {}, open: string[] = []) {
  const decision = createVerification(request({ workflow: workflow.map(name => step(name)), ...more }), start)
  const context = { methods, isOpen: (method: string) => open.includes(method) }
  const { next, effect } = skipIneligible(decision, context, start, { startsHere: true })
  return {
    status: next.status, reason: 'reason' in next ? next.reason : null, effect, verification: next,
    attempts: next.attempts.map(attempt => [attempt.status, 'reason' in attempt ? attempt.reason : null]),
  }
}

t.test('an attempt that cannot start is skipped with the reason', async t => {
  t.match(route(['silent.check', 'loud.otp'], {}, ['silent.check']), {
    status: 'pending', effect: 'start', attempts: [['skipped', 'provider_unavailable'], ['pending', null]],
  })
  t.match(route(['loud.otp', 'finder.web'], { phoneNumber: null }), {
    status: 'pending', effect: 'start', attempts: [['skipped', null], ['pending', null]],
  })
  t.match(route(['absent.otp', 'operator.number', 'loud.otp']), {
    attempts: [['skipped', null], ['skipped', null], ['pending', null]],
  }, 'not configured, or without a return URL')
  t.match(route(['silent.check', 'loud.otp'], {}, ['silent.check', 'loud.otp']), {
    status: 'failed', reason: 'provider_unavailable', effect: null,
    attempts: [['skipped', 'provider_unavailable'], ['skipped', 'provider_unavailable']],
  })
  const { verification } = route(['silent.check', 'loud.otp'], {}, ['silent.check'])
  t.match(verification.attempts[1], { phase: 'starting', isClaimed: true }, 'the caller starts the next one')
})

t.test('a decision that starts nothing, or can start, stays as it is', async t => {
  const context = { methods, isOpen: () => true }
  const waiting = { next: states.waiting, effect: null }
  t.equal(skipIneligible(waiting, context, start), waiting)
  const resolving = { next: states.resolvingApp, effect: 'resolve' } as const
  t.equal(skipIneligible(resolving, context, start), resolving)
  const able = createVerification(request({ workflow: [step('loud.otp')] }), start)
  t.equal(skipIneligible(able, { methods, isOpen: () => false }, start), able)
})
