import type { Verification } from '../core/verification.ts'
import type { WebhookEvent } from '../core/webhook-events.ts'
import type { InlineExecutor } from '../jobs/inline-executor.ts'
import type { Queues } from '../jobs/queues.ts'
import type { IndexLeave, SiblingRecord, Store, Stored } from '../store/record-store.ts'
import { encodeDelivery, type Delivery } from './delivery.ts'
import { createMakeTry, type TryParts } from './tries.ts'

/** The ids of the records that are erased together with another one, and the indexes that list them. */
export type RelatedKeys = { alsoDelete: string[], indexes: IndexLeave[] }

/** A delivery, and its record for the write of its verification. */
export type StagedDelivery = { delivery: Delivery, sibling: SiblingRecord }

/** Sends webhooks. The records say what is still to be sent; jobs and inline work only make it fast. */
export type Deliveries = {
  /** The deliveries of a change, for the write that makes the change. `dispatch` each one after that write. */
  stageEvents (verification: Verification, events: readonly WebhookEvent[], at: number): StagedDelivery[]
  /** Runs the first try in the inline executor or in a job. If both die, the sweeper runs it. */
  dispatch (stored: Stored<Delivery>): Promise<void>
  /** Tries a delivery that is pending and whose next try is due. */
  attempt (id: string): Promise<void>
  /** For the sweeper: enqueues the try of a due delivery, or erases one past its retention. */
  requeue (id: string): Promise<void>
  /** All deliveries that a verification may have. */
  relatedKeys (verification: Verification): RelatedKeys
}

export type DeliveriesParts = TryParts & {
  store: Pick<
    Store<Delivery>, 'loadReplicated' | 'untilReplicated' | 'load' | 'save' | 'erase' | 'reschedule' | 'addToIndex'
  >
  queues: Pick<Queues, 'notify'>
  /** Null in a process that runs no jobs. */
  executor: InlineExecutor | null
  viewOf: (verification: Verification) => object
}

/** When the sweeper processes a delivery again that it enqueued. */
const requeuedMs = 20_000

export function createDeliveries (parts: DeliveriesParts): Deliveries {
  const { store, keys, queues, executor, telemetry: { log }, viewOf, now } = parts
  const makeTry = createMakeTry(parts)

  async function enqueue ({ id, nextTryAt }: Delivery): Promise<void> {
    try {
      await queues.notify(id, keys.jobName(id, nextTryAt))
    } catch (error) {
      const cause = error instanceof Error ? error.name : 'unknown'
      log.warn({ deliveryId: id, cause }, 'enqueue failed; the sweeper will retry it')
    }
  }

  return {
    stageEvents: (verification, events, at) => events.map(event => {
      const delivery = keys.ofEvent(verification, event, viewOf(verification), at)
      const deadlines = keys.leasedDeadlinesOf(delivery, at)
      const bytes = encodeDelivery(delivery)
      return { delivery, sibling: { id: delivery.id, bytes, ...deadlines, indexes: keys.indexesOf(delivery) } }
    }),

    async dispatch (stored) {
      if (executor?.tryRun(() => makeTry(stored, { wait: true })) !== true) await enqueue(stored.record)
    },

    async attempt (id) {
      const stored = await store.loadReplicated(id)
      const at = stored?.record.nextTryAt ?? null
      // A job does not wait for a slot, because it would occupy a worker that the jobs of other apps need.
      if (stored !== null && at !== null && now() >= at) await makeTry(stored, { wait: false })
    },

    async requeue (id) {
      const stored = await store.load(id)
      if (stored === null) {
        return store.erase(id, { indexes: [{ name: keys.pendingIndex, lowest: 0 }], publish: 'erased' })
      }
      const { record } = stored
      if (record.nextTryAt === null) {
        const { dueAt } = keys.deadlinesOf(record)
        // Another process made the try that was due, or the retention was increased.
        if (now() < dueAt) return store.reschedule(id, dueAt)
        return store.erase(id, { indexes: keys.leavesOf(record.appId, now()), publish: 'erased' })
      }
      await enqueue(record)
      await Promise.all([
        store.reschedule(id, now() + requeuedMs),
        record.tries.length === 0 ? store.addToIndex(id, keys.pendingEntry(record.createdAt)) : null,
      ])
    },

    relatedKeys: verification => keys.relatedTo(verification, now()),
  }
}
