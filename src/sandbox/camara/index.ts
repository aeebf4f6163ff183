import { type AccessTokens, addConventions, createAccessTokens, createDemand, createFindAccess } from './access.ts'
import { authorizeRoutes, createCodes } from './authorize.ts'
import { clientId, clientKey, createAssertions, keyId } from './client.ts'
import { provider } from './errors.ts'
import { createIdTokens } from './id-tokens.ts'
import { numberVerificationRoutes } from './number-verification.ts'
import { oneTimePasswordRoutes } from './one-time-password.ts'
import { apiScopes } from './scopes.ts'
import { simSwapRoutes } from './sim-swap.ts'
import type { Simulator } from '../simulator.ts'
import { tokenRoutes } from './token.ts'

const apiRoot = '/camara'
const oidc = `${apiRoot}/oidc`

/**
 * An operator with CAMARA's APIs: its authorization server, Number Verification v2, one-time password SMS v1 and SIM
 * Swap v2. `maxSends`: codes for one number within ten minutes.
 * https://github.com/camaraproject
 */
export function createCamara ({ maxSends = 100 }: { maxSends?: number } = {}): Simulator {
  return {
    provider,

    settings: url => ({
      CAMARA_CLIENT_ID: clientId, CAMARA_PRIVATE_KEY: clientKey(), CAMARA_KEY_ID: keyId,
      CAMARA_ISSUER: `${url}${oidc}`, CAMARA_API_URL: `${url}${apiRoot}`,
      CAMARA_SERVICES: 'number_verification,sms,sim_swap',
    }),

    async routes (app, { context }) {
      const { now, url } = context
      const issuer = (): string => `${url()}${oidc}`
      const codes = createCodes(now)
      const tokens: AccessTokens = createAccessTokens(now)
      const idTokens = createIdTokens(now, issuer)
      const isAccepted = createAssertions(now, () => [`${issuer()}/token`, issuer()])
      const find = createFindAccess(tokens)
      const demand = createDemand(find)

      app.get(`${oidc}/.well-known/openid-configuration`, () => describe(issuer()))
      app.get(`${oidc}/jwks`, () => idTokens.jwks())
      await app.register(authorizeRoutes, { prefix: oidc, context, codes })
      await app.register(tokenRoutes, { prefix: oidc, codes, tokens, idTokens, isAccepted })
      await app.register(async apis => {
        addConventions(apis)
        await apis.register(numberVerificationRoutes, { prefix: '/number-verification/v2', tokens, find, demand })
        await apis.register(oneTimePasswordRoutes, {
          prefix: '/one-time-password-sms/v1', context, find, demand, maxSends,
        })
        await apis.register(simSwapRoutes, { prefix: '/sim-swap/v2', now, find, demand })
      }, { prefix: apiRoot })
    },
  }
}

/** https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata */
const describe = (issuer: string) => ({
  issuer,
  authorization_endpoint: `${issuer}/authorize`,
  token_endpoint: `${issuer}/token`,
  jwks_uri: `${issuer}/jwks`,
  scopes_supported: ['openid', ...apiScopes],
  response_types_supported: ['code'],
  response_modes_supported: ['query'],
  grant_types_supported: ['authorization_code', 'client_credentials'],
  subject_types_supported: ['pairwise'],
  id_token_signing_alg_values_supported: ['ES256'],
  token_endpoint_auth_methods_supported: ['private_key_jwt'],
  token_endpoint_auth_signing_alg_values_supported: ['ES256'],
  code_challenge_methods_supported: ['S256'],
  prompt_values_supported: ['none'],
  request_parameter_supported: false,
  request_uri_parameter_supported: false,
})

export const camara = createCamara()
