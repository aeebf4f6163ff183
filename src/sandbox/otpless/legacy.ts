import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyError, FastifyReply } from 'fastify'
import { Type } from 'typebox'
import { createExpiringMap } from '../expiring-map.ts'
import { acceptForms } from '../forms.ts'
import { scenarioOf } from '../scenarios.ts'
import { clientId, clientSecret, provider, serverError } from './account.ts'
import type { AuthRequest, Person } from './auth-request.ts'
import { otpFor } from './otp.ts'
import type { Parts } from './parts.ts'
import { splitNumber } from './phone-number.ts'
import type { Identity } from './user.ts'

/** The address is not documented: clients find it by discovery. */
export const tokenPath = '/auth/v1/token'

const Credentials = { client_id: Type.String(), client_secret: Type.String() }
const UserInfoForm = Type.Object({ token: Type.String(), ...Credentials }, { additionalProperties: false })
const CodeForm = Type.Object({ code: Type.String(), ...Credentials }, { additionalProperties: false })
const phoneNumber = Type.Optional(Type.String({ pattern: '^\\+?[1-9][0-9]{6,14}$' }))
const email = Type.Optional(Type.String({ format: 'email' }))
const AuthorizeQuery = Type.Object({
  ...Credentials, mobile_number: phoneNumber, email, redirect_uri: Type.String({ format: 'uri' }),
  channel: Type.Optional(Type.String()),
}, { additionalProperties: false })
const SendBody = Type.Object({
  phoneNumber, email, channel: Type.Optional(Type.String()), hash: Type.Optional(Type.String()),
  orderId: Type.Optional(Type.String()), expiry: Type.Optional(Type.Integer({ minimum: 30 })),
  otpLength: Type.Optional(Type.Union([Type.Literal(4), Type.Literal(6)])), templateId: Type.Optional(Type.String()),
}, { additionalProperties: false })
const ResendBody = Type.Object({ orderId: Type.String() }, { additionalProperties: false })
const VerifyBody = Type.Object({
  orderId: Type.String(), otp: Type.String(), phoneNumber, email,
}, { additionalProperties: false })

const defaultExpirySeconds = 300
const rememberedMs = 2 * 86_400_000

const isAccount = (id: unknown, secret: unknown): boolean => id === clientId && secret === clientSecret
const refuse = (reply: FastifyReply): FastifyReply => reply.code(401).send({ message: 'Invalid secrets' })
const personOf = (number: string | undefined, address: string | undefined): Person =>
  ({ digits: number?.replace('+', ''), email: address })

/**
 * The older API, which the official Node SDK 1.0.8 uses: its errors have a `message` only.
 * https://www.npmjs.com/package/otpless-node-js-auth-sdk
 */
export const legacyRoutes: FastifyPluginAsyncTypebox<Parts> = async (app, parts) => {
  acceptForms(app)
  app.setErrorHandler<FastifyError>((error, _request, reply) => error.statusCode === undefined
    ? reply.code(500).send(serverError)
    : reply.code(400).send({ message: 'Invalid request' }))
  await app.register(signInRoutes, parts)
  await app.register(orderRoutes, parts)
}

const signInRoutes: FastifyPluginAsyncTypebox<Parts> = async (
  app, { context, requests, messages, tokens, idTokens, codes, links },
) => {
  app.post('/auth/userInfo', { schema: { body: UserInfoForm } }, async ({ body }, reply) => {
    if (!isAccount(body.client_id, body.client_secret)) return refuse(reply)
    const issued = tokens.find(body.token)
    if (issued === undefined || issued.used || issued.expiresAt <= context.now()) {
      return reply.code(400).send({ message: 'token is expired' })
    }
    issued.used = true
    return describeUserInfo(issued.identities)
  })

  /** No `grant_type`. */
  app.post(tokenPath, { schema: { body: CodeForm } }, async ({ body }, reply) => {
    if (!isAccount(body.client_id, body.client_secret)) return refuse(reply)
    const found = codes.find(body.code)
    if (found === undefined || codes.isOver(found)) return reply.code(400).send({ message: 'code is expired' })
    found.used = true
    const { identities, token = '', scenario } = found.request
    return { id_token: await idTokens.sign(identities, token, scenario) }
  })

  /** The secret is in the query. */
  app.get('/auth/v1/authorize', { schema: { querystring: AuthorizeQuery } }, async ({ query }, reply) => {
    if (!isAccount(query.client_id, query.client_secret)) return refuse(reply)
    const person = personOf(query.mobile_number, query.email)
    if ((person.digits === undefined) === (person.email === undefined)) {
      return reply.code(400).send({ message: 'mobile_number or email' })
    }
    const channel = query.channel ?? (person.digits === undefined ? 'EMAIL' : 'SMS')
    const scenario = scenarioOf(person.digits ?? '0', provider)
    const request = requests.create(
      { method: 'MAGIC_LINK', person, channel, scenario, expirySeconds: defaultExpirySeconds },
    )
    const url = links.create({ request, redirectURI: query.redirect_uri })
    void messages.send(request, [channel], { text: `Open this link to sign in: ${url}`, url })
    const type = person.digits === undefined ? 'EMAIL' : 'MOBILE'
    return { requestIds: [{ type, value: request.id, destinationUri: url }] }
  })
}

