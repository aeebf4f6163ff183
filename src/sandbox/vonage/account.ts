import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { errors, jwtVerify } from 'jose'
import { sendProblem } from './problems.ts'

export const provider = 'vonage'
export const apiKey = 'sandboxk'
export const applicationId = '5a2d6f7e-8b1c-4d3e-9f4a-0c1b2d3e4f5a'
export const signatureSecret = 'sandbox-vonage-signature-secret-0123456789'
/** The business number that sends WhatsApp messages. */
export const whatsappFrom = '447700900999'
export const brand = 'Sandbox'

let privateKey: KeyObject | undefined

/**
 * The application's key, made once in a process: that takes tens of milliseconds, and the vendor accepts RS256 only.
 * It is valid while the process lives, so it is not in the repository.
 */
export const applicationKey = (): KeyObject =>
  privateKey ??= generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey

/**
 * A hook that demands a JWT of the application.
 * https://developer.vonage.com/en/getting-started/concepts/authentication#json-web-tokens
 */
export function createAuthorize (now: () => number) {
  let publicKey: KeyObject | undefined
  return async ({ headers }: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> => {
    const [, token] = /^Bearer (\S+)$/i.exec(headers.authorization ?? '') ?? []
    if (token === undefined) return sendProblem(reply, 'unauthorized')
    try {
      const { payload } = await jwtVerify(token, publicKey ??= createPublicKey(applicationKey()), {
        algorithms: ['RS256'], currentDate: new Date(now()), requiredClaims: ['iat', 'jti'],
      })
      return payload['application_id'] === applicationId ? undefined : sendProblem(reply, 'unauthorized')
    } catch (error) {
      return sendProblem(reply, error instanceof errors.JWTExpired ? 'jwtExpired' : 'unauthorized')
    }
  }
}
