import t from 'tap'
import type { Verification } from '../../src/core/verification.ts'
import { defaultEventTypes, webhookEventTypes } from '../../src/core/vocabulary.ts'
import { eventTypeOf, webhookEventsOf } from '../../src/core/webhook-events.ts'
import { apply, applyAll, events, nextStep, states } from './fixtures.ts'

const all = <V extends Verification>(verification: V): V =>
  ({ ...verification, webhookEvents: [...webhookEventTypes] })
const second = applyAll(states.waiting, events.attemptFailed)
const fallback = { ...events.attemptStarted, attempt: 1 } as const

t.test('the outcome is an event, once', async t => {
  for (const status of ['verified', 'failed', 'expired', 'canceled'] as const) {
    t.equal(eventTypeOf(states.waiting, states[status]), status)
    t.equal(eventTypeOf(null, states[status]), status, 'also in the write that creates it')
    t.equal(eventTypeOf(states[status], states[status]), null)
  }
})

t.test('a new action is an event', async t => {
  const type = (before: Verification, ...then: Parameters<typeof apply>[1][]) =>
    eventTypeOf(before, applyAll(before, ...then))
  t.equal(type(states.unclaimed, events.attemptStarted), null, 'the response to create shows the first one')
  t.equal(type(states.waiting, events.attemptFailed), null, 'the next attempt is starting')
  t.equal(type(second, fallback), 'action_required', 'fallback')
  t.equal(type(second, { ...fallback, pollEveryMs: 500 }), 'action_required', 'fallback to a method that polls')
  t.equal(type(states.waiting, events.resent), 'action_required', 'resend')
  t.equal(type(states.waiting, events.stepChanged), 'action_required', 'the provider changed the step')
  t.equal(type(states.polling, { ...events.stillPendingPoll, state: 1, action: nextStep }), 'action_required')
  t.equal(type(states.polling, { ...events.stillPendingPoll, state: 1 }), null, 'a new state without a new action')
  for (const name of ['evidenceApp', 'evidencePoll', 'resendRequested', 'deliveryReported'] as const) {
    t.equal(type(states.waiting, events[name]), null, name)
  }
  t.equal(type(states.resolvingApp, events.codeIncorrect), null, 'the action is the same as before')
  t.equal(type(states.resolvingApp, events.stepChanged), null, 'evidence is being checked: no action is shown')
})

t.test('events have the revision of their change, and only those that the app wants', async t => {
  const waiting = all(states.waiting)
  t.strictSame(webhookEventsOf(null, waiting), [{ type: 'created', revision: 1 }])
  const ended = all(states.canceled)
  t.strictSame(
    webhookEventsOf(null, ended), [{ type: 'created', revision: 1 }, { type: 'canceled', revision: ended.revision }],
  )
  t.strictSame(webhookEventsOf(waiting, ended), [{ type: 'canceled', revision: ended.revision }])
  t.strictSame(webhookEventsOf(waiting, { ...ended, webhookEvents: ['verified'] }), [])
  t.strictSame(webhookEventsOf(null, { ...ended, webhookEvents: [] }), [])
  t.strictSame(webhookEventsOf(null, { ...ended, webhookEvents: ['created'] }), [{ type: 'created', revision: 1 }])
  t.strictSame(defaultEventTypes, ['verified', 'failed', 'expired', 'canceled'], 'the outcome')
})
