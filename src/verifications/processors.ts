import { isGone } from '../core/errors.ts'
import { deadlinesOf, dueAt, isPastRetention } from '../core/deadlines.ts'
import { currentAttempt, type Verification } from '../core/verification.ts'
import type { JobProcessors } from '../jobs/workers.ts'
import type { Ids } from '../store/ids.ts'
import { partitions } from '../store/keys.ts'
import { StoreUnavailable, type Store } from '../store/record-store.ts'
import { SealError, type Sealer } from '../store/sealing.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { verificationSpan, type Tracing } from '../telemetry/tracing.ts'
import type { Deliveries } from '../webhooks/deliveries.ts'
import { jobText, type Dispatch } from './dispatch.ts'
import type { Erase } from './erase.ts'
import type { Resolve } from './resolve.ts'
import type { Start } from './start.ts'
import type { Current } from './transitions.ts'

export type ProcessorsParts = {
  effects: { dispatch: Pick<Dispatch, 'apply'>, start: Start, resolve: Resolve, erase: Erase }
  store: Pick<Store<Verification>, 'load' | 'due' | 'firstDue' | 'reschedule' | 'erase'>
  ids: Pick<Ids, 'readDeliveryId'>
  sealer: Pick<Sealer, 'keyedHashes'>
  deliveries: Pick<Deliveries, 'attempt' | 'requeue'>
  metrics: Pick<Metrics, 'countUnreadable' | 'recordSweep'>
  log: Pick<Logger, 'error'>
  tracing: Tracing
  retentionMs: number
  now: () => number
}

const sweepBatch = 500
/** When the sweeper tries again a record that it could not read or write. */
const unreadableRetryMs = 60_000

/**
 * What jobs and the sweeper run. The record decides what is left to do, so each call may be repeated, late or
 * unnecessary.
 */
export function createProcessors (parts: ProcessorsParts): JobProcessors {
  const {
    effects: { dispatch, start, resolve, erase }, store, ids, sealer, deliveries, metrics, log, tracing, retentionMs,
    now,
  } = parts

  async function runEffect (stored: Current, isLastTry: boolean): Promise<void> {
    const current = currentAttempt(stored.record)
    if (current?.attempt.phase === 'resolving') await resolve(stored, { isFirst: false, isLastTry })
    if (current?.attempt.phase !== 'starting') return
    const claimed = await dispatch.apply(stored, { type: 'startClaimed', attempt: current.index })
    if (claimed.changed) await start({ ...claimed, effect: 'start' })
  }

  async function sweepRecord (id: string): Promise<void> {
    const stored = await store.load(id)
    if (stored === null) return store.erase(id, { publish: 'erased' })
    const { record } = stored
    if (isPastRetention(record, retentionMs, now())) return erase(record)
    // It is final, and its retention is longer now than when it was written.
    if (dueAt(record) === null) return store.reschedule(id, deadlinesOf(record, retentionMs).dueAt)
    const span = { kind: 'internal', ...verificationSpan(record) } as const
    await tracing.trace('tick', span, () => dispatch.apply(stored, { type: 'timeElapsed' }))
  }

  /** One record that cannot be read or written must not delay the others. */
  async function sweepOne (id: string): Promise<void> {
    try {
      await (ids.readDeliveryId(id) === null ? sweepRecord(id) : deliveries.requeue(id))
    } catch (error) {
      if (isGone(error)) return
      if (error instanceof StoreUnavailable) throw error
      if (error instanceof SealError) metrics.countUnreadable()
      log.error({ verificationId: id, err: error }, 'sweep failed for one record; it will be retried in a minute')
      await store.reschedule(id, now() + unreadableRetryMs)
    }
  }

  async function sweepPartition (partition: number): Promise<number> {
    const due = await store.due(partition, now(), sweepBatch)
    for (const id of due) await sweepOne(id)
    return due.length
  }

  return {
    async resolve (id, isLastTry, job) {
      const stored = await store.load(id)
      // A newer revision has its own job, and a second run of the same effect could use up the user's evidence.
      if (
        stored === null || (job !== undefined && !sealer.keyedHashes('job', jobText(stored.record)).includes(job))
      ) return
      const span = { kind: 'consumer', ...verificationSpan(stored.record) } as const
      await tracing.trace('job resolve', span, () => runEffect(stored, isLastTry)).catch(error => {
        if (!isGone(error)) throw error
      })
    },

    notify: deliveries.attempt,

    async isSweepDue () {
      const first = await store.firstDue()
      if (first !== null && first <= now()) return true
      metrics.recordSweep(now())
      return false
    },

    async sweep () {
      const swept = await Promise.all(Array.from({ length: partitions }, (_, partition) => sweepPartition(partition)))
      metrics.recordSweep(now())
      return swept.reduce((sum, count) => sum + count, 0)
    },
  }
}
