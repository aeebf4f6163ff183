import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { authorize, serverError } from './account.ts'
import { sendError } from './errors.ts'
import type { Parts } from './parts.ts'
import { waitUntilReady } from '../slow-answer.ts'
import { describeCodeUser, describeUnusually } from './user.ts'

const CodeBody = Type.Object({ code: Type.String({ minLength: 1 }) }, { additionalProperties: false })

/** https://otpless.com/docs/api-reference/endpoint/sign-in/magiclink/verify-code */
export const codeRoutes: FastifyPluginAsyncTypebox<Parts> = async (app, { context, codes }) => {
  app.post('/auth/v1/verify/code', {
    schema: { body: CodeBody }, onRequest: authorize(),
  }, async ({ body, raw }, reply) => {
    const found = codes.find(body.code)
    if (found === undefined || found.request.scenario === 'evidenceInvalid') return sendError(reply, 7114)
    const { request } = found
    const { scenario, identities, completedAt = 0, token = '' } = request
    if (scenario === 'evidenceExpired') return sendError(reply, 7302)
    if (scenario === 'error' || request.failuresLeft-- > 0) return reply.code(500).send(serverError)
    if (!await waitUntilReady(context, request, raw)) return reply.hijack()
    // The code for a second use is not documented.
    if (codes.isOver(found)) return sendError(reply, 7302)
    found.used = true
    const answer = { requestId: request.id, message: 'Code verified successfully' }
    if (scenario === 'malformed') return answer
    if (scenario !== 'unusual') return { ...answer, userDetails: describeCodeUser(token, identities, completedAt) }
    // The request id and the times are not optional: they say whose code it was, and when it was given.
    return {
      requestId: request.id, message: null, errorCode: null, userDetails: {
        token: null, status: 'SUCCESS', completedAt: String(completedAt), network: null, deviceInfo: null,
        identities: describeUnusually(identities, at => ({ verifiedTimestamp: String(at) })),
      },
    }
  })
}
