import type { Verification } from './verification.ts'

// When the passing of time changes a verification, and until when it is stored. Times are ms since the epoch.

/** How long an unfinished record outlives its deadline while no worker runs. */
const outageMs = 30 * 86_400_000
/** How long the sweeper has to erase a record whose retention has passed. */
const eraseMs = 3_600_000

/** When the passing of time next changes something; null when it never does. */
export function dueAt (verification: Verification): number | null {
  if (verification.status !== 'pending') return null
  const attempt = verification.attempts.at(-1)
  if (attempt?.status !== 'pending') return verification.expiresAt
  return Math.min(
    verification.expiresAt, attempt.expiresAt, attempt.phase === 'waiting' ? Infinity : attempt.leaseUntil,
  )
}

/** When Redis drops the record, and when the sweeper has to look at it. */
export function deadlinesOf (verification: Verification, retentionMs: number): { expiresAt: number, dueAt: number } {
  const retainUntil = retainedUntil(verification, retentionMs)
  return {
    // The sweeper erases it with everything that refers to it. If no worker runs for a long time, Redis drops it.
    expiresAt: retainUntil + (verification.status === 'pending' ? outageMs : eraseMs),
    dueAt: dueAt(verification) ?? retainUntil,
  }
}

/** The retention has passed: for every caller the verification is gone. */
export const isPastRetention = (verification: Verification, retentionMs: number, at: number): boolean =>
  verification.status !== 'pending' && at >= retainedUntil(verification, retentionMs)

const retainedUntil = ({ status, updatedAt, expiresAt }: Verification, retentionMs: number): number =>
  (status === 'pending' ? expiresAt : updatedAt) + retentionMs
