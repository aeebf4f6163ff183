import t from 'tap'
import type { Assurance, AssuranceLevel } from '../../src/core/assurance.ts'
import { createVerification, decide } from '../../src/core/decide.ts'
import { reasons, reasonWords } from '../../src/core/reasons.ts'
import {
  apply, applyAll, asked, assurance, created, describe, events, pendingAttempt, request, start, states, step,
  type EventName, type StateName,
} from './fixtures.ts'
import {
  availableActions, leaseMs, nextAvailableAt, type Step, type Verification,
} from '../../src/core/verification.ts'

// Rows: states; columns: events. An event that is missing is ignored. This table is the specification.
const next = 'pending:1:starting +start'
const starting = 'pending:0:starting'
const waiting = 'pending:0:waiting'
const resolving = 'pending:0:resolving'
const resolve = 'pending:0:resolving +resolve'
const canceled = 'canceled/app_canceled'
const rejected = 'failed/user_rejected'
const mismatch = 'failed/number_mismatch'
const judged = { numberProven: 'verified', otherNumberProven: mismatch }
const live = { attemptFailed: next, nextRequested: next, canceled }
/** The user has done their part: a request for the next method waits for the provider's answer. */
const checked = { attemptFailed: next, canceled }
const table: Record<StateName, Partial<Record<EventName, string>>> = {
  unclaimed: {
    ...live, startClaimed: starting, userRejected: rejected, attemptStarted: waiting, attemptSkipped: next,
    startFailed: next, evidenceProvider: starting, deliveryReported: starting,
  },
  claimed: {
    ...live, userRejected: rejected, attemptStarted: waiting, attemptSkipped: next, startFailed: next,
    evidenceProvider: starting, deliveryReported: starting,
  },
  callbackFirst: {
    ...checked, attemptStarted: resolve, attemptSkipped: next, startFailed: resolve, deliveryReported: starting,
  },
  waiting: {
    ...live, userRejected: rejected, stepChanged: waiting, deliveryReported: waiting, evidenceApp: resolve,
    evidenceProvider: resolve, evidencePoll: resolve, resendRequested: waiting, resent: waiting,
  },
  deepLink: {
    ...live, userRejected: rejected, promptOpened: waiting, stepChanged: waiting, deliveryReported: waiting,
    evidenceApp: resolve, evidenceProvider: resolve, evidencePoll: resolve, resendRequested: waiting, resent: waiting,
  },
  polling: {
    ...live, ...judged, stepChanged: resolving, deliveryReported: resolving, evidenceApp: resolve,
    evidenceProvider: resolve, codeIncorrect: resolving, queryStarted: resolving, queryFailed: resolving,
    stillPendingPoll: resolving, resent: resolving,
  },
  pollingApp: {
    ...checked, ...judged, stepChanged: resolving, deliveryReported: resolving, codeIncorrect: resolving,
    queryRejected: resolving, queryFailed: resolving, stillPendingApp: resolving, resent: resolving,
  },
  resolvingApp: {
    ...checked, ...judged, stepChanged: resolving, deliveryReported: resolving, codeIncorrect: waiting,
    queryRejected: resolving, queryFailed: resolving, stillPendingApp: resolving, resent: resolving,
  },
  resolvingProvider: {
    ...checked, ...judged, stepChanged: resolving, deliveryReported: resolving, evidenceApp: resolve,
    codeIncorrect: waiting, queryStarted: resolving, queryFailed: resolving, stillPendingProvider: waiting,
    resent: resolving,
  },
  resolvingPoll: {
    ...live, ...judged, stepChanged: resolving, deliveryReported: resolving, evidenceApp: resolve,
    codeIncorrect: waiting, queryStarted: resolving, queryFailed: resolving, stillPendingPoll: resolving,
    resent: resolving,
  },
  verified: {}, failed: {}, expired: {}, canceled: {},
}
/** Events that no outside observer can see: the revision stays. */
const silent: EventName[] = [
  'startClaimed', 'queryStarted', 'queryRejected', 'queryFailed', 'evidencePoll',
]

