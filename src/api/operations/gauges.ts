import { setTimeout as delay } from 'node:timers/promises'
import { Gauge, type Registry } from 'prom-client'
import type { UnverifiedBudget } from '../../apps/unverified-budget.ts'
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
  /** Nothing that a simulator proves needs protection. */
  sandbox: boolean
  budget: Pick<UnverifiedBudget, 'highestShare'>
  now: () => number
}

/** Values that one scrape reads from Redis; times are ms since the epoch. */
type Snapshot = { queues: QueueState[], dueSince: number | null, pendingSince: number | null }

/** A snapshot is shared by all scrapes within this time. */
const cacheMs = 1_000
/** After this time a scrape leaves out the values from Redis. */
const scrapeTimeoutMs = 500

const breakerStates = ['closed', 'open', 'halfOpen'] as const

/**
 * Gauges that are read at scrape time. Every process reports the values from Redis, which are the same for all:
 * aggregate them with `max`. A scrape costs a constant number of Redis commands, and works without Redis.
 */
export function registerGauges (registry: Registry, parts: GaugesParts): void {
  const { adapters, queues, store, deliveries, budget, sandbox, now } = parts
  const secondsSince = (time: number | null): number => time === null ? 0 : Math.max(0, (now() - time) / 1000)
  const read = async (): Promise<Snapshot> => {
    const [states, dueSince, pendingSince] = await Promise.all(
      [queues.stats(), store.firstDue(), deliveries.pendingSince()],
    )
    return { queues: states, dueSince, pendingSince }
  }
  const collect = cached(
    cacheMs, () => Promise.race([read().catch(() => null), delay(scrapeTimeoutMs, null, { ref: false })]),
  )

  /** `read` returns null while the values are unavailable. */
  function gauge<Label extends string> (
    name: string, help: string, labelNames: Label[],
    read: () => Promise<[labels: Record<Label, string>, value: number][] | null>,
  ): void {
    const set = new Gauge({
      name: `verigate_${name}`, help, labelNames, registers: [registry],
      async collect () {
        const series = await read()
        set.reset()
        // `reset` sets a gauge without labels to zero.
        if (labelNames.length === 0) set.remove()
        for (const [labels, value] of series ?? []) set.set(labels, value)
      },
    })
  }
  const fromRedis = <Label extends string>(
    name: string, help: string, labelNames: Label[], seriesOf: (snapshot: Snapshot) => [
      Record<Label, string>, number,
    ][],
  ): void =>
    gauge(name, help, labelNames, async () => {
      const snapshot = await collect()
      return snapshot === null ? null : seriesOf(snapshot)
    })

  gauge(
    'breaker_state', 'State of the circuit breaker of a kind of call, worst method: 1 for the current state',
    ['provider', 'call', 'state'],
    async () => [...adapters.values()].flatMap(({ provider, health }) =>
      health().breakers.flatMap(({ call, breaker }) =>
        breakerStates.map((state): [{ provider: string, call: string, state: string }, number] =>
          [{ provider, call, state }, state === breaker ? 1 : 0]))),
  )
  gauge(
    'unauthenticated_callbacks',
    'Whether callbacks of the provider are accepted without proof of the sender; 0 in the sandbox', ['provider'],
    async () => [...adapters.values()].filter(({ receive }) => receive !== undefined).map(
      ({ provider, acceptsAnySender = false }) => [{ provider }, acceptsAnySender && !sandbox ? 1 : 0],
    ),
  )
  gauge(
    'unverified_budget_used_ratio',
    'Highest share of an unverified budget of this hour or day that an app has used for a country', [],
    async () => [[{}, budget.highestShare(now())]],
  )
  gauge(
    'redis_up', 'Whether Redis answered the queries of this scrape in time', [],
    async () => [[{}, await collect() === null ? 0 : 1]],
  )
  fromRedis('queue_jobs', 'Jobs in the queues', ['queue', 'state'], ({ queues }) =>
    queues.flatMap(({ queue, jobs }) => Object.entries(jobs).map(
      ([state, count]): [{ queue: string, state: string }, number] => [{ queue, state }, count],
    )))
  fromRedis(
    'queue_oldest_job_seconds', 'Age of the oldest job that is ready to run; 0 without one', ['queue'],
    ({ queues }) => queues.map(({ queue, oldestAt }) => [{ queue }, secondsSince(oldestAt)]),
  )
  fromRedis(
    'sweep_lag_seconds', 'How long the first due record has been due; 0 without one', [],
    ({ dueSince }) => [[{}, secondsSince(dueSince)]],
  )
  fromRedis(
    'webhook_oldest_undelivered_seconds', 'Age of the oldest pending webhook; 0 without one', [],
    ({ pendingSince }) => [[{}, secondsSince(pendingSince)]],
  )
}

/** Shares the result of `read` for `ttlMs`, also while it is still being read. */
function cached<T> (ttlMs: number, read: () => Promise<T>): () => Promise<T> {
  let last: Promise<T> | null = null
  let readAt = -Infinity
  return () => {
    if (last === null || performance.now() - readAt >= ttlMs) {
      readAt = performance.now()
      last = read()
    }
    return last
  }
}
