import { randomBytes } from 'node:crypto'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply } from 'fastify'
import { clientId } from './client.ts'
import { provider } from './errors.ts'
import { createExpiringMap, type ExpiringMap } from '../expiring-map.ts'
import { type Scenario, scenarioOf } from '../scenarios.ts'
import { readScopes } from './scopes.ts'
import type { SimulatorContext } from '../simulator.ts'

const codeMs = 60_000

/** What an authorization code stands for. */
export type Grant = {
  digits: string, scenario: Scenario, scopes: readonly string[], redirectUri: string,
  codeChallenge: string | undefined, nonce: string | undefined, failuresLeft: number,
}
export type Codes = ExpiringMap<Grant>
export const createCodes = (now: () => number): Codes => createExpiringMap<Grant>(now, codeMs)

type Given = Partial<Record<string, string>>
type Asked = Pick<Grant, 'digits' | 'scopes' | 'codeChallenge' | 'nonce'>

/** What the network answers about the phone that opens the URL, where that is not its number. */
const networkErrors: Partial<Record<Scenario, string>> = {
  notCellular: 'login_required', unsupported: 'interaction_required', rejected: 'access_denied', error: 'server_error',
}

/**
 * Reads an authentication request, or the error of its redirect. The simulated network takes the SIM of the phone from
 * `login_hint`, because simulated phones have no addresses.
 */
function readRequest (query: Given, isRepeated: boolean): Asked | string {
  const { response_type, scope, state, nonce, code_challenge, code_challenge_method, prompt = 'none' } = query
  if ('request' in query) return 'request_not_supported'
  if ('request_uri' in query) return 'request_uri_not_supported'
  if (isRepeated || response_type === undefined) return 'invalid_request'
  if (response_type !== 'code') return 'unsupported_response_type'
  const isChallenge = /^[A-Za-z0-9_-]{43}$/.test(code_challenge ?? '') && code_challenge_method === 'S256'
  // Protection against forged requests is required: by PKCE, or by state and nonce.
  const isProtected = code_challenge === undefined ? Boolean(state && nonce) : isChallenge
  if (!isProtected) return 'invalid_request'
  const scopes = readScopes(scope)
  if (scopes === undefined || !scopes.includes('openid')) return 'invalid_scope'
  if (prompt !== 'none') return 'interaction_required'
  const digits = /^(?:tel:)?\+([1-9]\d{4,14})$/.exec(query['login_hint'] ?? '')?.[1]
  if (digits === undefined) return 'login_required'
  return { digits, scopes, codeChallenge: code_challenge, nonce }
}

/** A page for the user: without a valid redirect URI, the server must not redirect. */
const badRequest = (reply: FastifyReply): FastifyReply =>
  reply.code(400).type('text/html').send('<!doctype html><title>Error</title><p>The request is invalid.')
const silence = '<!doctype html><title>No answer</title><p>The mobile network did not answer. Go back to the app.'

/**
 * The URL that the phone opens over mobile data. The user is not asked (`prompt=none`).
 * https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth
 */
export const authorizeRoutes: FastifyPluginAsyncTypebox<{ context: SimulatorContext, codes: Codes }> = async (
  app, { context: { callbackUrl, silenceMs, slowMs, timers }, codes },
) => {
  /** The registered ones: the callback URL of the provider, and of each of its instances. */
  function isRegistered (uri: string): boolean {
    const registered = callbackUrl(provider)
    return uri.startsWith(registered) && /^(?:-[a-z0-9]+)?$/.test(uri.slice(registered.length))
  }

  app.get('/authorize', async (request, reply) => {
    const parameters = [...new URL(request.url, 'http://sandbox').searchParams]
    const given: Given = Object.fromEntries(parameters)
    const { redirect_uri: redirectUri = '', state } = given
    if (given['client_id'] !== clientId || !isRegistered(redirectUri)) return badRequest(reply)

    function sendBack (name: 'code' | 'error', value: string): FastifyReply {
      const location = new URL(redirectUri)
      location.searchParams.set(name, value)
      if (state !== undefined) location.searchParams.set('state', state)
      return reply.header('cache-control', 'no-store').redirect(location.href, 302)
    }

    const asked = readRequest(given, parameters.length !== Object.keys(given).length)
    if (typeof asked === 'string') return sendBack('error', asked)
    const scenario = scenarioOf(asked.digits, provider)
    if (scenario === 'silent') {
      await timers.sleep(silenceMs)
      return reply.code(504).type('text/html').send(silence)
    }
    if (scenario === 'slow') await timers.sleep(slowMs)
    const error = networkErrors[scenario]
    if (error !== undefined) return sendBack('error', error)
    const code = randomBytes(24).toString('base64url')
    codes.set(code, { ...asked, scenario, redirectUri, failuresLeft: scenario === 'flaky' ? 1 : 0 })
    return sendBack('code', code)
  })
}