t.test('every state × every event', async t => {
  for (const [state, row] of Object.entries(table)) {
    const before = states[state as StateName]
    for (const [name, event] of Object.entries(events)) {
      const decision = decide(before, event, start + 1)
      t.equal(describe(decision), row[name as EventName] ?? '', `${state} × ${name}`)
      if (decision === null) continue
      const isSilent = silent.includes(name as EventName) || decision.next.revision === before.revision
      const wanted = isSilent ? [before.revision, start] : [decision.next.revision, start + 1]
      t.strictSame([decision.next.revision, decision.next.updatedAt], wanted, `${state} × ${name}: revision and time`)
    }
  }
})

t.test('the revision counts what an outside observer can see', async t => {
  const { waiting, resolvingApp, resolvingProvider, claimed, callbackFirst, polling } = states
  const revisionAfter = (before: typeof waiting, name: EventName): number =>
    apply(before, events[name]).revision - before.revision
  t.equal(states.unclaimed.revision, 1)
  t.equal(claimed.revision, 1, 'a claimed start is not visible')
  t.equal(callbackFirst.revision, 1, 'evidence that waits for the start is not visible')
  for (const name of ['evidenceApp', 'evidenceProvider', 'resent', 'stepChanged', 'resendRequested'] as const) {
    t.equal(revisionAfter(waiting, name), 1, name)
  }
  t.equal(revisionAfter(waiting, 'evidencePoll'), 0, 'a query without evidence leaves the action as it is')
  t.equal(revisionAfter(waiting, 'deliveryReported'), 1)
  t.equal(revisionAfter(resolvingApp, 'stillPendingApp'), 0)
  t.equal(revisionAfter(resolvingProvider, 'stillPendingProvider'), 1, 'the action is visible again')
  t.equal(revisionAfter(polling, 'stillPendingPoll'), 0)
  t.equal(revisionAfter(waiting, 'attemptFailed'), 1, 'one revision for the end of an attempt and the next start')
})

t.test('an event about another attempt is late or too early', async t => {
  for (const state of Object.values(states)) {
    for (const event of Object.values(events)) {
      if ('attempt' in event) t.equal(decide(state, { ...event, attempt: 1 }, start), null)
    }
  }
  const second = applyAll(states.waiting, events.attemptFailed, { ...events.attemptStarted, attempt: 1 })
  t.equal(decide(second, events.attemptFailed, start), null, 'the first attempt has ended')
})

t.test('the table of reasons decides what follows', async t => {
  const alone = apply(created({ workflow: [step('otpless.otp')] }), events.attemptStarted)
  for (const reason of reasonWords) {
    const event = { type: 'attemptFailed', attempt: 0, reason } as const
    const { fallsThrough, isProviderFault } = reasons[reason]
    t.equal(describe(decide(states.waiting, event, start)), fallsThrough ? next : `failed/${reason}`, reason)
    const status = reason === 'attempt_timeout' ? 'expired' : 'failed'
    const wanted = `${status}/${isProviderFault ? 'provider_unavailable' : reason}`
    t.equal(describe(decide(alone, event, start)), wanted, `${reason}, no step left`)
  }
})

t.test('a rejection falls through only when the workflow says so', async t => {
  const workflow = [step('truid.phone_check', { continueWhenRejected: true }), step('otpless.otp')]
  const willing = apply(created({ workflow }), events.attemptStarted)
  t.equal(describe(decide(willing, { ...events.attemptFailed, reason: 'user_rejected' }, start)), next)
  t.equal(describe(decide(willing, events.userRejected, start)), next)
  t.equal(
    describe(decide(willing, { ...events.attemptFailed, reason: 'number_mismatch' }, start)), mismatch,
    'the option is about the user only',
  )
  const requested = { type: 'nextRequested', reason: 'user_rejected' } as const
  t.equal(describe(decide(states.waiting, requested, start)), next, 'the front end requested the next step')
})

t.test('an exhausted workflow ends with the reason of the last started attempt', async t => {
  const skip = (reason: 'provider_unavailable' | null) => ({ type: 'attemptSkipped', attempt: 1, reason }) as const
  const second = apply(states.waiting, events.attemptFailed)
  t.equal(describe(decide(second, skip('provider_unavailable'), start)), 'failed/carrier_unsupported')
  const timedOut = apply(states.waiting, events.timeElapsed, start + 60_000)
  t.equal(describe(decide(timedOut, skip(null), start + 60_000)), 'expired/attempt_timeout')
  const skipped = apply(created(), events.attemptSkipped)
  t.equal(describe(decide(skipped, skip(null), start)), 'failed/recently_tried', 'none was started')
  t.equal(describe(decide(skipped, skip('provider_unavailable'), start)), 'failed/provider_unavailable')
  const unable = apply(created(), { ...events.attemptSkipped, reason: null })
  t.equal(describe(decide(unable, skip(null), start)), 'failed/provider_unavailable', 'none had a reason')
  t.match(skipped.attempts[0], { status: 'skipped', reason: 'recently_tried', endedAt: start })
})

