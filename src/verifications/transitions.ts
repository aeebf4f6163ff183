import { createVerification, decide, type Decision, type Effect, type NewVerification } from '../core/decide.ts'
import { ApiError } from '../core/errors.ts'
import type { Event } from '../core/events.ts'
import { skipIneligible, type RoutingContext } from '../core/routing.ts'
import type { Verification } from '../core/verification.ts'
import { webhookEventsOf } from '../core/webhook-events.ts'
import type { Limits } from '../apps/limits.ts'
import type { ClaimConflict, Counter, Inserted, Saved, Store, Stored } from '../store/record-store.ts'
import type { Deliveries, StagedDelivery } from '../webhooks/deliveries.ts'
import type { Observer } from './observer.ts'
import type { ProviderCalls } from './provider-calls.ts'
import { isPastRetention, writesOf, type Change, type TypedClaim, type WriteContext } from './record-keys.ts'

export type Current = Stored<Verification>

/**
 * `changed: false`: the event did not apply. `isReplay`: it did not apply because its evidence, or its provider id, was
 * used
 * for another attempt.
 */
export type Transition = { stored: Current, effect: Effect | null, changed: boolean, isReplay: boolean }

/** Who holds the claim that a new verification needs; null: the id itself was written before. */
export type InsertConflict = { type: TypedClaim['type'], holder: ClaimConflict } | { type: 'id', holder: null }

/** Load, decide, save with compare-and-set. Effects are the caller's; see `dispatch.ts`. */
export type Transitions = {
  /** Throws `ApiError` gone. */
  load (id: string): Promise<Current>
  /**
   * Writes a new verification whose first attempt the caller starts, or returns the claim that prevents it. `counters`
   * must be
   * below their limits. Throws `ApiError` rate_limited.
   */
  insert (request: NewVerification, at: number, counters: Counter[]): Promise<Transition | InsertConflict>
  /**
   * Applies an event to the newest state. `startsHere`: the caller starts the next attempt, if there is one. Throws
   * `ApiError`
   * gone, overloaded, and rate_limited for a code when too many were incorrect.
   */
  apply (stored: Current, event: Event, options?: { startsHere?: boolean }): Promise<Transition>
}

export type TransitionsParts = {
  store: Pick<Store<Verification>, 'load' | 'insert' | 'save'>
  writes: WriteContext
  routing: RoutingContext
  startsLocally: (method: string) => boolean
  providerCalls: Pick<ProviderCalls, 'start' | 'cancel'>
  limits: Pick<Limits, 'refuse'>
  deliveries: Pick<Deliveries, 'stageEvents' | 'dispatch'>
  observe: Observer
  now: () => number
}

const maxConflicts = 20

type Routed = { decision: Decision, startsHere: boolean, at: number }
type Staged = { claims: TypedClaim[], deliveries: StagedDelivery[] }

