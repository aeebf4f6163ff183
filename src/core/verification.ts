import type { Action, Json, Profile } from '../adapters/adapter.ts'
import { eventTypeOf, owe, remind, take, type WebhookEventType, type Owing } from './outbox.ts'
import { reasons, type NextReason, type Reason } from './reasons.ts'

/**
 * THE CORE. A verification is a value; `decide` is the only code that changes it. No I/O, no clock, no randomness.
 *
 *                      proven, and it is the number that was asked for
 *              ┌──────────────────────────────────────────────────────────► verified
 *              │
 *   create ─► pending ── reason that does not move on, or nothing left ───► failed
 *              │  ▲ │
 *              │  └─┘ an attempt ends, the next one of the workflow starts
 *              ├──── expiresAt passed, or the last attempt timed out ─────► expired
 *              └──── canceled by the app, or replaced ────────────────────► canceled
 *
 *   The attempt in hand:
 *
 *   starting ── the provider accepted ──► waiting ── evidence came ──► resolving ── proven ──► verified
 *      │                                    ▲   │                       │  │
 *      │                                    └───┼── wrong code, or undecided
 *      └────────── failed, denied, timed out ───┴───────────────────────┴──► failed | expired, and the next one starts
 *
 * Attempt number i is workflow step i; a step that cannot start leaves an attempt that was `skipped`.
 * The four final states are written once: every event on them is ignored.
 */

export type Status = 'pending' | 'verified' | 'failed' | 'expired' | 'canceled'

/** One item of the workflow, complete: what the core must know of a method is in the record. Durations in milliseconds. */
export type Step = {
  method: string
  timeoutMs: number
  options: { [name: string]: Json }
  /** The start may be repeated when nobody knows whether it happened. */
  isRepeatable: boolean
  /** The workflow says that a user's "no" goes to the next step. */
  continueWhenRejected: boolean
}

/** `nudge`: the app brings nothing but says that the device is done, so the provider is to be asked. */
export type Evidence = { from: 'app' | 'provider' | 'poll', value: Json }

export type Resend = { left: number, availableAt: number, afterMs: number }

export type Starting = {
  status: 'pending', phase: 'starting', method: string, startedAt: number, expiresAt: number
  /** Whether somebody has taken the start upon himself; before that it is owed. */
  isClaimed: boolean
  /** Until then somebody is at it, or about to be; afterwards he is taken for dead. */
  leaseUntil: number
  /** A callback that overtook the answer to our own start. */
  evidence: Evidence | null
}
export type Waiting = {
  status: 'pending', phase: 'waiting', method: string, startedAt: number, expiresAt: number
  state: Json, action: Action | null, attemptsRemaining: number | null, resend: Resend | null
}
export type Resolving = Omit<Waiting, 'phase'> & {
  phase: 'resolving', evidence: Evidence, leaseUntil: number
  /** The provider may have been asked with what the app brought, and its answer lost. */
  wasQueried: boolean
}
export type PendingAttempt = Starting | Waiting | Resolving
export type EndedAttempt = {
  status: 'verified' | 'failed' | 'expired' | 'canceled' | 'skipped', method: string, startedAt: number, endedAt: number
  /** Null when verified, and when skipped because the method cannot serve this verification at all. */
  reason: Reason | null
}
export type Attempt = PendingAttempt | EndedAttempt

export type IdempotencyClaim = { name: string, value: string, partition: number }

