import { createHmac, hash, timingSafeEqual } from 'node:crypto'
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { reasons, type Reason } from '../../core/reasons.ts'
import type { CallbackRefusal, DeliveryReceipt, Money } from '../../core/vocabulary.ts'
import { readPhoneNumber } from '../../phone.ts'
import type { Callback } from '../adapter.ts'
import { createReader, membersOf, readBoolean, readNumber, readString, readText, type Members } from '../message.ts'

// https://core.telegram.org/gateway/api

const maxSkewMs = 60_000
/** Telegram signs a report when it submits it, and signs it again at each retry. */
const maxReportAgeMs = 300_000
/** `$0.01 per verification code`, https://core.telegram.org/gateway; the API calls it credits. */
const currency = 'USD'

const requestState = Compile(Type.Object({ requestId: Type.String({ minLength: 1, maxLength: 256 }) }))
const codeEvidence = Compile(Type.Object({ code: Type.String({ maxLength: 256 }) }))

export const readRequestId = (state: unknown): string | null => requestState.Check(state) ? state.requestId : null
export const readCode = (evidence: unknown): string | null => codeEvidence.Check(evidence) ? evidence.code : null

/**
 * Telegram documents the first word only. The others are those that public clients have met.
 * https://github.com/apifonica/tg-gateway-go/blob/main/errors.go
 */
const errors: ReadonlyMap<string, Reason> = new Map([
  ['ACCESS_TOKEN_INVALID', 'provider_misconfigured'],
  ['ACCESS_TOKEN_REQUIRED', 'provider_misconfigured'],
  ['BALANCE_NOT_ENOUGH', 'provider_misconfigured'],
  ['SENDER_USERNAME_INVALID', 'provider_misconfigured'],
  ['SENDER_NOT_VERIFIED', 'provider_misconfigured'],
  ['SENDER_NOT_OWNED', 'provider_misconfigured'],
  ['CALLBACK_URL_INVALID', 'provider_misconfigured'], // it begins with PUBLIC_URL
  ['CODE_MAX_ATTEMPTS_EXCEEDED', 'code_attempts_exhausted'],
  ['CODE_EXPIRED', 'evidence_expired'],
  ['REQUEST_ID_INVALID', 'evidence_expired'], // it has forgotten a request that it made for us
  ['INTERNAL_ERROR', 'provider_error'],
])
export const unknownRequest = 'REQUEST_ID_INVALID'
const wrongCode = 'CODE_INVALID'

/** The word that says why a request was refused; null: it was not. Any word is an error, whatever the HTTP status. */
export function readErrorWord (status: number, body: unknown): string | null {
  const { ok, error } = membersOf(body)
  const word = readText(error)
  if (word !== null) return word
  if (status === 401 || status === 403) return 'ACCESS_TOKEN_INVALID'
  return readBoolean(ok) === false || status >= 300 ? 'unknown' : null
}

export function reasonOf (word: string): Reason {
  if (word.includes('FLOOD_WAIT')) return 'rate_limited_by_provider'
  // Every word about the number (…_NOT_FOUND, …_UNOCCUPIED, …): one number must not cost others the method.
  return word.startsWith('PHONE_NUMBER_') ? 'number_not_registered' : errors.get(word) ?? 'provider_bad_response'
}

/** The user has not typed a code yet, so a word about one breaks the contract. */
export function startReasonOf (word: string): Reason {
  const reason = reasonOf(word)
  return reason === 'number_not_registered' || reasons[reason].isProviderFault ? reason : 'provider_bad_response'
}

const readStatus = createReader({
  request_id: readText, phone_number: readText, request_cost: readNumber, remaining_balance: readNumber,
  delivery_status: membersOf, verification_status: membersOf,
})
const readTime = (value: unknown): number | null => {
  const seconds = readNumber(value)
  return seconds === null ? null : seconds * 1000
}
const moneyOf = (amount: number | null): Money | null => amount === null ? null : { amount, currency }

