import type { Workers } from '../../jobs/workers.ts'
import type { Liveness, Readiness } from '../schemas/requests.ts'
import type { Store } from '../../store/record-store.ts'

/** What the probes are told. */
export type Health = {
  /** Whether this process can go on; `stuck`: only another one can. */
  live (): Liveness
  /**
   * Whether traffic should be sent here. A provider's outage is no reason not to: there may be others, and apps are
   * told the reason.
   */
  ready (): Promise<Readiness>
  /** From now on it is not ready. */
  drain (): void
  isDraining (): boolean
}

export type HealthParts = {
  store: Pick<Store<never>, 'ping'>
  /** Null where no jobs are done. */
  workers: Pick<Workers, 'isAlive' | 'isStuck'> | null
  /** Whether requests are refused since each turn of the event loop takes too long. */
  isSlow: () => boolean
  now: () => number
}

/**
 * Overload passes, and a restart makes it worse: only an event loop that every probe of a whole minute found slow is
 * given up.
 */
const stuckAfterMs = 60_000

export function createHealth ({ store, workers, isSlow, now }: HealthParts): Health {
  let slowSince: number | null = null
  let isDraining = false

  function isLoopStuck (): boolean {
    if (isSlow()) slowSince ??= now()
    else slowSince = null
    return slowSince !== null && now() - slowSince >= stuckAfterMs
  }

  return {
    live () {
      const checks = {
        eventLoop: isLoopStuck() ? 'stuck' : 'ok',
        workers: workers === null ? 'none' : workers.isStuck() ? 'stuck' : 'ok',
      } as const
      return { status: Object.values<string>(checks).includes('stuck') ? 'stuck' : 'ok', checks }
    },
    async ready () {
      const checks = {
        redis: await store.ping().then(() => 'ok' as const, () => 'unreachable' as const),
        workers: workers === null ? 'none' : workers.isAlive() ? 'ok' : 'stopped',
        eventLoop: isSlow() ? 'slow' : 'ok',
        draining: isDraining,
      } as const
      const isReady = checks.redis === 'ok' && checks.workers !== 'stopped' && checks.eventLoop === 'ok' && !isDraining
      return { status: isReady ? 'ready' : 'unavailable', checks }
    },
    drain: () => { isDraining = true },
    isDraining: () => isDraining,
  }
}
