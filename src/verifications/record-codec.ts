import type { Verification } from '../core/verification.ts'
import type { Json } from '../core/vocabulary.ts'
import { createPacker } from '../store/packing.ts'

/**
 * How a verification becomes bytes. The field names of the usual objects are not stored, because they would be most of
 * a record. The list may only grow at its end; an object with other fields is stored with its names.
 */
const common = [
  'appId', 'phoneNumber', 'reference', 'metadata', 'locale', 'device', 'returnUrl', 'includeProfile', 'minAssurance',
  'workflow', 'webhookEvents', 'expiresAt', 'idempotency',
]
const changing = ['status', 'attempts', 'revision', 'createdAt', 'updatedAt']
const attempt = ['status', 'phase', 'method', 'startedAt', 'expiresAt']
const waiting = [...attempt, 'state', 'action', 'attemptsRemaining', 'resend']
const ended = ['status', 'reason', 'method', 'startedAt', 'endedAt']

const packer = createPacker([
  [...common, ...changing],
  [...common, 'country', ...changing],
  ['method', 'timeoutMs', 'options', 'isRepeatable', 'continueWhenRejected'],
  [...attempt, 'isClaimed', 'leaseUntil', 'evidence'],
  waiting,
  [...waiting, 'evidence', 'leaseUntil', 'wasQueried'],
  ended,
  ['names', 'hash', 'at'],
  ['from', 'value'],
  ['left', 'availableAt', 'afterMs'],
  ['type', 'url', 'finish'],
  ['type', 'length', 'channels'],
  ['type', 'url', 'platforms', 'notOpenedAfterMs'],
  [...common, 'country', ...changing, 'result'],
  [...common, 'country', ...changing, 'reason'],
  ['phoneNumber', 'method', 'verifiedAt', 'profile', 'signals', 'assurance'],
  [...common, 'country', 'traceparent', ...changing],
  ['from', 'value', 'hash'],
  [...ended, 'evidenceHash'],
  ['possession', 'binding', 'restricted'],
  ['method', 'timeoutMs', 'options', 'isRepeatable', 'continueWhenRejected', 'sendsMessage'],
  [...waiting, 'cost'],
  [...waiting, 'cost', 'evidence', 'leaseUntil', 'wasQueried'],
  [...ended, 'cost'],
  [...ended, 'cost', 'evidenceHash'],
  ['amount', 'currency'],
  [...waiting, 'findableIds'],
  [...waiting, 'findableIds', 'evidence', 'leaseUntil', 'wasQueried'],
  [...ended, 'findableIds'],
  ['status', 'channel', 'at'],
  [...waiting, 'receipts'],
])

/** The id is the name that the record is sealed under, so it is not stored again. */
export const encodeRecord = ({ id: _id, ...record }: Verification): Buffer => packer.pack(record)

/** A record as it came out of the store; sealed under its id, so only its kind is checked. Throws `TypeError`. */
export function decodeRecord (bytes: Uint8Array, id: string): Verification {
  const value = packer.unpack(bytes)
  if (!isRecord(value)) throw new TypeError('not a verification')
  return Object.assign(value, { id })
}

const isRecord = (value: Json): value is Json & Verification =>
  value !== null && typeof value === 'object' && !Array.isArray(value) && Array.isArray(value['attempts'])
