import type { WebhookResponse } from './sender.ts'

const [second, minute, hour] = [1_000, 60_000, 3_600_000]
/** The delay before each try. After the last try the delivery has failed. */
export const retryDelays: readonly number[] = [
  0, 5 * second, 5 * minute, 30 * minute, 2 * hour, 5 * hour, 10 * hour, 14 * hour, 20 * hour, 24 * hour,
]
const jitter = 0.1
/** An upper bound of the time from the creation to the last try, without replays and `Retry-After`. */
export const maxScheduleMs = Math.ceil(retryDelays.reduce((sum, delay) => sum + delay, 0) * (1 + jitter))
/** A `Retry-After` is honoured up to this limit, or up to the next delay of the schedule where that is longer. */
const maxRetryAfterMs = hour

/** The delay in ms before try number `step`, after this result. `jitterFactor`: 0 to 1. */
export function delayBefore (
  step: number, { statusCode, retryAfterMs }: Pick<WebhookResponse, 'statusCode' | 'retryAfterMs'>,
  jitterFactor: number,
): number {
  const delayMs = Math.round((retryDelays[step] ?? 0) * (1 - jitter + 2 * jitter * jitterFactor))
  const requestedMs = statusCode === 429 || statusCode === 503 ? retryAfterMs ?? 0 : 0
  return Math.max(delayMs, Math.min(requestedMs, Math.max(retryDelays[step + 1] ?? 0, maxRetryAfterMs)))
}
