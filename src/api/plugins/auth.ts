import type { FastifyReply, FastifyRequest } from 'fastify'
import type { App, Apps, Scope } from '../../apps/apps.ts'
import { ApiError } from '../../core/errors.ts'
import type { Ids } from '../../store/ids.ts'
import type { RequestLimits } from './rate-limit.ts'

/** Who asks: an app with its API key, or the front end of one verification with its client secret. */
export type Caller = { app: App } | { clientOf: string }

declare module 'fastify' {
  interface FastifyRequest {
    /** Null on routes that ask nobody who they are. */
    caller: Caller | null
    /** The verification it is about: an id that we made. For the log line. */
    verificationId: string | null
  }
}

type Hook = (request: FastifyRequest, reply: FastifyReply) => Promise<void>

export type Auth = {
  /** `onRequest`: only an API key with this scope. Each of the three also counts the request: see `RequestLimits`. */
  byApp (scope: Scope): Hook
  /** `onRequest`: an API key with this scope, or the client secret of the verification that the path names. */
  byAppOrClient (scope: Scope): Hook
  /**
   * The same; the client secret may also be the query's `clientSecret`, for a browser's `EventSource`, which can send
   * no header.
   */
  byAppOrClientInQuery (scope: Scope): Hook
}

type Credential = 'key' | 'secret' | 'secretInQuery'

/** Nothing here asks the store: keys are looked up by hash, ids and client secrets carry their own proof. */
export function createAuth (
  { apps, ids, limits }: {
    apps: Pick<Apps, 'byKey'>, ids: Pick<Ids, 'checkId' | 'readClientSecret'>, limits: RequestLimits,
  },
): Auth {
  const authenticate = (scope: Scope, taken: readonly Credential[]): Hook => async (request, reply) => {
    const refusal = identify(request, scope, taken)
    await (request.caller === null ? limits.byAddress : limits.byCaller)(request, reply)
    if (refusal !== null) throw refusal
  }

  /** Finds out who asks; what is returned is why the call is not theirs. */
  function identify (request: FastifyRequest, scope: Scope, taken: readonly Credential[]): ApiError | null {
    const inQuery = taken.includes('secretInQuery') && request.headers.authorization === undefined
      ? readSecret(request.query)
      : null
    const credential = inQuery ?? readBearer(request.headers.authorization)
    if (credential === null) return new ApiError('unauthenticated', 'Send `Authorization: Bearer <API key>`.')
    const clientOf = ids.readClientSecret(credential)
    // An API key must not be written into an address: there it opens nothing.
    const known = clientOf === null && inQuery === null ? apps.byKey(credential) : null
    const id = readId(request.params)
    if (clientOf !== null) {
      request.caller = { clientOf }
      if (!taken.includes('secret')) return new ApiError(
        'forbidden', 'A client secret does not open this call: it takes an API key.',
      )
      if (id !== clientOf) return notFound()
    } else {
      if (known === null) return new ApiError('unauthenticated', 'These credentials are not known.')
      request.caller = { app: known.app }
      if (!known.scopes.has(scope)) return new ApiError('forbidden', `This key lacks the scope \`${scope}\`.`)
      if (id !== null && !ids.checkId(id, known.app.id)) return notFound()
    }
    request.verificationId = id
    return null
  }

  return {
    byApp: scope => authenticate(scope, ['key']),
    byAppOrClient: scope => authenticate(scope, ['key', 'secret']),
    byAppOrClientInQuery: scope => authenticate(scope, ['key', 'secret', 'secretInQuery']),
  }
}

/** The app that asks, on a route that is open to apps only. */
export function callingApp ({ caller }: FastifyRequest): App {
  if (caller === null || !('app' in caller)) throw new TypeError('the route does not ask for an app')
  return caller.app
}

/** The audit line of something that an operator, or an app in its stead, did on purpose. */
export function auditAction (
  request: FastifyRequest, action: 'verification_erased' | 'webhook_replayed' | 'webhook_tested' | 'queues_opened',
): void {
  const { verificationId } = request
  request.log.info(
    {
      audit: 'operator_action', action, app: callingApp(request).id,
      ...(verificationId === null ? {} : { verificationId }),
    },
    'audit',
  )
}

const notFound = (): ApiError => new ApiError('not_found', 'There is no such verification.')

const readBearer = (header: string | undefined): string | null =>
  /^Bearer +([\x21-\x7e]+)$/i.exec(header ?? '')?.[1] ?? null

function readSecret (query: unknown): string | null {
  return typeof query === 'object' && query !== null
    && 'clientSecret' in query && typeof query.clientSecret === 'string'
    ? query.clientSecret
    : null
}

function readId (params: unknown): string | null {
  return typeof params === 'object' && params !== null && 'id' in params && typeof params.id === 'string'
    ? params.id
    : null
}
