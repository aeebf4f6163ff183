import type { Attempts } from './provider-calls.ts'
import { jobText, type Change, type Changes } from './transitions.ts'
import type { Deliveries } from '../webhooks/deliveries.ts'
import { isGone, ProviderError } from '../core/errors.ts'
import type { Gateway } from './gateway.ts'
import type { Ids } from '../store/ids.ts'
import type { Keeping } from './record-keys.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { SealBroken, type Sealer } from '../store/sealing.ts'
import { partitions } from '../store/keys.ts'
import { StoreUnavailable, type Store, type Stored } from '../store/record-store.ts'
import { about, type Tracing } from '../telemetry/tracing.ts'
import { currentAttempt, dueAt, type Event, type Verification, type Verified } from '../core/verification.ts'

export type DutiesParts = {
  changes: Pick<Changes, 'apply' | 'start' | 'settle' | 'erase'>
  keeping: Pick<Keeping, 'isOutdated' | 'times'>
  store: Pick<Store<Verification>, 'load' | 'due' | 'postpone' | 'erase'>
  ids: Pick<Ids, 'readDeliveryId'>
  sealer: Pick<Sealer, 'tags'>
  attempts: Pick<Attempts, 'readProfile'>
  deliveries: Pick<Deliveries, 'open' | 'attempt' | 'remind' | 'drop' | 'tracesOf'>
  metrics: Pick<Metrics, 'countUnreadable' | 'noteSweep'>
  log: Logger
  tracing: Tracing
  now: () => number
}

const sweepBatch = 500
/** A record that cannot be swept is tried again then. */
const postponedMs = 60_000

/** What jobs do: whatever a record owes. The record is the truth, so each may be asked for twice, late or in vain. */
export function createDuties ({ changes, keeping, store, ids, sealer, attempts, deliveries, metrics, log, tracing, now }: DutiesParts): Pick<Gateway, 'resolve' | 'notify' | 'sweep'> {
  const { apply } = changes
  return {
    async resolve (id, isLastTry, job) {
      const stored = await store.load(id)
      // What came since then somebody has taken on, or the due time brings it back: asked for twice at once, it could use itself up.
      if (stored === null || (job !== undefined && !sealer.tags('job', jobText(stored.record)).includes(job))) return
      await tracing.trace('job resolve', { kind: 'consumer', ...about(stored.record) }, () => settle(stored, isLastTry)).catch(error => {
        if (!isGone(error)) throw error
      })
    },

    async notify (id) {
      if (ids.readDeliveryId(id) !== null) return deliveries.attempt(id)
      const stored = await store.load(id)
      if (stored !== null) await tracing.trace('job notify', { kind: 'consumer', ...about(stored.record) }, () => tell(stored))
    },

    async sweep () {
      const swept = await Promise.all(Array.from({ length: partitions }, async (_, partition) => {
        const due = await store.due(partition, now(), sweepBatch)
        for (const id of due) await tick(id)
        return due.length
      }))
      metrics.noteSweep(now())
      return swept.reduce((sum, count) => sum + count, 0)
    },
  }

  async function settle (stored: Stored<Verification>, isLastTry: boolean): Promise<void> {
    if (stored.record.status === 'verified') return findProfile(stored, stored.record, isLastTry)
    const current = currentAttempt(stored.record)
    if (current?.attempt.phase === 'starting') {
      const begun = await apply(stored, { type: 'startBegun', attempt: current.index })
      if (begun.changed) await changes.start(begun.stored, ['start'])
    } else if (current?.attempt.phase === 'resolving') {
      await changes.settle(stored, { isFirst: false, isLastTry })
    }
  }

  async function tell (stored: Stored<Verification>): Promise<void> {
    for (const news of stored.record.news?.owed ?? []) {
      const deliveryId = await deliveries.open(stored.record, news)
      try {
        const taken: Change = await apply(stored, { type: 'newsTaken', revision: news.revision })
        stored = taken.stored
        if (taken.changed) await deliveries.attempt(deliveryId)
      } catch (error) {
        // Erased meanwhile: what was just written goes with it.
        if (!isGone(error)) throw error
        return deliveries.drop(stored.record.appId, deliveryId)
      }
    }
  }

  async function findProfile (stored: Stored<Verification>, verified: Verified, isLastTry: boolean): Promise<void> {
    const { profileSearch } = verified
    if (profileSearch === null || profileSearch === 'failed') return
    let event: Event
    try {
      event = await attempts.readProfile(verified, profileSearch.evidence)
    } catch (error) {
      if (!(error instanceof ProviderError) || !isLastTry) throw error
      event = { type: 'profileFailed' }
    }
    await apply(stored, event)
  }

  /** One verification that cannot be read or written must not stand in the way of the others. */
  async function tick (id: string): Promise<void> {
    try {
      if (ids.readDeliveryId(id) !== null) return await deliveries.remind(id)
      const stored = await store.load(id)
      if (stored === null) await store.erase(id, { announce: 'erased' })
      else if (keeping.isOutdated(stored.record)) await changes.erase(stored.record)
      // Over, and kept for longer than it was to be when it was written.
      else if (dueAt(stored.record) === null) await store.postpone(id, keeping.times(stored.record).dueAt)
      else await tracing.trace('tick', { kind: 'internal', ...about(stored.record) }, () => apply(stored, { type: 'ticked' }))
    } catch (error) {
      if (isGone(error)) return
      if (error instanceof StoreUnavailable) throw error
      if (error instanceof SealBroken) metrics.countUnreadable()
      log.error({ verificationId: id, err: error }, 'verification not swept')
      await store.postpone(id, now() + postponedMs)
    }
  }
}
