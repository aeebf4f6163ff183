import { createHash, randomBytes } from 'node:crypto'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply } from 'fastify'
import type { AccessTokens } from './access.ts'
import { accessTokenSeconds } from './access.ts'
import type { Codes, Grant } from './authorize.ts'
import { clientId } from './client.ts'
import { sendTokenError } from './errors.ts'
import type { IdTokens } from './id-tokens.ts'
import type { Scenario } from '../scenarios.ts'
import { readScopes } from './scopes.ts'

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

type Form = Partial<Record<string, string>>
type Options = {
  codes: Codes, tokens: AccessTokens, idTokens: IdTokens, isAccepted: (assertion: string) => Promise<boolean>
}

/** What the endpoint answers instead of a token: status and error. A code that it refuses stays unused. */
const refusals: Partial<Record<Scenario, [number, string]>> = {
  startFails: [500, 'server_error'], startLimited: [429, 'temporarily_unavailable'],
  startRefused: [401, 'invalid_client'], evidenceInvalid: [400, 'invalid_grant'],
  evidenceExpired: [400, 'invalid_grant'],
}

/** The form; undefined: a parameter is repeated. */
function readForm (text: string): Form | undefined {
  const parameters = [...new URLSearchParams(text)]
  const form: Form = Object.fromEntries(parameters)
  return Object.keys(form).length === parameters.length ? form : undefined
}

function isRedeemable ({ redirectUri, codeChallenge }: Grant, { redirect_uri, code_verifier = '' }: Form): boolean {
  const challenge = createHash('sha256').update(code_verifier).digest('base64url')
  return redirect_uri === redirectUri && (codeChallenge === undefined || challenge === codeChallenge)
}

/** https://github.com/camaraproject/IdentityAndConsentManagement, Security and Interoperability Profile */
export const tokenRoutes: FastifyPluginAsyncTypebox<Options> = async (app, { codes, tokens, idTokens, isAccepted }) => {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    'application/x-www-form-urlencoded', { parseAs: 'string' }, async (_request: unknown, text: string) => text,
  )
  app.setErrorHandler((_error, _request, reply) => sendTokenError(reply, 400, 'invalid_request'))

  function issue (reply: FastifyReply, scopes: readonly string[], of: Grant | null, idToken?: string): FastifyReply {
    const access_token = randomBytes(32).toString('base64url')
    tokens.set(access_token, {
      scopes, digits: of?.digits ?? null, scenario: of?.scenario ?? 'verified',
      failuresLeft: of?.scenario === 'flaky' ? 1 : 0,
    })
    const answer = { access_token, token_type: 'Bearer', expires_in: accessTokenSeconds, scope: scopes.join(' ') }
    const unusual = { token_type: 'bearer', expires_in: String(accessTokenSeconds), scope: null, refresh_token: null }
    return reply.header('cache-control', 'no-store').send({
      ...answer, ...of?.scenario === 'unusual' ? unusual : {}, ...idToken === undefined ? {} : { id_token: idToken },
    })
  }

  async function redeem (reply: FastifyReply, form: Form): Promise<FastifyReply> {
    const { code = '', redirect_uri } = form
    if (code === '' || redirect_uri === undefined) return sendTokenError(reply, 400, 'invalid_request')
    const grant = codes.get(code)
    if (grant === undefined || !isRedeemable(grant, form)) return sendTokenError(reply, 400, 'invalid_grant')
    if (grant.scenario === 'startHangs') return reply.hijack()
    const refusal = refusals[grant.scenario]
    if (refusal !== undefined) return sendTokenError(reply, ...refusal)
    if (grant.failuresLeft-- > 0) return sendTokenError(reply, 500, 'server_error')
    codes.delete(code)
    return issue(reply, grant.scopes, grant, await idTokens.sign(grant))
  }

  app.post('/token', async ({ body }, reply) => {
    const form = typeof body === 'string' ? readForm(body) : undefined
    if (form === undefined) return sendTokenError(reply, 400, 'invalid_request')
    const { client_id = clientId, client_assertion_type, client_assertion = '', grant_type, scope } = form
    const isClient = client_id === clientId && client_assertion_type === assertionType
    if (!isClient || !await isAccepted(client_assertion)) return sendTokenError(reply, 401, 'invalid_client')
    if (grant_type === 'authorization_code') return redeem(reply, form)
    if (grant_type !== 'client_credentials') return sendTokenError(reply, 400, 'unsupported_grant_type')
    const scopes = readScopes(scope)
    return scopes === undefined ? sendTokenError(reply, 400, 'invalid_scope') : issue(reply, scopes, null)
  })
}
