import { randomBytes } from 'node:crypto'
import type { Apps } from '../apps/apps.ts'
import type { Verification } from '../core/verification.ts'
import type { WebhookEvent } from '../core/webhook-events.ts'
import type { InlineExecutor } from '../jobs/inline-executor.ts'
import type { Queues } from '../jobs/queues.ts'
import type { SaveOptions, SiblingRecord, Store, Stored } from '../store/record-store.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Attributes, Tracing } from '../telemetry/tracing.ts'
import { createConcurrencyLimiter } from './concurrency-limiter.ts'
import {
  encodeDelivery, isFinalFailure, isSuccess, settleTry, wasSent, type Delivery, type TryError, type TryResult,
} from './delivery.ts'
import type { DeliveryKeys } from './delivery-keys.ts'
import type { Endpoints } from './endpoints.ts'
import type { WebhookSender } from './sender.ts'

/** Ids of records that are erased with another one, and the indexes that list them. */
export type RelatedKeys = { alsoDelete: string[], indexes: string[] }

/** A delivery, and the record that the write of its verification contains. */
export type StagedDelivery = { delivery: Delivery, sibling: SiblingRecord }

/** Webhooks that are still to be sent. Their records are the truth; the queue only makes it fast. */
export type Deliveries = {
  /** The deliveries of a change, for the very write that makes it. Once that is written, `dispatch` each. */
  stageEvents (verification: Verification, events: readonly WebhookEvent[], at: number): StagedDelivery[]
  /** Runs the first try in the inline executor, or in a job; if both die, the sweeper does. */
  dispatch (stored: Stored<Delivery>): Promise<void>
  /** Tries a delivery, if it is pending and its time has come. */
  attempt (id: string): Promise<void>
  /** The delivery is due: enqueues `attempt`, or erases it after its retention. */
  requeue (id: string): Promise<void>
  /** All deliveries that a verification may have had. */
  relatedKeys (verification: Verification): RelatedKeys
}

export type DeliveriesParts = {
  store: Pick<Store<Delivery>, 'loadReplicated' | 'load' | 'save' | 'erase' | 'reschedule'>
  apps: Pick<Apps, 'byId'>
  keys: DeliveryKeys
  endpoints: Endpoints
  send: WebhookSender['send']
  queues: Pick<Queues, 'notify'>
  /** Null in a process that works no jobs. */
  executor: InlineExecutor | null
  telemetry: {
    metrics: Pick<Metrics, 'countWebhookTry' | 'countDisabledEndpoint' | 'countExhaustedWebhook'>
    log: Pick<Logger, 'info' | 'warn' | 'error'>
    tracing: Tracing
  }
  viewOf: (verification: Verification) => object
  now: () => number
}

/** When the sweeper looks again at a delivery that it enqueued. */
const requeuedMs = 20_000
/** How long the process that wrote a delivery is presumed to be trying it. Longer tries extend the lease. */
const leaseMs = 5_000
const extendEveryMs = 2_000
/** One slow receiver must not occupy every slot. */
const maxTriesPerApp = 25
const patienceMs = 1_000
const crowdedMs = 2_000

