import { levelOf } from './assurance.ts'
import { reportDelivery } from './delivery.ts'
import type { DecideOptions, Decision, Event } from './events.ts'
import { reasons, type Reason } from './reasons.ts'
import {
  bumpRevision, end, endAttempt, updateBeside, updateSilently, updateVisibly, waitOrPoll, withFindableId,
} from './updates.ts'
import { firstRevision, isBeingChecked, lastReason, leaseMs, nextAvailableAt } from './verification.ts'
import type {
  Ended, EndedAttempt, Evidence, NewVerification, Pending, PendingAttempt, Resend, ResendRule, Resolving,
  Starting, Verification, Verified, Waiting,
} from './verification.ts'

// THE CORE. A verification is a value; `decide` is the only code that changes it. No I/O, no clock, no randomness.
// The drawing is in `verification.ts`.

/** A new verification, its first attempt starting. `workflow` has at least one step. */
export function createVerification (
  request: NewVerification, now: number, { startsHere = false }: DecideOptions = {},
): Decision {
  const attempts = [startingAttempt(request, 0, now, startsHere)]
  return {
    next: { ...request, status: 'pending', attempts, revision: firstRevision, createdAt: now, updatedAt: now },
    effect: 'start',
  }
}

/**
 * The state that follows. Null: the event does not apply (late, repeated, out of order) and nothing changes. This is
 * the whole idempotency rule.
 */
export function decide (
  verification: Verification, event: Event, now: number, { startsHere = false }: DecideOptions = {},
): Decision | null {
  const attempt = verification.attempts.at(-1)
  if (verification.status !== 'pending' || attempt?.status !== 'pending') return null
  if ('attempt' in event && event.attempt !== verification.attempts.length - 1) return null
  return decidePending({ verification, attempt, now, startsHere }, event)
}

type Current<A extends PendingAttempt = PendingAttempt> = {
  verification: Pending, attempt: A, now: number, startsHere: boolean,
}

function decidePending (current: Current, event: Event): Decision | null {
  const { verification, attempt, now } = current
  switch (event.type) {
    case 'startClaimed': case 'attemptStarted': case 'attemptSkipped': case 'startFailed':
      return attempt.phase === 'starting' ? decideStarting({ ...current, attempt }, event) : null
    case 'evidenceReceived':
      return receiveEvidence(current, event)
    case 'numberProven': case 'codeIncorrect': case 'stillPending':
    case 'queryStarted': case 'queryRejected': case 'queryFailed':
      return attempt.phase === 'resolving' ? decideResolving({ ...current, attempt }, event) : null
    case 'attemptFailed':
      return advance(current, 'failed', event.reason)
    case 'userRejected':
      // Callbacks arrive in any order: a grant that is already being checked is not revoked by a rejection.
      if (attempt.phase === 'resolving' || (attempt.phase === 'starting' && attempt.evidence !== null)) return null
      return advance(current, 'failed', event.reason)
    case 'promptOpened': {
      if (attempt.phase !== 'waiting' || attempt.action?.type !== 'openDeepLink') return null
      const app = attempt.method.slice(0, attempt.method.indexOf('.'))
      return updateVisibly(verification, { ...attempt, action: { type: 'approveOnDevice', app } }, now)
    }
    case 'stepChanged': case 'resent': {
      if (attempt.phase === 'starting') return null
      const found = event.type === 'resent' ? withFindableId(attempt, event) : attempt
      return updateBeside(verification, { ...found, state: event.state, action: event.action }, now)
    }
    case 'deliveryReported':
      return reportDelivery(verification, attempt, event.delivery, now)
    case 'nextRequested':
      return requestNext(current, event)
    case 'resendRequested': {
      if (attempt.phase !== 'waiting' || attempt.resend === null) return null
      const { left, afterMs, availableAt } = attempt.resend
      if (left < 1 || now < availableAt) return null
      // The receipts are those of the earlier message.
      const { receipts: _receipts, ...unreported } = attempt
      return updateVisibly(verification, { ...unreported, resend: offer({ left: left - 1, afterMs }, now) }, now)
    }
    case 'canceled':
      return end(endAttempt(verification, 'canceled', event.reason, now), 'canceled', event.reason, now)
    case 'timeElapsed':
      return elapse(current)
    default:
      return event satisfies never
  }
}

type StartEvent = Extract<Event, { type: 'startClaimed' | 'attemptStarted' | 'attemptSkipped' | 'startFailed' }>

