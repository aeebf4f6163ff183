import type { Assurance } from './assurance.ts'
import type { NextReason, Reason } from './reasons.ts'
import type { Evidence, ResendRule, Verification } from './verification.ts'
import type { Action, DeliveryReceipt, Json, Money, Profile } from './vocabulary.ts'

/** What happened. `attempt` is the number of the attempt it happened to: an event about an ended attempt is late. */
export type Event =
  /** `ownLeaseUntil`: renews the claim of the caller, whose lease ends then. */
  | { type: 'startClaimed', attempt: number, ownLeaseUntil?: number }
  | {
    type: 'attemptStarted', attempt: number, state: Json, action: Action, attemptsRemaining: number | null
    resend: ResendRule | null, providerId?: string, isIdOptional?: boolean, pollEveryMs?: number
    /** Callbacks are found by `providerId`. */
    isFindable?: boolean
    /** After which time the provider's side of the attempt ends, if it said so. */
    expiresInMs?: number
    cost?: Money
  }
  | { type: 'attemptSkipped', attempt: number, reason: Reason | null }
  | { type: 'startFailed', attempt: number, reason: Reason }
  | { type: 'attemptFailed', attempt: number, reason: Reason }
  | { type: 'userRejected', attempt: number, reason: Reason }
  | { type: 'promptOpened', attempt: number }
  | { type: 'stepChanged', attempt: number, state: Json, action: Action }
  | { type: 'deliveryReported', attempt: number, delivery: DeliveryReceipt }
  /** `answer`: what the evidence proves, where that is known at once; absent: the provider must be queried. */
  | { type: 'evidenceReceived', attempt: number, evidence: Evidence, answer?: Event }
  | {
    type: 'numberProven', attempt: number, phoneNumber: string, profile: Profile | null
    signals: { [name: string]: Json } | null, assurance: Assurance
  }
  | { type: 'codeIncorrect', attempt: number }
  | { type: 'queryStarted', attempt: number }
  | { type: 'queryRejected', attempt: number }
  /** The provider did not answer, or not usably: the query will be made again. */
  | { type: 'queryFailed', attempt: number }
  | {
    type: 'stillPending', attempt: number, from: Evidence['from'], retryAfterMs: number
    /** What the provider returned for the next query, and a new step for the front end; absent: as before. */
    state?: Json, action?: Action
  }
  | {
    type: 'nextRequested', reason: NextReason
    /** It applies to no newer revision; absent: to any. */
    revision?: number
    /** It also ends an attempt whose evidence is being checked. */
    endsCheck?: boolean
  }
  | { type: 'resendRequested', attempt: number }
  | { type: 'resent', attempt: number, state: Json, action: Action, providerId?: string, isFindable?: boolean }
  | { type: 'canceled', reason: 'app_canceled' | 'superseded' | 'blocked' }
  | { type: 'timeElapsed' }

/** What must be done after the change is written: start the pending attempt, or resolve its evidence. */
export type Effect = 'start' | 'resolve'

export type Decision<Next extends Verification = Verification> = { next: Next, effect: Effect | null }

/**
 * `startsHere`: the process that writes the change starts the next attempt itself, so the start is claimed in the same
 * write.
 */
export type DecideOptions = { startsHere?: boolean }
