import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { createExpiringMap } from '../expiring-map.ts'
import type { Scenario } from '../scenarios.ts'
import { sendError } from './errors.ts'
import type { ApiScope } from './scopes.ts'

/** "Lifetime at most 300 seconds". */
export const accessTokenSeconds = 300

/** What an access token opens. `digits`: of the SIM that the network has identified; null: it has two legs. */
export type Access = { scopes: readonly string[], digits: string | null, scenario: Scenario, failuresLeft: number }
export type AccessTokens = ReturnType<typeof createAccessTokens>
export type FindAccess = (request: FastifyRequest) => { token: string, access: Access } | undefined

export const createAccessTokens = (now: () => number) =>
  createExpiringMap<Access>(now, accessTokenSeconds * 1000)

/** The access token of a request that `demand` has let through. */
export const createFindAccess = (tokens: AccessTokens): FindAccess => ({ headers }) => {
  const token = /^Bearer ([\w.~+/=-]+)$/i.exec(headers.authorization ?? '')?.[1] ?? ''
  const access = tokens.get(token)
  return access === undefined ? undefined : { token, access }
}

/** Demands a token with one of these scopes. */
export const createDemand = (find: FindAccess) => (...scopes: ApiScope[]) =>
  async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> => {
    const found = find(request)
    if (found === undefined) return sendError(reply, 'UNAUTHENTICATED')
    if (!scopes.some(scope => found.access.scopes.includes(scope))) return sendError(reply, 'PERMISSION_DENIED')
    return undefined
  }

const correlator = /^[a-zA-Z0-9_:;./<>{}-]{0,256}$/

/** What all of CAMARA's APIs do: `x-correlator` comes back, and errors have one form. */
export function addConventions (app: FastifyInstance): void {
  app.addHook('onRequest', async ({ headers }, reply) => {
    const given = headers['x-correlator']
    if (given === undefined) return undefined
    if (typeof given !== 'string' || !correlator.test(given)) return sendError(reply, 'INVALID_ARGUMENT')
    reply.header('x-correlator', given)
    return undefined
  })
  app.setErrorHandler<FastifyError>((error, _request, reply) => {
    if (error.statusCode === undefined) return sendError(reply, 'INTERNAL')
    if (error.statusCode === 415) return sendError(reply, 'UNSUPPORTED_MEDIA_TYPE')
    const first = error.validation?.[0]
    const isRange = first?.keyword === 'minimum' || first?.keyword === 'maximum'
    return sendError(reply, isRange ? 'OUT_OF_RANGE' : 'INVALID_ARGUMENT')
  })
}
