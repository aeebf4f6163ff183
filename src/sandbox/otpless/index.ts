import { createHmac, randomBytes } from 'node:crypto'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { createExpiringMap } from '../expiring-map.ts'
import { codeFor, sendBareError, sendError } from './errors.ts'
import { type OtplessUser, describeUser, describeUnusually } from './user.ts'
import { type Scenario, provenDigits, scenarioOf } from '../scenarios.ts'
import type { Simulator, SimulatorContext } from '../simulator.ts'

// Neither lifetime is documented. An id token lives 300 s.
const defaultExpirySeconds = 300
const tokenMs = 300_000
// Twice the longest expiry, so that a late answer can still say "expired".
const rememberedMs = 2 * 86_400_000
const serverError = { message: 'Something went wrong. Please try again!' }
const tokenServerError = { message: 'Something went wrong. please try again!!' }

const InitiateBody = Type.Object({
  phoneNumber: Type.Optional(Type.String({ pattern: '^\\+[1-9][0-9]{6,14}$' })),
  email: Type.Optional(Type.String({ format: 'email' })),
  channels: Type.Array(Type.String(), { minItems: 1, uniqueItems: true }),
  expiry: Type.Optional(Type.Integer({ minimum: 30, maximum: 86_400 })),
  otpLength: Type.Optional(Type.Union([Type.Literal(4), Type.Literal(6)])),
  metadata: Type.Optional(Type.Record(Type.String(), Type.String())),
}, { additionalProperties: false })
const VerifyBody = Type.Object({
  requestId: Type.String({ minLength: 1 }),
  otp: Type.String({ minLength: 1 }),
}, { additionalProperties: false })
const TokenBody = Type.Object({ token: Type.String({ minLength: 1 }) }, { additionalProperties: false })
/** `verifiedAt`: when the number was verified, if not now. E-mail addresses are always verified now. */
const SignInBody = Type.Object({
  phoneNumber: Type.Optional(Type.String({ pattern: '^\\+?[1-9][0-9]{6,14}$' })),
  email: Type.Optional(Type.String({ format: 'email' })),
  verified: Type.Optional(Type.Boolean()),
  verifiedAt: Type.Optional(Type.String({ format: 'date-time' })),
}, { additionalProperties: false })

/** The documentation says only "The system implements retries". */
const retryDelaysMs = [2000, 10_000, 30_000]
const phoneChannels = ['WHATSAPP', 'SMS', 'VOICE_CALL', 'VIBER']

const provider = 'otpless'
const clientId = 'sandbox-otpless-client'
const clientSecret = 'sandbox-otpless-secret'
const webhookSecret = 'sandbox-otpless-webhook-secret'

const tokenPath = '/auth/v1/validate/token'

/** An OTP that was sent, or a token that was issued, until it is used. */
type Pending = { scenario: Scenario, expiresAt: number, failuresLeft: number, used: boolean, readyAt?: number }

/**
 * OTPLESS: OTP by message (initiate and verify), validation of the front-end SDK's token, that SDK, and the webhook
 * about a delivered message.
 * https://otpless.com/docs/api-reference
 */
export const otpless: Simulator = {
  provider,

  settings: url => ({
    OTPLESS_CLIENT_ID: clientId,
    OTPLESS_CLIENT_SECRET: clientSecret,
    OTPLESS_APP_ID: 'SANDBOXAPPID',
    OTPLESS_WEBHOOK_SECRET: webhookSecret,
    OTPLESS_AUTH_URL: url,
    OTPLESS_USER_AUTH_URL: url,
  }),

  async routes (app, { context }) {
    app.setErrorHandler<FastifyError>((error, _request, reply) => {
      if (error.statusCode === undefined) return reply.code(500).send(serverError)
      const first = error.validation?.[0]
      return sendError(reply, codeFor(String(first?.params['missingProperty'] ?? first?.instancePath.split('/')[1])))
    })
    app.all('/auth/*', (_request, reply) => sendBareError(reply, 404, 'Not found'))
    await app.register(otpRoutes, { context })
    await app.register(tokenRoutes, { context })
  },
}

