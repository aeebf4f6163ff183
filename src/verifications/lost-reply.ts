import { currentAttempt, leaseMs, type Verification } from '../core/verification.ts'
import { StoreUnavailable, type Store } from '../store/record-store.ts'
import { retryWhileStoreIsDown, type Dispatch } from './dispatch.ts'
import type { Start } from './start.ts'
import type { Transition } from './transitions.ts'

/**
 * After a create whose write got no reply: if the record was written, starts its attempt, which only this process may
 * do until the lease ends. Resolves when nothing is left to do here.
 */
export type StartIfWritten = (id: string, claimedAt: number) => Promise<void>

export type StartIfWrittenParts = {
  store: Pick<Store<Verification>, 'load'>, dispatch: Pick<Dispatch, 'apply'>, start: Start, now: () => number,
}

/** Whether Redis may have run the command. */
export const isReplyLost = (error: unknown): boolean =>
  error instanceof StoreUnavailable && (error.code === 'TIMEOUT' || error.code === 'DISCONNECTED')

export function createStartIfWritten ({ store, dispatch, start, now }: StartIfWrittenParts): StartIfWritten {
  return async (id, claimedAt) => {
    const ownLeaseUntil = claimedAt + leaseMs.start
    /** The rest of the lease may be shorter than the calls of the start. */
    async function claimAgain (): Promise<Transition | null> {
      const stored = await store.load(id)
      const current = stored === null ? null : currentAttempt(stored.record)
      if (stored === null || current === null) return null
      return dispatch.apply(stored, { type: 'startClaimed', attempt: current.index, ownLeaseUntil })
    }
    try {
      const claimed = await retryWhileStoreIsDown(claimAgain, ownLeaseUntil, now)
      if (claimed?.changed === true) await start({ ...claimed, effect: 'start' })
    } catch {
      // The lease ends, and the sweeper finds the record.
    }
  }
}
