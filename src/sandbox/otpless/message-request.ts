import type { FastifyReply } from 'fastify'
import { Type } from 'typebox'
import { type Scenario, scenarioOf } from '../scenarios.ts'
import { answerStart, provider } from './account.ts'
import type { Person } from './auth-request.ts'
import { sendError } from './errors.ts'
import { withPlus } from './phone-number.ts'

/** Not documented for links; 60 to 300 s appear in examples. */
const defaultExpirySeconds = 300

/** The members of every call that sends a message. */
export const messageMembers = {
  phoneNumber: Type.Optional(Type.String({ pattern: withPlus })),
  email: Type.Optional(Type.String({ format: 'email' })),
  channels: Type.Array(Type.String(), { minItems: 1, uniqueItems: true }),
  expiry: Type.Optional(Type.Integer({ minimum: 30, maximum: 86_400 })),
  metadata: Type.Optional(Type.Record(Type.String(), Type.String())),
}
export const otpLength = Type.Optional(Type.Union([Type.Literal(4), Type.Literal(6)]))

type MessageBody = {
  phoneNumber?: string, email?: string, channels: readonly string[], expiry?: number, metadata?: Record<string, string>
}

export type MessageRequest = {
  person: Person, scenario: Scenario, channel: string, expirySeconds: number, metadata: Record<string, string>
}

/**
 * Reads a valid body: a number with channels of a phone, or an e-mail address. Null: it was answered, because the body
 * contradicts itself or nothing can be sent to the number.
 */
export function readMessageRequest (
  body: MessageBody, phoneChannels: readonly string[], reply: FastifyReply,
): MessageRequest | null {
  const { phoneNumber, email, channels, expiry = defaultExpirySeconds, metadata = {} } = body
  const answered = (_reply: FastifyReply): null => null
  if ((phoneNumber === undefined) === (email === undefined)) return answered(sendError(reply, 7106))
  if (email !== undefined && channels.some(channel => channel !== 'EMAIL')) return answered(sendError(reply, 7105))
  if (phoneNumber !== undefined && !channels.every(channel => phoneChannels.includes(channel))) {
    return answered(sendError(reply, 7103))
  }
  const scenario = phoneNumber === undefined ? 'verified' : scenarioOf(phoneNumber, provider)
  const answer = answerStart(scenario, reply)
  if (answer !== undefined) return answered(answer)
  const [channel = ''] = channels
  return { person: { digits: phoneNumber?.slice(1), email }, scenario, channel, expirySeconds: expiry, metadata }
}
