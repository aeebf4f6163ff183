import { setTimeout as delay } from 'node:timers/promises'
import type { Event } from '../core/events.ts'
import { StoreUnavailable } from '../store/record-store.ts'
import type { Dispatch } from './dispatch.ts'
import type { ProviderCalls } from './provider-calls.ts'
import type { Transition } from './transitions.ts'
import type { Current, Written } from './writer.ts'

/**
 * Starts the attempt whose start the caller has claimed, and the next ones while they fail and the time budget lasts.
 */
export type Start = (transition: Written) => Promise<Current>

export type StartParts = {
  dispatch: Pick<Dispatch, 'apply'>, providerCalls: Pick<ProviderCalls, 'start'>, now: () => number,
}

/** How long a request keeps starting attempts; a job starts the rest. */
const startBudgetMs = 4_000
/** How long the answer of a provider is written again while Redis is away. */
export const persistMs = 4_000
const storeRetryMs = 200

export function createStart ({ dispatch, providerCalls, now }: StartParts): Start {
  return async ({ stored, effect, at: claimedAt }) => {
    const until = claimedAt + startBudgetMs
    while (effect === 'start') {
      const attempt = stored.record.attempts.length - 1
      const event = await providerCalls.start(stored.record, attempt)
      const at = now()
      const runsHere = at < until ? 'start' : undefined
      const write = (event: Event): Promise<Transition> =>
        retryWhileStoreIsDown(() => dispatch.apply(stored, event, { runsHere, at }), at + persistMs, now)
      let transition = await write(event)
      if (transition.isReplay) transition = await write(withoutForeignId(event, attempt))
      stored = transition.stored
      effect = runsHere === 'start' ? transition.effect : null
    }
    return stored
  }
}

/** The start, if the provider returned an id that belongs to another attempt. */
function withoutForeignId (event: Event, attempt: number): Event {
  if (event.type !== 'attemptStarted' || event.isIdOptional !== true) {
    return { type: 'startFailed', attempt, reason: 'provider_bad_response' }
  }
  const { providerId: _foreign, ...started } = event
  return started
}

/** Only this process knows what a provider answered, so a short outage of the store must not lose it. */
export async function retryWhileStoreIsDown<T> (write: () => Promise<T>, until: number, now: () => number): Promise<T> {
  for (;;) {
    try {
      return await write()
    } catch (error) {
      if (!(error instanceof StoreUnavailable) || now() >= until) throw error
      await delay(storeRetryMs)
    }
  }
}