const startPending = (context: SimulatorContext, scenario: Scenario, lifetimeMs: number): Pending =>
  ({ scenario, expiresAt: context.now() + lifetimeMs, failuresLeft: scenario === 'flaky' ? 2 : 0, used: false })

async function authorize (
  { headers, routeOptions }: FastifyRequest, reply: FastifyReply,
): Promise<FastifyReply | undefined> {
  if (!headers['clientid'] || !headers['clientsecret']) return sendError(reply, 7012)
  if (headers['clientid'] === clientId && headers['clientsecret'] === clientSecret) return undefined
  return rejectCredentials(reply, routeOptions.url === tokenPath ? undefined : 'Invalid client credentials')
}

function rejectCredentials (reply: FastifyReply, description?: string): FastifyReply {
  return sendBareError(reply, 401, 'Access blocked', description)
}

/**
 * The result of a slow number is ready `slowMs` after the first request for it. False: the client has disconnected and
 * did not receive it.
 */
async function waitUntilReady (context: SimulatorContext, about: Pending, request: FastifyRequest): Promise<boolean> {
  if (about.scenario !== 'slow') return true
  about.readyAt ??= context.now() + context.slowMs
  const waitMs = about.readyAt - context.now()
  if (waitMs > 0) await context.timers.sleep(waitMs)
  return !request.raw.socket.destroyed
}

/** The delivery event. `metaData` is documented as an object without members: here it has those of the request. */
async function reportDelivery (
  context: SimulatorContext, scenario: Scenario,
  data: { requestId: string, channel: string, identity: string, metaData: object },
): Promise<void> {
  await context.timers.sleep(context.handsetDelayMs)
  const ids = { authSessionId: randomBytes(16).toString('hex'), traceId: randomBytes(16).toString('hex') }
  await context.callbacks.send({
    provider,
    url: context.callbackUrl(provider),
    body: { data: { ...ids, status: 'DELIVERED', ...data }, eventType: 'DLR', timestamp: context.now() },
    headers: async body => ({ 'x-signature': createHmac('sha256', webhookSecret).update(body).digest('base64') }),
    retryDelaysMs: retryDelaysMs.map(delayMs => delayMs * context.retryScale),
    copies: scenario === 'repeated' ? 3 : 1,
  })
}

/** Answers of the initiate call that send no OTP. */
const startAnswers: Partial<Record<Scenario, (reply: FastifyReply) => FastifyReply>> = {
  unsupported: reply => sendError(reply, 7103),
  error: reply => reply.code(500).send(serverError),
  evidenceInvalid: reply => reply.code(500).send(serverError),
  startFails: reply => reply.code(500).send(serverError),
  startLimited: reply => sendError(reply, 7020),
  startRefused: reply => rejectCredentials(reply, 'Invalid client credentials'),
  startHangs: reply => reply.hijack(),
  malformed: reply => reply.type('text/html').send('<html><body>Welcome</body></html>'),
}

