import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { type Apis, withPlus } from './apis.ts'
import { type ErrorCode, provider, sendError } from './errors.ts'
import { type Scenario, scenarioOf } from '../scenarios.ts'

const hourMs = 60 * 60_000
const monitoredDays = 120

const phoneNumber = Type.Optional(Type.String({ pattern: withPlus }))
const DateBody = Type.Object({ phoneNumber }, { additionalProperties: false })
const CheckBody = Type.Object({
  phoneNumber, maxAge: Type.Optional(Type.Integer({ minimum: 1, maximum: 2400 })),
}, { additionalProperties: false })

const refusals: Partial<Record<Scenario, ErrorCode>> = {
  simUnknown: 'SERVICE_NOT_APPLICABLE', simFails: 'INTERNAL', subscriberUnknown: 'IDENTIFIER_NOT_FOUND',
}

/** How long ago the SIM was changed; null: not within the time that the operator may look back. */
function ageOf (digits: string): number | null {
  const scenario = scenarioOf(digits, provider)
  if (scenario === 'simNotMonitored') return null
  if (scenario === 'simChanged') return 12 * hourMs
  return (scenario === 'mismatch' ? 2 : 400) * 24 * hourMs
}

/**
 * SIM Swap v2.1, with a token of three legs (its SIM) or of two (the number of the body).
 * https://github.com/camaraproject/SimSwap
 */
export const simSwapRoutes: FastifyPluginAsyncTypebox<Apis & { now: () => number }> = async (
  app, { find, demand, now },
) => {
  /** The digits of the SIM; undefined: it was answered. */
  function identify (request: FastifyRequest, reply: FastifyReply, number: string | undefined): string | undefined {
    const answered = (_reply: FastifyReply): undefined => undefined
    const ofToken = find(request)?.access.digits ?? null
    if (ofToken !== null && number !== undefined) return answered(sendError(reply, 'UNNECESSARY_IDENTIFIER'))
    const digits = ofToken ?? number?.slice(1)
    if (digits === undefined) return answered(sendError(reply, 'MISSING_IDENTIFIER'))
    const refusal = refusals[scenarioOf(digits, provider)]
    return refusal === undefined ? digits : answered(sendError(reply, refusal))
  }

  app.post('/check', {
    schema: { body: CheckBody }, onRequest: demand('sim-swap', 'sim-swap:check'),
  }, async (request, reply) => {
    const digits = identify(request, reply, request.body.phoneNumber)
    if (digits === undefined) return reply
    const ageMs = ageOf(digits)
    return reply.send({ swapped: ageMs !== null && ageMs <= (request.body.maxAge ?? 240) * hourMs })
  })

  app.post('/retrieve-date', {
    schema: { body: DateBody }, onRequest: demand('sim-swap', 'sim-swap:retrieve-date'),
  }, async (request, reply) => {
    const digits = identify(request, reply, request.body.phoneNumber)
    if (digits === undefined) return reply
    const ageMs = ageOf(digits)
    return reply.send(ageMs === null
      ? { latestSimChange: null, monitoredPeriod: monitoredDays }
      : { latestSimChange: new Date(now() - ageMs).toISOString() })
  })
}
