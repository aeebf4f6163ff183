import fc from 'fast-check'
import t from 'tap'
import { reasons, reasonWords } from '../../src/core/reasons.ts'
import { actionOf, availableActions, currentAttempt, dueAt, isFinal, providerOf, readVerification, type Step, type Verification, type NewVerification, leaseMs } from '../../src/core/verification.ts'
import { webhookEventTypes } from '../../src/core/vocabulary.ts'
import { createVerification, decide } from '../../src/core/decide.ts'
import type { Event, Decision } from '../../src/core/events.ts'

const asked = '+14155550100'
const start = 1_000_000
const step = (method: string, more: Partial<Step> = {}): Step =>
  ({ method, timeoutMs: 60_000, options: {}, isRepeatable: false, continueWhenRejected: false, ...more })
const request = (more: Partial<NewVerification> = {}): NewVerification => ({
  id: 'ver_x', appId: 'shop', phoneNumber: asked, reference: null, metadata: {}, locale: null, device: {}, returnUrl: null, key: null, includeProfile: true,
  workflow: [step('truid.phone_check'), step('otpless.otp')], expiresAt: start + 600_000, ...more,
})
const apply = (verification: Verification, event: Event, now = start): Verification => {
  const decision = decide(verification, event, now)
  if (decision === null) throw new Error(`${event.type} does not apply`)
  return decision.next
}
const begun = (more: Partial<NewVerification> = {}): Verification => createVerification(request(more), start).next
const action = { type: 'openUrlOnCellular', url: 'https://x.example/', finish: 'code' } as const
const events = {
  startClaimed: { type: 'startClaimed', attempt: 0 },
  attemptStarted: {
    type: 'attemptStarted', attempt: 0, state: { ref: 1 }, action, attemptsRemaining: 2,
    resend: { left: 1, availableAt: start, afterMs: 30_000 },
  },
  attemptSkipped: { type: 'attemptSkipped', attempt: 0, reason: 'recently_tried' },
  startFailed: { type: 'startFailed', attempt: 0, reason: 'provider_error' },
  attemptFailed: { type: 'attemptFailed', attempt: 0, reason: 'carrier_unsupported' },
  declined: { type: 'userRejected', attempt: 0, reason: 'user_rejected' },
  opened: { type: 'promptOpened', attempt: 0 },
  evidenceApp: { type: 'evidenceReceived', attempt: 0, evidence: { from: 'app', value: { code: '1' } } },
  evidenceProvider: { type: 'evidenceReceived', attempt: 0, evidence: { from: 'provider', value: { callback: true } } },
  evidencePoll: { type: 'evidenceReceived', attempt: 0, evidence: { from: 'poll', value: {} } },
  proven: { type: 'numberProven', attempt: 0, phoneNumber: asked, profile: { name: { first: 'A' } }, signals: null },
  numberProvenOther: { type: 'numberProven', attempt: 0, phoneNumber: '+14155550101', profile: null, signals: null },
  codeIncorrect: { type: 'codeIncorrect', attempt: 0 },
  asked: { type: 'queryStarted', attempt: 0 },
  queryRejected: { type: 'queryRejected', attempt: 0 },
  stillPendingApp: { type: 'stillPending', attempt: 0, from: 'app', askAgainAt: start + 1_000 },
  stillPendingProvider: { type: 'stillPending', attempt: 0, from: 'provider', askAgainAt: start + 1_000 },
  stillPendingPoll: { type: 'stillPending', attempt: 0, from: 'poll', askAgainAt: start + 1_000 },
  nextRequested: { type: 'nextRequested', reason: 'not_on_cellular' },
  resendRequested: { type: 'resendRequested', attempt: 0 },
  resent: { type: 'resent', attempt: 0, state: { ref: 2 }, action },
  canceled: { type: 'canceled', reason: 'app_canceled' },
  profileRead: { type: 'profileRead', profile: { name: { first: 'B' } } },
  profileFailed: { type: 'profileFailed' },
  newsTaken: { type: 'newsTaken', revision: 1 },
  timeElapsed: { type: 'timeElapsed' },
} as const satisfies Record<string, Event>
type EventName = keyof typeof events