function decideStarting (current: Current<Starting>, event: StartEvent): Decision | null {
  const { verification, attempt, now } = current
  switch (event.type) {
    case 'startClaimed':
      if (attempt.isClaimed && attempt.leaseUntil !== event.ownLeaseUntil) return null
      return updateSilently(verification, { ...attempt, isClaimed: true, leaseUntil: now + leaseMs.start })
    case 'attemptStarted': {
      const { state, action, attemptsRemaining, resend, providerId, pollEveryMs, cost, expiresInMs = Infinity } = event
      const waiting: Waiting = {
        ...startedFrom(attempt), expiresAt: Math.min(attempt.expiresAt, now + expiresInMs), state, action,
        attemptsRemaining, resend: resend === null ? null : offer(resend, now),
        ...pollEveryMs === undefined ? {} : { pollEveryMs }, ...cost === undefined ? {} : { cost },
        ...providerId === undefined || event.isFindable !== true ? {} : { findableIds: [providerId] },
      }
      if (attempt.evidence !== null) return resolve(verification, waiting, attempt.evidence, now)
      return updateVisibly(verification, waitOrPoll(waiting, now), now)
    }
    case 'attemptSkipped':
      return advance(current, 'skipped', event.reason)
    case 'startFailed':
      return failStart(current, event.reason)
    default:
      return event satisfies never
  }
}

type ResolveEvent = Extract<Event, {
  type: 'numberProven' | 'codeIncorrect' | 'stillPending' | 'queryStarted' | 'queryRejected' | 'queryFailed'
}>

function decideResolving (current: Current<Resolving>, event: ResolveEvent): Decision | null {
  const { verification, attempt, now } = current
  switch (event.type) {
    case 'numberProven':
      if (verification.phoneNumber !== null && verification.phoneNumber !== event.phoneNumber) {
        return advance(current, 'failed', 'number_mismatch')
      }
      // The method promised more than the proof showed.
      if (levelOf(event.assurance) < verification.minAssurance) return advance(current, 'failed', 'evidence_invalid')
      return verify(current, event)
    case 'codeIncorrect': {
      if (attempt.attemptsRemaining === null) return null
      const attemptsRemaining = attempt.attemptsRemaining - 1
      return attemptsRemaining > 0
        ? updateVisibly(verification, waitAgain({ ...attempt, attemptsRemaining }, now), now)
        : advance(current, 'failed', 'code_attempts_exhausted')
    }
    case 'queryStarted': case 'queryRejected':
      if (attempt.wasQueried === (event.type === 'queryStarted')) return null
      return updateSilently(verification, { ...attempt, wasQueried: event.type === 'queryStarted' })
    case 'queryFailed':
      return attempt.isUnanswered === true ? null : updateSilently(verification, { ...attempt, isUnanswered: true })
    case 'stillPending': {
      // An answer to an earlier query says nothing about the evidence that was received meanwhile.
      if (attempt.evidence.from !== event.from) return null
      const { isUnanswered: _isUnanswered, ...answered } = attempt
      const known = { ...answered, state: event.state ?? attempt.state, action: event.action ?? attempt.action }
      if (event.from === 'provider') return updateVisibly(verification, waitAgain(known, now), now)
      const next = { ...known, leaseUntil: now + event.retryAfterMs }
      return event.action === undefined ? updateSilently(verification, next) : updateVisibly(verification, next, now)
    }
    default:
      return event satisfies never
  }
}

function receiveEvidence (current: Current, event: Event & { type: 'evidenceReceived' }): Decision | null {
  const { verification, attempt, now, startsHere } = current
  const { evidence, answer } = event
  // Late evidence does not count, even when the sweeper has not ended the attempt yet.
  if (now >= attempt.expiresAt) return elapse(current)
  if (attempt.phase === 'starting') {
    if (attempt.evidence !== null || evidence.from !== 'provider') return null
    return updateSilently(verification, { ...attempt, evidence })
  }
  // The user's own evidence replaces a query that is under way; of a method that polls, so does the provider's.
  const isReplaced = evidence.from === 'app' || (evidence.from === 'provider' && attempt.pollEveryMs !== undefined)
  if (attempt.phase === 'resolving' && (attempt.evidence.from === 'app' || !isReplaced)) return null
  const received = resolve(verification, attempt, evidence, now)
  return answer === undefined ? received : decide(received.next, answer, now, { startsHere })
}

function elapse (current: Current): Decision | null {
  const { verification, attempt, now } = current
  // The user has done their part, and the provider could not judge it in time.
  const isUnjudged = isBeingChecked(attempt) || (attempt.phase === 'resolving' && attempt.isUnanswered === true)
  if (now >= verification.expiresAt) {
    const ended = isUnjudged
      ? endAttempt(verification, 'failed', 'provider_timeout', now)
      : endAttempt(verification, 'expired', 'deadline', now)
    return end(ended, 'expired', 'deadline', now)
  }
  if (now >= attempt.expiresAt) {
    return isUnjudged ? advance(current, 'failed', 'provider_timeout') : advance(current, 'expired', 'attempt_timeout')
  }
  if (attempt.phase === 'waiting' || now < attempt.leaseUntil) return null
  if (attempt.phase === 'resolving') {
    return { ...updateSilently(verification, { ...attempt, leaseUntil: now + leaseMs.resolve }), effect: 'resolve' }
  }
  if (!attempt.isClaimed || verification.workflow[verification.attempts.length - 1]?.isRepeatable === true) {
    const again = { ...attempt, isClaimed: false, leaseUntil: now + leaseMs.start }
    return { ...updateSilently(verification, again), effect: 'start' }
  }
  return failStart({ ...current, attempt }, 'provider_timeout')
}

