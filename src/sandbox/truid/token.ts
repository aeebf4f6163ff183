import { randomBytes } from 'node:crypto'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { ExpiringMap } from '../expiring-map.ts'
import { acceptForms } from '../forms.ts'

/** The lifetime of an access token in seconds. */
export const accessTokenSeconds = 3600

const scopes = ['phone_check', 'subscriber_check', 'sim_check', 'coverage', 'oidc', 'authenticator', 'mo_check']

const TokenForm = Type.Object({
  grant_type: Type.String(),
  scope: Type.String({ minLength: 1 }),
}, { additionalProperties: false })

const RevokeForm = Type.Object({
  token: Type.String(),
  token_type_hint: Type.Optional(Type.String()),
}, { additionalProperties: false })

export type TokenOptions = {
  clientId: string
  clientSecret: string
  /** Receives the scopes of each access token that is issued. */
  tokens: ExpiringMap<string[]>
}

/** tru.ID's OAuth2 token endpoint. Only its 200 is documented; the errors are those of RFC 6749, section 5.2. */
export const truidToken: FastifyPluginAsyncTypebox<TokenOptions> = async (app, { clientId, clientSecret, tokens }) => {
  const credentials = `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`

  app.removeAllContentTypeParsers()
  acceptForms(app)

  app.setErrorHandler<FastifyError>((error, _request, reply) =>
    reply.code(error.statusCode ?? 500).send({ error: 'invalid_request' }))

  const onRequest = async ({ headers }: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> =>
    headers.authorization === credentials
      ? undefined
      : reply.code(401).header('www-authenticate', 'Basic').send({ error: 'invalid_client' })

  app.post('/oauth2/v1/token', { schema: { body: TokenForm }, onRequest }, async ({ body }, reply) => {
    const { grant_type, scope } = body
    if (grant_type !== 'client_credentials') return reply.code(400).send({ error: 'unsupported_grant_type' })
    const requested = scope.split(' ')
    if (!requested.every(one => scopes.includes(one))) return reply.code(400).send({ error: 'invalid_scope' })
    const accessToken = randomBytes(16).toString('base64url')
    tokens.set(accessToken, requested)
    // The guide's sample has an id token, the API reference has none.
    const idToken = randomBytes(16).toString('base64url')
    return {
      access_token: accessToken, id_token: idToken, token_type: 'bearer', expires_in: accessTokenSeconds, scope,
    }
  })
  /** 200 whether or not the token was valid. */
  app.post('/oauth2/v1/revoke', { schema: { body: RevokeForm }, onRequest }, async ({ body }, reply) => {
    tokens.delete(body.token)
    return reply.send()
  })
}
