import { ApiError } from '../core/errors.ts'
import type { NextReason } from '../core/reasons.ts'
import { currentAttempt, isBeingChecked, isFinal, nextAvailableAt, type Verification } from '../core/verification.ts'
import type { ChangeFeed } from '../store/change-feed.ts'
import { invalidState } from './check.ts'
import type { Dispatch } from './dispatch.ts'
import { tooEarly } from './resend.ts'
import type { Start } from './start.ts'
import type { Current, Transitions } from './transitions.ts'

/**
 * Ends the attempt that is pending when the call arrives, and starts the next one. Waits for the result of evidence
 * that is being checked: if that ends the attempt, or verifies the number, this is the result. `revision`: it must not
 * be older than the verification. Throws `ApiError` invalid_state, and rate_limited when a message was just sent.
 */
export type Next = (id: string, reason: NextReason, revision?: number) => Promise<Verification>

export type NextParts = {
  transitions: Pick<Transitions, 'load'>
  dispatch: Pick<Dispatch, 'apply'>
  start: Start
  changeFeed: Pick<ChangeFeed, 'once'>
  now: () => number
}

/** A query takes less. After it the provider is presumed down, and the user need not wait for it. */
const checkWaitMs = 10_000
/** The change feed may miss a message. */
const rereadMs = 1_000
const maxTries = 20

export function createNext ({ transitions, dispatch, start, changeFeed, now }: NextParts): Next {
  /** The verification once no evidence is being checked, or as it is when the time is over. */
  async function untilChecked (stored: Current, signal: AbortSignal): Promise<Current> {
    let current = stored
    while (isChecking(current.record) && !signal.aborted) {
      const isDone = new AbortController()
      const changed = changeFeed.once(current.record.id, {
        timeoutMs: rereadMs, signal: AbortSignal.any([signal, isDone.signal]),
      })
      current = await transitions.load(current.record.id)
      if (isChecking(current.record)) await changed
      else isDone.abort()
    }
    return current
  }

  return async (id, reason, revision) => {
    let stored = await transitions.load(id)
    if (isFinal(stored.record)) throw invalidState(stored.record, 'The verification has already ended.')
    const index = currentAttempt(stored.record)?.index
    const deadline = AbortSignal.timeout(checkWaitMs)
    for (let tries = 0; tries < maxTries; tries += 1) {
      assertNotNewer(stored.record, revision)
      stored = await untilChecked(stored, deadline)
      const { record } = stored
      assertNotNewer(record, revision)
      const current = currentAttempt(record)
      if (current === null || current.index !== index) return record
      const waitMs = nextAvailableAt(record, current.attempt) - now()
      if (waitMs > 0) throw tooEarly('The next message can be sent', waitMs)
      const transition = await dispatch.apply(stored, {
        type: 'nextRequested', reason, revision: record.revision, endsCheck: deadline.aborted,
      }, { runsHere: 'start' })
      if (transition.changed) return (await start(transition)).record
      stored = transition.stored
    }
    const detail = 'Too many changes to this verification at the same time.'
    throw new ApiError('overloaded', detail, { retryAfterSeconds: 1 })
  }
}

function isChecking (record: Verification): boolean {
  const current = currentAttempt(record)
  return current !== null && isBeingChecked(current.attempt)
}

function assertNotNewer (record: Verification, revision = Infinity): void {
  if (record.revision > revision) throw invalidState(record, `The verification has revision ${record.revision} by now.`)
}
