import type { FastifyError } from 'fastify'
import type { Simulator } from '../simulator.ts'
import { appId, clientId, clientSecret, provider, serverError } from './account.ts'
import { createCodes } from './codes.ts'
import { createdRoutes } from './created.ts'
import { codeFor, sendBareError, sendError } from './errors.ts'
import { createIdTokens } from './id-token.ts'
import { legacyRoutes, tokenPath } from './legacy.ts'
import { linkRoutes } from './initiate-link.ts'
import { pageRoutes } from './link-page.ts'
import { createLinks } from './links.ts'
import { createMessages } from './messages.ts'
import { otpRoutes } from './otp.ts'
import type { Parts } from './parts.ts'
import { createRequests } from './requests.ts'
import { sdkRoutes } from './sdk.ts'
import { snaRoutes } from './sna.ts'
import { statusRoutes } from './status.ts'
import { createTokens } from './tokens.ts'
import { codeRoutes } from './verify-code.ts'
import { voiceRoutes } from './voice.ts'
import { createWebhooks, webhookSecret } from './webhooks.ts'

/**
 * OTPLESS: codes, links, calls and silent authentication by its API, the front-end SDK with its tokens, the older API,
 * and the webhooks.
 * https://otpless.com/docs/api-reference
 */
export const otpless: Simulator = {
  provider,

  settings: url => ({
    OTPLESS_CLIENT_ID: clientId,
    OTPLESS_CLIENT_SECRET: clientSecret,
    OTPLESS_APP_ID: appId,
    OTPLESS_WEBHOOK_SECRET: webhookSecret,
    OTPLESS_AUTH_URL: url,
    OTPLESS_USER_AUTH_URL: url,
    OTPLESS_JWKS_URL: url,
  }),

  async routes (app, { context }) {
    app.setErrorHandler<FastifyError>((error, _request, reply) => {
      if (error.statusCode === undefined) return reply.code(500).send(serverError)
      const first = error.validation?.[0]
      return sendError(reply, codeFor(String(first?.params['missingProperty'] ?? first?.instancePath.split('/')[1])))
    })
    app.all('/auth/*', (_request, reply) => sendBareError(reply, 404, 'Not found'))

    const webhooks = createWebhooks(context)
    const tokens = createTokens(context)
    const requests = createRequests(context, { tokens, webhooks })
    const { messages, routes: messageRoutes } = createMessages(context, webhooks)
    const { idTokens, routes: keyRoutes } = createIdTokens(context, tokenPath)
    const parts: Parts = {
      context, webhooks, tokens, requests, messages, idTokens, codes: createCodes(context), links: createLinks(context),
    }
    for (const routes of [messageRoutes, keyRoutes]) await app.register(routes)
    for (const routes of [
      otpRoutes, linkRoutes, pageRoutes, codeRoutes, voiceRoutes, snaRoutes, statusRoutes, sdkRoutes, createdRoutes,
      legacyRoutes,
    ]) await app.register(routes, parts)
  },
}