const waiting = apply(begun(), events.attemptStarted)
const deepLink = apply(
  begun(),
  {
    ...events.attemptStarted,
    action: { type: 'openDeepLink', url: 'x://', platforms: ['android'], notOpenedAfterMs: 600 },
  },
)
const states = {
  owed: begun(),
  starting: apply(begun(), events.startClaimed),
  overtaken: apply(apply(begun(), events.startClaimed), events.evidenceProvider),
  waiting,
  deepLink,
  resolvingApp: apply(waiting, events.evidenceApp),
  resolvingProvider: apply(waiting, events.evidenceProvider),
  resolvingNudge: apply(waiting, events.evidencePoll),
  verified: apply(apply(waiting, events.evidenceApp), events.proven),
  failed: apply(apply(waiting, events.evidenceApp), events.numberProvenOther),
  expired: apply(waiting, events.timeElapsed, start + 600_000),
  canceled: apply(waiting, events.canceled),
  seeking: apply(
    apply(waiting, events.evidenceApp), { ...events.proven, profile: null, profileEvidence: { token: 't' } },
  ),
}
type StateName = keyof typeof states

/** What a decision came to, in a few words: status, phase of the attempt in hand and its number, and what is owed. */
function tell (decision: Decision | null): string {
  if (decision === null) return ''
  const { next, effects } = decision
  const current = currentAttempt(next)
  const place = current === null
    ? ('reason' in next ? `/${next.reason}` : '')
    : `:${current.index}:${current.attempt.phase}`
  return `${next.status}${place}${effects.map(effect => ` +${effect}`).join('')}`
}

// Rows: states; columns: events. '' means ignored. This table is the specification.
const next = 'pending:1:starting +start'
const wait = 'pending:0:waiting'
const resolve = 'pending:0:resolving +resolve'
const canceled = 'canceled/app_canceled'
const declined = 'failed/user_rejected'
const table: Record<StateName, Partial<Record<EventName, string>>> = {
  owed: {
    startClaimed: 'pending:0:starting', declined, attemptStarted: wait, attemptSkipped: next, startFailed: next,
    attemptFailed: next, evidenceProvider: 'pending:0:starting', nextRequested: next, canceled,
  },
  starting: {
    declined, attemptStarted: wait, attemptSkipped: next, startFailed: next, attemptFailed: next,
    evidenceProvider: 'pending:0:starting', nextRequested: next, canceled,
  },
  overtaken: {
    attemptStarted: resolve, attemptSkipped: next, startFailed: resolve, attemptFailed: next, nextRequested: next,
    canceled,
  },
  waiting: {
    declined, attemptFailed: next, evidenceApp: resolve, evidenceProvider: resolve, evidencePoll: resolve, nextRequested: next, resendRequested: wait, resent: wait, canceled,
  },
  deepLink: {
    declined, attemptFailed: next, opened: wait, evidenceApp: resolve, evidenceProvider: resolve, evidencePoll: resolve, nextRequested: next, resendRequested: wait, resent: wait, canceled,
  },
  resolvingApp: {
    queryRejected: 'pending:0:resolving', attemptFailed: next, proven: 'verified', numberProvenOther: 'failed/number_mismatch', codeIncorrect: wait, stillPendingApp: 'pending:0:resolving', nextRequested: next, resent: 'pending:0:resolving', canceled,
  },
  resolvingProvider: {
    asked: 'pending:0:resolving', attemptFailed: next, evidenceApp: resolve, proven: 'verified', numberProvenOther: 'failed/number_mismatch', codeIncorrect: wait, stillPendingProvider: wait, nextRequested: next, resent: 'pending:0:resolving', canceled,
  },
  resolvingNudge: {
    asked: 'pending:0:resolving', attemptFailed: next, evidenceApp: resolve, proven: 'verified', numberProvenOther: 'failed/number_mismatch', codeIncorrect: wait, stillPendingPoll: 'pending:0:resolving', nextRequested: next, resent: 'pending:0:resolving', canceled,
  },
  verified: {}, failed: {}, expired: {}, canceled: {},
  seeking: { profileRead: 'verified', profileFailed: 'verified' },
}

