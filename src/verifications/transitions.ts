import { createVerification, decide } from '../core/decide.ts'
import { ApiError } from '../core/errors.ts'
import type { Event, Decision } from '../core/events.ts'
import { skipIneligible, type RoutingContext } from '../core/routing.ts'
import type { Verification, NewVerification } from '../core/verification.ts'
import type { Counter, Store } from '../store/record-store.ts'
import type { ProviderCalls } from './provider-calls.ts'
import { isPastRetention } from './record-keys.ts'
import type { Change, Current, WriteConflict, Writer, Written } from './writer.ts'

export type { Current } from './writer.ts'

/**
 * `changed: false`: the event did not apply. `isReplay`: it did not apply because its evidence, or its provider id, was
 * used for another attempt.
 */
export type Transition = Written & { changed: boolean, isReplay: boolean }

/** Load, decide, write with compare-and-set. Effects are the caller's; see `dispatch.ts`. */
export type Transitions = {
  /** Throws `ApiError` gone. */
  load (id: string): Promise<Current>
  /**
   * Writes a new verification whose first attempt the caller starts, or returns the claim that prevents it. `counters`
   * must be below their limits. Throws `ApiError` rate_limited.
   */
  insert (request: NewVerification, at: number, counters: Counter[]): Promise<Written | WriteConflict>
  /**
   * Applies an event to the newest state. `startsHere`: the caller starts the next attempt, if there is one. `at`: the
   * present time, if the caller knows it. Throws `ApiError` gone, overloaded, and rate_limited for a code when too many
   * were incorrect.
   */
  apply (stored: Current, event: Event, options?: ApplyOptions): Promise<Transition>
}

export type ApplyOptions = { startsHere?: boolean, at?: number }

export type TransitionsParts = {
  store: Pick<Store<Verification>, 'load'>
  write: Writer
  routing: RoutingContext
  providerCalls: Pick<ProviderCalls, 'start' | 'cancel'>
  retentionMs: number
  now: () => number
}

const maxConflicts = 20

export function createTransitions (
  { store, write, routing, providerCalls, retentionMs, now }: TransitionsParts,
): Transitions {
  /** Skips methods that cannot start, and includes a start that needs no provider in the same write. */
  async function settleStart (decision: Decision, at: number, startsHere: boolean): Promise<Decision> {
    if (decision.effect !== 'start') return decision
    const { next, effect } = skipIneligible(decision, routing, at, { startsHere })
    const index = next.attempts.length - 1
    const isLocal = routing.methods.get(next.attempts[index]?.method ?? '')?.startsLocally === true
    if (effect !== 'start' || !startsHere || !isLocal) return { next, effect }
    const started = decide(next, await providerCalls.start(next, index), at, { startsHere })
    return started === null ? { next, effect } : settleStart(started, at, startsHere)
  }

  /** Writes the decision; a method that was used for this number too recently is replaced by the next step. */
  async function writeRouted (change: Change, startsHere: boolean): Promise<Written | WriteConflict> {
    const { at } = change
    let decision = await settleStart(change.decision, at, startsHere)
    for (;;) {
      const written = await write({ ...change, decision })
      if ('stored' in written || written.type !== 'once') return written
      const attempt = decision.next.attempts.length - 1
      const skipped = decide(
        decision.next, { type: 'attemptSkipped', attempt, reason: 'recently_tried' }, at, { startsHere },
      )
      if (skipped === null) throw new TypeError('only a start claims the number')
      decision = await settleStart(skipped, at, startsHere)
    }
  }

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
    insert: (request, at, counters) => {
      const decision = createVerification(request, at, { startsHere: true })
      return writeRouted({ stored: null, event: null, decision, at, counters }, true)
    },
    async apply (stored, event, { startsHere = false, at: givenAt } = {}) {
      for (let tries = 0; tries < maxConflicts; tries += 1) {
        const at = tries === 0 && givenAt !== undefined ? givenAt : now()
        const decision = decide(stored.record, event, at, { startsHere })
        if (decision === null) return { stored, effect: null, at, changed: false, isReplay: false }
        const change = { stored, event, decision, at }
        // Only a start depends on the methods that can serve the verification.
        const written = await (decision.effect === 'start' ? writeRouted(change, startsHere) : write(change))
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
