import type { LimitRefusal, Limits, Skip } from '../apps/limits.ts'
import type { MessagePolicy } from '../apps/message-policy.ts'
import { decide } from '../core/decide.ts'
import { ApiError, type PolicyRefusal } from '../core/errors.ts'
import type { Event, Decision, Effect } from '../core/events.ts'
import { hasSentMessage, skipIneligible, type RoutingContext } from '../core/routing.ts'
import type { Verification } from '../core/verification.ts'
import { webhookEventsOf } from '../core/webhook-events.ts'
import type { ClaimConflict, Counter, Inserted, Saved, Store, Stored } from '../store/record-store.ts'
import type { KeyName } from '../store/sealing.ts'
import type { Deliveries } from '../webhooks/deliveries.ts'
import type { Observer } from './observer.ts'
import type { ProviderCalls } from './provider-calls.ts'
import { beginsAttempt, writesOf, type TypedClaim, type WriteContext } from './record-keys.ts'
import { isOwnedBy } from './single-use.ts'

export type Current = Stored<Verification>

/**
 * A decision that is about to be written; `stored` and `event` are null for a new verification. `counters`: more that
 * it counts, each below its limit. `keys`: those of its number, if the caller knows them.
 */
export type Change = {
  stored: Current | null, event: Event | null, decision: Decision, at: number, counters?: Counter[]
  keys?: readonly KeyName[] | undefined
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
type StartRefusal = { type: 'limit' } & Required<LimitRefusal>

/**
 * Writes a decision together with its claims, counters, indexes and webhook deliveries, in one step. Where it starts a
 * method that cannot start, or may not start for this number now, the next step of the workflow replaces that method.
 * Throws `ApiError` rate_limited when a counter has reached its limit that does not concern a start, and for a new
 * verification of which limits leave no method that could start.
 */
export type Writer = (change: Change, options: { startsHere: boolean }) => Promise<Written | WriteConflict>

type StorageParts = {
  store: Pick<Store<Verification>, 'insert' | 'save'>
  context: WriteContext
  limits: Pick<Limits, 'refuse'>
  deliveries: Pick<Deliveries, 'stageEvents' | 'dispatch'>
  /** Each is called with every change that was written. */
  observers: readonly Observer[]
}

export type WriterParts = StorageParts & {
  routing: RoutingContext
  providerCalls: Pick<ProviderCalls, 'start'>
  messages: MessagePolicy
  /** Is called for a method that was skipped because of a limit, when the verification goes on without it. */
  recordSkipped: (verification: Verification, refusal: PolicyRefusal) => void
}

/** The method is skipped; `error` is what a create answers when nothing else can start. */
type Skipped = { type: 'skip', error: ApiError | null } & Skip

export function createWriter (parts: WriterParts): Writer {
  const { routing, providerCalls, messages, recordSkipped } = parts
  const write = createWrite(parts)

  /** Skips methods that cannot start, and includes a start that needs no provider in the same write. */
  async function settleStart (decision: Decision, at: number, startsHere: boolean): Promise<Decision> {
    if (decision.effect !== 'start') return decision
    const { next, effect } = skipIneligible(decision, routing, at, { startsHere })
    const index = next.attempts.length - 1
    // The attempt of a test number starts here, too, so that no message is counted.
    const isLocal = next.testNumber !== undefined
      || routing.methods.get(next.attempts[index]?.method ?? '')?.startsLocally === true
    if (effect !== 'start' || !startsHere || !isLocal) return { next, effect }
    const started = decide(next, await providerCalls.start(next, index), at, { startsHere })
    return started === null ? { next, effect } : settleStart(started, at, startsHere)
  }

  const beginsMessage = ({ stored, decision: { next, effect } }: Change): boolean => {
    const { sendsMessage = false } = routing.methods.get(next.attempts.at(-1)?.method ?? '') ?? {}
    return sendsMessage && beginsAttempt({ before: stored?.record ?? null, after: next, effect })
  }

  async function tryWrite (change: Change): Promise<Written | WriteConflict | Skipped> {
    const { decision: { next }, at } = change
    const isFirstMessage = beginsMessage(change) && !hasSentMessage(next.attempts.slice(0, -1), routing.methods)
    const permit = isFirstMessage ? await messages.begin(next, at) : null
    if (permit !== null && permit.refusal !== null) {
      return { type: 'skip', reason: null, isOfEveryMessage: true, error: permit.refusal }
    }
    try {
      const written = await write(change)
      if ('stored' in written) return written
      permit?.giveBack()
      if (written.type === 'limit') return { type: 'skip', ...written.skip, error: written.error }
      if (written.type !== 'once') return written
      // An app must not learn what another one did with the number.
      const reason = isOwnedBy(next.appId, written.holder.value) ? 'recently_tried' : 'provider_unavailable'
      return { type: 'skip', reason, isOfEveryMessage: false, error: null }
    } catch (error) {
      // After any other error the message may be sent.
      if (error instanceof ApiError) permit?.giveBack()
      throw error
    }
  }

  return async (change, { startsHere }) => {
    const { at, stored } = change
    const errors: ApiError[] = []
    let everyMessage: Skipped | null = null
    let decision = await settleStart(change.decision, at, startsHere)
    for (;;) {
      // An outcome is not an error. But a create has no outcome when limits let no method start.
      if (stored === null && decision.next.status !== 'pending' && errors.length > 0) throw soonest(errors)
      const routed = { ...change, decision }
      const written: Written | WriteConflict | Skipped = everyMessage !== null && beginsMessage(routed)
        ? everyMessage
        : await tryWrite(routed)
      if ('stored' in written) {
        for (const { extra: { refusal } } of errors) if (refusal !== undefined) recordSkipped(decision.next, refusal)
        return written
      }
      if (written.type !== 'skip') return written
      if (written.error !== null && written !== everyMessage) errors.push(written.error)
      if (written.isOfEveryMessage) everyMessage = written
      const attempt = decision.next.attempts.length - 1
      const event = { type: 'attemptSkipped', attempt, reason: written.reason } as const
      const skipped = decide(decision.next, event, at, { startsHere })
      if (skipped === null) throw new TypeError('only a start is limited')
      decision = await settleStart(skipped, at, startsHere)
    }
  }
}

/** The error whose limit allows a retry first. */
const soonest = (errors: readonly ApiError[]): ApiError | undefined =>
  errors.toSorted((a, b) => (a.extra.retryAfterSeconds ?? 0) - (b.extra.retryAfterSeconds ?? 0))[0]

/** Writes the decision as it is. */
function createWrite ({ store, context, limits, deliveries, observers }: StorageParts) {
  return async (
    { stored, event, decision: { next, effect }, at, counters = [], keys }: Change,
  ): Promise<Written | WriteConflict | StartRefusal> => {
    const before = stored?.record ?? null
    const events = next.webhookEvents.length === 0 ? [] : webhookEventsOf(before, next)
    const staged = events.length === 0 ? [] : deliveries.stageEvents(next, events, at)
    const writes = { at, ...writesOf({ before, event, after: next, effect, at, keys }, context) }
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
    for (const observe of observers) observe(before, next)
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