t.test('the passing of time', async t => {
  const at = (ms: number) => describe(decide(states.waiting, events.timeElapsed, start + ms))
  t.equal(at(59_999), '')
  t.equal(at(60_000), next)
  t.equal(at(600_000), 'expired/deadline')
  t.match(apply(states.waiting, events.timeElapsed, start + 60_000).attempts, [
    { status: 'expired', reason: 'attempt_timeout', startedAt: start, endedAt: start + 60_000 },
    { startedAt: start + 60_000, expiresAt: start + 120_000, leaseUntil: start + 60_000 + leaseMs.start },
  ])
  t.match(
    apply(states.waiting, events.timeElapsed, start + 600_000), {
      attempts: [{ status: 'expired', reason: 'deadline' }],
    },
  )
  const alone = apply(created({ workflow: [step('otpless.otp')] }), events.attemptStarted)
  t.equal(describe(decide(alone, events.timeElapsed, start + 60_000)), 'expired/attempt_timeout')
  for (const evidence of [events.evidenceApp, events.evidenceProvider, events.evidencePoll]) {
    t.equal(describe(decide(states.waiting, evidence, start + 60_000)), next, 'late evidence does not count')
    t.equal(describe(decide(states.waiting, evidence, start + 59_999)), resolve)
    t.equal(describe(decide(alone, evidence, start + 60_000)), 'expired/attempt_timeout')
  }
  const short = created({ expiresAt: start + 30_000 })
  t.equal(pendingAttempt(short).expiresAt, start + 30_000, 'an attempt ends with its verification')
  t.equal(describe(decide(short, events.timeElapsed, start + 30_000)), 'expired/deadline')
})

t.test('the user has done their part, and the provider stays down', async t => {
  const alone = apply(created({ workflow: [step('otpless.otp')] }), events.attemptStarted)
  const polled = applyAll(alone, events.evidencePoll, events.queryFailed)
  const answered = apply(polled, events.stillPendingPoll)
  const cases: [string, Verification, attempt: string, end: string][] = [
    ['a code', apply(alone, events.evidenceApp), 'failed/provider_timeout', 'failed/provider_unavailable'],
    ['a callback', apply(alone, events.evidenceProvider), 'failed/provider_timeout', 'failed/provider_unavailable'],
    ['a query without an answer', polled, 'failed/provider_timeout', 'failed/provider_unavailable'],
    ['a query that was answered', answered, 'expired/attempt_timeout', 'expired/attempt_timeout'],
    ['a code that was incorrect', applyAll(alone, events.evidenceApp, events.queryFailed, events.codeIncorrect),
      'expired/attempt_timeout', 'expired/attempt_timeout'],
    ['a callback that proved nothing', applyAll(alone, events.evidenceProvider, events.stillPendingProvider),
      'expired/attempt_timeout', 'expired/attempt_timeout'],
    ['nothing', alone, 'expired/attempt_timeout', 'expired/attempt_timeout'],
  ]
  for (const [name, before, attempt, end] of cases) {
    const after = decide(before, events.timeElapsed, start + 60_000)
    t.equal(describe(after), end, name)
    t.strictSame(after?.next.attempts.map(one => 'reason' in one && `${one.status}/${one.reason}`), [attempt], name)
  }
  t.equal(describe(decide(states.resolvingApp, events.timeElapsed, start + 60_000)), next, 'the next method starts')
  const callbackFirst = apply(states.callbackFirst, events.timeElapsed, start + 60_000)
  t.match(callbackFirst.attempts[0], { status: 'failed', reason: 'provider_timeout' }, 'a callback before the start')
  const late = apply(states.resolvingApp, events.timeElapsed, start + 600_000)
  t.match(late, {
    status: 'expired', reason: 'deadline', attempts: [{ status: 'failed', reason: 'provider_timeout' }],
  }, 'the deadline ends the verification, and the attempt says why')
})

