import { createHmac, randomBytes } from 'node:crypto'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { createExpiringMap } from '../expiring-map.ts'
import { codeFor, sendError } from './errors.ts'
import { type OtplessUser, describeUser } from './user.ts'
import { type Scenario, provenDigits, scenarioOf } from '../scenarios.ts'
import type { SimulatorContext } from '../context.ts'

// Neither lifetime is documented: 300 s is that of an id token.
const defaultExpirySeconds = 300
const tokenMs = 300_000
// The longest expiry and as much again, so that a late answer can still say "expired".
const rememberedMs = 2 * 86_400_000
const serverError = { message: 'Something went wrong. Please try again!' }
const tokenServerError = { message: 'Something went wrong. please try again!!' }

const InitiateBody = Type.Object({
  phoneNumber: Type.Optional(Type.String({ pattern: '^\\+[1-9][0-9]{6,14}$' })),
  email: Type.Optional(Type.String({ format: 'email' })),
  channels: Type.Array(Type.String(), { minItems: 1, uniqueItems: true }),
  expiry: Type.Optional(Type.Integer({ minimum: 30, maximum: 86_400 })),
  otpLength: Type.Optional(Type.Union([Type.Literal(4), Type.Literal(6)])),
  metadata: Type.Optional(Type.Record(Type.String(), Type.String()))
}, { additionalProperties: false })
const VerifyBody = Type.Object({
  requestId: Type.String({ minLength: 1 }),
  otp: Type.String({ minLength: 1 })
}, { additionalProperties: false })
const TokenBody = Type.Object({ token: Type.String({ minLength: 1 }) }, { additionalProperties: false })
const SignInBody = Type.Object({
  phoneNumber: Type.Optional(Type.String({ pattern: '^\\+?[1-9][0-9]{6,14}$' })),
  email: Type.Optional(Type.String({ format: 'email' })),
  verified: Type.Optional(Type.Boolean())
}, { additionalProperties: false })

/** "The system implements retries" is all that is documented; this schedule is ours. */
const retryDelaysMs = [2000, 10_000, 30_000]
const phoneChannels = ['WHATSAPP', 'SMS', 'VOICE_CALL', 'VIBER']

/** What can be asked about later: an OTP that was sent or a token that was handed out. */
type Pending = { scenario: Scenario, expiresAt: number, failuresLeft: number, used: boolean, readyAt?: number }

export type OtplessOptions = {
  world: SimulatorContext
  clientId: string
  clientSecret: string
  /** The webhook endpoint that is registered, and the secret that was issued for it. */
  webhookUrl: () => string
  webhookSecret: string
}

/**
 * OTPLESS: OTP by message (initiate and verify), validation of the front-end SDK's token, that SDK, and the webhook
 * that a message was delivered.
 * https://otpless.com/docs/api-reference
 */