type Common = {
  /** Of the record's shape; two versions running side by side read each other's. */
  format: 1
  id: string
  appId: string
  phoneNumber: string | null
  /** Of the number that was asked for (ISO 3166-1 alpha-2, `001` for none); absent when none was asked for. */
  country?: string
  reference: string | null
  metadata: { [name: string]: string }
  locale: string | null
  device: { ip?: string, userAgent?: string, platform?: string }
  returnUrl: string | null
  /** The claim that its Idempotency-Key holds: given up when it is erased. */
  key: IdempotencyClaim | null
  /** The same under older keys of `SEAL_KEYS`: absent but for a rotation. */
  spareKeys?: IdempotencyClaim[]
  /** The app wants the profile; without that wish it is not kept. */
  includeProfile: boolean
  /** W3C `traceparent` of the create; absent when that was not traced. */
  traceparent?: string
  workflow: Step[]
  attempts: Attempt[]
  /** What the app is still to be told; null when it has no webhook. */
  news: Owing | null
  revision: number
  createdAt: number
  updatedAt: number
  expiresAt: number
}

export type Result = {
  phoneNumber: string, method: string, verifiedAt: number
  profile: Profile | null, signals: { [name: string]: Json } | null
}
export type Pending = Common & { status: 'pending' }
/** A profile that comes from a call of its own, after the proof: what the adapter needs for it, who is at it, and when it is given up. */
export type ProfileSearch = { evidence: Json, leaseUntil: number, until: number }
export type Verified = Common & { status: 'verified', result: Result, profileSearch: ProfileSearch | 'failed' | null }
export type Ended = Common & { status: 'failed' | 'expired' | 'canceled', reason: Reason }
export type Verification = Pending | Verified | Ended

/** What happened. `attempt` is the number of the attempt it happened to: a word about an attempt that has ended is late. */
export type Event =
  | { type: 'startClaimed', attempt: number }
  | { type: 'attemptStarted', attempt: number, state: Json, action: Action, attemptsRemaining: number | null, resend: Resend | null, providerId?: string }
  | { type: 'attemptSkipped', attempt: number, reason: Reason | null }
  | { type: 'startFailed', attempt: number, reason: Reason }
  | { type: 'attemptFailed', attempt: number, reason: Reason }
  | { type: 'userRejected', attempt: number, reason: Reason }
  | { type: 'promptOpened', attempt: number }
  | { type: 'evidenceReceived', attempt: number, evidence: Evidence }
  | { type: 'numberProven', attempt: number, phoneNumber: string, profile: Profile | null, profileEvidence?: Json, signals: { [name: string]: Json } | null }
  | { type: 'profileRead', profile: Profile }
  | { type: 'profileFailed' }
  | { type: 'newsTaken', revision: number }
  | { type: 'codeIncorrect', attempt: number }
  | { type: 'queryStarted', attempt: number }
  | { type: 'queryRejected', attempt: number }
  | { type: 'stillPending', attempt: number, from: Evidence['from'], askAgainAt: number }
  | { type: 'nextRequested', reason: NextReason }
  | { type: 'resendRequested', attempt: number }
  | { type: 'resent', attempt: number, state: Json, action: Action, providerId?: string }
  | { type: 'canceled', reason: 'app_canceled' | 'superseded' | 'blocked' }
  | { type: 'timeElapsed' }

/** What the shell owes after the change is written: begin the attempt in hand, turn its evidence into an outcome, read the profile, tell the app. */
export type Effect = 'start' | 'resolve' | 'profile' | 'notify'

export type Decision = { next: Verification, effects: Effect[] }

/** How long the one who starts an attempt, or resolves evidence, is trusted to be alive. Longer than the calls it may make. */
export const leaseMs = { start: 8_000, resolve: 8_000, profile: 8_000 }
/** How long a profile is sought after the proof: what it is read with lives ten minutes at the most. */
const profileMs = 600_000

export const isFinal = (verification: Verification): verification is Verified | Ended => verification.status !== 'pending'

/** The attempt in hand; null when final. */
export function currentAttempt (verification: Verification): { index: number, attempt: PendingAttempt } | null {
  const index = verification.attempts.length - 1
  const attempt = verification.attempts[index]
  return attempt?.status === 'pending' ? { index, attempt } : null
}

export type NewVerification = Omit<Common, 'format' | 'attempts' | 'news' | 'revision' | 'createdAt' | 'updatedAt'> & {
  /** What the app is to be told; absent when it has no webhook. */
  wants?: readonly WebhookEventType[]
}

