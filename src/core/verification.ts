import type { Assurance, AssuranceLevel } from './assurance.ts'
import type { Action, DeliveryReceipt, Json, Money, Profile, WebhookEventType } from './vocabulary.ts'
import type { Reason } from './reasons.ts'

/**
 * What a verification is. `decide.ts` has the only code that changes it. All times are ms since the epoch.
 *
 *                      number proven, and it is the number to verify
 *              ┌──────────────────────────────────────────────────────────► verified
 *              │
 *   create ─► pending ── final reason, or no step left ───────────────────► failed
 *              │  ▲ │
 *              │  └─┘ an attempt ends, the next step of the workflow starts
 *              ├──── expiresAt passed, or the last attempt timed out ─────► expired
 *              └──── canceled by the app, or superseded ──────────────────► canceled
 *
 *   The pending attempt:
 *
 *   starting ── provider accepted ──► waiting ── evidence received ──► resolving ── proven ──► verified
 *      │                                ▲   │                           │  │
 *      │                                └───┼── wrong code, or still pending
 *      └────── failed, denied, timed out ───┴───────────────────────────┴──► failed | expired; the next step starts
 *
 * Attempt number i is workflow step i; a step that cannot start leaves an attempt that was `skipped`.
 * The four final states are written once: every event on them is ignored.
 */

export type Status = 'pending' | 'verified' | 'failed' | 'expired' | 'canceled'

/** One complete item of the workflow: everything that the core must know about a method is in the record. */
export type Step = {
  method: string
  timeoutMs: number
  options: { [name: string]: Json }
  /** The start may be repeated when it is unknown whether it happened. */
  isRepeatable: boolean
  /** The workflow says that a user's refusal continues with the next step. */
  continueWhenRejected: boolean
  /** The start sends something to a person; absent where it does not. */
  sendsMessage?: true
  /** The method cannot serve the request, so the step is skipped; absent where it can. Decided at the create. */
  isUnfit?: true
}

/**
 * `poll`: no evidence was submitted; the provider is queried because the device is done, or because the method polls.
 */
export type Evidence = {
  from: 'app' | 'provider' | 'poll'
  value: Json
  /** Of the app's evidence: a keyed hash, by which it is known after the attempt has ended. */
  hash?: string
}

/** How often the message can be sent again, and how long after the one before. */
export type ResendRule = { left: number, afterMs: number }
export type Resend = ResendRule & { availableAt: number }

export type Starting = {
  status: 'pending'
  phase: 'starting'
  method: string
  startedAt: number
  expiresAt: number
  /** True once a process has claimed the start. */
  isClaimed: boolean
  /** Lease: after this time the claiming process is presumed dead. */
  leaseUntil: number
  /** A callback that arrived before the response to our own start. */
  evidence: Evidence | null
  /** As in `Waiting`. */
  receipts?: DeliveryReceipt[]
  /** As in `Resolving`. */
  effectRevision?: number
}
export type Waiting = {
  status: 'pending'
  phase: 'waiting'
  method: string
  startedAt: number
  expiresAt: number
  state: Json
  action: Action | null
  attemptsRemaining: number | null
  resend: Resend | null
  /** The provider is queried this often without the app's request; absent for methods that do not poll. */
  pollEveryMs?: number
  /** The provider's delivery receipts of the last message, one for each channel; absent before the first one. */
  receipts?: DeliveryReceipt[]
  /** The provider's ids by which callbacks find the attempt; absent where there are none. */
  findableIds?: string[]
  /** What the provider charges, if it said so. */
  cost?: Money
}
export type Resolving = Omit<Waiting, 'phase'> & {
  phase: 'resolving'
  evidence: Evidence
  leaseUntil: number
  /** The provider may have received the app's evidence, and its answer may be lost. */
  wasQueried: boolean
  /**
   * The revision that the effect belongs to, where something else has changed since (a step, a delivery); absent: the
   * present one. A job of an effect is named after it.
   */
  effectRevision?: number
  /** The last query failed without an answer of the provider; absent: it was answered, or not made yet. */
  isUnanswered?: true
}
export type PendingAttempt = Starting | Waiting | Resolving
export type EndedAttempt = {
  status: 'verified' | 'failed' | 'expired' | 'canceled' | 'skipped'
  method: string
  startedAt: number
  endedAt: number
  /** Null when verified, and when skipped because the method cannot serve this verification. */
  reason: Reason | null
  receipts?: DeliveryReceipt[]
  cost?: Money
  findableIds?: string[]
  /** `Evidence.hash` of the app's evidence that ended the attempt; absent when something else did. */
  evidenceHash?: string
}
export type Attempt = PendingAttempt | EndedAttempt

/**
 * The Idempotency-Key of the request: its names under each key of `SEAL_KEYS`, a hash of the body, and when it was
 * claimed.
 */
export type IdempotencyClaim = { names: string[], hash: string, at: number }

/** What is kept of an entry of `testNumbers`. `codeHash`: a keyed hash of the fixed code. */
export type TestNumber = { codeHash: string, codeLength: number }