t.test('every state × every event', async t => {
  for (const [state, row] of Object.entries(table)) {
    for (const [name, event] of Object.entries(events)) {
      const decision = decide(states[state as StateName], event, start)
      t.equal(tell(decision), row[name as EventName] ?? '', `${state} × ${name}`)
    }
  }
})

t.test('a word about another attempt is late or too early', async t => {
  for (const state of Object.values(states)) {
    for (const event of Object.values(events)) if ('attempt' in event) t.equal(
      decide(state, { ...event, attempt: 1 }, start), null,
    )
  }
})

t.test('every reason goes where the table of reasons says', async t => {
  for (const reason of reasonWords) {
    const first = tell(decide(states.waiting, { type: 'attemptFailed', attempt: 0, reason }, start))
    t.equal(first, reasons[reason].fallsThrough ? next : `failed/${reason}`, reason)
    const alone = apply(begun({ workflow: [step('otpless.otp')] }), events.attemptStarted)
    const last = decide(alone, { type: 'attemptFailed', attempt: 0, reason }, start)?.next
    t.match(
      last,
      reason === 'attempt_timeout'
        ? { status: 'expired', reason }
        : { status: 'failed', reason: reasons[reason].isProviderFault ? 'provider_unavailable' : reason },
      `${reason}, nothing left`,
    )
  }
})

t.test('a user\'s no moves on only when the workflow says so', async t => {
  const willing = apply(
    begun({ workflow: [step('truid.phone_check', { continueWhenRejected: true }), step('otpless.otp')] }),
    events.attemptStarted,
  )
  t.equal(tell(decide(willing, { type: 'attemptFailed', attempt: 0, reason: 'user_rejected' }, start)), next)
  t.equal(
    tell(decide(states.waiting, { type: 'nextRequested', reason: 'user_rejected' }, start)), next,
    'the front end asked for it',
  )
})

t.test('a workflow that runs out ends with the last started attempt\'s reason', async t => {
  const second = apply(states.waiting, events.attemptFailed)
  t.match(
    decide(second, { type: 'attemptSkipped', attempt: 1, reason: 'provider_unavailable' }, start)?.next,
    { status: 'failed', reason: 'carrier_unsupported' },
  )
  const timedOut = apply(states.waiting, events.timeElapsed, start + 60_000)
  t.match(
    decide(timedOut, { type: 'attemptSkipped', attempt: 1, reason: null }, start + 60_000)?.next,
    { status: 'expired', reason: 'attempt_timeout' },
  )
  const skipped = apply(begun(), events.attemptSkipped)
  t.match(
    decide(skipped, { type: 'attemptSkipped', attempt: 1, reason: null }, start)?.next,
    { status: 'failed', reason: 'recently_tried' },
  )
  t.match(
    decide(skipped, { type: 'attemptSkipped', attempt: 1, reason: 'provider_unavailable' }, start)?.next,
    { status: 'failed', reason: 'provider_unavailable' },
  )
})

t.test('the clock', async t => {
  t.equal(tell(decide(states.waiting, events.timeElapsed, start + 59_999)), '')
  t.equal(tell(decide(states.waiting, events.timeElapsed, start + 60_000)), next)
  t.match(
    apply(states.waiting, events.timeElapsed, start + 60_000).attempts[0],
    { status: 'expired', reason: 'attempt_timeout' },
  )
  t.match(
    apply(states.waiting, events.timeElapsed, start + 600_000),
    { status: 'expired', reason: 'deadline', attempts: [{ status: 'expired', reason: 'deadline' }] },
  )
  const alone = apply(begun({ workflow: [step('otpless.otp')] }), events.attemptStarted)
  t.match(apply(alone, events.timeElapsed, start + 60_000), { status: 'expired', reason: 'attempt_timeout' })
  for (const evidence of [events.evidenceApp, events.evidenceProvider, events.evidencePoll]) {
    t.equal(
      tell(decide(states.waiting, evidence, start + 60_000)), next,
      'evidence that comes after the attempt\'s time is as good as none',
    )
    t.match(apply(alone, evidence, start + 60_000), { status: 'expired', reason: 'attempt_timeout' })
  }
  const short = begun({ expiresAt: start + 30_000 })
  t.match(
    apply(short, events.timeElapsed, start + 30_000), { status: 'expired', reason: 'deadline' },
    'an attempt never outlives the verification',
  )
})

