import type { FastifyReply, FastifyRequest } from 'fastify'
import { sendError } from './errors.ts'

export const provider = 'twilio'
export const accountSid = `AC${'5a'.repeat(16)}`
export const serviceSid = `VA${'5b'.repeat(16)}`
export const apiKey = `SK${'5c'.repeat(16)}`
export const apiSecret = 'sandbox-twilio-secret'

const accepted = [apiKey, accountSid].map(name =>
  `Basic ${Buffer.from(`${name}:${apiSecret}`).toString('base64')}`)

/** Basic authentication, with an API key or with the account itself as the name. */
export const authorize = async (
  { headers: { authorization = '' } }: FastifyRequest, reply: FastifyReply,
): Promise<FastifyReply | undefined> => accepted.includes(authorization) ? undefined : sendError(reply, 20003)
