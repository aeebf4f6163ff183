import type { FastifyReply } from 'fastify'
import { type Scenario, scenarioOf } from '../scenarios.ts'

export const provider = 'telegram'
export const apiToken = 'sandbox-telegram-token'
/** The one verified channel of the account. */
export const senderUsername = 'sandbox_channel'

/** Credits, in thousandths. */
export const cost = 10
export const startBalance = 100_000

/**
 * The documentation names ACCESS_TOKEN_INVALID only; public clients have seen the others. It names no HTTP status
 * either, and says that `ok` tells an error.
 * https://core.telegram.org/gateway/api#making-requests
 */
export type ErrorWord =
  | 'ACCESS_TOKEN_REQUIRED' | 'ACCESS_TOKEN_INVALID' | 'UNKNOWN_METHOD' | 'BALANCE_NOT_ENOUGH' | 'FLOOD_WAIT_1'
  | 'PHONE_NUMBER_INVALID' | 'PHONE_NUMBER_NOT_FOUND' | 'PHONE_NUMBER_MISMATCH'
  | 'REQUEST_ID_REQUIRED' | 'REQUEST_ID_INVALID' | 'MESSAGE_ALREADY_SENT'
  | 'CODE_INVALID' | 'CODE_LENGTH_REQUIRED' | 'CODE_LENGTH_INVALID' | 'TTL_INVALID' | 'PAYLOAD_INVALID'
  | 'CALLBACK_URL_INVALID' | 'SENDER_USERNAME_INVALID' | 'SENDER_NOT_OWNED' | 'INTERNAL_ERROR'

export class GatewayError extends Error {
  override name = 'GatewayError'
  word: ErrorWord
  status: number

  constructor (word: ErrorWord, status = 200) {
    super(word)
    this.word = word
    this.status = status
  }
}

export const sendError = (reply: FastifyReply, word: ErrorWord, status = 200): FastifyReply =>
  reply.code(status).send({ ok: false, error: word })

/** How `checkSendAbility` and `sendVerificationMessage` answer a number without doing anything; undefined: they do. */
export function answerStart (reply: FastifyReply, scenario: Scenario): FastifyReply | undefined {
  switch (scenario) {
    case 'unsupported': return sendError(reply, 'PHONE_NUMBER_NOT_FOUND')
    case 'error': return sendError(reply, 'INTERNAL_ERROR')
    case 'startFails': return sendError(reply, 'INTERNAL_ERROR', 500)
    case 'startLimited': return sendError(reply.header('retry-after', '1'), 'FLOOD_WAIT_1', 429)
    case 'startRefused': return sendError(reply, 'ACCESS_TOKEN_INVALID')
    case 'startHangs': return reply.hijack()
    case 'malformed': return reply.send({ ok: true })
    default: return undefined
  }
}

export const scenarioIn = (phoneNumber: string): Scenario => scenarioOf(phoneNumber, provider)
