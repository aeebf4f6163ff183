import { randomBytes } from 'node:crypto'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { appKey, badCredentials, forbidden, scenarioIn, serverError } from './answers.ts'
import { createExpiringMap } from '../expiring-map.ts'
import type { Phone } from './phone.ts'
import type { SimulatorContext } from '../simulator.ts'

/** Documented: "5 mins" between two requests for one user. */
const repeatLockMs = 5 * 60_000

const StartBody = Type.Object({
  phoneNumber: Type.Integer({ minimum: 1_000_000, maximum: 999_999_999_999_999 }),
  state: Type.Optional(Type.String()),
}, { additionalProperties: false })

/** The web sign-up API of 2017: the number is sent, and the user approves on the phone. */
export const pushRoutes: FastifyPluginAsyncTypebox<{ context: SimulatorContext, phone: Phone }> = async (
  app, { context, phone },
) => {
  const lastRequests = createExpiringMap<true>(context.now, repeatLockMs)

  app.post('/v1/apps/requests', {
    schema: { body: StartBody },
    onRequest: async (request, reply) => {
      if (request.headers.appkey !== appKey) return reply.code(404).send(badCredentials)
    },
  }, async ({ body: { phoneNumber, state } }, reply) => {
    const scenario = scenarioIn(phoneNumber)
    if (scenario === 'unsupported') return reply.code(403).send(forbidden)
    // One version of the documentation shows no body for bad credentials.
    if (scenario === 'startRefused') return reply.code(404).send()
    if (scenario === 'startHangs') return reply.hijack()
    if (scenario === 'error' || scenario === 'startFails') return reply.code(500).send(serverError)
    const requestId = randomBytes(20).toString('base64')
    if (scenario === 'malformed') return { id: requestId }
    if (lastRequests.get(String(phoneNumber)) === undefined) {
      lastRequests.set(String(phoneNumber), true)
      void phone.answerPush(requestId, phoneNumber, state, scenario)
    }
    return { requestId }
  })
}
