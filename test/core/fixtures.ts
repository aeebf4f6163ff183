import { createVerification, decide } from '../../src/core/decide.ts'
import type { Event, Decision } from '../../src/core/events.ts'
import { currentAttempt, type Step, type Verification, type NewVerification } from '../../src/core/verification.ts'
import type { Action } from '../../src/core/vocabulary.ts'

/** The number to verify in every state below. */
export const asked = '+14155550100'
/** The time at which every state below was made; ms since the epoch. */
export const start = 1_000_000

/** Of every proof below. */
export const assurance = { possession: 'message', binding: 'session', restricted: false } as const

export const step = (method: string, more: Partial<Step> = {}): Step =>
  ({ method, timeoutMs: 60_000, options: {}, isRepeatable: false, continueWhenRejected: false, ...more })

/** In the order of the record's structure; see `record-codec.ts`. */
export const request = (more: Partial<NewVerification> = {}): NewVerification => ({
  id: 'ver_x', appId: 'shop', phoneNumber: asked, reference: null, metadata: {}, locale: null, device: {},
  returnUrl: null, includeProfile: true, minAssurance: 1, workflow: [step('truid.phone_check'), step('otpless.otp')],
  webhookEvents: [], expiresAt: start + 600_000, idempotency: null, ...more,
})

export const created = (more: Partial<NewVerification> = {}): Verification =>
  createVerification(request(more), start).next

/** The state after an event that must apply. */
export function apply (verification: Verification, event: Event, now = start): Verification {
  const decision = decide(verification, event, now)
  if (decision === null) throw new Error(`${event.type} does not apply`)
  return decision.next
}

/** The state after several events, all at the same time. */
export const applyAll = (verification: Verification, ...events: Event[]): Verification =>
  events.reduce((state, event) => apply(state, event), verification)

/** A decision in a few words: status, reason or phase of the pending attempt and its number, and the effect. */
export function describe (decision: Decision | null): string {
  if (decision === null) return ''
  const { next, effect } = decision
  const current = currentAttempt(next)
  const detail = current === null
    ? ('reason' in next ? `/${next.reason}` : '')
    : `:${current.index}:${current.attempt.phase}`
  return `${next.status}${detail}${effect === null ? '' : ` +${effect}`}`
}

export const action = { type: 'openUrlOnCellular', url: 'https://x.example/', finish: 'code' } as const
export const nextStep = { type: 'submitCode', length: 6, channels: ['SMS'] as string[] } as const
const receipt = { status: 'delivered', channel: 'sms', at: start } as const
const pending = { type: 'stillPending', attempt: 0, retryAfterMs: 1_000 } as const

export const events = {
  startClaimed: { type: 'startClaimed', attempt: 0 },
  attemptStarted: {
    type: 'attemptStarted', attempt: 0, state: { ref: 1 }, action, attemptsRemaining: 2,
    resend: { left: 1, afterMs: 0 },
  },
  attemptSkipped: { type: 'attemptSkipped', attempt: 0, reason: 'recently_tried' },
  startFailed: { type: 'startFailed', attempt: 0, reason: 'provider_error' },
  attemptFailed: { type: 'attemptFailed', attempt: 0, reason: 'carrier_unsupported' },
  userRejected: { type: 'userRejected', attempt: 0, reason: 'user_rejected' },
  promptOpened: { type: 'promptOpened', attempt: 0 },
  stepChanged: { type: 'stepChanged', attempt: 0, state: { ref: 3 }, action: nextStep },
  deliveryReported: { type: 'deliveryReported', attempt: 0, delivery: receipt },
  evidenceApp: { type: 'evidenceReceived', attempt: 0, evidence: { from: 'app', value: { code: '1' } } },
  evidenceProvider: { type: 'evidenceReceived', attempt: 0, evidence: { from: 'provider', value: { token: 't' } } },
  evidencePoll: { type: 'evidenceReceived', attempt: 0, evidence: { from: 'poll', value: {} } },
  numberProven: {
    type: 'numberProven', attempt: 0, phoneNumber: asked, profile: { name: { first: 'A' } }, signals: { line: 'm' },
    assurance,
  },
  otherNumberProven: {
    type: 'numberProven', attempt: 0, phoneNumber: '+14155550101', profile: null, signals: null, assurance,
  },
  codeIncorrect: { type: 'codeIncorrect', attempt: 0 },
  queryStarted: { type: 'queryStarted', attempt: 0 },
  queryRejected: { type: 'queryRejected', attempt: 0 },
  queryFailed: { type: 'queryFailed', attempt: 0 },
  stillPendingApp: { ...pending, from: 'app' },
  stillPendingProvider: { ...pending, from: 'provider' },
  stillPendingPoll: { ...pending, from: 'poll' },
  nextRequested: { type: 'nextRequested', reason: 'not_on_cellular' },
  resendRequested: { type: 'resendRequested', attempt: 0 },
  resent: { type: 'resent', attempt: 0, state: { ref: 2 }, action },
  canceled: { type: 'canceled', reason: 'app_canceled' },
  timeElapsed: { type: 'timeElapsed' },
} as const satisfies Record<string, Event>
export type EventName = keyof typeof events

const deepLinkAction: Action = {
  type: 'openDeepLink', url: 'x://', platforms: ['android'], notOpenedAfterMs: 600,
}
const waiting = apply(created(), events.attemptStarted)
const polling = apply(created(), { ...events.attemptStarted, pollEveryMs: 2_000 })

/** One verification in each state; the attempt in question is number 0. */
export const states = {
  unclaimed: created(),
  claimed: apply(created(), events.startClaimed),
  callbackFirst: applyAll(created(), events.startClaimed, events.evidenceProvider),
  waiting,
  deepLink: apply(created(), { ...events.attemptStarted, action: deepLinkAction }),
  polling,
  pollingApp: apply(polling, events.evidenceApp),
  resolvingApp: apply(waiting, events.evidenceApp),
  resolvingProvider: apply(waiting, events.evidenceProvider),
  resolvingPoll: apply(waiting, events.evidencePoll),
  verified: applyAll(waiting, events.evidenceApp, events.numberProven),
  failed: applyAll(waiting, events.evidenceApp, events.otherNumberProven),
  expired: apply(waiting, events.timeElapsed, start + 600_000),
  canceled: apply(waiting, events.canceled),
}
export type StateName = keyof typeof states

/** The pending attempt of a state that must have one. */
export function pendingAttempt (verification: Verification) {
  const current = currentAttempt(verification)
  if (current === null) throw new Error('no attempt is pending')
  return current.attempt
}
