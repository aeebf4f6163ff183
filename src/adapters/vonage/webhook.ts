import { createHash } from 'node:crypto'
import * as errors from 'jose/errors'
import { jwtVerify } from 'jose/jwt/verify'
import type { Reason } from '../../core/reasons.ts'
import type { CallbackRefusal } from '../../core/vocabulary.ts'
import type { Callback, Received } from '../adapter.ts'
import { membersOf, readString, readText } from '../message.ts'

// https://developer.vonage.com/en/verify/concepts/webhooks; signatures: …/en/getting-started/concepts/webhooks

const maxAgeSeconds = 300
const skewSeconds = 60

/** The bearer token; null unless its signature is written in its only canonical form. */
function readToken (authorization: unknown): string | null {
  const [, token = '', signature = ''] = typeof authorization === 'string'
    ? /^bearer ((?:[\w-]+\.){2}([\w-]+))$/i.exec(authorization) ?? []
    : []
  return signature !== '' && Buffer.from(signature, 'base64url').toString('base64url') === signature ? token : null
}

/**
 * Why a webhook is not Vonage's; null: it is. `Authorization` has a JWT with HS256, whose key is the signature secret
 * of the account; `payload_hash` is the SHA-256 of the body, in hex.
 */
export async function checkSignature (
  { headers: { authorization }, rawBody }: Pick<Callback, 'headers' | 'rawBody'>, secret: string, now: number,
): Promise<CallbackRefusal | null> {
  if (authorization === undefined) return 'signature_missing'
  const token = readToken(authorization)
  if (token === null) return 'signature_invalid'
  try {
    const { payload } = await jwtVerify(token, Buffer.from(secret), {
      algorithms: ['HS256'], currentDate: new Date(now), maxTokenAge: maxAgeSeconds, clockTolerance: skewSeconds,
    })
    const hash = createHash('sha256').update(rawBody).digest('hex')
    return readString(payload['payload_hash'])?.toLowerCase() === hash ? null : 'digest_mismatch'
  } catch (error) {
    const isTime = error instanceof errors.JWTExpired
      || (error instanceof errors.JWTClaimValidationFailed && ['iat', 'nbf', 'exp'].includes(error.claim))
    return isTime ? 'date_skewed' : 'signature_invalid'
  }
}

/** The channels of Vonage by the names that the gateway gives them. */
const channels: ReadonlyMap<string, string> = new Map([
  ['sms', 'sms'], ['whatsapp', 'whatsapp'], ['voice', 'voice_call'],
])

/** `blocked`: by a rule against fraud, or because the number is not that of a phone. */
const typedRefusals: ReadonlyMap<string, Reason> = new Map([
  ['user_rejected', 'user_rejected'], ['rejected', 'user_rejected'], ['blocked', 'carrier_unsupported'],
])
/** `user_rejected` of a silent check: "successful check, but the user was not authenticated". */
const silentRefusals: ReadonlyMap<string, Reason> = new Map([
  ['user_rejected', 'number_mismatch'], ['failed', 'evidence_invalid'], ['blocked', 'evidence_invalid'],
])

/**
 * What a webhook says, and the attempt it is for: by the id of the request. Null: it names no request. `completed`
 * follows from our own check, and proves nothing. An `expired` step changes nothing, because the attempt ends as well.
 */
export function readWebhook (body: unknown, now: number): Received | null {
  const { request_id: id, type, channel: name, status, finalized_at: finalizedAt } = membersOf(body)
  const requestId = readText(id)
  if (requestId === null) return null
  const about = { providerId: requestId }
  if (type !== 'event') return { ...about, type: 'noted' }
  const refusals = name === 'silent_auth' ? silentRefusals : typedRefusals
  const reason = refusals.get(readString(status) ?? '')
  if (reason !== undefined) return { ...about, type: 'denied', reason }
  const channel = channels.get(readString(name) ?? '')
  if (status !== 'failed' || channel === undefined) return { ...about, type: 'noted' }
  return { ...about, type: 'delivery', delivery: { status, channel, at: readTime(finalizedAt) ?? now } }
}

function readTime (value: unknown): number | null {
  const at = Date.parse(readString(value) ?? '')
  return Number.isFinite(at) ? at : null
}
