import { createHash } from 'node:crypto'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { AccessTokens } from './access.ts'
import { type Apis, withPlus } from './apis.ts'
import { type ErrorCode, provider, sendError } from './errors.ts'
import { type Scenario, provenDigits } from '../scenarios.ts'

const VerifyBody = Type.Object({
  phoneNumber: Type.Optional(Type.String({ pattern: withPlus })),
  hashedPhoneNumber: Type.Optional(Type.String({ pattern: '^[a-fA-F0-9]{64}$' })),
}, { additionalProperties: false, minProperties: 1, maxProperties: 1 })

const refusals: Partial<Record<Scenario, ErrorCode>> = {
  otherAuthentication: 'NUMBER_VERIFICATION.USER_NOT_AUTHENTICATED_BY_MOBILE_NETWORK',
  subscriberUnknown: 'IDENTIFIER_NOT_FOUND',
}

/**
 * Number Verification v2.1. A token is good for one answer.
 * https://github.com/camaraproject/NumberVerification
 */
export const numberVerificationRoutes: FastifyPluginAsyncTypebox<Apis & { tokens: AccessTokens }> = async (
  app, { tokens, find, demand },
) => {
  /** The number of the SIM, with `+`; undefined: it was answered, or it is not to be answered. */
  function useToken (request: FastifyRequest, reply: FastifyReply): { number: string, scenario: Scenario } | undefined {
    const answered = (_reply: FastifyReply): undefined => undefined
    const found = find(request)
    // Another request has used the token in the meantime.
    if (found === undefined) return answered(sendError(reply, 'UNAUTHENTICATED'))
    const { token, access: { digits, scenario } } = found
    if (found.access.failuresLeft-- > 0) return answered(sendError(reply, 'INTERNAL'))
    tokens.delete(token)
    const refusal = digits === null ? refusals.otherAuthentication : refusals[scenario]
    if (digits === null || refusal !== undefined) return answered(sendError(reply, refusal ?? 'INTERNAL'))
    return { number: `+${provenDigits(digits, provider)}`, scenario }
  }

  app.post('/verify', {
    schema: { body: VerifyBody }, onRequest: demand('number-verification:verify'),
  }, async (request, reply) => {
    const sim = useToken(request, reply)
    if (sim === undefined) return reply
    if (sim.scenario === 'malformed') return reply.send({ verified: true })
    const { phoneNumber, hashedPhoneNumber } = request.body
    const hash = createHash('sha256').update(sim.number).digest('hex')
    return reply.send({
      devicePhoneNumberVerified: phoneNumber === sim.number || hashedPhoneNumber?.toLowerCase() === hash,
    })
  })

  app.get('/device-phone-number', {
    onRequest: demand('number-verification:device-phone-number:read'),
  }, async (request, reply) => {
    const sim = useToken(request, reply)
    if (sim === undefined) return reply
    return reply.send(sim.scenario === 'malformed' ? {} : { devicePhoneNumber: sim.number })
  })
}
