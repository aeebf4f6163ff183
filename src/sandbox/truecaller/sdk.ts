import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply } from 'fastify'
import { Type } from 'typebox'
import { appKey, clientId, provider, scenarioIn } from './answers.ts'
import { readDeepLink } from './deep-link.ts'
import type { HandsetItem } from '../handset.ts'
import type { CallTokens } from './missed-call.ts'
import { type Codes, oauthScopes } from './oauth.ts'
import type { Phone } from './phone.ts'
import type { ProfileSigner } from './signed-profile.ts'
import type { SimulatorContext } from '../simulator.ts'

const PhoneNumber = Type.String({ pattern: '^\\+?[1-9][0-9]{6,14}$' })
const OpenBody = Type.Object({ url: Type.String(), phoneNumber: PhoneNumber }, { additionalProperties: false })
const OpenQuery = Type.Object({
  endpoint: Type.Optional(Type.String()),
  status: Type.Optional(Type.String()),
}, { additionalProperties: false })
const Scope = Type.Enum(oauthScopes)
const words = oauthScopes.join('|')
const OauthBody = Type.Object({
  phoneNumber: PhoneNumber,
  clientId: Type.String(),
  state: Type.String({ minLength: 1 }),
  scopes: Type.Union([Type.Array(Scope, { minItems: 1 }), Type.String({ pattern: `^(${words})( (${words}))*$` })]),
  // PKCE with S256: 32 bytes in base64url.
  codeChallenge: Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' }),
}, { additionalProperties: false })
const PayloadBody = Type.Object({
  phoneNumber: PhoneNumber,
  requestNonce: Type.String({ pattern: '^[A-Za-z0-9_=-]{8,64}$' }),
  verifier: Type.Optional(Type.String({ minLength: 1 })),
}, { additionalProperties: false })
const CallBody = Type.Object({ phoneNumber: PhoneNumber }, { additionalProperties: false })

const missedCall: HandsetItem = {
  provider, kind: 'call', title: 'Truecaller', text: 'Missed call from a verification number.', choices: [],
}

/**
 * Errors of the SDKs, which an app receives instead of a result. The numbers are those of the OAuth SDK: 0 something
 * went wrong, 5 the app is absent, 11 the footer button, 12 invalid partner, 14 dismissed.
 */
const notInstalled = { code: 5, message: 'The Truecaller app is not installed on this phone.' }
const dismissed = { code: 14, message: 'The user closed the dialog.' }
const otherNumber = { code: 11, message: 'The user wants to use another number.' }
const failed = { code: 0, message: 'Something went wrong.' }
const badPartner = { code: 12, message: 'The client id is not known.' }

type Parts = {
  context: SimulatorContext, phone: Phone, codes: Codes, signer: ProfileSigner, callTokens: CallTokens,
}

/** What a person does with the Truecaller app or SDK on the phone. */
export const sdkRoutes: FastifyPluginAsyncTypebox<Parts> = async (
  app, { context, phone, codes, signer, callTokens },
) => {
  const { handset, timers, slowMs } = context

  /**
   * What an SDK answers instead of a result; undefined: the user agrees. A person who decides by hand does so by making
   * the call.
   */
  async function refuse (reply: FastifyReply, phoneNumber: string): Promise<FastifyReply | undefined> {
    const scenario = scenarioIn(phoneNumber)
    if (scenario === 'unsupported') return reply.code(404).send(notInstalled)
    if (handset.isManual(phoneNumber)) return undefined
    if (scenario === 'silent') return reply.code(204).send()
    if (scenario === 'rejected' || scenario === 'dismissed') return reply.code(403).send(dismissed)
    if (scenario === 'otherNumber') return reply.code(403).send(otherNumber)
    if (scenario === 'slow') await timers.sleep(slowMs)
    return undefined
  }

  /**
   * Opens the deep link: 404 where the app is not installed. `?endpoint=` and `?status=` replace the content of the
   * callback.
   */
  app.post('/handset/open', { schema: { body: OpenBody, querystring: OpenQuery } }, async ({ body, query }, reply) => {
    const link = readDeepLink(body.url, appKey)
    if ('problem' in link) return reply.code(400).send({ code: 400, message: link.problem })
    const scenario = scenarioIn(body.phoneNumber)
    if (scenario === 'unsupported') return reply.code(404).send(notInstalled)
    const endpoint = query.endpoint ?? `${context.url()}/v1/default`
    void phone.answerDialog(link.requestNonce, body.phoneNumber, scenario, endpoint, query.status)
    return reply.code(202).send({ requestId: link.requestNonce })
  })

  /** The OAuth SDK 3.x, with a PKCE challenge of the app. The scopes are a list, or words of one string. */
  app.post('/handset/truecaller/oauth', { schema: { body: OauthBody } }, async ({ body }, reply) => {
    const { phoneNumber, state, codeChallenge } = body
    const scopes = typeof body.scopes === 'string' ? body.scopes.split(' ') : body.scopes
    if (body.clientId !== clientId) return reply.code(400).send(badPartner)
    const refusal = await refuse(reply, phoneNumber)
    return refusal ?? { authorizationCode: codes.issue(phoneNumber, scopes, codeChallenge), state }
  })

  /** The legacy SDK: a signed profile. No call follows that could fail, so the generic error is the SDK's own. */
  app.post('/handset/truecaller/payload', { schema: { body: PayloadBody } }, async ({ body }, reply) => {
    const { phoneNumber } = body
    if (scenarioIn(phoneNumber, ['evidenceInvalid']) === 'error') return reply.code(500).send(failed)
    const refusal = await refuse(reply, phoneNumber)
    return refusal ?? signer.sign(phoneNumber, body.requestNonce, body.verifier)
  })

  /** The verification of a user without the app, by a missed call: only in India. */
  app.post('/handset/truecaller/missed-call', { schema: { body: CallBody } }, async ({ body }, reply) => {
    const { phoneNumber } = body
    if (!/^\+?91/.test(phoneNumber)) return reply.code(400).send({ code: 400, message: 'Only numbers of India.' })
    const scenario = scenarioIn(phoneNumber)
    if (scenario === 'unsupported') return reply.code(404).send({ code: 404, message: 'This number gets no calls.' })
    if (!handset.isManual(phoneNumber)) {
      // A call that the phone does not get is nothing that the user refuses.
      if (['silent', 'rejected', 'dismissed', 'otherNumber'].includes(scenario)) return reply.code(204).send()
      if (scenario === 'slow') await timers.sleep(slowMs)
    }
    handset.show(phoneNumber, missedCall)
    return { token: callTokens.issue(phoneNumber) }
  })
}
