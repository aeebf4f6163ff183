import { rate } from '../../core/assurance.ts'
import { shownReceipt } from '../../core/delivery.ts'
import type { Reason } from '../../core/reasons.ts'
import { progressOf, providerOf, type Attempt, type Progress, type Verification } from '../../core/verification.ts'
import { maskPhoneNumber } from '../../phone.ts'
import type { NextAction, VerificationView } from '../schemas/verification.ts'

export type ViewOptions = {
  /** The public id of attempt number `index`. */
  attemptId: (id: string, index: number) => string
  /** The view for a client secret: number masked; no reference, metadata, profile, signals or cost. */
  masked?: boolean
}

/** The public JSON of a verification, also the `data` of webhooks. */
export function viewVerification (
  verification: Verification, { attemptId, masked = false }: ViewOptions,
): VerificationView {
  const { id, status, phoneNumber, reference, metadata, workflow, attempts, revision } = verification
  const attemptIds = attempts.map((_, index) => attemptId(id, index))
  const progress = progressOf(verification)
  const show = (number: string): string => masked ? maskPhoneNumber(number) : number
  return {
    id,
    status,
    verified: status === 'verified',
    reason: 'reason' in verification ? showReason(verification.reason, masked, 'provider_unavailable') : null,
    phoneNumber: phoneNumber === null ? null : show(phoneNumber),
    reference: masked ? null : reference,
    metadata: masked ? {} : metadata,
    nextAction: viewNextAction(verification, progress),
    availableActions: progress.availableActions.map(
      action => ({ ...action, availableAt: viewTime(action.availableAt) }),
    ),
    workflow: workflow.map(({ method, timeoutMs }) => ({ method, timeoutSeconds: timeoutMs / 1000 })),
    attempts: attempts.map((attempt, index) =>
      viewAttempt(attempt, { id: attemptIds[index] ?? '', provider: progress.providers[index] ?? '', masked })),
    result: verification.status === 'verified' ? viewResult(verification.result, show, masked) : null,
    revision,
    createdAt: viewTime(verification.createdAt),
    updatedAt: viewTime(verification.updatedAt),
    expiresAt: viewTime(verification.expiresAt),
  }
}

function viewNextAction ({ status, expiresAt }: Verification, { attempt, action }: Progress): NextAction | null {
  if (status !== 'pending') return null
  const until = viewTime(attempt?.expiresAt ?? expiresAt)
  if (attempt === null || action === null) return { type: 'wait', expiresAt: until }
  return action.type === 'submitCode' && 'attemptsRemaining' in attempt && attempt.attemptsRemaining !== null
    ? { ...action, attemptsRemaining: attempt.attemptsRemaining, expiresAt: until }
    : { ...action, expiresAt: until }
}

/**
 * That a number has no account with a provider is not for strangers. They see what they would see if the provider had
 * failed, so that the two cannot be told apart.
 */
function showReason (reason: Reason | null, masked: boolean, outage: Reason): Reason | null {
  return masked && reason === 'number_not_registered' ? outage : reason
}

function viewAttempt (
  attempt: Attempt, { id, provider, masked }: { id: string, provider: string, masked: boolean },
): VerificationView['attempts'][number] {
  const { method, status } = attempt
  return {
    id,
    method,
    provider,
    status,
    reason: attempt.status === 'pending' ? null : showReason(attempt.reason, masked, 'provider_error'),
    startedAt: viewTime(attempt.startedAt),
    endedAt: attempt.status === 'pending' ? null : viewTime(attempt.endedAt),
    delivery: viewDelivery(attempt),
    cost: !masked && 'cost' in attempt && attempt.cost !== undefined ? attempt.cost : null,
  }
}

function viewDelivery ({ receipts }: Attempt): VerificationView['attempts'][number]['delivery'] {
  const receipt = receipts === undefined ? null : shownReceipt(receipts)
  return receipt === null ? null : { status: receipt.status, channel: receipt.channel, at: viewTime(receipt.at) }
}

function viewResult (
  {
    phoneNumber, method, verifiedAt, profile, signals, assurance,
  }: Extract<Verification, { status: 'verified' }>['result'],
  show: (number: string) => string, masked: boolean,
): VerificationView['result'] {
  return {
    phoneNumber: show(phoneNumber),
    method,
    provider: providerOf(method),
    verifiedAt: viewTime(verifiedAt),
    profile: masked ? null : profile,
    signals: masked ? null : signals,
    assurance: rate(assurance),
  }
}

/** RFC 3339 UTC. */
export const viewTime = (milliseconds: number): string => new Date(milliseconds).toISOString()