const otpRoutes: FastifyPluginAsyncTypebox<{ context: SimulatorContext }> = async (app, { context }) => {
  const otps = createExpiringMap<Pending & { otp: string | undefined }>(context.now, rememberedMs)

  app.post('/auth/v1/initiate/otp', {
    schema: { body: InitiateBody }, onRequest: authorize,
  }, async ({ body }, reply) => {
    const { phoneNumber, email, channels, expiry = defaultExpirySeconds, otpLength = 6, metadata = {} } = body
    if ((phoneNumber === undefined) === (email === undefined)) return sendError(reply, 7106)
    if (email !== undefined && channels.some(channel => channel !== 'EMAIL')) return sendError(reply, 7105)
    if (phoneNumber !== undefined && !channels.every(channel => phoneChannels.includes(channel))) {
      return sendError(reply, 7103)
    }
    const scenario = phoneNumber === undefined ? 'verified' : scenarioOf(phoneNumber, provider)
    if (startAnswers[scenario] !== undefined) return startAnswers[scenario](reply)
    const arrives = scenario !== 'silent' && scenario !== 'rejected' && scenario !== 'mismatch'
    const requestId = randomBytes(16).toString('hex')
    const otp = arrives ? (phoneNumber ?? '000000').slice(-otpLength) : undefined
    otps.set(requestId, { ...startPending(context, scenario, expiry * 1000), otp })
    const [channel = ''] = channels
    if (otp !== undefined && phoneNumber !== undefined) {
      const kind = channel === 'VOICE_CALL' ? 'call' : 'message'
      context.handset.show(
        phoneNumber, { provider, kind, title: channel, text: `${otp} is your code.`, code: otp, choices: [] },
      )
    }
    // This event has no channel for voice calls.
    if (arrives && channel !== 'VOICE_CALL') void reportDelivery(
      context, scenario, { requestId, channel, identity: phoneNumber ?? email ?? '', metaData: metadata },
    )
    return scenario === 'unusual' ? { requestId, message: null, errorCode: null } : { requestId }
  })

  app.post('/auth/v1/verify/otp', { schema: { body: VerifyBody }, onRequest: authorize }, async (request, reply) => {
    const { requestId, otp } = request.body
    const sent = otps.get(requestId)
    if (sent === undefined) return sendError(reply, 7136)
    if (sent.failuresLeft-- > 0) return reply.code(500).send(serverError)
    if (!await waitUntilReady(context, sent, request)) return reply.hijack()
    if (sent.used) return sendError(reply, 7115)
    if (sent.expiresAt <= context.now() || sent.scenario === 'evidenceExpired') return sendError(reply, 7303)
    const isUnusual = sent.scenario === 'unusual'
    if (sent.otp !== otp) return sendError(reply, 7118, isUnusual ? 200 : undefined)
    sent.used = true
    if (isUnusual) return { requestId: null, isOTPVerified: true, message: null, errorCode: null }
    return { requestId, isOTPVerified: true, message: 'OTP verified successfully' }
  })
}

const tokenRoutes: FastifyPluginAsyncTypebox<{ context: SimulatorContext }> = async (app, { context }) => {
  const tokens = createExpiringMap<Pending & { user: OtplessUser }>(context.now, 2 * tokenMs)

  app.post(tokenPath, { schema: { body: TokenBody }, onRequest: authorize }, async (request, reply) => {
    const { token } = request.body
    const issued = tokens.get(token)
    if (issued === undefined) return sendError(reply, 7114)
    if (issued.scenario === 'evidenceInvalid') return sendBareError(reply, 400, 'Invalid Request')
    if (issued.scenario === 'evidenceExpired') return sendError(reply, 7301)
    if (issued.scenario === 'error' || issued.failuresLeft-- > 0) return reply.code(500).send(tokenServerError)
    if (!await waitUntilReady(context, issued, request)) return reply.hijack()
    if (issued.used) return sendError(reply, 7114)
    if (issued.expiresAt <= context.now()) return sendError(reply, 7301)
    issued.used = true
    if (issued.scenario === 'malformed') return { token, status: 'SUCCESS' }
    const describe = issued.scenario === 'unusual' ? describeUnusually : describeUser
    return describe(token, issued.user, context.now())
  })

  /** A person signs in with the front-end SDK: a token, or 204 where the SDK never returns. */
  app.post('/handset/otpless/token', { schema: { body: SignInBody } }, async (
    { body: { phoneNumber, email, verified = true, verifiedAt } }, reply,
  ) => {
    if (phoneNumber === undefined && email === undefined) return sendError(reply, 7106)
    const scenario = phoneNumber === undefined ? 'verified' : scenarioOf(phoneNumber, provider)
    if (scenario === 'silent' || scenario === 'rejected' || scenario === 'unsupported') return reply.code(204).send()
    const token = randomBytes(24).toString('base64url')
    const digits = phoneNumber === undefined ? undefined : provenDigits(phoneNumber, provider)
    const at = context.now()
    const user = { digits, email, verified, at, numberAt: verifiedAt === undefined ? at : Date.parse(verifiedAt) }
    tokens.set(token, { ...startPending(context, scenario, tokenMs), user })
    return { token }
  })
}
