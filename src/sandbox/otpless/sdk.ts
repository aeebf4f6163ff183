import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { provenDigits, scenarioOf } from '../scenarios.ts'
import { authorize, provider } from './account.ts'
import { sendBareError, sendError } from './errors.ts'
import type { Parts } from './parts.ts'
import { waitUntilReady } from '../slow-answer.ts'
import { type Identity, describeUser, describeUserUnusually } from './user.ts'

const TokenBody = Type.Object({ token: Type.String({ minLength: 1 }) }, { additionalProperties: false })
/** `verifiedAt`: when the number was verified, if not now. E-mail addresses are always verified now. */
const SignInBody = Type.Object({
  phoneNumber: Type.Optional(Type.String({ pattern: '^\\+?[1-9][0-9]{6,14}$' })),
  email: Type.Optional(Type.String({ format: 'email' })),
  verified: Type.Optional(Type.Boolean()),
  verifiedAt: Type.Optional(Type.String({ format: 'date-time' })),
}, { additionalProperties: false })

/** The text differs by one capital letter from that of the other calls. */
const tokenServerError = { message: 'Something went wrong. please try again!!' }

/**
 * The front-end SDK, and the validation of its token.
 * https://otpless.com/docs/api-reference/endpoint/verifytoken/verify-token-with-secure-data
 */
export const sdkRoutes: FastifyPluginAsyncTypebox<Parts> = async (app, { context, tokens, idTokens }) => {
  app.post('/auth/v1/validate/token', {
    schema: { body: TokenBody }, onRequest: authorize(reply => sendBareError(reply, 401, 'Access blocked')),
  }, async ({ body: { token }, raw }, reply) => {
    const issued = tokens.find(token)
    if (issued === undefined) return sendError(reply, 7114)
    const { scenario, identities } = issued
    if (scenario === 'evidenceInvalid') return sendBareError(reply, 400, 'Invalid Request')
    if (scenario === 'evidenceExpired') return sendError(reply, 7301)
    if (scenario === 'error' || issued.failuresLeft-- > 0) return reply.code(500).send(tokenServerError)
    if (!await waitUntilReady(context, issued, raw)) return reply.hijack()
    if (issued.used) return sendError(reply, 7114)
    if (issued.expiresAt <= context.now()) return sendError(reply, 7301)
    issued.used = true
    if (scenario === 'malformed') return { token, status: 'SUCCESS' }
    const describe = scenario === 'unusual' ? describeUserUnusually : describeUser
    return describe(token, identities, context.now())
  })

  /** A person signs in with the front-end SDK: token and ID token, or 204 where the SDK never returns. */
  app.post('/handset/otpless/token', { schema: { body: SignInBody } }, async (
    { body: { phoneNumber, email, verified = true, verifiedAt } }, reply,
  ) => {
    if (phoneNumber === undefined && email === undefined) return sendError(reply, 7106)
    const scenario = phoneNumber === undefined ? 'verified' : scenarioOf(phoneNumber, provider)
    if (['silent', 'rejected', 'unsupported', 'notCellular', 'otherDevice'].includes(scenario)) {
      return reply.code(204).send()
    }
    const at = context.now()
    const numberAt = verifiedAt === undefined ? at : Date.parse(verifiedAt)
    // E-mail first: the order means nothing, and an adapter that takes the first one fails.
    const identities: Identity[] = [
      ...email === undefined ? [] : [identity('EMAIL', email, 'GOOGLE', verified, at)],
      ...phoneNumber === undefined
        ? []
        : [identity('MOBILE', provenDigits(phoneNumber, provider), 'TRUE_CALLER', verified, numberAt)],
    ]
    const token = tokens.issue(scenario, identities)
    return { token, idToken: await idTokens.sign(identities, token, scenario) }
  })
}

const identity = (
  type: Identity['type'], value: string, method: string, verified: boolean, at: number,
): Identity => ({ type, value, channel: 'OAUTH', method, verified, at })
