import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply } from 'fastify'
import { Type } from 'typebox'
import { authorize, rejectWithCode, serverError } from './account.ts'
import type { AuthRequest } from './auth-request.ts'
import { describeSnaError, sendError } from './errors.ts'
import { describeNetwork, describePhone, describeSim, operator } from './operator.ts'
import type { Parts } from './parts.ts'
import { describeInMs, describeUnusually } from './user.ts'

const StatusQuery = Type.Object({ requestId: Type.String({ minLength: 1 }) })
const StatusBody = Type.Object({ requestId: Type.String({ minLength: 1 }) }, { additionalProperties: false })

const notCompleted = 'Authentication not completed, please try again later.'
const messages: Partial<Record<AuthRequest['status'], string>> = {
  INIT: notCompleted, PENDING: notCompleted, FAILED: 'Authentication failure',
  DECLINE: 'Authentication failed. User declined the authentication.',
}

/**
 * The status of a request. GET is for SNA only; POST is for all: one document of SNA shows GET, the others POST.
 * https://otpless.com/docs/api-reference/endpoint/sign-in/call-approval/request-status
 */
export const statusRoutes: FastifyPluginAsyncTypebox<Parts> = async (app, { requests }) => {
  function answer (request: AuthRequest | undefined, reply: FastifyReply): FastifyReply {
    if (request === undefined || request.scenario === 'evidenceInvalid') return sendError(reply, 7114)
    if (request.status === 'NOT_STARTED') return sendError(reply, 7170)
    const isExpired = !request.isDecided && requests.hasExpired(request)
    if (isExpired || request.scenario === 'evidenceExpired') {
      return sendError(reply, request.method === 'SILENT_AUTH' ? 7301 : 7172)
    }
    const isBroken = request.scenario === 'error' && request.method !== 'SILENT_AUTH'
    if (isBroken || request.failuresLeft-- > 0) return reply.code(500).send(serverError)
    return reply.send(request.method === 'SILENT_AUTH' ? describeSna(request) : describe(request))
  }

  app.get('/auth/v1/status', {
    schema: { querystring: StatusQuery }, onRequest: authorize(rejectWithCode),
  }, async ({ query: { requestId } }, reply) => {
    const request = requests.find(requestId)
    return answer(request?.method === 'SILENT_AUTH' ? request : undefined, reply)
  })

  app.post('/auth/v1/status', {
    schema: { body: StatusBody }, onRequest: authorize(),
  }, async ({ body: { requestId } }, reply) => answer(requests.find(requestId), reply))
}

/** Times are in milliseconds. Before the end, there is no token. */
function describe (request: AuthRequest): object {
  const { status, token, completedAt, identities, scenario } = request
  if (scenario === 'unusual') return describeUnusualStatus(request)
  if (status !== 'SUCCESS') return { status, message: messages[status] }
  if (scenario === 'malformed') return { token, status }
  return { token, status, completedAt, identities: identities.map(describeInMs) }
}

/** The token is the request id. PENDING has none. */
function describeSna (request: AuthRequest): object {
  const { id, status, correlationId, completedAt, identities, error, metadata, scenario } = request
  if (scenario === 'unusual') return describeUnusualStatus(request)
  return {
    token: status === 'PENDING' ? undefined : id, status, message: messages[status], correlationId, completedAt,
    identities: status === 'SUCCESS' ? identities.map(describeInMs) : undefined,
    error: error === undefined ? undefined : describeSnaError(error), operator, simDetail: describeSim(request),
    phoneDetail: describePhone(request), networkDetail: describeNetwork(request),
    metadata: Object.keys(metadata).length === 0 ? undefined : metadata,
  }
}

/** What has no value is null, and the number and the times have another type. */
function describeUnusualStatus ({ status, completedAt, identities }: AuthRequest): object {
  return {
    token: null, status, message: null, errorCode: null, error: null, operator: null, phoneDetail: null,
    simDetail: null, networkDetail: null, correlationId: null,
    completedAt: completedAt === undefined ? null : String(completedAt),
    identities: status === 'SUCCESS' ? describeUnusually(identities, at => ({ verifiedTimestamp: String(at) })) : null,
  }
}
