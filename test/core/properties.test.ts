import fc from 'fast-check'
import t from 'tap'
import { bindings, levelOf } from '../../src/core/assurance.ts'
import { decide } from '../../src/core/decide.ts'
import type { Event } from '../../src/core/events.ts'
import { reasonWords } from '../../src/core/reasons.ts'
import { dueAt } from '../../src/core/deadlines.ts'
import { currentAttempt, isBeingChecked, isFinal, type Verification } from '../../src/core/verification.ts'
import { webhookEventTypes } from '../../src/core/vocabulary.ts'
import { webhookEventsOf } from '../../src/core/webhook-events.ts'
import { asked, assurance, created, events, start, step } from './fixtures.ts'

const attempt = fc.integer({ min: 0, max: 3 })
const reason = fc.constantFrom(...reasonWords)
// Only the clock ends an attempt with `attempt_timeout`.
const failure = fc.constantFrom(...reasonWords.filter(word => word !== 'attempt_timeout'))
const from = fc.constantFrom('app' as const, 'provider' as const, 'poll' as const)
const later = fc.integer({ min: 0, max: 700_000 })
const started = fc.tuple(attempt, fc.boolean()).map(([attempt, polls]): Event =>
  ({ ...events.attemptStarted, attempt, ...polls ? { pollEveryMs: 2_000 } : {} }))
/** Every kind of event; those of an attempt are about any of four attempts. */
const anyEvent: fc.Arbitrary<Event> = fc.oneof(
  started,
  fc.tuple(fc.constantFrom(...Object.values(events)), attempt)
    .map(([event, attempt]): Event => 'attempt' in event ? { ...event, attempt } : event),
  fc.tuple(attempt, reason).map(([attempt, reason]): Event => ({ type: 'startFailed', attempt, reason })),
  fc.tuple(attempt, failure).map(([attempt, reason]): Event => ({ type: 'attemptFailed', attempt, reason })),
  fc.tuple(attempt, from)
    .map(([attempt, from]): Event => ({ type: 'evidenceReceived', attempt, evidence: { from, value: { from } } })),
  fc.tuple(attempt, fc.constantFrom(asked, '+14155550101'), fc.constantFrom(...bindings))
    .map(([attempt, phoneNumber, binding]): Event =>
      ({ ...events.numberProven, attempt, phoneNumber, assurance: { ...assurance, binding } })),
  fc.record({ revision: fc.nat({ max: 6 }), endsCheck: fc.boolean() })
    .map((more): Event => ({ ...events.nextRequested, ...more })),
  fc.tuple(attempt, from, later)
    .map(([attempt, from, after]): Event => ({ type: 'stillPending', attempt, from, retryAfterMs: after })),
)
// A crash is an event that is missing; the sweeper's `timeElapsed` long after it brings the rest.
const anyHistory = fc.array(fc.record({
  event: anyEvent, after: fc.integer({ min: 0, max: 40_000 }), times: fc.integer({ min: 1, max: 3 }),
  startsHere: fc.boolean(),
}), { maxLength: 40 })
const anyWorkflow = fc.array(
  fc.record({
    isRepeatable: fc.boolean(), continueWhenRejected: fc.boolean(), sendsMessage: fc.constant(true as const),
  }, { requiredKeys: ['isRepeatable', 'continueWhenRejected'] }).map(more => step('otpless.otp', more)),
  { minLength: 1, maxLength: 4 },
)

/** What holds after every change. */
function assertSound (before: Verification, event: Event, after: Verification, phoneNumber: string | null): void {
  const assert = (isTrue: boolean, what: string): void => { if (!isTrue) throw new Error(what) }
  assert(!isFinal(before), 'a final state changed')
  const grown = after.revision - before.revision
  assert(grown === 0 || grown === 1, 'one change is at most one revision')
  assert(after.attempts.length <= after.workflow.length, 'more attempts than steps')
  assert(after.attempts.slice(0, -1).every(({ status }) => status !== 'pending'), 'two pending attempts')
  assert(after.attempts.every(({ method }, index) => method === after.workflow[index]?.method), 'another method')
  if (after.status === 'verified') {
    assert(event.type === 'numberProven' && event.phoneNumber === (phoneNumber ?? event.phoneNumber), 'no proof')
    const last = before.attempts.at(-1)
    assert(levelOf(after.result.assurance) >= before.minAssurance, 'too weak a proof')
    assert(last?.status === 'pending' && last.phase === 'resolving', 'verified without evidence')
  }
  const judging = currentAttempt(before)
  const isEnded = judging !== null && after.attempts[judging.index]?.status !== 'pending'
  if (judging !== null && isBeingChecked(judging.attempt) && isEnded) {
    assert(event.type !== 'nextRequested' || event.endsCheck === true, 'evidence was dropped while it was checked')
    const ended = after.attempts[judging.index]
    assert(ended?.status === 'pending' || ended?.reason !== 'attempt_timeout', 'the provider did not judge it')
  }
  assert(isFinal(after) === (currentAttempt(after) === null), 'an attempt is pending until the end')
  assert(isFinal(after) === (dueAt(after) === null), 'a pending verification is due at some time')
  const types = webhookEventsOf(before, after).map(({ type }) => type)
  if (isFinal(after)) assert(types.join() === after.status, `the outcome is announced: ${types.join()}`)
}

t.test('any interleaving and repetition ends in exactly one final state', async t => {
  const level = fc.constantFrom(1 as const, 2 as const)
  const number = fc.option(fc.constant(asked))
  fc.assert(fc.property(anyWorkflow, number, level, anyHistory, (workflow, phoneNumber, minAssurance, history) => {
    let now = start
    let verification = created({ workflow, phoneNumber, minAssurance, webhookEvents: [...webhookEventTypes] })
    const take = (event: Event, startsHere = false): void => {
      const decision = decide(verification, event, now, { startsHere })
      if (decision === null) return
      assertSound(verification, event, decision.next, phoneNumber)
      if (isFinal(decision.next) && decision.effect !== null) throw new Error('final, with an effect')
      verification = decision.next
    }
    for (const { event, after, times, startsHere } of history) {
      now += after
      for (let n = 0; n < times; n += 1) take(event, startsHere)
    }
    // Every process dies; only time passes.
    for (let sweeps = 0; !isFinal(verification); sweeps += 1) {
      if (sweeps > 2_000) throw new Error('it never ends')
      now = Math.max(now, dueAt(verification) ?? now)
      take(events.timeElapsed)
    }
    if (verification.updatedAt > verification.expiresAt + 40_000 * 40) throw new Error('it ended too late')
  }), { numRuns: 3_000 })
  t.pass('3,000 histories')
})
