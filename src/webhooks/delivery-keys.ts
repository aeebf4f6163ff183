import type { Apps } from '../apps/apps.ts'
import type { Verification } from '../core/verification.ts'
import type { WebhookEvent } from '../core/webhook-events.ts'
import type { Ids } from '../store/ids.ts'
import type { IndexEntry } from '../store/record-store.ts'
import type { Sealer } from '../store/sealing.ts'
import { maxScheduleMs, showUrl, type Delivery } from './delivery.ts'

/** How a delivery is composed, under which keys it is stored, and for how long. */
export type DeliveryKeys = {
  /** The index of all pending deliveries. A delivery that ended may still be in it; who reads it removes it. */
  pendingIndex: string
  /** The delivery of an event that happened `at`; `view` is the verification as its app sees it. */
  ofEvent (verification: Verification, event: WebhookEvent, view: object, at: number): Delivery
  compose (event: EventFields, content: { timestamp: number, data: unknown }, at: number): Delivery
  deadlinesOf (delivery: Delivery): { expiresAt: number, dueAt: number }
  indexesOf (delivery: Delivery): IndexEntry[]
  pendingEntry (score: number): IndexEntry
  /** The indexes that list an app's deliveries, under every key of `SEAL_KEYS`. */
  listsOf (appId: string): string[]
  jobName (id: string, nextTryAt: number | null): string
  /** All deliveries that a verification may have had, and the indexes that list them. */
  relatedTo (verification: Verification): { alsoDelete: string[], indexes: string[] }
}

export type EventFields = Pick<Delivery, 'id' | 'appId' | 'type' | 'verificationId' | 'isManual' | 'traceparent'>

export type DeliveryKeysParts = {
  apps: Pick<Apps, 'byId'>
  ids: Pick<Ids, 'deliveryId'>
  sealer: Pick<Sealer, 'keyedHash' | 'keyedHashes'>
  retentionMs: number
}

/** How long the sweeper has to erase a delivery whose retention has passed. */
const eraseMs = 3_600_000
/** How long a pending delivery outlives its next try while no worker runs. */
const outageMs = 30 * 86_400_000
/** More changes than happen to a verification between a read and its erasure. */
const spareRevisions = 8
const pendingIndex = 'pending'

export function createDeliveryKeys ({ apps, ids, sealer, retentionMs }: DeliveryKeysParts): DeliveryKeys {
  const retainUntil = ({ tries, createdAt }: Delivery): number => (tries.at(-1)?.at ?? createdAt) + retentionMs
  const pendingEntry = (score: number): IndexEntry => ({ name: pendingIndex, score, keepMs: maxScheduleMs + outageMs })

  const compose: DeliveryKeys['compose'] = (event, { timestamp, data }, at) => ({
    ...event, webhookId: webhookIdOf(event.id), url: showUrl(apps.byId(event.appId)?.webhook?.url ?? ''),
    body: JSON.stringify({ type: event.type, timestamp: new Date(timestamp).toISOString(), data }),
    status: 'pending', tries: [], step: 0, nextTryAt: at, createdAt: at,
  })

  return {
    pendingIndex,
    pendingEntry,
    compose,
    ofEvent ({ id: verificationId, appId, updatedAt, traceparent }, { type, revision }, view, at) {
      const fields = {
        id: ids.deliveryId(
          verificationId, revision,
        ), appId, verificationId, type: `verification.${type}`, isManual: false,
        ...traceparent === undefined ? {} : { traceparent },
      }
      return compose(fields, { timestamp: updatedAt, data: { ...view, revision } }, at)
    },
    deadlinesOf: delivery => delivery.nextTryAt === null
      ? { expiresAt: retainUntil(delivery) + eraseMs, dueAt: retainUntil(delivery) }
      : { expiresAt: delivery.nextTryAt + outageMs + retentionMs, dueAt: delivery.nextTryAt },
    indexesOf: ({ appId, createdAt }) => [
      {
        name: sealer.keyedHash('deliveries', appId), score: createdAt, keepMs: maxScheduleMs + retentionMs,
      }, pendingEntry(createdAt),
    ],
    listsOf: appId => sealer.keyedHashes('deliveries', appId),
    // The name makes a second request for the same try free. It is hashed, because BullMQ keeps names longer than jobs.
    jobName: (id, nextTryAt) => sealer.keyedHash('job', `${id} ${nextTryAt}`),
    relatedTo: ({ id, appId, webhookEvents, revision }) => {
      if (webhookEvents.length === 0) return { alsoDelete: [], indexes: [] }
      const revisions = Array.from({ length: revision + spareRevisions }, (_, index) => index + 1)
      return {
        alsoDelete: revisions.map(each => ids.deliveryId(id, each)), indexes: [
          pendingIndex, ...sealer.keyedHashes('deliveries', appId),
        ],
      }
    },
  }
}

/** Standard Webhooks signs `id.timestamp.body`, so the id has no dot. */
const webhookIdOf = (deliveryId: string): string => deliveryId.replace('whd_', 'msg_')
