import { ProviderError } from '../core/errors.ts'
import type { Event } from '../core/events.ts'
import { currentAttempt, type Verification } from '../core/verification.ts'
import { StoreUnavailable, type Store } from '../store/record-store.ts'
import type { Dispatch } from './dispatch.ts'
import type { ProviderCalls } from './provider-calls.ts'
import type { Start } from './start.ts'
import type { Current } from './transitions.ts'

/** The state after the answer, and what the answer was; null when no evidence was pending. */
export type Resolved = { stored: Current, event: Event | null }

/**
 * Queries the provider about the pending evidence and applies the answer. `isFirst`: the caller has just written the
 * evidence. Throws a retryable `ProviderError` unless it is the last try.
 */
export type Resolve = (stored: Current, call: { isFirst: boolean, isLastTry: boolean }) => Promise<Resolved>

export type ResolveParts = {
  dispatch: Pick<Dispatch, 'apply' | 'persist'>
  start: Start
  providerCalls: Pick<ProviderCalls, 'resolve'>
  store: Pick<Store<Verification>, 'untilReplicated'>
}

export function createResolve ({ dispatch, start, providerCalls, store }: ResolveParts): Resolve {
  /** Without a note of it, the next query counts as a first one: not worth failing for while Redis is away. */
  async function recordFailure (stored: Current, attempt: number): Promise<void> {
    await dispatch.apply(stored, { type: 'queryFailed', attempt }).catch((error: unknown) => {
      if (!(error instanceof StoreUnavailable)) throw error
    })
  }

  return async (stored, { isFirst, isLastTry }) => {
    const current = currentAttempt(stored.record)
    if (current?.attempt.phase !== 'resolving') return { stored, event: null }
    const { index, attempt: { evidence, wasQueried } } = current
    const repeated = wasQueried && !isFirst
    // Evidence of the app is good for one answer: after a crash it must be known that the answer may have been lost.
    if (evidence.from === 'app' && !wasQueried) {
      stored = (await dispatch.apply(stored, { type: 'queryStarted', attempt: index })).stored
    }
    // The provider may accept the user's evidence only once, so it must not be lost by a failover.
    if (evidence.from === 'app') await store.untilReplicated(stored.record.id)
    let event: Event
    try {
      event = await providerCalls.resolve(stored.record, index, evidence, repeated)
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error
      // A query that the breaker refused is not a try, so it is not the last one either.
      if (!isLastTry || error.reason === 'provider_unavailable') {
        const wasRejected = evidence.from === 'app' && !repeated && isQueryRejected(error)
        if (wasRejected) await dispatch.apply(stored, { type: 'queryRejected', attempt: index })
        if (error.reason !== 'provider_unavailable') await recordFailure(stored, index)
        throw error
      }
      event = { type: 'attemptFailed', attempt: index, reason: error.reason }
    }
    return { stored: await start(await dispatch.persist(stored, event, { runsHere: 'start' })), event }
  }
}

/**
 * The provider, or the breaker, refused the query explicitly. A 5xx proves nothing: it may come from a proxy in front
 * of the provider.
 */
const isQueryRejected = ({ status, reason }: ProviderError): boolean =>
  status === null ? reason === 'provider_unavailable' : status < 500