t.test('whoever worked on it died', async t => {
  const late = start + leaseMs.start
  t.equal(
    tell(decide(states.owed, events.timeElapsed, late)), 'pending:0:starting +start',
    'owed and never begun: begun again',
  )
  t.equal(
    tell(decide(states.starting, events.timeElapsed, late)), next, 'begun, and nobody knows: not sent a second time',
  )
  t.match(
    apply(states.starting, events.timeElapsed, late).attempts[0], { status: 'failed', reason: 'provider_timeout' },
  )
  const repeatable = apply(
    begun({ workflow: [step('truid.phone_check', { isRepeatable: true })] }), events.startClaimed,
  )
  const again = decide(repeatable, events.timeElapsed, late)
  t.equal(tell(again), 'pending:0:starting +start')
  t.equal(
    tell(decide(again?.next ?? repeatable, events.startClaimed, late)), 'pending:0:starting',
    'and can be taken on again',
  )
  t.equal(
    tell(decide(states.overtaken, events.timeElapsed, late)), resolve,
    'the provider has called already: its word counts',
  )
  t.equal(tell(decide(states.resolvingApp, events.timeElapsed, start + leaseMs.resolve)), resolve)
  t.equal(tell(decide(states.resolvingApp, events.timeElapsed, start + leaseMs.resolve - 1)), '')
})

t.test('wrong codes', async t => {
  const once = apply(states.resolvingApp, events.codeIncorrect)
  t.match(currentAttempt(once)?.attempt, { phase: 'waiting', attemptsRemaining: 1 })
  t.match(
    apply(apply(once, events.evidenceApp), events.codeIncorrect).attempts[0],
    { status: 'failed', reason: 'code_attempts_exhausted' },
  )
})

t.test('sending again', async t => {
  t.strictSame(
    availableActions(states.waiting),
    [{ action: 'next', availableAt: start }, { action: 'resend', availableAt: start, remaining: 1 }],
  )
  const resent = apply(apply(states.waiting, events.resendRequested), events.resent)
  t.match(currentAttempt(resent)?.attempt, { state: { ref: 2 }, resend: { left: 0, availableAt: start + 30_000 } })
  t.equal(decide(resent, events.resendRequested, start + 30_000), null, 'none left')
  const early = apply(begun(), { ...events.attemptStarted, resend: { left: 1, availableAt: start + 1, afterMs: 1 } })
  t.equal(decide(early, events.resendRequested, start), null, 'too early')
  t.strictSame(availableActions(states.verified), [])
})

t.test('what is proven', async t => {
  t.match(
    states.verified,
    {
      status: 'verified', phoneNumber: asked,
      result: { phoneNumber: asked, method: 'truid.phone_check', profile: { name: { first: 'A' } } },
    },
  )
  const discovered = apply(
    apply(apply(begun({ phoneNumber: null, includeProfile: false }), events.attemptStarted), events.evidenceProvider),
    events.proven,
  )
  t.match(
    discovered, { status: 'verified', phoneNumber: asked, result: { profile: null } },
    'a profile nobody asked for is not kept',
  )
  t.notMatch(JSON.stringify(states.verified), /"state"|"evidence"/, 'what only carried the attempt is gone')
})