t.test('after a lease the process is presumed dead', async t => {
  const late = start + leaseMs.start
  const restart = 'pending:0:starting +start'
  for (const state of [states.unclaimed, states.claimed, states.callbackFirst, states.resolvingApp]) {
    t.equal(decide(state, events.timeElapsed, late - 1), null, 'the lease lasts')
  }
  t.equal(describe(decide(states.unclaimed, events.timeElapsed, late)), restart, 'no process claimed it')
  t.equal(pendingAttempt(apply(states.unclaimed, events.timeElapsed, late)).phase, 'starting')
  t.equal(describe(decide(states.claimed, events.timeElapsed, late)), next, 'a message may be out: not sent again')
  t.match(apply(states.claimed, events.timeElapsed, late).attempts[0], { status: 'failed', reason: 'provider_timeout' })

  const workflow = [step('truid.phone_check', { isRepeatable: true })]
  const repeatable = apply(created({ workflow }), events.startClaimed)
  const again = apply(repeatable, events.timeElapsed, late)
  t.match(pendingAttempt(again), { isClaimed: false, leaseUntil: late + leaseMs.start })
  t.equal(describe(decide(again, events.startClaimed, late)), starting, 'and can be claimed again')
  t.equal(decide(apply(again, events.startClaimed, late), events.startClaimed, late), null, 'once')

  t.equal(describe(decide(states.callbackFirst, events.timeElapsed, late)), resolve, 'the provider has called already')
  const resolvingAgain = decide(states.resolvingApp, events.timeElapsed, start + leaseMs.resolve)
  t.equal(describe(resolvingAgain), resolve)
  t.match(resolvingAgain?.next.attempts[0], { leaseUntil: late + leaseMs.resolve, wasQueried: true })
  t.equal(resolvingAgain?.next.revision, states.resolvingApp.revision)
})

t.test('startsHere claims the next start in the same write', async t => {
  const claimOf = (startsHere: boolean) =>
    decide(states.waiting, events.attemptFailed, start, { startsHere })?.next.attempts[1]
  t.match(claimOf(true), { isClaimed: true, leaseUntil: start + leaseMs.start })
  t.match(claimOf(false), { isClaimed: false })
  const first = createVerification(request(), start, { startsHere: true }).next
  t.match(pendingAttempt(first), { isClaimed: true })
  t.equal(decide(first, events.startClaimed, start), null, 'no other process can claim it')
  const renewal = { ...events.startClaimed, ownLeaseUntil: start + leaseMs.start }
  t.match(pendingAttempt(apply(first, renewal, start + 1_000)), { leaseUntil: start + 1_000 + leaseMs.start })
  t.equal(decide(apply(first, renewal, start + 1_000), renewal, start + 2_000), null, 'its own process renews it, once')
  t.match(
    pendingAttempt(apply(states.unclaimed, events.startClaimed, start + 3_000)),
    { isClaimed: true, leaseUntil: start + 3_000 + leaseMs.start }, 'the lease begins with the claim',
  )
  t.match(pendingAttempt(states.unclaimed), { isClaimed: false })
})

t.test('incorrect codes', async t => {
  const once = apply(states.resolvingApp, events.codeIncorrect)
  t.match(pendingAttempt(once), { phase: 'waiting', attemptsRemaining: 1 })
  t.notMatch(JSON.stringify(once.attempts), /evidence|wasQueried|lease/, 'the evidence is dropped')
  t.match(
    applyAll(once, events.evidenceApp, events.codeIncorrect).attempts[0],
    { status: 'failed', reason: 'code_attempts_exhausted' },
  )
  const codeless = applyAll(created(), { ...events.attemptStarted, attemptsRemaining: null }, events.evidenceApp)
  t.equal(decide(codeless, events.codeIncorrect, start), null, 'the method takes no codes')
})

