import t from 'tap'
import { createVerification, decide } from '../../src/core/decide.ts'
import { canServe, hasSentMessage, skipIneligible, type RoutingContext } from '../../src/core/routing.ts'
import { asked, assurance, request, start, states, step } from './fixtures.ts'
import { levelOf, testAssurance, type AssuranceLevel } from '../../src/core/assurance.ts'
import type { Step } from '../../src/core/verification.ts'

type RoutedMethod = RoutingContext['methods'] extends ReadonlyMap<string, infer Routed> ? Routed : never
const relayed = { possession: 'sim', binding: 'none', restricted: false } as const
const bound = { ...relayed, binding: 'session' } as const
const methods: RoutingContext['methods'] = new Map<string, RoutedMethod>([
  ['loud.otp', { needsPhoneNumber: true, sendsMessage: true, assurance }],
  ['silent.check', { needsPhoneNumber: true, assurance: ({ version }) => version === 1 ? relayed : bound }],
  ['finder.web', { needsPhoneNumber: false, assurance }],
  ['operator.number', { needsPhoneNumber: true, needsReturnUrl: true, assurance: bound }],
])

t.test('canServe: the method is configured and has what it needs', async t => {
  const serves = (method: string, phoneNumber: string | null, returnUrl: string | null = null): boolean =>
    canServe(step(method), { phoneNumber, returnUrl, minAssurance: 1 }, methods)
  t.ok(serves('loud.otp', asked))
  t.notOk(serves('loud.otp', null))
  t.ok(serves('finder.web', null))
  t.ok(serves('finder.web', asked))
  t.notOk(serves('operator.number', asked))
  t.ok(serves('operator.number', asked, 'https://shop.example/'))
  t.notOk(serves('operator.number', null, 'https://shop.example/'))
  t.notOk(serves('absent.otp', asked))
})

t.test('canServe: the method proves enough, with these options', async t => {
  const serves = (method: string, minAssurance: AssuranceLevel, options: Step['options'] = {}): boolean =>
    canServe(step(method, { options }), { phoneNumber: asked, returnUrl: null, minAssurance }, methods)
  t.strictSame(([1, 2, 3] as const).map(level => serves('loud.otp', level)), [true, true, false])
  t.strictSame(([1, 2, 3] as const).map(level => serves('silent.check', level)), [true, true, true])
  t.strictSame(([1, 2, 3] as const).map(level => serves('silent.check', level, { version: 1 })), [true, false, false])
})

t.test('a number that gets no message is served by silent methods only', async t => {
  const known = { phoneNumber: asked, returnUrl: null, minAssurance: 1, withoutMessages: true } as const
  t.notOk(canServe(step('loud.otp'), known, methods))
  t.ok(canServe(step('silent.check'), known, methods))
})

t.test('which attempts have sent a message', async t => {
  const attempt = (method: string, status: 'failed' | 'skipped' = 'failed') =>
    ({ method, status, reason: null, startedAt: start, endedAt: start })
  t.ok(hasSentMessage([attempt('silent.check'), attempt('loud.otp')], methods))
  t.notOk(hasSentMessage([attempt('silent.check'), attempt('loud.otp', 'skipped'), attempt('absent.otp')], methods))
  t.notOk(hasSentMessage([], methods))
})

/** The attempts of a new verification, with the reasons of those that were skipped. */
function route (workflow: string[], { unfit = [], open = [] }: { unfit?: string[], open?: string[] } = {}) {
  const steps = workflow.map(name => step(name, unfit.includes(name) ? { isUnfit: true } : {}))
  const decision = createVerification(request({ workflow: steps }), start)
  const context = { methods, isOpen: (method: string) => open.includes(method) }
  const { next, effect } = skipIneligible(decision, context, start, { startsHere: true })
  return {
    status: next.status, reason: 'reason' in next ? next.reason : null, effect, verification: next,
    attempts: next.attempts.map(attempt => [attempt.status, 'reason' in attempt ? attempt.reason : null]),
  }
}

t.test('an attempt that cannot start is skipped with the reason', async t => {
  t.match(route(['silent.check', 'loud.otp'], { open: ['silent.check'] }), {
    status: 'pending', effect: 'start', attempts: [['skipped', 'provider_unavailable'], ['pending', null]],
  })
  t.match(route(['loud.otp', 'finder.web'], { unfit: ['loud.otp'] }), {
    status: 'pending', effect: 'start', attempts: [['skipped', null], ['pending', null]],
  })
  t.match(route(['absent.otp', 'operator.number', 'loud.otp'], { unfit: ['operator.number'] }), {
    attempts: [['skipped', null], ['skipped', null], ['pending', null]],
  }, 'not configured, or not for this request')
  t.match(route(['silent.check', 'loud.otp'], { open: ['silent.check', 'loud.otp'] }), {
    status: 'failed', reason: 'provider_unavailable', effect: null,
    attempts: [['skipped', 'provider_unavailable'], ['skipped', 'provider_unavailable']],
  })
  const { verification } = route(['silent.check', 'loud.otp'], { open: ['silent.check'] })
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

t.test('a test number is served by the first method with a typed code, which proves nothing', async t => {
  const testNumber = { codeHash: 'x', codeLength: 6 }
  const typed = { ...methods.get('loud.otp'), needsPhoneNumber: true, assurance, nextActions: ['submitCode' as const] }
  const withCodes = new Map([...methods, ['loud.otp', typed], ['other.otp', typed]])
  const known = { phoneNumber: asked, returnUrl: null, minAssurance: 1, testNumber } as const
  t.ok(canServe(step('loud.otp'), { ...known, withoutMessages: true }, withCodes))
  t.notOk(canServe(step('silent.check'), known, withCodes))
  t.notOk(canServe(step('loud.otp'), { ...known, minAssurance: 2 }, withCodes))
  t.notOk(canServe(step('absent.otp'), known, withCodes))
  t.equal(levelOf(testAssurance), 1)
  const workflow = [step('silent.check', { isUnfit: true }), step('loud.otp'), step('other.otp')]
  const context = { methods: withCodes, isOpen: () => true }
  const decision = createVerification(request({ workflow, testNumber }), start)
  const { next } = skipIneligible(decision, context, start, { startsHere: true })
  t.match(next.attempts, [{ status: 'skipped', reason: null }, { method: 'loud.otp', status: 'pending' }])
  const failed = decide(next, { type: 'nextRequested', reason: 'abandoned' }, start)
  if (failed === null) throw new Error('next applies')
  t.match(skipIneligible(failed, context, start).next, {
    status: 'failed', reason: 'abandoned', attempts: [{}, {}, { method: 'other.otp', status: 'skipped', reason: null }],
  })
})