export type Common = {
  id: string
  appId: string
  phoneNumber: string | null
  /** Of the number to verify (ISO 3166-1 alpha-2, `001` for none); absent when no number was given. */
  country?: string
  /** The number is a test number of the app: no provider is called, and nothing is counted. Absent for all others. */
  testNumber?: TestNumber
  reference: string | null
  metadata: { [name: string]: string }
  locale: string | null
  device: { ip?: string, userAgent?: string, platform?: string }
  returnUrl: string | null
  /** Null without an Idempotency-Key. Its claims are released when the verification is erased. */
  idempotency: IdempotencyClaim | null
  /** The app receives the profile; otherwise it is not kept. */
  includeProfile: boolean
  /** A weaker proof does not verify. */
  minAssurance: AssuranceLevel
  /** W3C `traceparent` of the create request; absent when the request was not traced. */
  traceparent?: string
  workflow: Step[]
  attempts: Attempt[]
  /** The webhook events that the app wants; empty when it has no webhook. */
  webhookEvents: WebhookEventType[]
  revision: number
  createdAt: number
  updatedAt: number
  expiresAt: number
}

/** What a create request determines. */
export type NewVerification = Omit<Common, 'attempts' | 'revision' | 'createdAt' | 'updatedAt'>

export type Result = {
  phoneNumber: string
  method: string
  verifiedAt: number
  profile: Profile | null
  signals: { [name: string]: Json } | null
  assurance: Assurance
}
export type Pending = Common & { status: 'pending' }
export type Verified = Common & { status: 'verified', result: Result }
export type Ended = Common & { status: 'failed' | 'expired' | 'canceled', reason: Reason }
export type Verification = Pending | Verified | Ended

/**
 * How long a process that starts an attempt, or resolves evidence, is presumed alive. Longer than the calls it may
 * make.
 */
export const leaseMs = { start: 8_000, resolve: 8_000 }

/** The revision of a new verification, whatever happened to it in the same write. */
export const firstRevision = 1

export const isFinal = (verification: Verification): verification is Verified | Ended =>
  verification.status !== 'pending'

/** The pending attempt, which is always the last one; null when the verification is final. */
export function currentAttempt (verification: Verification): { index: number, attempt: PendingAttempt } | null {
  const index = verification.attempts.length - 1
  const attempt = verification.attempts[index]
  return attempt?.status === 'pending' ? { index, attempt } : null
}

/**
 * What the front end must do now; null while it can only wait. While the provider is polled, the device may still have
 * something to do.
 */
export function actionOf (attempt: PendingAttempt): Action | null {
  if (attempt.phase === 'starting' || (attempt.phase === 'resolving' && attempt.evidence.from !== 'poll')) return null
  return attempt.action
}

/** The user has done their part: a code, token or approval is waiting for the provider's answer. */
export function isBeingChecked (attempt: PendingAttempt): boolean {
  if (attempt.phase === 'starting') return attempt.evidence !== null
  return attempt.phase === 'resolving' && attempt.evidence.from !== 'poll'
}

/** From when the next attempt may start by request: a second message has to wait as long as a resend. */
export function nextAvailableAt ({ workflow, attempts }: Verification, attempt: PendingAttempt): number {
  const [step, next] = [workflow[attempts.length - 1], workflow[attempts.length]]
  const hasPause = step?.sendsMessage === true && next?.sendsMessage === true
  return hasPause && attempt.phase !== 'starting' ? attempt.resend?.availableAt ?? attempt.startedAt : attempt.startedAt
}

/** The reason of the last attempt that was started; if none was, of the last one that had a reason to be skipped. */
export function lastReason (attempts: readonly Attempt[]): Reason | null {
  const ended = attempts.filter(attempt => attempt.status !== 'pending')
  const last = ended.findLast(({ status }) => status !== 'skipped') ?? ended.findLast(({ reason }) => reason !== null)
  return last?.reason ?? null
}

export type AvailableAction = { action: 'next' | 'resend', availableAt: number, remaining?: number }

/** What the front end may do besides the next action, and from when. */
export function availableActions (verification: Verification): AvailableAction[] {
  const current = currentAttempt(verification)
  return current === null ? [] : availableActionsOf(verification, current.attempt)
}

function availableActionsOf (verification: Verification, attempt: PendingAttempt): AvailableAction[] {
  const actions: AvailableAction[] = [{ action: 'next', availableAt: nextAvailableAt(verification, attempt) }]
  if (attempt.phase === 'waiting' && attempt.resend !== null && attempt.resend.left > 0) {
    actions.push({ action: 'resend', availableAt: attempt.resend.availableAt, remaining: attempt.resend.left })
  }
  return actions
}

/** What a view derives from the attempts, in one pass. `providers`: of each attempt. */
export type Progress = {
  attempt: PendingAttempt | null
  action: Action | null
  availableActions: AvailableAction[]
  providers: string[]
}

/** The pending attempt and what the front end may do. */
export function progressOf (verification: Verification): Progress {
  const attempt = currentAttempt(verification)?.attempt ?? null
  return {
    attempt, action: attempt === null ? null : actionOf(attempt),
    availableActions: attempt === null ? [] : availableActionsOf(verification, attempt),
    providers: verification.attempts.map(({ method }) => providerOf(method)),
  }
}

/** `truecaller.push` → `truecaller`. */
export const providerOf = (method: string): string => method.slice(0, method.indexOf('.'))