export function createTransitions (parts: TransitionsParts): Transitions {
  const { store, writes, routing, startsLocally, providerCalls, limits, deliveries, observe, now } = parts

  /** Skips methods that cannot start, and includes a start that needs no provider in the same write. */
  async function settleStart ({ decision, startsHere, at }: Routed): Promise<Decision> {
    if (decision.effect !== 'start') return decision
    const { next, effect } = skipIneligible(decision, routing, at, { startsHere })
    const index = next.attempts.length - 1
    if (effect !== 'start' || !startsHere || !startsLocally(next.attempts[index]?.method ?? '')) return { next, effect }
    const started = decide(next, await providerCalls.start(next, index), at, { startsHere })
    return started === null ? { next, effect } : settleStart({ decision: started, startsHere, at })
  }

  /** The method was used for this number too recently: the next step replaces it. */
  function skipRecentlyTried ({ decision: { next }, startsHere, at }: Routed): Promise<Decision> {
    const event: Event = { type: 'attemptSkipped', attempt: next.attempts.length - 1, reason: 'recently_tried' }
    const skipped = decide(next, event, at, { startsHere })
    if (skipped === null) throw new TypeError('only a start claims the number')
    return settleStart({ decision: skipped, startsHere, at })
  }

  const stage = (change: Change) => {
    const { claims, ...rest } = writesOf(change, writes)
    const events = change.after.webhookEvents.length === 0 ? [] : webhookEventsOf(change.before, change.after)
    const staged = events.length === 0 ? [] : deliveries.stageEvents(change.after, events, change.at)
    return {
      staged: { claims, deliveries: staged },
      options: { ...rest, claims, siblings: staged.map(({ sibling }) => sibling) },
    }
  }

  async function finish (
    before: Verification | null, stored: Current, effect: Effect | null, staged: Staged, versions: string[],
  ) {
    observe(before, stored.record)
    for (const [index, { delivery }] of staged.deliveries.entries()) {
      await deliveries.dispatch({ record: delivery, version: versions[index] ?? '' })
    }
    return { stored, effect, changed: true, isReplay: false }
  }

  const conflictOf = (result: Inserted | Saved, { claims }: Staged): InsertConflict | null => {
    if ('exists' in result) return { type: 'id', holder: null }
    if (!('claimConflict' in result)) return null
    const holder = result.claimConflict
    return { type: claims.find(({ name }) => name === holder.name)?.type ?? 'idempotency', holder }
  }

  /** Null: another process wrote first. */
  async function save (stored: Current, event: Event, routed: Routed): Promise<Transition | null> {
    const { decision: { next, effect }, at } = routed
    const before = stored.record
    const { staged, options } = stage({ before, event, after: next, effect, at })
    const result = await store.save(next.id, stored.version, next, { ...options, publish: String(next.revision) })
    if (result.saved) {
      await cancelAtProvider(before, next)
      return finish(before, { record: next, version: result.version }, effect, staged, result.siblingVersions)
    }
    if ('conflict' in result) return null
    if ('counterExceeded' in result) throw limits.refuse(result.counterExceeded, next.phoneNumber)
    return conflictOf(result, staged)?.type === 'once'
      ? save(stored, event, { ...routed, decision: await skipRecentlyTried(routed) })
      : { stored, effect: null, changed: false, isReplay: true }
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
    if (stored === null || isPastRetention(stored.record, writes.retentionMs, now())) {
      throw new ApiError('gone', 'This verification was erased or its retention has passed.')
    }
    return stored
  }

  return {
    load,

    async insert (request, at, counters) {
      const routed: Routed = { decision: createVerification(request, at, { startsHere: true }), startsHere: true, at }
      routed.decision = await settleStart(routed)
      for (;;) {
        const { next, effect } = routed.decision
        const { staged, options } = stage({ before: null, event: null, after: next, effect, at })
        const result = await store.insert(next.id, next, { ...options, counters })
        if (result.inserted) {
          return finish(null, { record: next, version: result.version }, effect, staged, result.siblingVersions)
        }
        if ('counterExceeded' in result) throw limits.refuse(result.counterExceeded, next.phoneNumber)
        const conflict = conflictOf(result, staged)
        if (conflict?.type !== 'once') return conflict ?? { type: 'id', holder: null }
        routed.decision = await skipRecentlyTried(routed)
      }
    },

    async apply (stored, event, { startsHere = false } = {}) {
      for (let tries = 0; tries < maxConflicts; tries += 1) {
        const at = now()
        const decision = decide(stored.record, event, at, { startsHere })
        if (decision === null) return { stored, effect: null, changed: false, isReplay: false }
        const routed = { decision: await settleStart({ decision, startsHere, at }), startsHere, at }
        const transition = await save(stored, event, routed)
        if (transition !== null) return transition
        stored = await load(stored.record.id)
      }
      throw new ApiError(
        'overloaded', 'Too many changes to this verification at the same time.', { retryAfterSeconds: 1 },
      )
    },
  }
}
