import type { Http, ProviderAnswer, ProviderRequest } from '../adapter.ts'
import { createCached } from '../cached.ts'
import { refusal } from '../refusal.ts'
import { readToken, type Product } from './wire.ts'

/** Access tokens of tru.ID. A token is valid for one product only, so each scope has its own. */

export const provider = 'truid'

export type Scope = Product | 'sim_check' | 'coverage'

/** A token is renewed this long before it expires. */
const renewalSeconds = 60
/** Deadlines for the tokens of calls that are useful, but not necessary. */
const tokenTimeoutMs: Partial<Record<Scope, number>> = { sim_check: 1_000, coverage: 1_000 }

export type AccessParts = { origin: string, clientId: string, clientSecret: string, http: Http }

/** Sends requests with a token of this scope. Each call of this function creates a cache of its own. */
export type Access = (scope: Scope) => Http

/** A new token, which costs nothing. */
export async function fetchToken (
  { origin, clientId, clientSecret, http }: AccessParts, scope: Scope,
): Promise<{ value: string, ttlMs: number }> {
  const call = 'access token'
  const timeoutMs = tokenTimeoutMs[scope]
  const answer = await http({
    method: 'POST',
    url: `${origin}/oauth2/v1/token`,
    call,
    headers: {
      authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`,
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: `grant_type=client_credentials&scope=${scope}`,
    ...timeoutMs === undefined ? {} : { timeoutMs },
  })
  const read = readToken(answer.status, answer.body)
  if (typeof read === 'string') throw refusal(provider, call, read, answer)
  return { value: read.token, ttlMs: (read.expiresIn - renewalSeconds) * 1000 }
}

/** A token that the API refuses is dropped, and the request repeated once with a new one. */
export const createAccess = (parts: AccessParts): Access => scope => {
  const { http } = parts
  const tokens = createCached({ fetch: () => fetchToken(parts, scope) })

  async function send (request: ProviderRequest, token: string): Promise<ProviderAnswer> {
    const answer = await http({ ...request, headers: { ...request.headers, authorization: `Bearer ${token}` } })
    if (answer.status === 401) tokens.forget(token)
    return answer
  }

  return async request => {
    const first = await send(request, await tokens.get())
    const answer = first.status === 401 ? await send(request, await tokens.get()) : first
    if (answer.status === 401) throw refusal(provider, request.call, 'provider_misconfigured', answer)
    return answer
  }
}
