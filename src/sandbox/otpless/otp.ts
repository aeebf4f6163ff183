import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { authorize, serverError } from './account.ts'
import type { Person } from './auth-request.ts'
import { sendError } from './errors.ts'
import { messageMembers, otpLength, readMessageRequest } from './message-request.ts'
import type { Parts } from './parts.ts'
import { waitUntilReady } from '../slow-answer.ts'

const InitiateBody = Type.Object({ ...messageMembers, otpLength }, { additionalProperties: false })
const VerifyBody = Type.Object({
  requestId: Type.String({ minLength: 1 }),
  otp: Type.String({ minLength: 1 }),
}, { additionalProperties: false })

const phoneChannels = ['WHATSAPP', 'SMS', 'VOICE_CALL', 'VIBER']

/** The last digits of the number; zeros for an e-mail address. */
export const otpFor = ({ digits = '000000' }: Person, length: number): string => digits.slice(-length)

/** https://otpless.com/docs/api-reference/endpoint/sign-in/otp */
export const otpRoutes: FastifyPluginAsyncTypebox<Parts> = async (app, { context, requests, messages }) => {
  const onRequest = authorize()

  app.post('/auth/v1/initiate/otp', { schema: { body: InitiateBody }, onRequest }, async ({ body }, reply) => {
    const asked = readMessageRequest(body, phoneChannels, reply)
    if (asked === null) return reply
    const { scenario, person } = asked
    const arrives = scenario !== 'silent' && scenario !== 'rejected' && scenario !== 'mismatch'
    const otp = arrives ? otpFor(person, body.otpLength ?? 6) : undefined
    const request = requests.create({ ...asked, method: 'OTP', otp })
    if (otp !== undefined) void messages.send(request, body.channels, { text: `${otp} is your code.`, code: otp })
    return scenario === 'unusual'
      ? { requestId: request.id, message: null, errorCode: null }
      : { requestId: request.id }
  })

  app.post('/auth/v1/verify/otp', { schema: { body: VerifyBody }, onRequest }, async ({ body, raw }, reply) => {
    const request = requests.find(body.requestId)
    if (request === undefined || (request.method !== 'OTP' && request.method !== 'OTP_LINK')) {
      return sendError(reply, 7136)
    }
    if (request.failuresLeft-- > 0) return reply.code(500).send(serverError)
    if (!await waitUntilReady(context, request, raw)) return reply.hijack()
    if (request.isDecided) return sendError(reply, 7115)
    if (requests.hasExpired(request) || request.scenario === 'evidenceExpired') return sendError(reply, 7303)
    const isUnusual = request.scenario === 'unusual'
    if (request.otp !== body.otp) return sendError(reply, 7118, isUnusual ? 200 : undefined)
    const reported = requests.succeed(request)
    if (request.scenario === 'reordered') await reported
    if (isUnusual) return { requestId: null, isOTPVerified: true, message: null, errorCode: null }
    return { requestId: request.id, isOTPVerified: true, message: 'OTP verified successfully' }
  })
}