/** A new verification, its first attempt about to start. `workflow` has at least one step. */
export function createVerification ({ wants, ...request }: NewVerification, now: number): Decision {
  const news = wants === undefined ? null : { wanted: [...wants], owed: [], dueAt: 0 }
  const empty: Pending = { ...request, news, format: 1, status: 'pending', attempts: [], revision: 0, createdAt: now, updatedAt: now }
  return withNews(startNext(empty, now), 'created', now)
}

/**
 * The state that follows. Null means that the event does not apply (late, repeated, out of order) and that nothing changes:
 * this is the whole idempotency rule.
 */
export function decide (verification: Verification, event: Event, now: number): Decision | null {
  if (event.type === 'newsTaken') return renew(verification, take(verification.news, event.revision), [])
  const decision = isFinal(verification) ? decideFinal(verification, event, now) : decidePending(verification, event, now)
  if (decision !== null) return withNews(decision, eventTypeOf(verification, decision.next), now)
  return event.type === 'timeElapsed' ? renew(verification, remind(verification.news, now), ['notify']) : null
}

function withNews (decision: Decision, type: WebhookEventType | null, now: number): Decision {
  const news = type === null ? null : owe(decision.next.news, { type, revision: decision.next.revision }, now)
  return news === null ? decision : { next: { ...decision.next, news }, effects: [...decision.effects, 'notify'] }
}

const renew = (verification: Verification, news: Owing | null, effects: Effect[]): Decision | null =>
  news === null ? null : { next: { ...verification, news }, effects }

/** After the end only the profile can still come; the outcome is never touched. */
function decideFinal (verification: Verified | Ended, event: Event, now: number): Decision | null {
  if (verification.status !== 'verified' || verification.profileSearch === null || verification.profileSearch === 'failed') return null
  const { profileSearch, result } = verification
  const told = { ...verification, revision: verification.revision + 1, updatedAt: now }
  switch (event.type) {
    case 'profileRead':
      return { next: { ...told, profileSearch: null, result: { ...result, profile: event.profile } }, effects: [] }
    case 'profileFailed':
      return { next: { ...told, profileSearch: 'failed' }, effects: [] }
    case 'timeElapsed':
      if (now >= profileSearch.until) return { next: { ...told, profileSearch: 'failed' }, effects: [] }
      if (now < profileSearch.leaseUntil) return null
      return { next: { ...verification, profileSearch: { ...profileSearch, leaseUntil: now + leaseMs.profile } }, effects: ['profile'] }
    default:
      return null
  }
}

