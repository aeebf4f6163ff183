import type { LimitRefusal, Limits } from '../apps/limits.ts'
import type { Event, Decision, Effect } from '../core/events.ts'
import type { Verification } from '../core/verification.ts'
import { webhookEventsOf } from '../core/webhook-events.ts'
import type { ClaimConflict, Counter, Inserted, Saved, Store, Stored } from '../store/record-store.ts'
import type { Deliveries } from '../webhooks/deliveries.ts'
import type { Observer } from './observer.ts'
import { writesOf, type TypedClaim, type WriteContext } from './record-keys.ts'

export type Current = Stored<Verification>

/** A decision that is about to be written; `stored` and `event` are null for a new verification. */
export type Change = {
  stored: Current | null, event: Event | null, decision: Decision, at: number, counters?: Counter[],
}

/** What was written, when it was decided, and what must be done now. */
export type Written = { stored: Current, effect: Effect | null, at: number }

/**
 * Why nothing was written: another version (or the id itself) was written first, or another verification holds a claim.
 */
export type WriteConflict = { type: 'version' | 'id', holder: null } | {
  type: TypedClaim['type'], holder: ClaimConflict,
}
/** The method that is about to start has reached a limit. */
export type StartRefusal = { type: 'limit' } & Required<LimitRefusal>

/**
 * Writes a decision together with its claims, counters, indexes and webhook deliveries, in one step. Throws `ApiError`
 * rate_limited when a counter has reached its limit that does not concern a start.
 */
export type Writer = (change: Change) => Promise<Written | WriteConflict | StartRefusal>

export type WriterParts = {
  store: Pick<Store<Verification>, 'insert' | 'save'>
  context: WriteContext
  limits: Pick<Limits, 'refuse'>
  deliveries: Pick<Deliveries, 'stageEvents' | 'dispatch'>
  observe: Observer
}

export function createWriter ({ store, context, limits, deliveries, observe }: WriterParts): Writer {
  return async ({ stored, event, decision: { next, effect }, at, counters = [] }) => {
    const before = stored?.record ?? null
    const events = next.webhookEvents.length === 0 ? [] : webhookEventsOf(before, next)
    const staged = events.length === 0 ? [] : deliveries.stageEvents(next, events, at)
    const writes = { at, ...writesOf({ before, event, after: next, effect, at }, context) }
    const siblings = staged.map(({ sibling }) => sibling)
    const result = stored === null
      ? await store.insert(next.id, next, { ...writes, siblings, counters: [...counters, ...writes.counters] })
      : await store.save(next.id, stored.version, next, { ...writes, siblings, publish: String(next.revision) })
    if (!('version' in result)) {
      if (!('counterExceeded' in result)) return conflictOf(result, writes.claims)
      const { error, skip } = limits.refuse(result.counterExceeded, next.phoneNumber)
      if (effect !== 'start' || skip === undefined) throw error
      return { type: 'limit', error, skip }
    }
    observe(before, next)
    for (const [index, { delivery }] of staged.entries()) {
      await deliveries.dispatch({ record: delivery, version: result.siblingVersions[index] ?? '' })
    }
    return { stored: { record: next, version: result.version }, effect, at }
  }
}

function conflictOf (result: Inserted | Saved, claims: readonly TypedClaim[]): WriteConflict {
  if ('exists' in result) return { type: 'id', holder: null }
  if (!('claimConflict' in result)) return { type: 'version', holder: null }
  const holder = result.claimConflict
  const isHeld = ({ name, field }: TypedClaim): boolean => name === holder.name && field === holder.field
  return { type: claims.find(isHeld)?.type ?? 'idempotency', holder }
}