export type Sent = { requestId: string, cost: Money | null, balance: Money | null }

/** A message that was accepted; null: the answer does not say which. */
export function readSent (body: unknown): Sent | null {
  const { request_id: requestId, request_cost: cost, remaining_balance: balance } = readStatus(membersOf(body).result)
  return requestId === null ? null : { requestId, cost: moneyOf(cost), balance: moneyOf(balance) }
}

/** The question: is this code the one of this request? */
export type Asked = { requestId: string, code: string, phoneNumber: string, startedAt: number, now: number }

/**
 * What the answer to a code says. `phoneNumber`: the one that the code was sent to. A status that is about another
 * request or code, or that has no time, says nothing.
 */
export function judgeCheck (
  status: number, body: unknown, asked: Asked,
): { phoneNumber: string } | 'incorrect' | Reason {
  const word = readErrorWord(status, body)
  if (word !== null) return word === wrongCode ? 'incorrect' : reasonOf(word)
  const { request_id: requestId, phone_number: sentTo, verification_status: verified } =
    readStatus(membersOf(body).result)
  if ((requestId ?? asked.requestId) !== asked.requestId) return 'provider_bad_response'
  switch (readString(verified.status)) {
    case 'code_valid': {
      const phoneNumber = sentTo === null ? asked.phoneNumber : readPhoneNumber(sentTo, asked.phoneNumber)
      return judgeValid(verified, asked) ?? (phoneNumber === null ? 'provider_bad_response' : { phoneNumber })
    }
    case 'code_invalid': return 'incorrect'
    case 'code_max_attempts_exceeded': return 'code_attempts_exhausted'
    case 'expired': return 'evidence_expired'
    default: return 'provider_bad_response'
  }
}

/** Why `code_valid` proves nothing; null: it proves the number. */
function judgeValid (verified: Members, { code, startedAt, now }: Asked): 'incorrect' | Reason | null {
  const entered = readText(verified.code_entered) ?? ''
  if (/^\d{1,8}$/.test(entered) && entered.padStart(code.length, '0') !== code) return 'incorrect'
  const at = readTime(verified.updated_at)
  if (at === null || at > now + maxSkewMs) return 'provider_bad_response'
  return at < startedAt - maxSkewMs ? 'evidence_expired' : null
}

/**
 * Why a report is not Telegram's; null: it is. The signature is the hex of an HMAC-SHA256 over the time and the body.
 * Its key is the SHA-256 of the API token.
 */
export function refuseReport ({ headers, rawBody }: Callback, token: string, now: number): CallbackRefusal | null {
  const { 'x-request-timestamp': time, 'x-request-signature': signature } = headers
  if (typeof time !== 'string' || typeof signature !== 'string') return 'signature_missing'
  const expected = createHmac('sha256', hash('sha256', token, 'buffer')).update(`${time}\n`).update(rawBody).digest()
  const given = /^[0-9a-f]{64}$/i.test(signature) ? Buffer.from(signature, 'hex') : Buffer.alloc(expected.length)
  if (!timingSafeEqual(given, expected)) return 'signature_invalid'
  const at = readTime(time)
  return at === null || Math.abs(now - at) > maxReportAgeMs ? 'date_skewed' : null
}

/** `expired`: it was not delivered in time. `revoked` is not here, because the channel did not fail. */
const deliveryStatuses: ReadonlyMap<string, DeliveryReceipt['status']> = new Map([
  ['sent', 'sent'], ['delivered', 'delivered'], ['read', 'read'], ['expired', 'failed'],
])

/** How far the message has come; null: the report is about something else. */
export function readDelivery (report: unknown, now: number): DeliveryReceipt | null {
  const { delivery_status: delivery } = readStatus(report)
  const status = deliveryStatuses.get(readString(delivery.status) ?? '')
  return status === undefined ? null : { status, channel: 'telegram', at: readTime(delivery.updated_at) ?? now }
}
