import { createHmac, timingSafeEqual } from 'node:crypto'
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { deliveryChannels, type DeliveryReceipt } from '../../core/vocabulary.ts'
import type { Received } from '../adapter.ts'
import { membersOf, readList, readString, readText, type Members } from '../message.ts'
import { readTime } from './time.ts'

// https://otpless.com/docs/knowledge-base/webhook-v2 and …/api-reference/endpoint/sign-in/sna/webhook

/**
 * `X-Signature` is the base64 of an HMAC-SHA256 over the raw body. The page of one event documents it, for "every
 * outbound webhook request".
 */
export function isSigned (rawBody: Buffer, signature: string, secret: string): boolean {
  const [given, expected] = [
    Buffer.from(signature), Buffer.from(createHmac('sha256', secret).update(rawBody).digest('base64')),
  ]
  return given.length === expected.length && timingSafeEqual(given, expected)
}

/**
 * Evidence that a webhook brings: only a reason to query OTPLESS. What it says about the user proves nothing.
 * `requestId`: the request that it is about; '' when it does not say so.
 */
type Announcement = { webhook: true, requestId: string }
const announcement = Compile(Type.Object({ webhook: Type.Literal(true), requestId: Type.String() }))
export const readAnnouncement = (evidence: unknown): Announcement | null =>
  announcement.Check(evidence) ? evidence : null

/** `CLICKED`: the link in the message was opened, so the message was read. */
const deliveryStatuses: ReadonlyMap<string, DeliveryReceipt['status']> = new Map([
  ['SENT', 'sent'], ['DELIVERED', 'delivered'], ['READ', 'read'], ['CLICKED', 'read'], ['FAILED', 'failed'],
])
const maxChannels = 8
/** The user has nothing left to do. `INITIATED` and `FALLBACK` (to another channel) change nothing. */
const finalStatuses = ['SUCCESS', 'FAILED', 'DECLINE', 'DECLINED', 'EXPIRED']

/**
 * What a webhook says, and the attempt it is for: by our key in its metadata, else by the id of the request. Null when
 * the body is not an object.
 */
export function readWebhook (body: unknown, now: number): Received | null {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return null
  const { data, eventType, timestamp } = membersOf(body)
  const event = membersOf(data)
  const requestId = readRequestId(event)
  const attempt = readAttempt(event, requestId)
  const status = readString(event.status) ?? ''
  const isFinal = (eventType === 'AUTH' || eventType === 'SNA') && finalStatuses.includes(status)
  if (isFinal && !bringsCode(event)) {
    return { ...attempt, type: 'evidence', evidence: { webhook: true, requestId: requestId ?? '' } }
  }
  const delivery = eventType === 'DLR' ? readDelivery(event, readTime(timestamp) ?? now) : null
  return delivery === null ? { ...attempt, type: 'noted' } : { ...attempt, type: 'delivery', delivery }
}

/**
 * Whether the front end submits a code, as with every method except calls, silent checks and Truecaller. The status is
 * then not read, and `nextAction` stays as it is.
 */
function bringsCode ({ authenticationDetails }: Members): boolean {
  const { phone, email } = membersOf(authenticationDetails)
  return [phone, email].map(membersOf).some(({ method, channel }) => method === 'OAUTH'
    ? !readList(channel, maxChannels).includes('TRUE_CALLER')
    : method === 'OTP' || method === 'MAGIC_LINK' || method === 'OTP_LINK')
}

/** An empty key names no attempt. */
function readAttempt ({ metadata, metaData }: Members, requestId: string | null) {
  const key = readText(membersOf(metadata ?? metaData).verigate)
  if (key !== null) return { key }
  return requestId === null ? { key: '' } : { providerId: requestId }
}

function readRequestId ({ requestId, authenticationDetails }: Members): string | null {
  const { phone, email } = membersOf(authenticationDetails)
  const ids = [requestId, membersOf(phone).requestId, membersOf(email).requestId].map(id => readText(id))
  return ids.find(id => id !== null) ?? null
}

function readDelivery ({ status: word, channel }: Members, at: number): DeliveryReceipt | null {
  const status = deliveryStatuses.get(readString(word) ?? '')
  const known = deliveryChannels.find(name => name.toUpperCase() === channel)
  return status === undefined || known === undefined ? null : { status, channel: known, at }
}
