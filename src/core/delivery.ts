import type { Decision } from './events.ts'
import { updateBeside, updateSilently } from './updates.ts'
import type { Pending, PendingAttempt } from './verification.ts'
import type { DeliveryReceipt } from './vocabulary.ts'

/** A provider reports channels by words of its own, so their number is limited. */
const maxChannels = 8
/** A higher rank replaces a lower one. `delivered` after `failed`: the message arrived after all. */
const ranks = { sent: 0, failed: 1, delivered: 2, read: 3 } as const satisfies Record<DeliveryReceipt['status'], number>
/** The last time that a `Date` can have. */
const maxTime = 8_640_000_000_000_000

/**
 * Adds a receipt: each channel keeps the one with the highest rank, and of equal ones the earliest. The result does not
 * depend on the order in which they arrive. Null: the receipt says nothing new.
 */
export function addReceipt (
  receipts: readonly DeliveryReceipt[], reported: DeliveryReceipt,
): DeliveryReceipt[] | null {
  const index = receipts.findIndex(({ channel }) => channel === reported.channel)
  const known = receipts[index]
  if (known === undefined) return receipts.length < maxChannels ? [...receipts, reported] : null
  const more = ranks[reported.status] - ranks[known.status]
  return more > 0 || (more === 0 && reported.at < known.at) ? receipts.with(index, reported) : null
}

/**
 * The receipt to show: one that is not `failed` first, then the highest rank, then the newest. Null when there is
 * none.
 */
export function shownReceipt (receipts: readonly DeliveryReceipt[] = []): DeliveryReceipt | null {
  return receipts.toSorted((a, b) =>
    Number(a.status === 'failed') - Number(b.status === 'failed')
    || ranks[b.status] - ranks[a.status] || b.at - a.at || (a.channel < b.channel ? -1 : 1))[0] ?? null
}

/** A provider has reported how far a message has come. Null: it says nothing new. */
export function reportDelivery (
  verification: Pending, attempt: PendingAttempt, reported: DeliveryReceipt, now: number,
): Decision<Pending> | null {
  const at = Math.abs(reported.at) <= maxTime ? reported.at : now
  const receipts = addReceipt(attempt.receipts ?? [], { ...reported, at })
  if (receipts === null) return null
  const next = { ...attempt, receipts }
  return shownReceipt(receipts) === shownReceipt(attempt.receipts)
    ? updateSilently(verification, next)
    : updateBeside(verification, next, now)
}
