import { setTimeout as delay } from 'node:timers/promises'
import { Gauge, type Registry } from 'prom-client'
import type { DeliveryLog } from '../../webhooks/log.ts'
import type { Queues, QueueState } from '../../jobs/queues.ts'
import type { Store } from '../../store/record-store.ts'
import type { Verification } from '../../core/verification.ts'
import type { AdapterMap } from '../../adapters/guard.ts'

export type GaugesParts = {
  adapters: AdapterMap
  queues: Pick<Queues, 'stats'>
  store: Pick<Store<Verification>, 'firstDue'>
  deliveries: Pick<DeliveryLog, 'pendingSince'>
  now: () => number
}

/** What Redis was asked for a scrape; times are ms since the epoch. */
type Snapshot = { queues: QueueState[], dueSince: number | null, pendingSince: number | null }

/** However often it is scraped, Redis is asked once in this time. */
const cacheMs = 1_000
/** A scrape waits no longer than this for Redis: what it would have told is left out then. */
const scrapeTimeoutMs = 500

const breakerStates = ['closed', 'open', 'halfOpen'] as const

/**
 * What is, as opposed to what happens: read when it is scraped. What Redis holds is the same whichever process is
 * asked, so each one tells it, in every role:
 * aggregate it by `max`. A scrape asks Redis for so many things, however many records and jobs there are, and does
 * without them when it does not answer.
 */
export function registerGauges (registry: Registry, { adapters, queues, store, deliveries, now }: GaugesParts): void {
  const secondsSince = (time: number | null): number => time === null ? 0 : Math.max(0, (now() - time) / 1000)
  const ask = async (): Promise<Snapshot> => {
    const [seen, dueSince, pendingSince] = await Promise.all(
      [queues.stats(), store.firstDue(), deliveries.pendingSince()],
    )
    return { queues: seen, dueSince, pendingSince }
  }
  const look = sharedFor(
    cacheMs, () => Promise.race([ask().catch(() => null), delay(scrapeTimeoutMs, null, { ref: false })]),
  )

  /** `read` null: it is not there for now. */
  function gauge<Label extends string> (
    name: string, help: string, labelNames: Label[],
    read: () => Promise<[labels: Record<Label, string>, value: number][] | null>,
  ): void {
    const set = new Gauge({
      name: `verigate_${name}`, help, labelNames, registers: [registry],
      async collect () {
        const series = await read()
        set.reset()
        // Without labels it is set to zero by that.
        if (labelNames.length === 0) set.remove()
        for (const [labels, value] of series ?? []) set.set(labels, value)
      },
    })
  }
  const fromRedis = <Label extends string>(
    name: string, help: string, labelNames: Label[], tell: (seen: Snapshot) => [Record<Label, string>, number][],
  ): void =>
    gauge(name, help, labelNames, async () => {
      const seen = await look()
      return seen === null ? null : tell(seen)
    })

  gauge('breaker_state', 'How the circuit breaker of this process stands: 1 for the state it is in', [
    'provider', 'state',
  ], async () =>
    [...adapters.values()].flatMap(({ provider, health }) => {
      const { breaker } = health()
      return breakerStates.map(
        (state): [{ provider: string, state: string }, number] => [{ provider, state }, state === breaker ? 1 : 0],
      )
    }))
  gauge(
    'redis_up', 'Whether Redis answered this process, in time, what the gauges asked', [],
    async () => [[{}, await look() === null ? 0 : 1]],
  )
  fromRedis('queue_jobs', 'Jobs in the queues', ['queue', 'state'], seen =>
    seen.queues.flatMap(({ queue, jobs }) => Object.entries(jobs).map(([state, count]): [{ queue: string, state: string }, number] => [{ queue, state }, count])))
  fromRedis('queue_oldest_job_seconds', 'How long the job that has waited longest could have been taken up; 0 when none waits', ['queue'], seen =>
    seen.queues.map(({ queue, oldestAt }) => [{ queue }, secondsSince(oldestAt)]))
  fromRedis(
    'sweep_lag_seconds', 'How long what is longest due has been due; 0 when nothing is', [],
    ({ dueSince }) => [[{}, secondsSince(dueSince)]],
  )
  fromRedis('webhook_oldest_undelivered_seconds', 'How long the webhook that is pending longest has been; 0 when none is', [], ({ pendingSince }) =>
    [[{}, secondsSince(pendingSince)]])
}

/** What `read` brought is good for that long; who asks while it is at it gets the same. */
function sharedFor<T> (keptMs: number, read: () => Promise<T>): () => Promise<T> {
  let last: Promise<T> | null = null
  let readAt = -Infinity
  return () => {
    if (last === null || performance.now() - readAt >= keptMs) {
      readAt = performance.now()
      last = read()
    }
    return last
  }
}
