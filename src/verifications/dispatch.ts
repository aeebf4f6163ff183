import { setTimeout as delay } from 'node:timers/promises'
import { isGone, ProviderError } from '../core/errors.ts'
import type { Event, Effect } from '../core/events.ts'
import type { Verification } from '../core/verification.ts'
import type { InlineExecutor } from '../jobs/inline-executor.ts'
import type { Queues } from '../jobs/queues.ts'
import { StoreUnavailable } from '../store/record-store.ts'
import type { Sealer } from '../store/sealing.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Current, Transition, Transitions } from './transitions.ts'

/**
 * The one place that decides where an effect runs: in the caller, in the inline executor of a process that works, or in
 * a job. If all three die, the sweeper runs it when the record is due.
 */
export type Dispatch = {
  /**
   * Applies an event, and runs its effect elsewhere unless it is `runsHere`: the caller runs that one itself, at once.
   * Throws what `Transitions.apply` throws.
   */
  apply (stored: Current, event: Event, options?: DispatchOptions): Promise<Transition>
  /** The same for what only this process knows, such as the answer of a provider: a short outage must not lose it. */
  persist (stored: Current, event: Event, options?: DispatchOptions): Promise<Transition>
  /** Enqueues the job that resolves the evidence, for when the provider asked for a later try. */
  retryLater (verification: Verification, error: ProviderError): Promise<void>
}

/** `runsHere`: the effect that the caller runs itself. `at`: the present time, if the caller knows it. */
export type DispatchOptions = { runsHere?: Effect | undefined, at?: number }

export type DispatchParts = {
  transitions: Pick<Transitions, 'apply'>
  queues: Pick<Queues, 'resolve'>
  /** Null in a process that works no jobs. */
  executor: InlineExecutor | null
  resolve: (stored: Current) => Promise<unknown>
  sealer: Pick<Sealer, 'keyedHash'>
  log: Pick<Logger, 'warn'>
  now: () => number
}

/** How long an event is written again while Redis is away, and how often. */
const [persistMs, storeRetryMs] = [4_000, 200]
const [retryMs, maxRetryMs] = [500, 300_000]

/** Names a job: all due work of one revision is one job. */
export function jobText (verification: Pick<Verification, 'id' | 'revision' | 'attempts'>): string {
  const { id, revision, attempts } = verification
  const attempt = attempts.at(-1)
  const { effectRevision = revision } = attempt !== undefined && 'effectRevision' in attempt ? attempt : {}
  return `${id} ${effectRevision}`
}

export function createDispatch (
  { transitions, queues, executor, resolve, sealer, log, now }: DispatchParts,
): Dispatch {
  async function enqueue (verification: Verification, delayMs = 0): Promise<void> {
    try {
      // The name makes a second request for the same job free. It is hashed, because BullMQ keeps names longer than
      // jobs.
      await queues.resolve(verification.id, sealer.keyedHash('job', jobText(verification)), delayMs)
    } catch (error) {
      const cause = error instanceof Error ? error.name : 'unknown'
      log.warn({ verificationId: verification.id, cause }, 'enqueue failed; the sweeper will retry it')
    }
  }

  // What the provider asks for beyond this is too late for every method.
  const retryLater: Dispatch['retryLater'] = (verification, { retryAfterMs }) =>
    enqueue(verification, Math.min(retryAfterMs ?? retryMs, maxRetryMs))

  async function resolveInline (stored: Current): Promise<void> {
    try {
      await resolve(stored)
    } catch (error) {
      if (isGone(error)) return
      if (!(error instanceof ProviderError)) throw error
      await retryLater(stored.record, error)
    }
  }

  const apply: Dispatch['apply'] = async (stored, event, { runsHere, at } = {}) => {
    const startsHere = runsHere === 'start'
    const transition = await transitions.apply(stored, event, at === undefined ? { startsHere } : { startsHere, at })
    const { effect } = transition
    if (effect === null || effect === runsHere) return transition
    // What the sweeper finds undone may already be in a queue, where a second job costs nothing.
    const isInline = effect === 'resolve' && event.type !== 'timeElapsed'
      && executor?.tryRun(() => resolveInline(transition.stored)) === true
    if (!isInline) await enqueue(transition.stored.record)
    return transition
  }

  return {
    apply,
    persist: (stored, event, options = {}) =>
      retryWhileStoreIsDown(() => apply(stored, event, options), (options.at ?? now()) + persistMs, now),
    retryLater,
  }
}

/** Repeats a write while Redis is away. */
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
