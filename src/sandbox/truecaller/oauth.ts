import { createHash, randomBytes } from 'node:crypto'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { clientId, provider, scenarioIn } from './answers.ts'
import { countryOf } from '../countries.ts'
import { createExpiringMap } from '../expiring-map.ts'
import { readBearer } from './profiles.ts'
import { type Scenario, provenDigits } from '../scenarios.ts'

/** The lifetime of a code is not documented; RFC 6749 recommends at most ten minutes. That of a token is. */
const codeMs = 10 * 60_000
const tokenSeconds = 3600

export const oauthScopes = ['openid', 'profile', 'phone', 'offline_access', 'email', 'address'] as const

/** The scenarios that only this product has. */
export const oauthScenarios: readonly Scenario[] = ['evidenceInvalid', 'unverified', 'noProfile', 'startLimited']

/**
 * Bodies of errors, of which none is documented: the form of Truecaller's other errors, that of RFC 6749, no body, and
 * a page of a proxy.
 */
const errorForms = ['code', 'rfc6749', 'none', 'html'] as const
const ErrorFormBody = Type.Object({ form: Type.Enum(errorForms) }, { additionalProperties: false })

type Authorization = {
  digits: string, scenario: Scenario, scopes: readonly string[], codeChallenge: string, isUsed: boolean,
  failuresLeft: number,
}
type Grant = Pick<Authorization, 'digits' | 'scenario' | 'scopes' | 'failuresLeft'>

export type Codes = ReturnType<typeof createCodes>

/** The authorization codes that the SDK hands to an app, each for one PKCE challenge. */
export function createCodes (now: () => number) {
  const codes = createExpiringMap<Authorization>(now, codeMs)
  return {
    get: codes.get,
    issue (phoneNumber: string, scopes: readonly string[], codeChallenge: string): string {
      const code = randomBytes(24).toString('base64url')
      const scenario = scenarioIn(phoneNumber, oauthScenarios)
      const digits = provenDigits(phoneNumber, provider)
      // Of the two failures of a flaky number, the token call has one and the userinfo call the other.
      const failuresLeft = scenario === 'flaky' ? 1 : 0
      codes.set(code, { digits, scenario, scopes, codeChallenge, isUsed: false, failuresLeft })
      return code
    },
  }
}

const fields = ['client_id', 'code', 'code_verifier', 'grant_type']

/** The four documented fields, each once and not empty; undefined: another form. */
function readForm (body: unknown): Record<string, string> | undefined {
  const given = [...new URLSearchParams(typeof body === 'string' ? body : '')]
  const names = given.map(([name]) => name).toSorted()
  if (names.join() !== fields.join() || given.some(([, value]) => value === '')) return undefined
  return Object.fromEntries(given)
}

/** The documented claims, as far as the scopes of the authorization include them. */
function claimsOf ({ digits, scenario, scopes }: Grant): Record<string, unknown> {
  const has = (scope: string): boolean => scopes.includes(scope)
  const isUnusual = scenario === 'unusual'
  if (scenario === 'malformed') return { user: digits }
  return {
    sub: '13627101294235520',
    ...has('profile') && {
      given_name: 'Ada', family_name: 'Example', picture: isUnusual ? null : 'https://www.example.com/avatars/3',
      gender: isUnusual ? null : 'female',
    },
    ...has('phone') && {
      phone_number: isUnusual ? Number(digits) : digits, phone_number_country_code: countryOf(digits),
      phone_number_verified: scenario !== 'unverified',
    },
    ...has('email') && { email: isUnusual ? null : 'ada@example.com' },
    ...has('address') && { address: { locality: 'Exampleville', postal_code: '123456' } },
  }
}

/**
 * The OAuth SDK 3.x: codes for tokens, with PKCE and without a client secret, and the user's claims.
 * https://docs.truecaller.com/truecaller-sdk/android/oauth-sdk-3.x
 */
export const oauthRoutes: FastifyPluginAsyncTypebox<{ codes: Codes, now: () => number }> = async (
  app, { codes, now },
) => {
  const grants = createExpiringMap<Grant>(now, tokenSeconds * 1000)
  let form: typeof errorForms[number] = 'code'

  function refuse (reply: FastifyReply, status: number, error: string, message: string): FastifyReply {
    reply.code(status)
    if (form === 'none') return reply.send()
    if (form === 'html') return reply.type('text/html').send('<html><body>Error</body></html>')
    return reply.send(form === 'rfc6749' ? { error, error_description: message } : { code: status, message })
  }
  const fail = (reply: FastifyReply) => refuse(reply, 500, 'server_error', 'Internal server error.')

  /** The documentation has no answer to an invalid code but 403. */
  function exchange (reply: FastifyReply, given: Record<string, string>): FastifyReply {
    const { grant_type, client_id, code = '', code_verifier = '' } = given
    if (grant_type !== 'authorization_code') {
      return refuse(reply, 400, 'unsupported_grant_type', 'The grant type is not supported.')
    }
    if (client_id !== clientId) return refuse(reply, 403, 'unauthorized_client', 'The client id is invalid.')
    const known = codes.get(code)
    const isRefused = known?.scenario === 'evidenceInvalid' || known?.scenario === 'evidenceExpired'
    if (known === undefined || known.isUsed || isRefused) {
      return refuse(reply, 403, 'invalid_grant', 'The authorization code is invalid or has expired.')
    }
    if (known.scenario === 'startLimited') return refuse(reply, 429, 'rate_limited', 'Too many requests.')
    if (known.scenario === 'error' || known.failuresLeft-- > 0) return fail(reply)
    if (createHash('sha256').update(code_verifier).digest('base64url') !== known.codeChallenge) {
      return refuse(reply, 403, 'invalid_grant', 'The code verifier is invalid.')
    }
    known.isUsed = true
    const { digits, scenario, scopes } = known
    const access_token = randomBytes(48).toString('base64url')
    grants.set(access_token, { digits, scenario, scopes, failuresLeft: scenario === 'flaky' ? 1 : 0 })
    const answer = { access_token, expires_in: tokenSeconds, token_type: 'Bearer' }
    // The official sample's type of the answer has the scope, too.
    return reply.send(scenario === 'unusual'
      ? { ...answer, expires_in: String(tokenSeconds), scope: scopes.join(' '), refresh_token: null }
      : answer)
  }

  await app.register(async scope => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, async (
      _request: FastifyRequest, body: string,
    ) => body)
    scope.post('/v1/token', async ({ body }, reply) => {
      const given = readForm(body)
      return given === undefined
        ? refuse(reply, 400, 'invalid_request', 'Some parameters are empty, missing or unknown.')
        : exchange(reply, given)
    })
  })

  app.get('/v1/userinfo', async (request, reply) => {
    const token = readBearer(request.headers.authorization)
    const granted = token === undefined ? undefined : grants.get(token)
    if (granted === undefined) return refuse(reply, 401, 'invalid_token', 'The token is invalid or has expired.')
    if (granted.failuresLeft-- > 0) return fail(reply)
    if (!granted.scopes.includes('openid')) {
      return refuse(reply, 422, 'invalid_scope', 'The scope openid was not requested.')
    }
    if (granted.scenario === 'noProfile') return refuse(reply, 404, 'not_found', 'No profile.')
    return claimsOf(granted)
  })

  /** Errors have another body from now on. */
  app.post('/control/truecaller/oauth-errors', { schema: { body: ErrorFormBody } }, async ({ body }, reply) => {
    form = body.form
    return reply.code(204).send()
  })
}
