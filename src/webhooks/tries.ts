import { randomBytes } from 'node:crypto'
import type { Apps } from '../apps/apps.ts'
import type { SaveOptions, Store, Stored } from '../store/record-store.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { SetAttributes, Tracing } from '../telemetry/tracing.ts'
import { createConcurrencyLimiter } from './concurrency-limiter.ts'
import {
  isFinalFailure, isSuccess, settleTry, wasSent, type Delivery, type TryError, type TryResult,
} from './delivery.ts'
import { leaseMs, type DeliveryKeys } from './delivery-keys.ts'
import type { Endpoints } from './endpoints.ts'
import type { WebhookSender } from './sender.ts'

/**
 * Makes one try of a pending delivery, and saves its result. When the app has no free slot, the try is due again soon;
 * with `wait`, it first waits for a slot.
 */
export type MakeTry = (stored: Stored<Delivery>, options: { wait: boolean }) => Promise<void>

export type TryParts = {
  store: Pick<Store<Delivery>, 'untilReplicated' | 'load' | 'save' | 'reschedule'>
  apps: Pick<Apps, 'byId'>
  keys: DeliveryKeys
  endpoints: Endpoints
  send: WebhookSender['send']
  telemetry: {
    metrics: Pick<Metrics, 'countWebhookTry' | 'countDisabledEndpoint' | 'countExhaustedWebhook'>
    log: Pick<Logger, 'info' | 'warn' | 'error'>
    tracing: Tracing
  }
  now: () => number
}

/** `url`: the endpoint of the try; empty when the app has none. */
type SaveResult = (
  stored: Stored<Delivery>, result: TryResult, url: string, options?: Pick<SaveOptions, 'claims' | 'releases'>,
) => Promise<void>

const extendEveryMs = 2_000
/** One slow receiver must not occupy every worker. */
const maxTriesPerApp = 25
/** How long a first try waits for a slot of its app. */
const patienceMs = 1_000
/** When a try that found no slot is due again. */
const crowdedMs = 2_000

export function createMakeTry (parts: TryParts): MakeTry {
  const { store, apps, endpoints, send, telemetry: { metrics, log, tracing }, now } = parts
  const limiter = createConcurrencyLimiter({ max: maxTriesPerApp, patienceMs, now })
  const saveResult = createSaveResult(parts)
  /** The deliveries whose requests are in flight. One interval extends the leases of all. */
  const sent = new Set<string>()
  let extending: NodeJS.Timeout | null = null

  function extendLeases (): void {
    for (const id of sent) store.reschedule(id, now() + leaseMs).catch(() => {})
    if (sent.size > 0 || extending === null) return
    clearInterval(extending)
    extending = null
  }

  async function tryNow (stored: Stored<Delivery>, setAttributes: SetAttributes | undefined): Promise<void> {
    const { appId, webhookId, body, isManual, id } = stored.record
    // It was written together with the change that it reports.
    await store.untilReplicated(id)
    const endpoint = apps.byId(appId)?.webhook
    if (endpoint === undefined) return saveResult(stored, notSent('no_endpoint'), '')
    const { url, secrets } = endpoint
    const disabled = await endpoints.findDisabled(appId, url)
    if (disabled !== null && !isManual) return saveResult(stored, notSent('endpoint_disabled'), url)

    const webhook = { url, secrets, webhookId, body, now: now(), traceparent: tracing.traceparent() }
    const result = await holdLease(id, send(webhook))
    const { statusCode, error } = result
    setAttributes?.({
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
    sent.add(id)
    extending ??= setInterval(extendLeases, extendEveryMs).unref()
    try {
      return await sending
    } finally {
      sent.delete(id)
    }
  }

  return async (stored, { wait }) => {
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
}

/** After a version conflict the result is applied to the new version, if that is still pending. */
function createSaveResult ({ store, keys, telemetry: { metrics, log }, now }: TryParts): SaveResult {
  function recordTry ({ id, verificationId, appId, type, status, tries }: Delivery, result: TryResult): void {
    const { statusCode, error, durationMs } = result
    const fields = { deliveryId: id, verificationId, app: appId, type }
    metrics.countWebhookTry(status === 'pending' ? 'retry' : status, wasSent(result) ? durationMs : null)
    const response = error === null ? { statusCode } : { statusCode, error }
    log.info({ ...fields, status, ...response, durationMs, tries: tries.length }, 'webhook')
    if (status !== 'failed' || isFinalFailure(result)) return
    metrics.countExhaustedWebhook()
    log.error({ ...fields, tries: tries.length }, 'webhook failed: every try failed')
  }

  return async (first, result, url, options = {}) => {
    const tried = { url, at: now(), jitterFactor: randomBytes(4).readUInt32BE() / 0xffff_ffff }
    let stored: Stored<Delivery> | null = first
    while (stored?.record.status === 'pending') {
      const next = settleTry(stored.record, result, tried)
      const { tries, isManual, createdAt } = stored.record
      const isFirst = tries.length === 0
      const pending = next.status === 'pending'
        ? { indexes: isFirst ? [keys.pendingEntry(createdAt)] : [] }
        : { removeFromIndexes: isFirst && !isManual ? [] : [keys.pendingIndex] }
      const saved = await store.save(next.id, stored.version, next, {
        ...keys.deadlinesOf(next), ...options, ...pending, publish: null,
      })
      if (saved.saved) return recordTry(next, result)
      stored = await store.load(next.id)
    }
  }
}

const notSent = (error: TryError): TryResult => ({ statusCode: null, durationMs: 0, error, retryAfterMs: null })
