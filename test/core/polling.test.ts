import t from 'tap'
import { decide } from '../../src/core/decide.ts'
import { action, apply, describe, events, nextStep, pendingAttempt, start, states } from './fixtures.ts'
import { leaseMs } from '../../src/core/verification.ts'

const resolve = 'pending:0:resolving +resolve'

t.test('a query', async t => {
  const { resolvingApp, resolvingProvider } = states
  t.match(pendingAttempt(resolvingApp), { wasQueried: true, leaseUntil: start + leaseMs.resolve })
  t.match(pendingAttempt(resolvingProvider), { wasQueried: false })
  const rejected = apply(resolvingApp, events.queryRejected)
  t.match(pendingAttempt(rejected), { wasQueried: false, evidence: { value: { code: '1' } } })
  t.match(pendingAttempt(apply(rejected, events.queryStarted)), { wasQueried: true })
  t.equal(decide(rejected, events.queryRejected, start), null, 'once')
})

t.test('still pending: the next query, its state and its action', async t => {
  const { resolvingApp, resolvingPoll, resolvingProvider } = states
  t.match(
    pendingAttempt(apply(resolvingApp, events.stillPendingApp)),
    { phase: 'resolving', leaseUntil: start + 1_000, state: { ref: 1 }, action, evidence: { from: 'app' } },
  )
  t.match(
    pendingAttempt(apply(resolvingProvider, events.stillPendingProvider)), { phase: 'waiting', state: { ref: 1 } },
  )
  t.equal(
    decide(apply(resolvingPoll, events.evidenceApp), events.stillPendingPoll, start), null,
    'the answer to an earlier query says nothing about evidence received meanwhile',
  )
  const withState = { ...events.stillPendingPoll, state: { ref: 9 } }
  const known = apply(resolvingPoll, withState)
  t.match(pendingAttempt(known), { state: { ref: 9 }, action })
  t.equal(known.revision, resolvingPoll.revision, 'a new state alone is not visible')
  const changed = apply(resolvingPoll, { ...withState, action: nextStep })
  t.match(pendingAttempt(changed), { state: { ref: 9 }, action: nextStep, leaseUntil: start + 1_000 })
  t.equal(changed.revision, resolvingPoll.revision + 1, 'a new action is')
  t.match(
    pendingAttempt(apply(resolvingProvider, { ...events.stillPendingProvider, state: null, action: nextStep })),
    { phase: 'waiting', state: { ref: 1 }, action: nextStep },
  )
})

t.test('a method that polls is always resolving', async t => {
  const { polling, pollingApp } = states
  const poll = { from: 'poll', value: {} }
  t.match(
    pendingAttempt(polling),
    { phase: 'resolving', evidence: poll, leaseUntil: start + 2_000, wasQueried: false, pollEveryMs: 2_000, action },
  )
  t.equal(decide(polling, events.timeElapsed, start + 1_999), null)
  t.equal(describe(decide(polling, events.timeElapsed, start + 2_000)), resolve)
  t.match(
    pendingAttempt(apply(pollingApp, events.codeIncorrect, start + 500)),
    { phase: 'resolving', evidence: poll, leaseUntil: start + 2_500, wasQueried: false, attemptsRemaining: 1 },
    'polling goes on after an incorrect code',
  )
  const provider = apply(polling, events.evidenceProvider)
  t.match(
    pendingAttempt(
      apply(provider, events.stillPendingProvider, start + 500),
    ), { evidence: poll, leaseUntil: start + 2_500 },
  )
  t.equal(decide(pollingApp, events.evidenceProvider, start), null, 'the user\'s own evidence is not replaced')
  t.equal(decide(states.resolvingPoll, events.evidenceProvider, start), null, 'a method that does not poll')
})

t.test('the provider changes the step, or reports a delivery', async t => {
  const changed = apply(states.waiting, events.stepChanged)
  t.match(pendingAttempt(changed), { phase: 'waiting', state: { ref: 3 }, action: nextStep })
  t.match(
    pendingAttempt(apply(states.resolvingApp, events.stepChanged)), { evidence: { from: 'app' }, action: nextStep },
  )
  const reported = apply(states.waiting, events.deliveryReported)
  t.match(pendingAttempt(reported), { receipts: [events.deliveryReported.delivery] })
  t.match(
    apply(reported, events.attemptFailed).attempts[0], { status: 'failed', receipts: [{ status: 'delivered' }] },
    'the receipt stays with the attempt',
  )
  t.notOk('receipts' in (apply(states.waiting, events.attemptFailed).attempts[0] ?? {}))
})
