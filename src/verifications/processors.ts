import type { ProviderCalls } from './provider-calls.ts'
import { jobText, type Transition, type Transitions } from './transitions.ts'
import type { Deliveries } from '../webhooks/deliveries.ts'
import { isGone, ProviderError } from '../core/errors.ts'
import type { Gateway } from './gateway.ts'
import type { Ids } from '../store/ids.ts'
import type { RecordKeys } from './record-keys.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { SealError, type Sealer } from '../store/sealing.ts'
import { partitions } from '../store/keys.ts'
import { StoreUnavailable, type Store, type Stored } from '../store/record-store.ts'
import { verificationSpan, type Tracing } from '../telemetry/tracing.ts'
import { currentAttempt, dueAt, type Event, type Verification, type Verified } from '../core/verification.ts'

export type ProcessorsParts = {
  changes: Pick<Transitions, 'apply' | 'start' | 'settle' | 'erase'>
  keeping: Pick<RecordKeys, 'isPastRetention' | 'deadlines'>
  store: Pick<Store<Verification>, 'load' | 'due' | 'reschedule' | 'erase'>
  ids: Pick<Ids, 'readDeliveryId'>
  sealer: Pick<Sealer, 'keyedHashes'>
  attempts: Pick<ProviderCalls, 'readProfile'>
  deliveries: Pick<Deliveries, 'open' | 'attempt' | 'requeue' | 'drop' | 'relatedKeys'>
  metrics: Pick<Metrics, 'countUnreadable' | 'recordSweep'>
  log: Logger
  tracing: Tracing
  now: () => number
}

const sweepBatch = 500
/** A record that cannot be swept is tried again then. */
const postponedMs = 60_000

/** What jobs do: whatever a record owes. The record is the truth, so each may be asked for twice, late or in vain. */
export function createProcessors ({ changes, keeping, store, ids, sealer, attempts, deliveries, metrics, log, tracing, now }: ProcessorsParts): Pick<Gateway, 'resolve' | 'notify' | 'sweep'> {
  const { apply } = changes
  return {
    async resolve (id, isLastTry, job) {
      const stored = await store.load(id)
      // What came since then somebody has taken on, or the due time brings it back: asked for twice at once, it could use itself up.
      if (stored === null || (job !== undefined && !sealer.keyedHashes('job', jobText(stored.record)).includes(job))) return
      await tracing.trace('job resolve', { kind: 'consumer', ...verificationSpan(stored.record) }, () => settle(stored, isLastTry)).catch(error => {
        if (!isGone(error)) throw error
      })
    },

    async notify (id) {
      if (ids.readDeliveryId(id) !== null) return deliveries.attempt(id)
      const stored = await store.load(id)
      if (stored !== null) await tracing.trace('job notify', { kind: 'consumer', ...verificationSpan(stored.record) }, () => tell(stored))
    },

    async sweep () {
      const swept = await Promise.all(Array.from({ length: partitions }, async (_, partition) => {
        const due = await store.due(partition, now(), sweepBatch)
        for (const id of due) await tick(id)
        return due.length
      }))
      metrics.recordSweep(now())
      return swept.reduce((sum, count) => sum + count, 0)
    },
  }

  async function settle (stored: Stored<Verification>, isLastTry: boolean): Promise<void> {
    if (stored.record.status === 'verified') return findProfile(stored, stored.record, isLastTry)
    const current = currentAttempt(stored.record)
    if (current?.attempt.phase === 'starting') {
      const begun = await apply(stored, { type: 'startClaimed', attempt: current.index })
      if (begun.changed) await changes.start(begun.stored, ['start'])
    } else if (current?.attempt.phase === 'resolving') {
      await changes.settle(stored, { isFirst: false, isLastTry })
    }
  }

  async function tell (stored: Stored<Verification>): Promise<void> {
    for (const news of stored.record.news?.owed ?? []) {
      const deliveryId = await deliveries.open(stored.record, news)
      try {
        const taken: Transition = await apply(stored, { type: 'newsTaken', revision: news.revision })
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
      if (ids.readDeliveryId(id) !== null) return await deliveries.requeue(id)
      const stored = await store.load(id)
      if (stored === null) await store.erase(id, { publish: 'erased' })
      else if (keeping.isPastRetention(stored.record)) await changes.erase(stored.record)
      // Over, and kept for longer than it was to be when it was written.
      else if (dueAt(stored.record) === null) await store.reschedule(id, keeping.deadlines(stored.record).dueAt)
      else await tracing.trace('tick', { kind: 'internal', ...verificationSpan(stored.record) }, () => apply(stored, { type: 'timeElapsed' }))
    } catch (error) {
      if (isGone(error)) return
      if (error instanceof StoreUnavailable) throw error
      if (error instanceof SealError) metrics.countUnreadable()
      log.error({ verificationId: id, err: error }, 'verification not swept')
      await store.reschedule(id, now() + postponedMs)
    }
  }
}
