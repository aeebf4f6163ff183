import { createPacker } from '../store/packing.ts'
import { webhookErrors, type WebhookResponse } from './sender.ts'
import type { Json } from '../core/vocabulary.ts'

export const deliveryStatuses = ['pending', 'delivered', 'failed'] as const
export type DeliveryStatus = typeof deliveryStatuses[number]
/** Why a try brought no answer; the last two: it was not even made. */
export const tryErrors = [...webhookErrors, 'no_endpoint', 'endpoint_disabled'] as const
export type TryError = typeof tryErrors[number]
/** `at` in milliseconds since the epoch. */
export type Try = { at: number, statusCode: number | null, durationMs: number, error: TryError | null }
/** What came of a try; see `WebhookAnswer`. */
export type TryResult = Omit<WebhookResponse, 'error'> & { error: TryError | null }

/**
 * One event on its way to an app: a record of its own beside the verification it tells of. Times in milliseconds since
 * the epoch.
 */
export type Delivery = {
  id: string
  appId: string
  /** The same on every try and replay: what the receiver knows repetitions by. */
  webhookId: string
  /** `verification.<news>`, or `webhook.test`. */
  type: string
  verificationId: string | null
  /** W3C `traceparent` of what it tells of; absent when that was not traced. */
  traceparent?: string
  /** Where the last try went, without the query. */
  url: string
  /** The JSON text of the event, the same on every try. */
  body: string
  status: DeliveryStatus
  /** The newest fifty. */
  tries: Try[]
  /** How many tries of the schedule were made, since the beginning or the last replay. */
  step: number
  /** The app asked for it: it is tried at a disabled endpoint too, and enables that when it succeeds. */
  isManual: boolean
  nextTryAt: number | null
  createdAt: number
}

const [second, minute, hour] = [1_000, 60_000, 3_600_000]
/** What is waited before each try; after the last one the delivery has failed. */
export const retryDelays: readonly number[] = [
  0, 5 * second, 5 * minute, 30 * minute, 2 * hour, 5 * hour, 10 * hour, 14 * hour, 20 * hour, 24 * hour,
]
const jitter = 0.1
/** A delivery that is not replayed has ended by then. */
export const maxScheduleMs = Math.ceil(retryDelays.reduce((sum, delay) => sum + delay, 0) * (1 + jitter))
/** A `Retry-After` is followed up to the next step of the schedule, or this long where that is shorter. */
const maxRetryAfterMs = hour
const maxTries = 50

export const isSuccess = ({ statusCode }: TryResult): boolean =>
  statusCode !== null && statusCode >= 200 && statusCode < 300
/** Whether anything was sent. */
export const wasSent = ({ error }: TryResult): boolean => error !== 'no_endpoint' && error !== 'endpoint_disabled'
/** Trying again would be of no use. */
export const isFinalFailure = (result: TryResult): boolean => result.statusCode === 410 || !wasSent(result)

/** What becomes of a pending delivery by a try. `share`, 0 to 1, chooses the jitter. */
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

function delayBefore (step: number, { statusCode, retryAfterMs }: TryResult, jitterFactor: number): number {
  const delayMs = Math.round((retryDelays[step] ?? 0) * (1 - jitter + 2 * jitter * jitterFactor))
  const askedMs = statusCode === 429 || statusCode === 503 ? retryAfterMs ?? 0 : 0
  return Math.max(delayMs, Math.min(askedMs, Math.max(retryDelays[step + 1] ?? 0, maxRetryAfterMs)))
}

/** From the beginning of the schedule again, whatever became of it; the tries and the webhook id stay. */
export const replayDelivery = (delivery: Delivery, now: number): Delivery => (
  { ...delivery, status: 'pending', step: 0, isManual: true, nextTryAt: now }
)

/** A query may hold a secret of the receiver's. */
export function showUrl (text: string): string {
  const url = URL.parse(text)
  return url === null ? '' : url.origin + url.pathname
}

const packer = createPacker([
  [
    'appId', 'verificationId', 'type', 'isManual', 'webhookId', 'url', 'body', 'status', 'tries', 'step', 'nextTryAt', 'createdAt',
  ],
  ['at', 'statusCode', 'durationMs', 'error'],
])

/** The id is the name that the record is sealed under, so it is not stored again. */
export const encodeDelivery = ({ id: _id, ...delivery }: Delivery): Buffer => packer.pack(delivery)

/** A record as it came out of the store. Throws `TypeError`. */
export function decodeDelivery (bytes: Uint8Array, id: string): Delivery {
  const value = packer.unpack(bytes)
  if (!isDelivery(value)) throw new TypeError('not a delivery')
  return Object.assign(value, { id })
}

const isDelivery = (value: Json): value is Json & Delivery =>
  value !== null && typeof value === 'object' && !Array.isArray(value) && typeof value['webhookId'] === 'string'