export function createDeliveries (parts: DeliveriesParts): Deliveries {
  const {
    store, apps, keys, endpoints, send, queues, executor, telemetry: { metrics, log, tracing }, viewOf, now,
  } = parts
  const limiter = createConcurrencyLimiter({ max: maxTriesPerApp, patienceMs, now })

  async function enqueue ({ id, nextTryAt }: Delivery): Promise<void> {
    try {
      await queues.notify(id, keys.jobName(id, nextTryAt))
    } catch (error) {
      const cause = error instanceof Error ? error.name : 'unknown'
      log.warn({ deliveryId: id, cause }, 'enqueue failed; the sweeper will retry it')
    }
  }

  async function attempt (stored: Stored<Delivery>, { wait }: { wait: boolean }): Promise<void> {
    const { id, appId, type, verificationId, traceparent } = stored.record
    const free = await limiter.acquire(appId, { wait: false })
    const release = free ?? (wait ? await limiter.acquire(appId, { wait }) : null)
    if (release === null) return store.reschedule(id, now() + crowdedMs)
    try {
      // While it waited for a slot, it may have been erased, or tried by another process.
      const current = free === null ? await store.load(id) : stored
      if (current?.record.status !== 'pending') return
      const attributes = {
        'verigate.delivery.id': id, ...verificationId === null ? {} : { 'verigate.verification.id': verificationId },
      }
      await tracing.trace(
        `webhook ${type}`, { kind: 'client', traceparent, attributes }, setAttributes => tryNow(current, setAttributes),
      )
    } finally {
      release()
    }
  }

  async function tryNow (stored: Stored<Delivery>, setAttributes: (attributes: Attributes) => void): Promise<void> {
    const { appId, webhookId, body, isManual, id } = stored.record
    const webhook = apps.byId(appId)?.webhook
    if (webhook === undefined) return saveResult(stored, notSent('no_endpoint'), '')
    const { url, secrets } = webhook
    const disabled = await endpoints.findDisabled(appId, url)
    if (disabled !== null && !isManual) return saveResult(stored, notSent('endpoint_disabled'), url)

    const result = await holdLease(
      id, send({ url, secrets, webhookId, body, now: now(), traceparent: tracing.traceparent() }),
    )
    const { statusCode, error } = result
    setAttributes({
      ...statusCode === null ? {} : { 'http.response.status_code': statusCode },
      ...isSuccess(result) ? {} : { 'error.type': error ?? String(statusCode) },
    })
    if (statusCode !== 410) {
      return saveResult(stored, result, url, disabled !== null && isSuccess(result) ? { releases: [disabled] } : {})
    }
    await saveResult(stored, result, url, { claims: [endpoints.disable(appId, url)] })
    if (disabled !== null) return
    metrics.countDisabledEndpoint()
    log.warn({ app: appId, deliveryId: id }, 'webhook endpoint disabled: it answered 410')
  }

  /** Extends the lease while the request is in flight, so that no other process retries it. */
  async function holdLease<T> (id: string, sending: Promise<T>): Promise<T> {
    const extending = setInterval(() => { store.reschedule(id, now() + leaseMs).catch(() => {}) }, extendEveryMs)
    try {
      return await sending
    } finally {
      clearInterval(extending)
    }
  }

  /** Writes the result of a try, also when another process wrote in the meantime. */
  async function saveResult (
    first: Stored<Delivery>, result: TryResult, url: string, options: Pick<SaveOptions, 'claims' | 'releases'> = {},
  ): Promise<void> {
    const tried = { url, at: now(), jitterFactor: randomBytes(4).readUInt32BE() / 0xffff_ffff }
    for (
      let stored: Stored<Delivery> | null = first; stored?.record.status === 'pending'; stored = await store.load(
        first.record.id,
      )
    ) {
      const next = settleTry(stored.record, result, tried)
      const removeFromIndexes = next.status === 'pending' ? [] : [keys.pendingIndex]
      const saved = await store.save(next.id, stored.version, next, {
        ...keys.deadlinesOf(next), ...options, removeFromIndexes, publish: next.status,
      })
      if (saved.saved) return recordTry(next, result)
    }
  }

  function recordTry ({ id, verificationId, appId, type, status, tries }: Delivery, result: TryResult): void {
    const { statusCode, error, durationMs } = result
    const fields = { deliveryId: id, verificationId, app: appId, type }
    metrics.countWebhookTry(status === 'pending' ? 'retry' : status, wasSent(result) ? durationMs : null)
    log.info({ ...fields, status, statusCode, error, durationMs, tries: tries.length }, 'webhook')
    if (status !== 'failed' || isFinalFailure(result)) return
    metrics.countExhaustedWebhook()
    log.error({ ...fields, tries: tries.length }, 'webhook failed: every try failed')
  }

  return {
    stageEvents: (verification, events, at) => events.map(event => {
      const delivery = keys.ofEvent(verification, event, viewOf(verification), at)
      const { id } = delivery
      const deadlines = { ...keys.deadlinesOf(delivery), dueAt: at + leaseMs }
      return {
        delivery, sibling: { id, bytes: encodeDelivery(delivery), ...deadlines, indexes: keys.indexesOf(delivery) },
      }
    }),

    async dispatch (stored) {
      if (executor?.tryRun(() => attempt(stored, { wait: true })) !== true) await enqueue(stored.record)
    },

    async attempt (id) {
      const stored = await store.loadReplicated(id)
      const at = stored?.record.nextTryAt ?? null
      // A job that waited for a slot would occupy one of the worker's, which other apps' jobs need.
      if (stored !== null && at !== null && now() >= at) await attempt(stored, { wait: false })
    },

    async requeue (id) {
      const stored = await store.load(id)
      if (stored === null) return store.erase(id, { indexes: [keys.pendingIndex], publish: 'erased' })
      const { record } = stored
      if (record.nextTryAt === null) {
        const { dueAt } = keys.deadlinesOf(record)
        // It was due for a try that another process has made, or the retention is longer now.
        if (now() < dueAt) return store.reschedule(id, dueAt)
        return store.erase(id, { indexes: [keys.pendingIndex, ...keys.listsOf(record.appId)], publish: 'erased' })
      }
      await enqueue(record)
      await store.reschedule(id, now() + requeuedMs)
    },

    relatedKeys: verification => keys.relatedTo(verification),
  }
}

const notSent = (error: TryError): TryResult => ({ statusCode: null, durationMs: 0, error, retryAfterMs: null })