t.test('resend', async t => {
  const early = apply(created(), { ...events.attemptStarted, resend: { left: 2, afterMs: 5 } })
  t.equal(decide(early, events.resendRequested, start + 4), null, 'too early')
  const requested = apply(early, events.resendRequested, start + 6)
  t.match(pendingAttempt(requested), { resend: { left: 1, availableAt: start + 11 } })
  const resent = apply(requested, events.resent, start + 6)
  t.match(pendingAttempt(resent), { state: { ref: 2 }, resend: { left: 1, availableAt: start + 11 } })
  const last = apply(resent, events.resendRequested, start + 11)
  t.equal(decide(last, events.resendRequested, start + 20), null, 'none is left')
  const without = apply(created(), { ...events.attemptStarted, resend: null })
  t.equal(decide(without, events.resendRequested, start), null, 'not supported')
})

t.test('a request for the next method', async t => {
  const { resolvingApp, resolvingProvider, callbackFirst, resolvingPoll, waiting } = states
  for (const state of [resolvingApp, resolvingProvider, callbackFirst]) {
    t.equal(decide(state, events.nextRequested, start), null, 'evidence is judged first')
    t.equal(describe(decide(state, { ...events.nextRequested, endsCheck: true }, start)), next, 'not for ever')
  }
  t.equal(describe(decide(resolvingPoll, events.nextRequested, start)), next, 'a query is no evidence')
  t.equal(describe(decide(apply(resolvingApp, events.codeIncorrect), events.nextRequested, start)), next)
  const { revision } = waiting
  t.equal(describe(decide(waiting, { ...events.nextRequested, revision }, start)), next)
  t.equal(decide(waiting, { ...events.nextRequested, revision: revision - 1 }, start), null, 'it has changed since')

  const message = (method: string) => step(method, { sendsMessage: true })
  const sentAt = (workflow: Step[]) => apply(created({ workflow }), {
    ...events.attemptStarted, resend: { left: 1, afterMs: 30_000 },
  })
  const both = sentAt([message('otpless.otp'), message('twilio.sms')])
  t.equal(decide(both, events.nextRequested, start + 29_999), null, 'two messages within 30 s')
  t.equal(describe(decide(both, events.nextRequested, start + 30_000)), next)
  t.equal(nextAvailableAt(both, pendingAttempt(both)), start + 30_000)
  t.strictSame(availableActions(both)[0], { action: 'next', availableAt: start + 30_000 })
  const resent = apply(both, events.resendRequested, start + 30_000)
  t.equal(decide(resent, events.nextRequested, start + 59_999), null, 'a resend counts like the first message')
  for (const workflow of [[message('otpless.otp')], [message('otpless.otp'), step('truid.phone_check')], [
    step('truid.phone_check'), message('otpless.otp'),
  ]]) t.not(decide(sentAt(workflow), events.nextRequested, start), null, 'no second message')
})

t.test('the proof', async t => {
  t.match(states.verified, {
    status: 'verified', phoneNumber: asked, attempts: [{ status: 'verified', reason: null }],
    result: {
      phoneNumber: asked, method: 'truid.phone_check', verifiedAt: start, profile: { name: { first: 'A' } },
      signals: { line: 'm' }, assurance,
    },
  })
  const discovered = applyAll(
    created({ phoneNumber: null, includeProfile: false }), events.attemptStarted, events.evidenceProvider,
    events.numberProven,
  )
  t.match(discovered, { phoneNumber: asked, result: { profile: null } }, 'a profile the app did not ask for is dropped')
  t.notMatch(JSON.stringify(states.verified), /"state"|"evidence"/, 'what served to continue the attempt is dropped')
  t.notMatch(JSON.stringify(states.canceled), /"state"|"action"/)
})

t.test('a proof that is weaker than the verification demands does not verify', async t => {
  const before = (minAssurance: AssuranceLevel, ...steps: string[]): Verification => applyAll(
    created({ minAssurance, workflow: steps.map(name => step(name)) }), events.attemptStarted, events.evidenceApp,
  )
  const proven = (binding: Assurance['binding']) =>
    ({ ...events.numberProven, assurance: { ...assurance, binding } }) as const
  t.match(apply(before(2, 'a.otp'), proven('session')), { status: 'verified' })
  t.match(apply(before(1, 'a.otp'), proven('none')), {
    status: 'verified', result: { assurance: { possession: 'message', binding: 'none' } },
  })
  t.match(apply(before(2, 'a.otp'), proven('none')), { status: 'failed', reason: 'evidence_invalid' })
  t.match(apply(before(3, 'a.otp', 'b.check'), proven('session')), {
    status: 'pending', attempts: [{ status: 'failed', reason: 'evidence_invalid' }, { status: 'pending' }],
  }, 'the next attempt may prove more')
  t.match(apply(before(3, 'a.otp', 'b.check'), { ...proven('none'), phoneNumber: '+14155550101' }), {
    status: 'failed', reason: 'number_mismatch',
  })
})

