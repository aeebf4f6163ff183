import type { Event } from '../core/events.ts'
import type { Dispatch } from './dispatch.ts'
import type { ProviderCalls } from './provider-calls.ts'
import type { Current, Written } from './writer.ts'

/**
 * Starts the attempt whose start the caller has claimed, and the next ones while they fail and the time budget lasts.
 */
export type Start = (transition: Written) => Promise<Current>

export type StartParts = {
  dispatch: Pick<Dispatch, 'persist'>, providerCalls: Pick<ProviderCalls, 'start'>, now: () => number,
}

/** How long a request keeps starting attempts; a job starts the rest. */
const startBudgetMs = 4_000

export function createStart ({ dispatch, providerCalls, now }: StartParts): Start {
  return async ({ stored, effect, at: claimedAt }) => {
    const until = claimedAt + startBudgetMs
    while (effect === 'start') {
      const attempt = stored.record.attempts.length - 1
      const event = await providerCalls.start(stored.record, attempt)
      const at = now()
      const runsHere = at < until ? 'start' : undefined
      let transition = await dispatch.persist(stored, event, { runsHere, at })
      if (transition.isReplay) {
        transition = await dispatch.persist(stored, withoutForeignId(event, attempt), { runsHere, at })
      }
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
