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
import { leaseMs, type DeliveryKeys } from './delivery-keys.ts'
import type { Endpoints } from './endpoints.ts'
import type { WebhookSender } from './sender.ts'

/** The ids of the records that are erased together with another one, and the indexes that list them. */
export type RelatedKeys = { alsoDelete: string[], indexes: string[] }

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

export type DeliveriesParts = {
  store: Pick<Store<Delivery>, 'loadReplicated' | 'load' | 'save' | 'erase' | 'reschedule'>
  apps: Pick<Apps, 'byId'>
  keys: DeliveryKeys
  endpoints: Endpoints
  send: WebhookSender['send']
  queues: Pick<Queues, 'notify'>
  /** Null in a process that runs no jobs. */
  executor: InlineExecutor | null
  telemetry: {
    metrics: Pick<Metrics, 'countWebhookTry' | 'countDisabledEndpoint' | 'countExhaustedWebhook'>
    log: Pick<Logger, 'info' | 'warn' | 'error'>
    tracing: Tracing
  }
  viewOf: (verification: Verification) => object
  now: () => number
}

/** When the sweeper processes a delivery again that it enqueued. */
const requeuedMs = 20_000
const extendEveryMs = 2_000
/** One slow receiver must not occupy every worker. */
const maxTriesPerApp = 25
/** How long a first try waits for a slot of its app. */
const patienceMs = 1_000
/** When a try that found no slot is due again. */
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
      // During the wait the delivery may have been erased, or tried by another process.
      const current = free === null ? await store.load(id) : stored
      if (current?.record.status !== 'pending') return
      const attributes = {
        'verigate.delivery.id': id,
        ...verificationId === null ? {} : { 'verigate.verification.id': verificationId },
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
    const endpoint = apps.byId(appId)?.webhook
    if (endpoint === undefined) return saveResult(stored, notSent('no_endpoint'), '')
    const { url, secrets } = endpoint
    const disabled = await endpoints.findDisabled(appId, url)
    if (disabled !== null && !isManual) return saveResult(stored, notSent('endpoint_disabled'), url)

    const webhook = { url, secrets, webhookId, body, now: now(), traceparent: tracing.traceparent() }
    const result = await holdLease(id, send(webhook))
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
    log.warn({ app: appId, deliveryId: id }, 'webhook endpoint disabled: it returned 410')
  }

  /** Extends the lease while the request is in flight, so that no other process retries the delivery. */
  async function holdLease<T> (id: string, sending: Promise<T>): Promise<T> {
    const extending = setInterval(() => { store.reschedule(id, now() + leaseMs).catch(() => {}) }, extendEveryMs)
    try {
      return await sending
    } finally {
      clearInterval(extending)
    }
  }

  /** Saves the result of a try. After a version conflict it applies the result to the new version, if still pending. */
  async function saveResult (
    first: Stored<Delivery>, result: TryResult, url: string, options: Pick<SaveOptions, 'claims' | 'releases'> = {},
  ): Promise<void> {
    const tried = { url, at: now(), jitterFactor: randomBytes(4).readUInt32BE() / 0xffff_ffff }
    let stored: Stored<Delivery> | null = first
    while (stored?.record.status === 'pending') {
      const next = settleTry(stored.record, result, tried)
      const removeFromIndexes = next.status === 'pending' ? [] : [keys.pendingIndex]
      const saved = await store.save(next.id, stored.version, next, {
        ...keys.deadlinesOf(next), ...options, removeFromIndexes, publish: next.status,
      })
      if (saved.saved) return recordTry(next, result)
      stored = await store.load(next.id)
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
      const deadlines = keys.leasedDeadlinesOf(delivery, at)
      const bytes = encodeDelivery(delivery)
      return { delivery, sibling: { id: delivery.id, bytes, ...deadlines, indexes: keys.indexesOf(delivery) } }
    }),

    async dispatch (stored) {
      if (executor?.tryRun(() => attempt(stored, { wait: true })) !== true) await enqueue(stored.record)
    },

    async attempt (id) {
      const stored = await store.loadReplicated(id)
      const at = stored?.record.nextTryAt ?? null
      // A job does not wait for a slot, because it would occupy a worker that the jobs of other apps need.
      if (stored !== null && at !== null && now() >= at) await attempt(stored, { wait: false })
    },

    async requeue (id) {
      const stored = await store.load(id)
      if (stored === null) return store.erase(id, { indexes: [keys.pendingIndex], publish: 'erased' })
      const { record } = stored
      if (record.nextTryAt === null) {
        const { dueAt } = keys.deadlinesOf(record)
        // Another process made the try that was due, or the retention was increased.
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
