import type { FastifyError } from 'fastify'
import { Type } from 'typebox'
import { allowEveryOrigin, createAuthorize, createRateHeaders } from './access.ts'
import { checkRoutes } from './check-routes.ts'
import { type CheckSettings, createChecks, provider } from './checks.ts'
import { coverageRoutes } from './coverage.ts'
import { createExpiringMap } from '../expiring-map.ts'
import { sendProblem } from './problems.ts'
import { redirectRoutes } from './redirect.ts'
import { createCallbackSigner, type SignatureForm, signatureFormNames } from './signature.ts'
import { simCheckRoutes } from './sim-check.ts'
import type { Simulator } from '../simulator.ts'
import { accessTokenSeconds, truidToken } from './token.ts'
import { traceRoutes } from './traces.ts'
import { createWalks } from './walks.ts'

const FormBody = Type.Object({ form: Type.Enum(signatureFormNames) }, { additionalProperties: false })
const BalanceBody = Type.Object({ balance: Type.Number() }, { additionalProperties: false })

/** Products of tru.ID, simulated or not: an unknown route below them answers as the vendor does. */
const products = ['phone_check', 'subscriber_check', 'sim_check', 'mo_check', 'coverage', 'public', 'oauth2', 'oidc']

const clientId = 'sandbox-truid-client'
const clientSecret = 'sandbox-truid-secret'

/**
 * tru.ID: OAuth2 token, PhoneCheck, SubscriberCheck, SIMCheck, Coverage, the operator's redirects, signed callbacks
 * and their keys.
 * https://github.com/tru-ID/api-definitions
 */
export function createTruid (
  { signatureForm = 'documented', ttlSeconds = 120 }: { signatureForm?: SignatureForm } & Partial<CheckSettings> = {},
): Simulator {
  return {
    provider,

    settings: url => ({
      TRUID_CLIENT_ID: clientId, TRUID_CLIENT_SECRET: clientSecret, TRUID_API_URL: url, TRUID_API_VERSION: 'v0.2,v0.1',
    }),

    async routes (app, { context }) {
      const { url, now } = context
      const signer = createCallbackSigner({ now, form: signatureForm })
      const tokens = createExpiringMap<string[]>(now, accessTokenSeconds * 1000)
      const authorize = createAuthorize(tokens)
      const checks = createChecks(context, signer.headers, { ttlSeconds })
      const walks = createWalks(context, checks)

      app.addHook('onRequest', createRateHeaders(now))
      app.addHook('onRequest', allowEveryOrigin)
      app.setErrorHandler<FastifyError>((error, _request, reply) => {
        const first = error.validation?.[0]
        if (error.statusCode === undefined) return sendProblem(reply, 'server_error')
        if (error.statusCode === 415) return sendProblem(reply, 'unsupported_media_type')
        return sendProblem(reply, first?.instancePath === '/phone_number' ? 'phone_format_invalid' : 'bad_request')
      })
      app.get('/.well-known/jwks.json', () => signer.jwks())
      /** Another key signs from now on; both are published. */
      app.post('/control/truid/rotate-key', async (_request, reply) => {
        signer.rotate()
        return reply.code(204).send()
      })
      /** Signatures have another legal form from now on. */
      app.post('/control/truid/signature-form', { schema: { body: FormBody } }, async ({ body }, reply) => {
        signer.use(body.form)
        return reply.code(204).send()
      })
      /** What the workspace has left. */
      app.post('/control/truid/balance', { schema: { body: BalanceBody } }, async ({ body }, reply) => {
        checks.account.set(body.balance)
        return reply.code(204).send()
      })
      for (const product of products) app.all(`/${product}/*`, (_request, reply) => sendProblem(reply, 'not_found'))
      await app.register(truidToken, { clientId, clientSecret, tokens })
      await app.register(checkRoutes, { url, checks, walks, authorize })
      await app.register(redirectRoutes, { url, checks, walks })
      await app.register(simCheckRoutes, { url, now, account: checks.account, authorize })
      await app.register(coverageRoutes, { url, authorize })
      await app.register(traceRoutes, { url, now, checks, authorize })
    },
  }
}

export const truid = createTruid()
