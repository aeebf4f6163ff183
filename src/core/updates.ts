import type { Decision } from './events.ts'
import { reasons, type Reason } from './reasons.ts'
import type { Ended, EndedAttempt, Pending, PendingAttempt, Resolving, Waiting } from './verification.ts'

// The small changes of a record that every decision is made of.

export function end (verification: Pending, status: Ended['status'], reason: Reason, now: number): Decision<Ended> {
  return { next: { ...bumpRevision(verification, now), status, reason }, effect: null }
}

/** Ends the pending attempt. Its state and evidence only served to continue it, so they are dropped. */
export function endAttempt (
  verification: Pending, status: EndedAttempt['status'], reason: Reason | null, now: number,
): Pending {
  const last = verification.attempts.at(-1)
  if (last?.status !== 'pending') return verification
  const { method, startedAt } = last
  const reported = last.receipts === undefined ? {} : { receipts: last.receipts }
  const price = 'cost' in last && last.cost !== undefined ? { cost: last.cost } : {}
  const ids = 'findableIds' in last && last.findableIds !== undefined ? { findableIds: last.findableIds } : {}
  const isJudged = last.phase === 'resolving' && (status === 'verified' || status === 'failed')
    && (reason === null || !reasons[reason].isProviderFault)
  const judged = isJudged && last.evidence.hash !== undefined ? { evidenceHash: last.evidence.hash } : {}
  const ended = { status, reason, method, startedAt, endedAt: now, ...reported, ...price, ...ids, ...judged }
  return { ...verification, attempts: verification.attempts.with(-1, ended) }
}

/** The attempt with one more id by which callbacks find it, if the event brings one. */
export function withFindableId<A extends { findableIds?: string[] }> (
  attempt: A, { providerId, isFindable }: { providerId?: string, isFindable?: boolean },
): A {
  if (providerId === undefined || isFindable !== true) return attempt
  return { ...attempt, findableIds: [...attempt.findableIds ?? [], providerId] }
}

/** A method that polls is always resolving: its lease is the time of the next query. */
export function waitOrPoll (waiting: Waiting, now: number): Waiting | Resolving {
  const { pollEveryMs } = waiting
  if (pollEveryMs === undefined) return waiting
  return {
    ...waiting, phase: 'resolving', evidence: { from: 'poll', value: {} }, leaseUntil: now + pollEveryMs,
    wasQueried: false,
  }
}

/** Replaces the pending attempt where no outside observer can see the difference. */
export function updateSilently (verification: Pending, attempt: PendingAttempt): Decision<Pending> {
  return { next: { ...verification, attempts: verification.attempts.with(-1, attempt) }, effect: null }
}

export function updateVisibly (verification: Pending, attempt: PendingAttempt, now: number): Decision<Pending> {
  return updateSilently(bumpRevision(verification, now), attempt)
}

/** A visible change during a start or query, which continues under the revision that it began with. */
export function updateBeside (verification: Pending, attempt: PendingAttempt, now: number): Decision<Pending> {
  const { effectRevision = verification.revision } = 'effectRevision' in attempt ? attempt : {}
  return updateVisibly(verification, attempt.phase === 'waiting' ? attempt : { ...attempt, effectRevision }, now)
}

export function bumpRevision (verification: Pending, now: number): Pending {
  return { ...verification, revision: verification.revision + 1, updatedAt: now }
}
