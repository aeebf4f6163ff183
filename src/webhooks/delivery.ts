import { createPacker } from '../store/packing.ts'
import { delayBefore, retryDelays } from './schedule.ts'
import { webhookErrors, type WebhookResponse } from './sender.ts'
import type { Json } from '../core/vocabulary.ts'

export const deliveryStatuses = ['pending', 'delivered', 'failed'] as const
export type DeliveryStatus = typeof deliveryStatuses[number]
/** Why a try brought no response. With the last two, nothing was sent. */
export const tryErrors = [...webhookErrors, 'no_endpoint', 'endpoint_disabled'] as const
export type TryError = typeof tryErrors[number]
/** `at` in milliseconds since the epoch. */
export type Try = { at: number, statusCode: number | null, durationMs: number, error: TryError | null }
/** The result of a try; see `WebhookResponse`. */
export type TryResult = Omit<WebhookResponse, 'error'> & { error: TryError | null }

/**
 * One webhook event for an app: a record of its own, in the partition of its verification. Times are in milliseconds
 * since the epoch.
 */
export type Delivery = {
  id: string
  appId: string
  /** The same on every try and replay, so that the receiver can detect repetitions. */
  webhookId: string
  /** `verification.<event>`, or `webhook.test`. */
  type: string
  verificationId: string | null
  /** W3C `traceparent` of the request that caused the event; absent when that was not traced. */
  traceparent?: string
  /** The URL of the last try, without the query. */
  url: string
  /** The JSON text of the event, the same on every try. */
  body: string
  status: DeliveryStatus
  /** The newest fifty, oldest first. */
  tries: Try[]
  /** How many tries of the schedule were made, since the creation or the last replay. */
  step: number
  /** The app requested it (replay or test): it is sent to a disabled endpoint too, and enables it on success. */
  isManual: boolean
  nextTryAt: number | null
  createdAt: number
}

const maxTries = 50

export const isSuccess = ({ statusCode }: TryResult): boolean =>
  statusCode !== null && statusCode >= 200 && statusCode < 300
/** Whether anything was sent. */
export const wasSent = ({ error }: TryResult): boolean => error !== 'no_endpoint' && error !== 'endpoint_disabled'
/** A retry would not help. */
export const isFinalFailure = (result: TryResult): boolean => result.statusCode === 410 || !wasSent(result)

/** The pending delivery after a try. `jitterFactor`, 0 to 1, chooses the jitter of the next delay. */
export function settleTry (
  delivery: Delivery, result: TryResult, { url, at, jitterFactor }: { url: string, at: number, jitterFactor: number },
): Delivery {
  const { statusCode, durationMs, error } = result
  const step = delivery.step + 1
  const tries = [...delivery.tries, { at, statusCode, durationMs, error }].slice(-maxTries)
  const tried = { ...delivery, url: showUrl(url), tries, step, nextTryAt: null }
  if (isSuccess(result)) return { ...tried, status: 'delivered' }
  if (isFinalFailure(result) || step >= retryDelays.length) return { ...tried, status: 'failed' }
  return { ...tried, nextTryAt: at + delayBefore(step, result, jitterFactor) }
}

/** Restarts the schedule, whatever the status. Past tries and the webhook id stay. */
export const replayDelivery = (delivery: Delivery, now: number): Delivery => (
  { ...delivery, status: 'pending', step: 0, isManual: true, nextTryAt: now }
)

/** The URL without its query, which may contain a secret of the receiver. */
export function showUrl (text: string): string {
  const url = URL.parse(text)
  return url === null ? '' : url.origin + url.pathname
}

const packer = createPacker([
  [
    'appId', 'verificationId', 'type', 'isManual', 'webhookId', 'url', 'body', 'status', 'tries', 'step', 'nextTryAt',
    'createdAt',
  ],
  ['at', 'statusCode', 'durationMs', 'error'],
  [
    'appId', 'verificationId', 'type', 'isManual', 'traceparent', 'webhookId', 'url', 'body', 'status', 'tries', 'step',
    'nextTryAt', 'createdAt',
  ],
])

/** The id is not part of the bytes, because the store seals the record under it. */
export const encodeDelivery = ({ id: _id, ...delivery }: Delivery): Buffer => packer.pack(delivery)

/** Reads the bytes of a record. Throws `TypeError` when they are not a delivery. */
export function decodeDelivery (bytes: Uint8Array, id: string): Delivery {
  const value = packer.unpack(bytes)
  if (!isDelivery(value)) throw new TypeError('not a delivery')
  return Object.assign(value, { id })
}

const isDelivery = (value: Json): value is Json & Delivery =>
  value !== null && typeof value === 'object' && !Array.isArray(value) && typeof value['webhookId'] === 'string'