t.test('the user opened the prompt', async t => {
  const opened = apply(states.deepLink, events.promptOpened)
  t.strictSame(pendingAttempt(opened), {
    ...pendingAttempt(states.deepLink), action: { type: 'approveOnDevice', app: 'truid' },
  })
  t.equal(decide(opened, events.promptOpened, start), null, 'once')
})

t.test('a workflow has at least one step', async t => {
  t.throws(() => createVerification(request({ workflow: [] }), start), RangeError)
  t.match(created(), { revision: 1, createdAt: start, updatedAt: start, attempts: [{ method: 'truid.phone_check' }] })
})

t.test('evidence with its answer is the evidence, and then the answer', async t => {
  for (const answer of [events.numberProven, events.codeIncorrect, events.attemptFailed]) {
    for (const name of ['waiting', 'polling', 'resolvingProvider'] as const) {
      const both = decide(states[name], { ...events.evidenceApp, answer }, start)
      t.strictSame(both?.next, applyAll(states[name], events.evidenceApp, answer), `${name} ${answer.type}`)
    }
    t.equal(decide(states.resolvingApp, { ...events.evidenceApp, answer }, start), null, 'other evidence is judged')
  }
  const proven = { ...events.evidenceApp, answer: events.numberProven }
  t.match(decide(states.waiting, proven, start + 60_000), {
    effect: 'start', next: { status: 'pending', attempts: [{ reason: 'attempt_timeout' }, {}] },
  }, 'too late')
  const failed = { ...events.evidenceApp, answer: events.attemptFailed }
  t.match(decide(states.waiting, failed, start, { startsHere: true })?.next.attempts[1], { isClaimed: true })
})

t.test('an attempt keeps the hash of the evidence that ended it, and nothing else of it', async t => {
  const evidence = { from: 'app', value: { code: '550100' }, hash: 'keyed' } as const
  const checking = applyAll(states.waiting, { type: 'evidenceReceived', attempt: 0, evidence })
  const ended = { ...events.attemptFailed, reason: 'evidence_invalid' } as const
  for (const event of [events.numberProven, events.otherNumberProven, ended]) {
    const [attempt] = applyAll(checking, event).attempts
    t.match(attempt, { evidenceHash: 'keyed' }, event.type)
    t.notMatch(JSON.stringify(attempt), '550100')
  }
  for (const event of [events.canceled, { type: 'timeElapsed' } as const]) {
    const decision = decide(checking, event, checking.expiresAt)
    t.notOk('evidenceHash' in Object(decision?.next.attempts[0]), `${event.type} judges nothing`)
  }
  const [pushed] = applyAll(states.resolvingProvider, events.numberProven).attempts
  t.notOk('evidenceHash' in Object(pushed), 'evidence of a provider has none')
})

t.test('an attempt ends when the provider\'s side of it does, and keeps its cost', async t => {
  const cost = { amount: 1, currency: 'API' }
  const begin = (expiresInMs?: number) =>
    apply(created(), { ...events.attemptStarted, cost, ...expiresInMs === undefined ? {} : { expiresInMs } })
  for (const [given, ends] of [[undefined, 60_000], [20_000, 20_000], [90_000, 60_000]] as const) {
    const waiting = begin(given)
    t.match(pendingAttempt(waiting), { expiresAt: start + ends, cost }, `${given}`)
    t.equal(decide(waiting, events.timeElapsed, start + ends - 1), null)
    t.match(apply(waiting, events.timeElapsed, start + ends).attempts, [
      { status: 'expired', reason: 'attempt_timeout', cost }, { status: 'pending' },
    ])
  }
  const early = applyAll(created(), events.startClaimed, events.evidenceProvider)
  const resolving = apply(early, { ...events.attemptStarted, cost, expiresInMs: 20_000 })
  t.match(pendingAttempt(resolving), { phase: 'resolving', expiresAt: start + 20_000, cost })
  t.match(apply(resolving, events.numberProven).attempts, [{ status: 'verified', cost }])
})
