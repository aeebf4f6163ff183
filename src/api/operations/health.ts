import type { Workers } from '../../jobs/workers.ts'
import type { Liveness, Readiness } from '../schemas/responses.ts'
import type { Store } from '../../store/record-store.ts'

/** Answers the probes. */
export type Health = {
  /** `stuck`: the process cannot recover and must be restarted. */
  live (): Liveness
  /** Whether traffic should be sent here. Provider outages do not count: other providers may work. */
  ready (): Promise<Readiness>
  /** Makes the process report that it is not ready. */
  drain (): void
  readonly isDraining: boolean
}

export type HealthParts = {
  store: Pick<Store<never>, 'ping'>
  /** Null in a process without workers. */
  workers: Pick<Workers, 'isAlive' | 'isStuck'> | null
  /** Whether the event loop is slow: see `watchEventLoop`. */
  isSlow: () => boolean
  now: () => number
}

/** Overload is temporary, and a restart makes it worse: only an event loop that is slow for a minute is stuck. */
const stuckAfterMs = 60_000

export function createHealth ({ store, workers, isSlow, now }: HealthParts): Health {
  let slowSince: number | null = null

  function isLoopStuck (): boolean {
    if (isSlow()) slowSince ??= now()
    else slowSince = null
    return slowSince !== null && now() - slowSince >= stuckAfterMs
  }

  const health = {
    isDraining: false,
    live (): Liveness {
      const checks = {
        eventLoop: isLoopStuck() ? 'stuck' : 'ok',
        workers: workers === null ? 'none' : workers.isStuck() ? 'stuck' : 'ok',
      } as const
      return { status: Object.values<string>(checks).includes('stuck') ? 'stuck' : 'ok', checks }
    },
    async ready (): Promise<Readiness> {
      const checks = {
        redis: await store.ping().then(() => 'ok' as const, () => 'unreachable' as const),
        workers: workers === null ? 'none' : workers.isAlive() ? 'ok' : 'stopped',
        eventLoop: isSlow() ? 'slow' : 'ok',
        draining: health.isDraining,
      } as const
      const isReady = checks.redis === 'ok' && checks.workers !== 'stopped' && checks.eventLoop === 'ok'
        && !checks.draining
      return { status: isReady ? 'ready' : 'unavailable', checks }
    },
    drain () { health.isDraining = true },
  }
  return health
}
