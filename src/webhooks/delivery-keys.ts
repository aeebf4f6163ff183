import type { Apps } from '../apps/apps.ts'
import type { Verification } from '../core/verification.ts'
import type { WebhookEvent } from '../core/webhook-events.ts'
import type { Ids } from '../store/ids.ts'
import type { IndexEntry, IndexLeave } from '../store/record-store.ts'
import type { Sealer } from '../store/sealing.ts'
import { showUrl, type Delivery } from './delivery.ts'
import { maxScheduleMs } from './schedule.ts'

/** Composes deliveries, and names the keys and deadlines of their records. */
export type DeliveryKeys = {
  /**
   * The index of the deliveries that are pending after their first try, or were requeued. It may still list ended ones;
   * readers remove those.
   */
  pendingIndex: string
  /** The delivery of an event at `at` (ms since the epoch). `view` is the verification as the app sees it. */
  ofEvent (verification: Verification, event: WebhookEvent, view: object, at: number): Delivery
  /** A pending delivery whose first try is due at `at`. Times are ms since the epoch. */
  compose (event: EventFields, content: { timestamp: number, data: unknown }, at: number): Delivery
  /** When the record expires in Redis, and when the sweeper processes it. */
  deadlinesOf (delivery: Delivery): { expiresAt: number, dueAt: number }
  /** The deadlines of a delivery that its writer tries at once: the sweeper processes it only if that process dies. */
  leasedDeadlinesOf (delivery: Delivery, at: number): { expiresAt: number, dueAt: number }
  indexesOf (delivery: Delivery): IndexEntry[]
  /** The entry in the index of pending deliveries, pending since `score`. */
  pendingEntry (score: number): IndexEntry
  /** The indexes that list an app's deliveries, under every key of `SEAL_KEYS`. */
  listsOf (appId: string): string[]
  /** All indexes that an erased delivery leaves. */
  leavesOf (appId: string, at: number): IndexLeave[]
  /** The name of the job of one try: a second job for the same try has the same name, so the queue drops it. */
  jobName (id: string, nextTryAt: number | null): string
  /** The ids of all deliveries that a verification may have, and the indexes that list them. */
  relatedTo (verification: Verification, at: number): { alsoDelete: string[], indexes: IndexLeave[] }
}

export type EventFields = Pick<Delivery, 'id' | 'appId' | 'type' | 'verificationId' | 'isManual' | 'traceparent'>

export type DeliveryKeysParts = {
  apps: Pick<Apps, 'byId'>
  ids: Pick<Ids, 'deliveryId'>
  sealer: Pick<Sealer, 'keyedHash' | 'keyedHashes'>
  retentionMs: number
}

/** How long the record outlives its retention, so that the sweeper can erase it and its index entries. */
const eraseMs = 3_600_000
/** How long a pending delivery is kept after its next try is due, while no worker runs. */
const outageMs = 30 * 86_400_000
/** The verification may change between its read and its erasure; it never changes this often in that time. */
const spareRevisions = 8
/** How long the process that writes a delivery is presumed to be trying it. */
export const leaseMs = 5_000
const pendingIndex = 'pending'

export function createDeliveryKeys ({ apps, ids, sealer, retentionMs }: DeliveryKeysParts): DeliveryKeys {
  const retainUntil = ({ tries, createdAt }: Delivery): number => (tries.at(-1)?.at ?? createdAt) + retentionMs
  const deadlinesOf: DeliveryKeys['deadlinesOf'] = delivery => delivery.nextTryAt === null
    ? { expiresAt: retainUntil(delivery) + eraseMs, dueAt: retainUntil(delivery) }
    : { expiresAt: delivery.nextTryAt + outageMs + retentionMs, dueAt: delivery.nextTryAt }
  const listsOf = (appId: string): string[] => sealer.keyedHashes('deliveries', appId)
  // Entries of records that expired while no worker ran are older than any delivery.
  const leavesOf = (appId: string, at: number): IndexLeave[] => [
    { name: pendingIndex, lowest: at - maxScheduleMs - outageMs },
    ...listsOf(appId).map(name => ({ name, lowest: at - maxScheduleMs - retentionMs })),
  ]

  const compose: DeliveryKeys['compose'] = (event, { timestamp, data }, at) => ({
    ...event, webhookId: webhookIdOf(event.id), url: showUrl(apps.byId(event.appId)?.webhook?.url ?? ''),
    body: JSON.stringify({ type: event.type, timestamp: new Date(timestamp).toISOString(), data }),
    status: 'pending', tries: [], step: 0, nextTryAt: at, createdAt: at,
  })

  return {
    pendingIndex,
    pendingEntry: score => ({ name: pendingIndex, score }),
    compose,
    ofEvent ({ id: verificationId, appId, updatedAt, traceparent }, { type, revision }, view, at) {
      const fields = {
        id: ids.deliveryId(verificationId, revision), appId, verificationId, type: `verification.${type}`,
        isManual: false, ...traceparent === undefined ? {} : { traceparent },
      }
      return compose(fields, { timestamp: updatedAt, data: { ...view, revision } }, at)
    },
    deadlinesOf,
    leasedDeadlinesOf: (delivery, at) => ({ ...deadlinesOf(delivery), dueAt: at + leaseMs }),
    indexesOf: ({ appId, createdAt }) => [{ name: sealer.keyedHash('deliveries', appId), score: createdAt }],
    listsOf,
    leavesOf,
    // It is hashed, because BullMQ keeps job names longer than jobs.
    jobName: (id, nextTryAt) => sealer.keyedHash('job', `${id} ${nextTryAt}`),
    relatedTo: ({ id, appId, webhookEvents, revision }, at) => {
      if (webhookEvents.length === 0) return { alsoDelete: [], indexes: [] }
      const revisions = Array.from({ length: revision + spareRevisions }, (_, index) => index + 1)
      return {
        alsoDelete: revisions.map(each => ids.deliveryId(id, each)),
        indexes: leavesOf(appId, at),
      }
    },
  }
}

/** Standard Webhooks signs `id.timestamp.body`, so the id must not contain a dot. */
const webhookIdOf = (deliveryId: string): string => deliveryId.replace('whd_', 'msg_')