function decidePending (verification: Pending, event: Event, now: number): Decision | null {
  const current = currentAttempt(verification)
  if (current === null || ('attempt' in event && event.attempt !== current.index)) return null
  const attempt = current.attempt

  switch (event.type) {
    case 'startClaimed':
      if (attempt.phase !== 'starting' || attempt.isClaimed) return null
      return updateSilently(verification, { ...attempt, isClaimed: true, leaseUntil: now + leaseMs.start })
    case 'attemptStarted': {
      if (attempt.phase !== 'starting') return null
      const { method, startedAt, expiresAt, evidence } = attempt
      const { state, action, attemptsRemaining, resend } = event
      const waiting: Waiting = { status: 'pending', phase: 'waiting', method, startedAt, expiresAt, state, action, attemptsRemaining, resend }
      return evidence === null ? updateVisibly(verification, waiting, now) : resolving(verification, waiting, evidence, now)
    }
    case 'attemptSkipped':
      if (attempt.phase !== 'starting') return null
      return advance(verification, 'skipped', event.reason, now)
    case 'startFailed':
      if (attempt.phase !== 'starting') return null
      return failStart(verification, attempt, event.reason, now)
    case 'attemptFailed':
      return advance(verification, 'failed', event.reason, now)
    case 'userRejected':
      // Callbacks come in any order: a grant that is being checked already is not taken back by one.
      if (attempt.phase === 'resolving' || (attempt.phase === 'starting' && attempt.evidence !== null)) return null
      return advance(verification, 'failed', event.reason, now)
    case 'promptOpened':
      if (attempt.phase !== 'waiting' || attempt.action?.type !== 'openDeepLink') return null
      return updateVisibly(verification, { ...attempt, action: { type: 'approveOnDevice', app: providerOf(attempt.method) } }, now)
    case 'evidenceReceived':
      // Too late is too late, also when the clock was not asked in time.
      if (now >= attempt.expiresAt) return elapse(verification, attempt, now)
      if (attempt.phase === 'starting') {
        if (attempt.evidence !== null || event.evidence.from !== 'provider') return null
        return updateSilently(verification, { ...attempt, evidence: event.evidence })
      }
      // Asking the provider never stands in the way of what the user brings.
      if (attempt.phase === 'resolving' && (attempt.evidence.from === 'app' || event.evidence.from !== 'app')) return null
      return resolving(verification, attempt, event.evidence, now)
    case 'numberProven':
      if (attempt.phase !== 'resolving') return null
      if (verification.phoneNumber !== null && verification.phoneNumber !== event.phoneNumber) {
        return advance(verification, 'failed', 'number_mismatch', now)
      }
      return verify(verification, attempt, event, now)
    case 'codeIncorrect': {
      if (attempt.phase !== 'resolving' || attempt.attemptsRemaining === null) return null
      const attemptsRemaining = attempt.attemptsRemaining - 1
      return attemptsRemaining > 0
        ? updateVisibly(verification, waitAgain({ ...attempt, attemptsRemaining }), now)
        : advance(verification, 'failed', 'code_attempts_exhausted', now)
    }
    case 'queryStarted':
    case 'queryRejected':
      if (attempt.phase !== 'resolving' || attempt.wasQueried === (event.type === 'queryStarted')) return null
      return updateSilently(verification, { ...attempt, wasQueried: event.type === 'queryStarted' })
    case 'stillPending':
      // Whoever asks about what the user brought meanwhile is not taken for dead by the answer to another question.
      if (attempt.phase !== 'resolving' || attempt.evidence.from !== event.from) return null
      return attempt.evidence.from === 'provider'
        ? updateVisibly(verification, waitAgain(attempt), now)
        : updateSilently(verification, { ...attempt, leaseUntil: event.askAgainAt })
    case 'nextRequested':
      return advance(verification, 'failed', event.reason, now, true)
    case 'resendRequested': {
      if (attempt.phase !== 'waiting' || attempt.resend === null || attempt.resend.left < 1 || now < attempt.resend.availableAt) return null
      const { left, afterMs } = attempt.resend
      return updateVisibly(verification, { ...attempt, resend: { left: left - 1, availableAt: now + afterMs, afterMs } }, now)
    }
    case 'resent':
      if (attempt.phase === 'starting') return null
      return updateVisibly(verification, { ...attempt, state: event.state, action: event.action }, now)
    case 'canceled':
      return end(endAttempt(verification, 'canceled', event.reason, now), 'canceled', event.reason, now)
    case 'timeElapsed':
      return elapse(verification, attempt, now)
    case 'profileRead':
    case 'profileFailed':
    case 'newsTaken':
      return null
    default:
      return event satisfies never
  }
}

/** What the front end must do now; null while there is nothing to do but wait. The device may have more to do although the provider is being asked. */
export function actionOf (attempt: PendingAttempt): Action | null {
  if (attempt.phase === 'starting' || (attempt.phase === 'resolving' && attempt.evidence.from !== 'poll')) return null
  return attempt.action
}