export const otpless: FastifyPluginAsyncTypebox<OtplessOptions> = async (
  app, { world, clientId, clientSecret, webhookUrl, webhookSecret },
) => {
  const otps = createExpiringMap<Pending & { otp: string | undefined }>(world.now, rememberedMs)
  const tokens = createExpiringMap<Pending & { user: OtplessUser }>(world.now, 2 * tokenMs)

  function pending(scenario: Scenario, lifetimeMs: number): Pending {
    return { scenario, expiresAt: world.now() + lifetimeMs, failuresLeft: scenario === 'flaky' ? 2 : 0, used: false }
  }

  async function authorize({ headers }: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
    if (!headers['clientid'] || !headers['clientsecret']) return sendError(reply, 7012)
    return headers['clientid'] === clientId && headers['clientsecret'] === clientSecret
      ? undefined
      : sendError(reply, 7002)
  }

  /**
   * A slow number's result is ready `slowMs` after it was first asked for; whoever hangs up before has not had it.
   * False: hung up.
   */
  async function waitUntilReady(about: Pending, request: FastifyRequest): Promise<boolean> {
    if (about.scenario !== 'slow') return true
    about.readyAt ??= world.now() + world.slowMs
    const waitMs = about.readyAt - world.now()
    if (waitMs > 0) await world.timers.sleep(waitMs)
    return !request.raw.socket.destroyed
  }

  /**
   * The delivery event. `metaData` is documented as an object without a word on its members: here they are those of the
   * request.
   */
  async function tellDelivered(
    scenario: Scenario, data: { requestId: string, channel: string, identity: string, metaData: object },
  ): Promise<void> {
    await world.timers.sleep(world.handsetDelayMs)
    const ids = { authSessionId: randomBytes(16).toString('hex'), traceId: randomBytes(16).toString('hex') }
    await world.callbacks.send({
      provider: 'otpless',
      url: webhookUrl(),
      body: { data: { ...ids, status: 'DELIVERED', ...data }, eventType: 'DLR', timestamp: world.now() },
      headers: async (body) => ({ 'x-signature': createHmac('sha256', webhookSecret).update(body).digest('base64') }),
      retryDelaysMs: retryDelaysMs.map((delayMs) => delayMs * world.retryScale),
      copies: scenario === 'repeated' ? 3 : 1
    })
  }

  app.setErrorHandler<FastifyError>((error, _request, reply) => {
    if (error.statusCode === undefined) return reply.code(500).send(serverError)
    const first = error.validation?.[0]
    return sendError(reply, codeFor(String(first?.params['missingProperty'] ?? first?.instancePath.split('/')[1])))
  })

  app.post('/auth/v1/initiate/otp', {
    schema: { body: InitiateBody }, onRequest: authorize,
  }, async ({ body }, reply) => {
    const { phoneNumber, email, channels, expiry = defaultExpirySeconds, otpLength = 6, metadata = {} } = body
    if ((phoneNumber === undefined) === (email === undefined)) return sendError(reply, 7106)
    if (email !== undefined && channels.some((channel) => channel !== 'EMAIL')) return sendError(reply, 7105)
    if (
      phoneNumber !== undefined && !channels.every((channel) => phoneChannels.includes(channel))
    ) return sendError(reply, 7103)
    const scenario = phoneNumber === undefined ? 'verified' : scenarioOf(phoneNumber)
    if (scenario === 'unsupported') return sendError(reply, 7103)
    if (scenario === 'error' || scenario === 'startFails') return reply.code(500).send(serverError)
    if (scenario === 'malformed') return reply.type('text/html').send('<html><body>Welcome</body></html>')
    const arrives = scenario !== 'silent' && scenario !== 'rejected' && scenario !== 'mismatch'
    const requestId = randomBytes(16).toString('hex')
    otps.set(requestId, {
      ...pending(scenario, expiry * 1000),
      otp: arrives ? (phoneNumber ?? '000000').slice(-otpLength) : undefined
    })
    const [channel = ''] = channels
    // Voice calls are not among the channels of this event.
    if (arrives && channel !== 'VOICE_CALL') void tellDelivered(
      scenario, { requestId, channel, identity: phoneNumber ?? email ?? '', metaData: metadata },
    )
    return { requestId }
  })

  app.post('/auth/v1/verify/otp', { schema: { body: VerifyBody }, onRequest: authorize }, async (request, reply) => {
    const { requestId, otp } = request.body
    const sent = otps.get(requestId)
    if (sent === undefined) return sendError(reply, 7136)
    if (sent.failuresLeft-- > 0) return reply.code(500).send(serverError)
    if (!await waitUntilReady(sent, request)) return reply.hijack()
    if (sent.used) return sendError(reply, 7115)
    if (sent.expiresAt <= world.now()) return sendError(reply, 7303)
    if (sent.otp !== otp) return sendError(reply, 7118)
    sent.used = true
    return { requestId, isOTPVerified: true, message: 'OTP verified successfully' }
  })

  app.post('/auth/v1/validate/token', { schema: { body: TokenBody }, onRequest: authorize }, async (request, reply) => {
    const { token } = request.body
    const held = tokens.get(token)
    if (held === undefined) return sendError(reply, 7114)
    if (held.scenario === 'error' || held.failuresLeft-- > 0) return reply.code(500).send(tokenServerError)
    if (!await waitUntilReady(held, request)) return reply.hijack()
    if (held.used) return sendError(reply, 7114)
    if (held.expiresAt <= world.now()) return sendError(reply, 7301)
    held.used = true
    if (held.scenario === 'malformed') return { token, status: 'SUCCESS' }
    return describeUser(token, held.user, world.now())
  })

  /**
   * The person's side of the front-end SDK: signs in and is given a token, or 204 where the SDK would never come back.
   */
  app.post('/handset/otpless/token', { schema: { body: SignInBody } }, async (
    { body: { phoneNumber, email, verified = true } }, reply,
  ) => {
    if (phoneNumber === undefined && email === undefined) return sendError(reply, 7106)
    const scenario = phoneNumber === undefined ? 'verified' : scenarioOf(phoneNumber)
    if (scenario === 'silent' || scenario === 'rejected' || scenario === 'unsupported') return reply.code(204).send()
    const token = randomBytes(24).toString('base64url')
    const digits = phoneNumber === undefined ? undefined : provenDigits(phoneNumber)
    tokens.set(token, { ...pending(scenario, tokenMs), user: { digits, email, verified, at: world.now() } })
    return { token }
  })
}