t.test('a profile that comes after the proof', async t => {
  const { seeking } = states
  t.match(seeking, { status: 'verified', result: { profile: null }, profileSearch: { evidence: { token: 't' } } })
  t.equal(dueAt(seeking), start + leaseMs.profile)
  t.strictSame(
    decide(
      apply(waiting, events.evidenceApp), { ...events.proven, profile: null, profileEvidence: {} }, start,
    )?.effects,
    ['profile'],
  )
  t.match(
    apply(seeking, events.profileRead),
    {
      status: 'verified', profileSearch: null, result: { profile: { name: { first: 'B' } } },
      revision: seeking.revision + 1,
    },
  )
  t.match(
    apply(seeking, events.profileFailed), { status: 'verified', profileSearch: 'failed', result: { profile: null } },
    'never un-verifies',
  )
  t.strictSame(
    decide(seeking, events.timeElapsed, start + leaseMs.profile)?.effects, ['profile'], 'whoever was at it died',
  )
  t.match(
    apply(seeking, events.timeElapsed, start + 600_000), { status: 'verified', profileSearch: 'failed' },
    'given up with what it is read with',
  )
  for (const event of Object.values(events)) t.equal(
    decide(apply(seeking, events.profileRead), event, start + 700_000), null, 'and that was the last change',
  )
  const unwanted = apply(
    apply(apply(begun({ includeProfile: false }), events.attemptStarted), events.evidenceApp),
    { ...events.proven, profile: null, profileEvidence: {} },
  )
  t.match(unwanted, { profileSearch: null }, 'nobody asked for it')
})

t.test('the dialog opened', async t => {
  t.match(
    currentAttempt(apply(states.deepLink, events.opened))?.attempt,
    { action: { type: 'approveOnDevice', app: 'truid' } },
  )
  t.equal(decide(apply(states.deepLink, events.opened), events.opened, start), null, 'once')
})

t.test('dueAt', async t => {
  t.equal(dueAt(states.owed), start + leaseMs.start)
  t.equal(dueAt(states.waiting), start + 60_000)
  t.equal(dueAt(states.resolvingApp), start + leaseMs.resolve)
  for (const name of ['verified', 'failed', 'expired', 'canceled'] as const) t.equal(dueAt(states[name]), null)
})

t.test('the action stays in sight while the provider is only nudged', async t => {
  const shown = (verification: Verification): string | undefined => {
    const current = currentAttempt(verification)
    return current === null ? undefined : actionOf(current.attempt)?.type
  }
  t.equal(shown(states.waiting), 'openUrlOnCellular')
  t.equal(shown(states.resolvingNudge), 'openUrlOnCellular')
  t.equal(states.resolvingNudge.revision, states.waiting.revision, 'nothing that anybody can see has changed')
  for (const state of [states.resolvingApp, states.resolvingProvider, states.starting]) t.equal(shown(state), undefined)
})

t.test('small readers', async t => {
  t.equal(providerOf('truecaller.push'), 'truecaller')
  t.equal(readVerification(JSON.parse(JSON.stringify(states.waiting))).status, 'pending')
  for (const other of [null, [], 'x', { format: 2 }, {}]) t.throws(() => readVerification(other), TypeError)
  t.throws(() => createVerification(request({ workflow: [] }), start), RangeError)
})

