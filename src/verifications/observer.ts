import type { UnverifiedBudget } from '../apps/unverified-budget.ts'
import { hasSentMessage, type MessageMethods } from '../core/routing.ts'
import type { Attempt, Verification } from '../core/verification.ts'
import { numberTag, type Sealer } from '../store/sealing.ts'
import type { Logger } from '../telemetry/logger.ts'

/** Learns of a change that was written; `before` is null for a new verification. */
export type Observer = (before: Verification | null, after: Verification) => void

export type ObserverParts = {
  budget: Pick<UnverifiedBudget, 'count'>
  methods: MessageMethods
  sealer: Pick<Sealer, 'keyedHash'>
  log: Pick<Logger, 'info'>
}

/** The unverified budget and the log. A test number appears in the audit log, and sends no message. */
export function createObserver ({ budget, methods, sealer, log }: ObserverParts): Observer {
  /** The number appears as a tag, by which support can search the log (`npm run tag`). */
  const logFields = ({ id, appId, phoneNumber }: Verification) =>
    ({ verificationId: id, app: appId, numberTag: phoneNumber === null ? null : numberTag(sealer, phoneNumber) })

  /** A first message that was counted when its attempt began, and was not sent. */
  function takeBack (before: Verification | null, { appId, country, attempts }: Verification): void {
    const begun = before?.attempts.at(-1)
    if (before === null || country === undefined || !isUndone(begun, attempts[before.attempts.length - 1])) return
    const isFirstMessage = hasSentMessage([begun], methods) && !hasSentMessage(before.attempts.slice(0, -1), methods)
    if (isFirstMessage) budget.count(appId, country, 'created', begun.startedAt, -1)
  }

  return (before, after) => {
    const { appId, country, status } = after
    const hasEnded = status !== 'pending' && before?.status !== status
    if (hasEnded) {
      const reason = 'reason' in after ? { reason: after.reason } : {}
      log.info({ ...logFields(after), status, ...reason, method: after.attempts.at(-1)?.method }, 'verification ended')
    }
    if (after.testNumber !== undefined) {
      if (before === null || hasEnded) log.info({ audit: 'test_number', ...logFields(after), status }, 'audit')
      return
    }
    takeBack(before, after)
    if (country !== undefined && hasEnded && status === 'verified' && hasSentMessage(after.attempts, methods)) {
      budget.count(appId, country, 'verified', after.updatedAt)
    }
  }
}

const isUndone = (begun: Attempt | undefined, now: Attempt | undefined): begun is Attempt =>
  begun?.status === 'pending' && now?.status === 'skipped'