const orderRoutes: FastifyPluginAsyncTypebox<Parts> = async (app, { context, requests, messages }) => {
  const orders = createExpiringMap<AuthRequest>(context.now, rememberedMs)

  app.addHook('onRequest', async ({ headers }, reply) =>
    isAccount(headers['clientid'], headers['clientsecret']) ? undefined : refuse(reply))

  function send (request: AuthRequest): void {
    const { otp = '' } = request
    void messages.send(request, [request.channel], { text: `${otp} is your code.`, code: otp })
  }

  app.post('/auth/otp/v1/send', { schema: { body: SendBody } }, async ({ body }, reply) => {
    const person = personOf(body.phoneNumber, body.email)
    if (person.digits === undefined && person.email === undefined) {
      return reply.code(400).send({ message: 'phoneNumber or email' })
    }
    const request = requests.create({
      method: 'OTP', person, channel: body.channel ?? (person.digits === undefined ? 'EMAIL' : 'SMS'),
      scenario: scenarioOf(person.digits ?? '0', provider), otp: otpFor(person, body.otpLength ?? 6),
      expirySeconds: body.expiry ?? defaultExpirySeconds,
    })
    const orderId = body.orderId ?? request.id
    orders.set(orderId, request)
    send(request)
    return { orderId, refId: request.id }
  })

  app.post('/auth/otp/v1/resend', { schema: { body: ResendBody } }, async ({ body: { orderId } }, reply) => {
    const request = orders.get(orderId)
    if (request === undefined) return reply.code(400).send({ message: 'Invalid order id' })
    send(request)
    return { orderId }
  })

  /** A wrong code is a 200 that says why: so the response class of the SDK has it. */
  app.post('/auth/otp/v1/verify', { schema: { body: VerifyBody } }, async ({ body }, reply) => {
    const request = orders.get(body.orderId)
    const { digits, email: address } = personOf(body.phoneNumber, body.email)
    if (request === undefined || request.person.digits !== digits || request.person.email !== address) {
      return reply.code(400).send({ message: 'Invalid order id' })
    }
    if (requests.hasExpired(request)) return { isOTPVerified: false, reason: 'OTP is expired' }
    if (request.isDecided) return { isOTPVerified: false, reason: 'OTP is already verified' }
    const isCorrect = request.otp === body.otp && request.scenario !== 'mismatch'
    if (!isCorrect) return { isOTPVerified: false, reason: 'Incorrect OTP' }
    void requests.succeed(request)
    return { isOTPVerified: true }
  })
}

/** Every member that the documentation lists. */
function describeUserInfo (identities: readonly Identity[]): object {
  const mobile = identities.find(({ type }) => type === 'MOBILE')
  const mail = identities.find(({ type }) => type === 'EMAIL')
  const { phoneNumber: national, countryCode } = splitNumber(mobile?.value ?? '')
  return {
    name: 'Ada', email: mail?.value ?? null, first_name: 'Ada', last_name: null, family_name: null,
    phone_number: mobile === undefined ? null : `+${mobile.value}`, national_phone_number: national,
    country_code: countryCode, email_verified: mail?.verified ?? false,
    auth_time: String(Math.floor(((mobile ?? mail)?.at ?? 0) / 1000)),
    authentication_details: {
      ...mobile === undefined ? {} : {
        phone: { mode: mobile.method, phone_number: national, country_code: countryCode, auth_state: 'verified' },
      },
      ...mail === undefined ? {} : { email: { email: mail.value, mode: mail.method, auth_state: 'verified' } },
    },
  }
}