t.test('any interleaving and repetition ends in exactly one final state', async t => {
  const attempt = fc.integer({ min: 0, max: 3 })
  const evidence = fc.constantFrom('app', 'provider', 'poll').map(from => ({ from, value: { from } } as const))
  const eventArbitrary: fc.Arbitrary<Event> = fc.oneof(
    attempt.map(attempt => ({ type: 'startClaimed', attempt } as const)),
    attempt.map(attempt => ({ ...events.attemptStarted, attempt })),
    attempt.map(attempt => ({ ...events.attemptSkipped, attempt })),
    fc.tuple(attempt, fc.constantFrom(...reasonWords)).map(
      ([attempt, reason]) => ({ type: 'startFailed', attempt, reason } as const),
    ),
    fc.tuple(attempt, fc.constantFrom(...reasonWords)).map(
      ([attempt, reason]) => ({ type: 'attemptFailed', attempt, reason } as const),
    ),
    attempt.map(attempt => ({ type: 'promptOpened', attempt } as const)),
    attempt.map(attempt => ({ ...events.declined, attempt })),
    fc.tuple(attempt, evidence).map(
      ([attempt, evidence]) => ({ type: 'evidenceReceived', attempt, evidence } as const),
    ),
    fc.tuple(attempt, fc.constantFrom(asked, '+14155550101')).map(
      ([attempt, phoneNumber]) => ({ ...events.proven, attempt, phoneNumber }),
    ),
    attempt.map(attempt => ({ type: 'codeIncorrect', attempt } as const)),
    attempt.map(attempt => ({ type: 'queryStarted', attempt } as const)),
    attempt.map(attempt => ({ type: 'queryRejected', attempt } as const)),
    fc.tuple(
      attempt, fc.constantFrom('app' as const, 'provider' as const, 'poll' as const),
      fc.integer({ min: 0, max: 700_000 }),
    ).map(([attempt, from, after]) => ({ type: 'stillPending', attempt, from, askAgainAt: start + after } as const)),
    fc.constant(events.nextRequested),
    attempt.map(attempt => ({ type: 'resendRequested', attempt } as const)),
    attempt.map(attempt => ({ ...events.resent, attempt })),
    fc.constant(events.canceled),
    fc.constant(events.profileRead),
    fc.integer({ min: 1, max: 20 }).map(revision => ({ type: 'newsTaken', revision } as const)),
    fc.constant(events.timeElapsed),
  )
  // A crash is an event that never comes; a tick long after it is what the sweeper brings.
  const history = fc.array(
    fc.record(
      { event: eventArbitrary, after: fc.integer({ min: 0, max: 40_000 }), times: fc.integer({ min: 1, max: 3 }) },
    ),
    { maxLength: 40 },
  )
  const workflow = fc.array(
    fc.record(
      { isRepeatable: fc.boolean(), continueWhenRejected: fc.boolean() },
    ).map(more => step('otpless.otp', more)),
    { minLength: 1, maxLength: 4 },
  )

  fc.assert(fc.property(workflow, fc.option(fc.constant(asked)), history, (workflow, phoneNumber, history) => {
    let now = start
    let verification = begun({ workflow, phoneNumber, wants: webhookEventTypes })
    let final: string | null = null
    const step = (event: Event): void => {
      const before = verification
      const decision = decide(before, event, now)
      if (decision === null) return
      verification = decision.next
      // Taking over news is bookkeeping; nobody outside sees it.
      if (isFinal(before)) {
        if (
          JSON.stringify({ ...verification, news: null }) !== JSON.stringify({ ...before, news: null })
        ) throw new Error('a final state changed')
        return
      }
      if (
        verification.revision < before.revision || verification.revision > before.revision + 3
      ) throw new Error('the revision only grows')
      if (verification.attempts.length > workflow.length) throw new Error('more attempts than steps')
      if (
        verification.attempts.slice(0, -1).some(({ status }) => status === 'pending')
      ) throw new Error('two attempts at once')
      if (verification.status === 'verified') {
        if (
          event.type !== 'numberProven' || (phoneNumber !== null && event.phoneNumber !== phoneNumber)
        ) throw new Error('verified without proof')
        const last = before.attempts.at(-1)
        if (last?.status !== 'pending' || last.phase !== 'resolving') throw new Error('verified without evidence')
      }
      if (isFinal(verification)) {
        if (
          currentAttempt(verification) !== null || decision.effects.some(effect => effect !== 'notify')
        ) throw new Error('final, and something is owed')
        final = JSON.stringify({ ...verification, news: null })
        if (verification.news?.owed.at(-1)?.type !== verification.status) throw new Error('the end is not told')
      } else if (currentAttempt(verification) === null) throw new Error('pending, and nothing in hand')
      else if (dueAt(verification) === null) throw new Error('pending, and the clock has nothing to say')
    }
    for (const { event, after, times } of history) {
      now += after
      for (let n = 0; n < times; n += 1) step(event)
    }
    // Everybody dies; only the clock goes on.
    for (let ticks = 0; !isFinal(verification); ticks += 1) {
      if (ticks > 500) throw new Error('never ends')
      now = Math.max(now, dueAt(verification) ?? now)
      step(events.timeElapsed)
    }
    if (
      final !== null && JSON.stringify({ ...verification, news: null }) !== final
    ) throw new Error('the end was rewritten')
    if (now > verification.expiresAt + 40_000 * 40) throw new Error('ended too late')
  }), { numRuns: 3_000 })
  t.pass('3,000 histories')
})
