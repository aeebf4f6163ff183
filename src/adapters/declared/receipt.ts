import type { DeliveryReceipt } from '../../core/vocabulary.ts'
import type { Callback, Received, Refused } from '../adapter.ts'
import { at, isSame } from './pointer.ts'
import type { Entry } from './schema.ts'

const statuses = ['sent', 'delivered', 'read', 'failed'] as const

/** The members of a body: JSON, or the fields of a form. */
const membersOf = ({ body, rawBody }: Callback): unknown =>
  body ?? Object.fromEntries(new URLSearchParams(rawBody.toString()))

/** How far the message of a receipt has come; null: it does not say. */
function statusOf (receipt: NonNullable<Entry['receipt']>, body: unknown): DeliveryReceipt['status'] | null {
  const word = at(body, receipt.status)
  return statuses.find(status => receipt[status]?.some(expected => isSame(word, expected))) ?? null
}

/**
 * A receipt has our key in its URL, which nobody else knows and which is valid for one attempt. Words that the entry
 * does not list change nothing.
 */
export function readReceipt ({ channel, receipt }: Entry, callback: Callback, at: number): Received | Refused {
  const { key } = callback
  if (key === null) return { type: 'refused', cause: 'key_missing' }
  const status = receipt === undefined ? null : statusOf(receipt, membersOf(callback))
  return status === null ? { key, type: 'noted' } : { key, type: 'delivery', delivery: { status, channel, at } }
}
