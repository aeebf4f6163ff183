import { isPastRetention } from '../core/deadlines.ts'
import { decide } from '../core/decide.ts'
import { ApiError } from '../core/errors.ts'
import type { Event } from '../core/events.ts'
import type { Verification } from '../core/verification.ts'
import type { Store } from '../store/record-store.ts'
import type { ProviderCalls } from './provider-calls.ts'
import type { Current, Writer, Written } from './writer.ts'

export type { Current } from './writer.ts'

/**
 * `changed: false`: the event did not apply. `isReplay`: it did not apply because its evidence, or its provider id, was
 * used for another attempt.
 */
export type Transition = Written & { changed: boolean, isReplay: boolean }

/**
 * Changes of a stored verification: load, decide, write with compare-and-set. Effects are the caller's; see
 * `dispatch.ts`.
 */
export type Transitions = {
  /** Throws `ApiError` gone. */
  load (id: string): Promise<Current>
  /**
   * Applies an event to the newest state. `startsHere`: the caller starts the next attempt, if there is one. `at`: the
   * present time, if the caller knows it. Throws `ApiError` gone, overloaded, and rate_limited for a code when too many
   * were incorrect, or for a message that is sent again.
   */
  apply (stored: Current, event: Event, options?: ApplyOptions): Promise<Transition>
}

export type ApplyOptions = { startsHere?: boolean, at?: number }

export type TransitionsParts = {
  store: Pick<Store<Verification>, 'load'>
  write: Writer
  providerCalls: Pick<ProviderCalls, 'cancel'>
  retentionMs: number
  now: () => number
}

const maxConflicts = 20

export function createTransitions (
  { store, write, providerCalls, retentionMs, now }: TransitionsParts,
): Transitions {
  /** Awaited, because some providers refuse the next attempt for a number while one is open. */
  async function cancelAtProvider (before: Verification, after: Verification): Promise<void> {
    const index = before.attempts.length - 1
    const [was, is] = [before.attempts[index], after.attempts[index]]
    const hasEnded = was?.status === 'pending' && was.phase !== 'starting'
      && is?.status !== 'pending' && is?.status !== 'verified'
    if (hasEnded) await providerCalls.cancel(before, index)
  }

  async function load (id: string): Promise<Current> {
    const stored = await store.load(id)
    if (stored !== null && !isPastRetention(stored.record, retentionMs, now())) return stored
    throw new ApiError('gone', 'This verification was erased or its retention has passed.')
  }

  return {
    load,
    async apply (stored, event, { startsHere = false, at: givenAt } = {}) {
      for (let tries = 0; tries < maxConflicts; tries += 1) {
        const at = tries === 0 && givenAt !== undefined ? givenAt : now()
        const decision = decide(stored.record, event, at, { startsHere })
        if (decision === null) return { stored, effect: null, at, changed: false, isReplay: false }
        const written = await write({ stored, event, decision, at }, { startsHere })
        if ('stored' in written) {
          const { attempts, status } = written.stored.record
          const hasMoved = status !== 'pending' || attempts.length > stored.record.attempts.length
          if (hasMoved) await cancelAtProvider(stored.record, written.stored.record)
          return { ...written, changed: true, isReplay: false }
        }
        if (written.type !== 'version') return { stored, effect: null, at, changed: false, isReplay: true }
        stored = await load(stored.record.id)
      }
      const detail = 'Too many changes to this verification at the same time.'
      throw new ApiError('overloaded', detail, { retryAfterSeconds: 1 })
    },
  }
}
