import type { FastifyRequest } from 'fastify'
import type { App, Apps, KeyAccess, Scope } from '../../apps/apps.ts'
import { ApiError } from '../../core/errors.ts'
import type { Ids } from '../../store/ids.ts'
import type { Hook, RequestLimits } from './rate-limit.ts'

/** An app with its API key, or the front end of one verification with its client secret. */
export type Caller = KeyAccess | { clientOf: string }

declare module 'fastify' {
  interface FastifyRequest {
    /** Null on routes without authentication. */
    caller: Caller | null
    /** The verification of the request, for the log line. Only ids that this gateway issued. */
    verificationId: string | null
  }
}

/** `onRequest` hooks. Each one also counts the request: see `RequestLimits`. */
export type Auth = {
  /** Requires an API key with one of these scopes. */
  byApp (...scopes: [Scope, ...Scope[]]): Hook
  /** Requires an API key with this scope, or the client secret of the verification in the path. */
  byAppOrClient (scope: Scope): Hook
  /**
   * The same; the client secret may also be the query parameter `clientSecret`, because a browser's `EventSource`
   * cannot send headers.
   */
  byAppOrClientInQuery (scope: Scope): Hook
}

type Credential = 'key' | 'secret' | 'secretInQuery'

export type AuthParts = {
  apps: Pick<Apps, 'byKey'>
  ids: Pick<Ids, 'checkId' | 'readClientSecret'>
  limits: Pick<RequestLimits, 'byCaller'>
}

/** Authenticates without a Redis call: keys are looked up by hash, ids and client secrets contain a MAC. */
export function createAuth ({ apps, ids, limits }: AuthParts): Auth {
  function authenticate (scopes: ReadonlySet<Scope>, accepted: readonly Credential[]): Hook {
    return (request, reply, done) => {
      const refusal = identify(request, scopes, accepted) ?? undefined
      const waiting = limits.byCaller(request, reply)
      if (waiting === null) done(refusal)
      else waiting.then(() => done(refusal), done)
    }
  }

  /** Sets `request.caller`. Returns why the caller may not make this request. */
  function identify (
    request: FastifyRequest, scopes: ReadonlySet<Scope>, accepted: readonly Credential[],
  ): ApiError | null {
    const { headers: { authorization }, params } = request
    const inQuery = accepted.includes('secretInQuery') && authorization === undefined
      ? memberOf(request.query, 'clientSecret')
      : null
    const credential = inQuery ?? readBearer(authorization)
    if (credential === null) return new ApiError('unauthenticated', 'Send `Authorization: Bearer <API key>`.')
    const id = memberOf(params, 'id')
    // API keys are not accepted in a URL.
    const known = inQuery === null ? apps.byKey(credential) : null
    if (known !== null) {
      request.caller = known
      if (scopes.isDisjointFrom(known.scopes)) {
        const [needed] = scopes
        return new ApiError('forbidden', `The key lacks the scope \`${needed}\`.`)
      }
      if (id !== null && !ids.checkId(id, known.app.id)) return notFound()
    } else {
      const clientOf = ids.readClientSecret(credential)
      if (clientOf === null) return new ApiError('unauthenticated', 'The API key or client secret is unknown.')
      request.caller = { clientOf }
      if (!accepted.includes('secret')) {
        return new ApiError('forbidden', 'This call requires an API key; a client secret is not accepted.')
      }
      if (id !== clientOf) return notFound()
    }
    request.verificationId = id
    return null
  }

  return {
    byApp: (...scopes) => authenticate(new Set(scopes), ['key']),
    byAppOrClient: scope => authenticate(new Set([scope]), ['key', 'secret']),
    byAppOrClientInQuery: scope => authenticate(new Set([scope]), ['key', 'secret', 'secretInQuery']),
  }
}

/** The calling app. Only for routes that accept nothing but API keys. */
export function callingApp ({ caller }: FastifyRequest): App {
  if (caller === null || !('app' in caller)) throw new TypeError('the route does not require an API key')
  return caller.app
}

/**
 * Whether the caller's key is for the operator of this gateway. A key that can read the verifications of its own app
 * belongs to that app, and finds no others.
 */
export const isOperator = ({ caller }: FastifyRequest): boolean => caller !== null && 'app' in caller
  && caller.scopes.has('operations:read') && !caller.scopes.has('verifications:read')

/** Whether the caller may see only the masked view of a verification. */
export const isMasked = ({ caller }: FastifyRequest): boolean => caller === null || 'clientOf' in caller

const notFound = (): ApiError => new ApiError('not_found', 'This verification does not exist.')

const readBearer = (header: string | undefined): string | null =>
  /^Bearer +([\x21-\x7e]+)$/i.exec(header ?? '')?.[1] ?? null

/** The text that a parsed query string or path has under this name. */
export function memberOf (values: unknown, name: string): string | null {
  const value: unknown = typeof values === 'object' && values !== null ? Reflect.get(values, name) : undefined
  return typeof value === 'string' ? value : null
}
