import type { Attempt, Verification } from '../core/verification.ts'
import type { Json } from '../core/vocabulary.ts'
import { createPacker } from '../store/packing.ts'
import { noLinks, type Links } from './links.ts'

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

/** Words of an attempt and a verification that are stored as their place in this list. It may only grow at its end. */
const words = [
  'pending', 'starting', 'waiting', 'resolving', 'verified', 'failed', 'expired', 'canceled', 'skipped',
]
const wordFields = ['status', 'phase'] as const
/** Times that are stored as ms since the creation, which takes half of the bytes. */
const timeFields = ['expiresAt', 'updatedAt', 'startedAt', 'endedAt', 'leaseUntil', 'at'] as const

type Fields = { [name: string]: Json }

/** Changes the words and times of an object to their short form. */
function shorten (fields: Fields, createdAt: number): Fields {
  for (const name of wordFields) {
    const place = words.indexOf(String(fields[name]))
    if (place >= 0) fields[name] = place
  }
  shiftTimes(fields, -createdAt)
  return fields
}

function lengthen (fields: Fields, createdAt: number): void {
  for (const name of wordFields) {
    const word = words[Number(fields[name] ?? -1)]
    if (word !== undefined) fields[name] = word
  }
  shiftTimes(fields, createdAt)
}

function shiftTimes (fields: Fields, ms: number): void {
  for (const name of timeFields) {
    const time = fields[name]
    if (typeof time === 'number') fields[name] = time + ms
  }
}

export type RecordCodec = {
  encode (verification: Verification): Buffer
  /** A record as it came out of the store; sealed under its id, so only its kind is checked. Throws `TypeError`. */
  decode (bytes: Uint8Array, id: string): Verification
}

/**
 * The id is the name that the record is sealed under, an attempt's method is that of its step, and some URLs can be
 * built again: none of them is stored.
 */
export function createRecordCodec (links: Links = noLinks): RecordCodec {
  function shortenAttempt (attempt: Attempt, step: string | undefined, createdAt: number): Fields {
    const { method } = attempt
    const short = shorten({ ...attempt, method: method === step ? null : method }, createdAt)
    if ('action' in attempt && attempt.action?.type === 'openDeepLink' && links.isBuilt(method)) {
      short['action'] = { ...attempt.action, url: '' }
    }
    return short
  }

  function restoreLink (attempt: Attempt, index: number, verification: Verification): void {
    if (!('action' in attempt) || attempt.action?.type !== 'openDeepLink' || attempt.action.url !== '') return
    const url = links.build(verification, index)
    if (url === null) attempt.action = null
    else attempt.action.url = url
  }

  return {
    encode ({ id: _id, ...record }) {
      const { attempts, workflow, idempotency, createdAt } = record
      const short: Fields = {
        ...record, idempotency: idempotency === null ? null : shorten({ ...idempotency }, createdAt),
        attempts: attempts.map((attempt, index) => shortenAttempt(attempt, workflow[index]?.method, createdAt)),
      }
      return packer.pack(shorten(short, createdAt))
    },
    decode (bytes, id) {
      const value = packer.unpack(bytes)
      if (!isRecord(value)) throw new TypeError('not a verification')
      const { createdAt, idempotency } = value
      const verification = Object.assign(value, { id })
      for (const [index, attempt] of value.attempts.entries()) {
        attempt.method ??= value.workflow[index]?.method ?? ''
        lengthen(attempt, createdAt)
        restoreLink(attempt, index, verification)
      }
      if (idempotency !== null) lengthen(idempotency, createdAt)
      lengthen(value, createdAt)
      return verification
    },
  }
}

const isRecord = (value: Json): value is Fields & Verification =>
  value !== null && typeof value === 'object' && !Array.isArray(value) && Array.isArray(value['attempts'])
