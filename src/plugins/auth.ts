import type { FastifyReply, FastifyRequest } from 'fastify'
import type { App, Apps, Scope } from '../apps.ts'
import { ApiError } from '../errors.ts'
import type { Ids } from '../ids.ts'

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

type Hook = (request: FastifyRequest, reply: FastifyReply, done: () => void) => void

export type Auth = {
  /** `onRequest`: only an API key with this scope. */
  byApp (scope: Scope): Hook
  /** `onRequest`: an API key with this scope, or the client secret of the verification that the path names. */
  byAppOrClient (scope: Scope): Hook
  /** The same; the client secret may also be the query's `clientSecret`, for a browser's `EventSource`, which can send no header. */
  byAppOrClientInQuery (scope: Scope): Hook
}

type Credential = 'key' | 'secret' | 'secretInQuery'

/** Nothing here asks the store: keys are looked up by hash, ids and client secrets carry their own proof. */
export function createAuth ({ apps, ids }: { apps: Pick<Apps, 'byKey'>, ids: Pick<Ids, 'checkId' | 'readClientSecret'> }): Auth {
  const authenticate = (scope: Scope, taken: readonly Credential[]): Hook => (request, _reply, done) => {
    const inQuery = taken.includes('secretInQuery') && request.headers.authorization === undefined ? readSecret(request.query) : null
    const credential = inQuery ?? readBearer(request.headers.authorization)
    const clientOf = ids.readClientSecret(credential)
    // An API key must not be written into an address: there it opens nothing.
    const known = clientOf === null && inQuery === null ? apps.byKey(credential) : null
    const id = readId(request.params)
    if (clientOf !== null) {
      if (!taken.includes('secret')) throw new ApiError('forbidden', 'A client secret does not open this call: it takes an API key.')
      if (id !== clientOf) throw notFound()
      request.caller = { clientOf }
    } else {
      if (known === null) throw new ApiError('unauthenticated', 'These credentials are not known.')
      if (!known.scopes.has(scope)) throw new ApiError('forbidden', `This key lacks the scope \`${scope}\`.`)
      if (id !== null && !ids.checkId(id, known.app.id)) throw notFound()
      request.caller = { app: known.app }
    }
    request.verificationId = id
    done()
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

const notFound = (): ApiError => new ApiError('not_found', 'There is no such verification.')

function readBearer (header: string | undefined): string {
  const credential = /^Bearer +([\x21-\x7e]+)$/i.exec(header ?? '')?.[1]
  if (credential === undefined) throw new ApiError('unauthenticated', 'Send `Authorization: Bearer <API key>`.')
  return credential
}

function readSecret (query: unknown): string | null {
  return typeof query === 'object' && query !== null && 'clientSecret' in query && typeof query.clientSecret === 'string' ? query.clientSecret : null
}

function readId (params: unknown): string | null {
  return typeof params === 'object' && params !== null && 'id' in params && typeof params.id === 'string' ? params.id : null
}
