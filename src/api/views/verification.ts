import { maskPhoneNumber } from '../../phone.ts'
import type { NextAction, VerificationView } from '../schemas/requests.ts'
import {
  actionOf, availableActions, currentAttempt, isFinal, providerOf, type Attempt, type Verification,
} from '../../core/verification.ts'

export type ViewOptions = {
  /** The public id of attempt number `index`. */
  attemptId: (id: string, index: number) => string
  /** False leaves the profile out; the default shows the one that was kept. */
  includeProfile?: boolean
  /** As the holder of a client secret may see it: number masked, no metadata, no profile, no signals. */
  masked?: boolean
}

/** A verification as the outside sees it: the public JSON, also the `data` of webhooks. */
export function viewVerification (verification: Verification, options: ViewOptions): VerificationView {
  const { attemptId, includeProfile = true, masked = false } = options
  const { id, status, phoneNumber, reference, metadata, workflow, attempts, revision } = verification
  const show = (number: string): string => masked ? maskPhoneNumber(number) : number
  const result = verification.status === 'verified' ? verification.result : null
  return {
    id,
    status,
    verified: status === 'verified',
    reason: 'reason' in verification ? verification.reason : null,
    phoneNumber: phoneNumber === null ? null : show(phoneNumber),
    reference,
    metadata: masked ? {} : metadata,
    nextAction: viewNextAction(verification),
    availableActions: availableActions(verification).map(
      action => ({ ...action, availableAt: viewTime(action.availableAt) }),
    ),
    workflow: workflow.map(({ method, timeoutMs }) => ({ method, timeoutSeconds: timeoutMs / 1000 })),
    attempts: attempts.map((attempt, index) => viewAttempt(attempt, attemptId(id, index))),
    result: result === null
      ? null
      : {
          phoneNumber: show(result.phoneNumber),
          method: result.method,
          provider: providerOf(result.method),
          verifiedAt: viewTime(result.verifiedAt),
          profile: includeProfile && !masked ? result.profile : null,
          signals: masked ? null : result.signals,
        },
    revision,
    createdAt: viewTime(verification.createdAt),
    updatedAt: viewTime(verification.updatedAt),
    expiresAt: viewTime(verification.expiresAt),
  }
}

function viewNextAction (verification: Verification): NextAction | null {
  if (isFinal(verification)) return null
  const attempt = currentAttempt(verification)?.attempt
  const expiresAt = viewTime(attempt?.expiresAt ?? verification.expiresAt)
  const action = attempt === undefined ? null : actionOf(attempt)
  if (attempt === undefined || action === null) return { type: 'wait', expiresAt }
  return action.type === 'submitCode' && 'attemptsRemaining' in attempt && attempt.attemptsRemaining !== null
    ? { ...action, attemptsRemaining: attempt.attemptsRemaining, expiresAt }
    : { ...action, expiresAt }
}

function viewAttempt (attempt: Attempt, id: string): VerificationView['attempts'][number] {
  const { method, status } = attempt
  return {
    id,
    method,
    provider: providerOf(method),
    status,
    reason: attempt.status === 'pending' ? null : attempt.reason,
    startedAt: viewTime(attempt.startedAt),
    endedAt: attempt.status === 'pending' ? null : viewTime(attempt.endedAt),
  }
}

const viewTime = (milliseconds: number): string => new Date(milliseconds).toISOString()
