import type { FastifyError } from 'fastify'
import { appKey, clientId, notFound, provider, serverError } from './answers.ts'
import { createCallTokens, missedCallRoutes } from './missed-call.ts'
import { createCodes, oauthRoutes } from './oauth.ts'
import { createPhone } from './phone.ts'
import { createGrants, profileRoutes } from './profiles.ts'
import { pushRoutes } from './push.ts'
import { sdkRoutes } from './sdk.ts'
import { createProfileSigner, keyRoutes, packageName } from './signed-profile.ts'
import type { Simulator } from '../simulator.ts'

/**
 * Truecaller: the web sign-up push API of 2017, the mobile web SDK, the profile host of both, the legacy SDK with its
 * signed profile, the OAuth SDK, and missed calls for users without the app.
 * https://docs.truecaller.com/truecaller-sdk
 */
export const truecaller: Simulator = {
  provider,

  settings: url => ({
    TRUECALLER_APP_KEY: appKey,
    TRUECALLER_OAUTH_CLIENT_ID: clientId,
    TRUECALLER_PARTNER_NAME: 'Sandbox',
    TRUECALLER_PACKAGE_NAME: packageName,
    TRUECALLER_API_URL: url,
    TRUECALLER_PROFILE_URL: url,
    TRUECALLER_PROFILE_HOSTS: new URL(url).host,
    TRUECALLER_OAUTH_URL: url,
    TRUECALLER_OTP_URL: url,
  }),

  async routes (app, { context }) {
    const { now } = context
    const grants = createGrants(now)
    const phone = createPhone(context, grants)
    const codes = createCodes(now)
    const signer = createProfileSigner(now)
    const callTokens = createCallTokens(now)
    // The documentation has no answer to an invalid body; this one has the form of its errors.
    app.setErrorHandler<FastifyError>((error, _request, reply) => {
      const status = error.statusCode ?? 500
      return reply.code(status).send({ code: status, message: status < 500 ? 'Bad request' : serverError.message })
    })
    app.all('/v1/*', (_request, reply) => reply.code(404).send(notFound))
    await app.register(pushRoutes, { context, phone })
    await app.register(profileRoutes, { grants })
    await app.register(oauthRoutes, { codes, now })
    await app.register(keyRoutes, { signer })
    await app.register(missedCallRoutes, { tokens: callTokens })
    await app.register(sdkRoutes, { context, phone, codes, signer, callTokens })
  },
}