/** A start that failed, or whose result is unknown, does not end the attempt when the provider has called already. */
function failStart (current: Current<Starting>, reason: Reason): Decision {
  const { verification, attempt, now } = current
  if (attempt.evidence === null) return advance(current, 'failed', reason)
  const waiting: Waiting = { ...startedFrom(attempt), state: null, action: null, attemptsRemaining: null, resend: null }
  return resolve(verification, waiting, attempt.evidence, now)
}

const startedFrom = ({ method, startedAt, expiresAt, receipts }: Starting) => ({
  status: 'pending', phase: 'waiting', method, startedAt, expiresAt, ...receipts === undefined ? {} : { receipts },
}) as const

function verify (
  { verification, attempt, now }: Current<Resolving>, event: Event & { type: 'numberProven' },
): Decision<Verified> {
  const { phoneNumber, signals, assurance } = event
  const profile = verification.includeProfile ? event.profile : null
  const ended = bumpRevision(endAttempt(verification, 'verified', null, now), now)
  const result = { phoneNumber, method: attempt.method, verifiedAt: now, profile, signals, assurance }
  return { next: { ...ended, status: 'verified', phoneNumber, result }, effect: null }
}

/** Evidence that is being checked is judged first, and a message that was just sent gets its time to arrive. */
function requestNext (
  current: Current, { reason, revision = Infinity, endsCheck = false }: Event & { type: 'nextRequested' },
): Decision | null {
  const { verification, attempt, now } = current
  if (verification.revision > revision || (isBeingChecked(attempt) && !endsCheck)) return null
  return now < nextAvailableAt(verification, attempt) ? null : advance(current, 'failed', reason, true)
}

/** Ends the pending attempt and starts the next one, if the reason (or `continues`) says so and a step is left. */
function advance (
  { verification, now, startsHere }: Current,
  status: EndedAttempt['status'], reason: Reason | null, continues?: boolean,
): Decision {
  const ended = endAttempt(verification, status, reason, now)
  const step = verification.workflow[verification.attempts.length - 1]
  const fallsThrough = continues ?? (reason === null || reasons[reason].fallsThrough
    || (reason === 'user_rejected' && step?.continueWhenRejected === true))
  if (fallsThrough && ended.attempts.length < ended.workflow.length) return startNext(ended, now, startsHere)
  return exhaust(ended, fallsThrough ? lastReason(ended.attempts) : reason, now)
}

function exhaust (verification: Pending, reason: Reason | null, now: number): Decision<Ended> {
  if (reason === 'attempt_timeout') return end(verification, 'expired', reason, now)
  const isProviderFault = reason === null || reasons[reason].isProviderFault
  return end(verification, 'failed', isProviderFault ? 'provider_unavailable' : reason, now)
}

function startNext (verification: Pending, now: number, isClaimed: boolean): Decision<Pending> {
  const { attempts } = verification
  const attempt = startingAttempt(verification, attempts.length, now, isClaimed)
  return { next: { ...bumpRevision(verification, now), attempts: [...attempts, attempt] }, effect: 'start' }
}

function startingAttempt (
  { workflow, expiresAt }: NewVerification, index: number, now: number, isClaimed: boolean,
): Starting {
  const step = workflow[index]
  if (step === undefined) throw new RangeError('the workflow has no step left')
  return {
    status: 'pending', phase: 'starting', method: step.method, startedAt: now,
    expiresAt: Math.min(now + step.timeoutMs, expiresAt), isClaimed, leaseUntil: now + leaseMs.start, evidence: null,
  }
}

function resolve (
  verification: Pending, before: Waiting | Resolving, evidence: Evidence, now: number,
): Decision<Pending> {
  const { isUnanswered: _isUnanswered, effectRevision: _effectRevision, ...attempt } = {
    isUnanswered: undefined, effectRevision: undefined, ...before,
  }
  const next: Resolving = {
    ...attempt, phase: 'resolving', evidence, leaseUntil: now + leaseMs.resolve, wasQueried: evidence.from === 'app',
  }
  // A query without evidence leaves the action as it is, so the change is not visible.
  const { next: changed } = evidence.from === 'poll'
    ? updateSilently(verification, next)
    : updateVisibly(verification, next, now)
  return { next: changed, effect: 'resolve' }
}

function waitAgain (
  {
    evidence: _evidence, leaseUntil: _leaseUntil, wasQueried: _wasQueried, isUnanswered: _isUnanswered,
    effectRevision: _effectRevision, ...attempt
  }: Resolving, now: number,
) {
  return waitOrPoll({ ...attempt, phase: 'waiting' }, now)
}

const offer = ({ left, afterMs }: ResendRule, now: number): Resend => ({ left, availableAt: now + afterMs, afterMs })