/** When the clock next has something to say: ms since the epoch, or null when it has nothing more to say. */
export function dueAt (verification: Verification): number | null {
  const times = [verification.news !== null && verification.news.owed.length > 0 ? verification.news.dueAt : Infinity]
  const attempt = currentAttempt(verification)?.attempt
  if (attempt !== undefined) times.push(attempt.expiresAt, attempt.phase === 'waiting' ? Infinity : attempt.leaseUntil)
  if (!isFinal(verification)) times.push(verification.expiresAt)
  if (verification.status === 'verified' && verification.profileSearch !== null && verification.profileSearch !== 'failed') {
    times.push(verification.profileSearch.leaseUntil, verification.profileSearch.until)
  }
  const first = Math.min(...times)
  return first === Infinity ? null : first
}

export type AvailableAction = { action: 'next' | 'resend', availableAt: number, remaining?: number }

/** What the front end may do besides the next action, and from when. */
export function availableActions (verification: Verification): AvailableAction[] {
  const current = currentAttempt(verification)
  if (current === null) return []
  const { attempt } = current
  const actions: AvailableAction[] = [{ action: 'next', availableAt: attempt.startedAt }]
  if (attempt.phase === 'waiting' && attempt.resend !== null && attempt.resend.left > 0) {
    actions.push({ action: 'resend', availableAt: attempt.resend.availableAt, remaining: attempt.resend.left })
  }
  return actions
}

/** A record as it came out of the store: sealed by us, so only its format is asked. Throws `TypeError` for a format of a version to come. */
export function readVerification (value: Json): Verification {
  if (!isRecord(value)) throw new TypeError('a verification in a format that this version does not know')
  return value
}

const isRecord = (value: Json): value is Json & Verification =>
  value !== null && typeof value === 'object' && !Array.isArray(value) && value.format === 1

/** `truecaller.push` → `truecaller`. */
export const providerOf = (method: string): string => method.slice(0, method.indexOf('.'))

function elapse (verification: Pending, attempt: PendingAttempt, now: number): Decision | null {
  if (now >= verification.expiresAt) return end(endAttempt(verification, 'expired', 'deadline', now), 'expired', 'deadline', now)
  if (now >= attempt.expiresAt) return advance(verification, 'expired', 'attempt_timeout', now)
  if (attempt.phase === 'waiting' || now < attempt.leaseUntil) return null
  if (attempt.phase === 'resolving') {
    return { ...updateSilently(verification, { ...attempt, leaseUntil: now + leaseMs.resolve }), effects: ['resolve'] }
  }
  return !attempt.isClaimed || verification.workflow[verification.attempts.length - 1]?.isRepeatable === true
    ? { ...updateSilently(verification, { ...attempt, isClaimed: false, leaseUntil: now + leaseMs.start }), effects: ['start'] }
    : failStart(verification, attempt, 'provider_timeout', now)
}

/** A start that failed, or whose fate nobody knows, is not the end when the provider has called already. */
function failStart (verification: Pending, attempt: Starting, reason: Reason, now: number): Decision {
  if (attempt.evidence === null) return advance(verification, 'failed', reason, now)
  const { method, startedAt, expiresAt, evidence } = attempt
  const waiting: Waiting = { status: 'pending', phase: 'waiting', method, startedAt, expiresAt, state: null, action: null, attemptsRemaining: null, resend: null }
  return resolving(verification, waiting, evidence, now)
}

function verify (verification: Pending, attempt: Resolving, event: Event & { type: 'numberProven' }, now: number): Decision {
  const { phoneNumber, signals, profileEvidence = null } = event
  const profile = verification.includeProfile ? event.profile : null
  const isSought = verification.includeProfile && profile === null && profileEvidence !== null
  const ended = endAttempt(verification, 'verified', null, now)
  const next: Verified = {
    ...ended, status: 'verified', phoneNumber, revision: ended.revision + 1, updatedAt: now,
    result: { phoneNumber, method: attempt.method, verifiedAt: now, profile, signals },
    profileSearch: isSought ? { evidence: profileEvidence, leaseUntil: now + leaseMs.profile, until: now + profileMs } : null,
  }
  return { next, effects: isSought ? ['profile'] : [] }
}

/** Ends the attempt in hand and lets the next one start, if the reason (or the caller, by `fallsThrough`) says so and one is left. */
function advance (
  verification: Pending, status: EndedAttempt['status'], reason: Reason | null, now: number, fallsThrough?: boolean,
): Decision {
  const ended = endAttempt(verification, status, reason, now)
  const step = verification.workflow[verification.attempts.length - 1]
  const goesOn = fallsThrough ?? (reason === null || reasons[reason].fallsThrough || (reason === 'user_rejected' && step?.continueWhenRejected === true))
  if (goesOn && ended.attempts.length < ended.workflow.length) return startNext(ended, now)
  return exhaust(ended, goesOn ? lastReason(ended.attempts) : reason, now)
}

/** The reason of the last attempt that was started; if none was, of the last one that had a reason to be skipped. */
function lastReason (attempts: Attempt[]): Reason | null {
  const ended = attempts.filter(attempt => attempt.status !== 'pending')
  const last = ended.findLast(attempt => attempt.status !== 'skipped') ?? ended.findLast(attempt => attempt.reason !== null)
  return last?.reason ?? null
}

function exhaust (verification: Pending, reason: Reason | null, now: number): Decision {
  if (reason === 'attempt_timeout') return end(verification, 'expired', reason, now)
  const blamed = reason === null || reasons[reason].isProviderFault
  return end(verification, 'failed', blamed ? 'provider_unavailable' : reason, now)
}

function startNext (verification: Pending, now: number): Decision {
  const step = verification.workflow[verification.attempts.length]
  if (step === undefined) throw new RangeError('the workflow has no step left')
  const attempt: Starting = {
    status: 'pending', phase: 'starting', method: step.method, startedAt: now,
    expiresAt: Math.min(now + step.timeoutMs, verification.expiresAt), isClaimed: false, leaseUntil: now + leaseMs.start, evidence: null,
  }
  return { next: { ...bumpRevision(verification, now), attempts: [...verification.attempts, attempt] }, effects: ['start'] }
}

function resolving (verification: Pending, attempt: Waiting | Resolving, evidence: Evidence, now: number): Decision {
  const next: Resolving = { ...attempt, phase: 'resolving', evidence, leaseUntil: now + leaseMs.resolve, wasQueried: evidence.from === 'app' }
  return { ...(evidence.from === 'poll' ? updateSilently(verification, next) : updateVisibly(verification, next, now)), effects: ['resolve'] }
}

function waitAgain ({ evidence: _evidence, leaseUntil: _busyUntil, wasQueried: _isAsked, ...attempt }: Resolving): Waiting {
  return { ...attempt, phase: 'waiting' }
}

function end (verification: Pending, status: Ended['status'], reason: Reason, now: number): Decision {
  return { next: { ...bumpRevision(verification, now), status, reason }, effects: [] }
}

/** Ends the attempt in hand; what only served to carry it on (state, evidence) goes with it. */
function endAttempt (verification: Pending, status: EndedAttempt['status'], reason: Reason | null, now: number): Pending {
  const last = verification.attempts.at(-1)
  if (last?.status !== 'pending') return verification
  const ended: EndedAttempt = { status, reason, method: last.method, startedAt: last.startedAt, endedAt: now }
  return { ...verification, attempts: verification.attempts.with(-1, ended) }
}

/** Replaces the attempt in hand where nobody outside can see the difference. */
function updateSilently (verification: Pending, attempt: PendingAttempt): Decision {
  return { next: { ...verification, attempts: verification.attempts.with(-1, attempt) }, effects: [] }
}

function updateVisibly (verification: Pending, attempt: PendingAttempt, now: number): Decision {
  return updateSilently(bumpRevision(verification, now), attempt)
}

function bumpRevision (verification: Pending, now: number): Pending {
  return { ...verification, revision: verification.revision + 1, updatedAt: now }
}
