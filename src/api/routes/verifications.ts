import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import type { Apps } from '../../apps/apps.ts'
import type { Verification } from '../../core/verification.ts'
import type { Ids } from '../../store/ids.ts'
import type { Gateway } from '../../verifications/gateway.ts'
import type { Live } from '../live/live.ts'
import {
  cancelOperation, checkOperation, createOperation, eraseOperation, getOperation, listOperation, nextOperation,
  resendOperation,
} from '../openapi/verification-operations.ts'
import { auditAction } from '../plugins/audit.ts'
import { callingApp, isMasked, isOperator, type Auth } from '../plugins/auth.ts'
import { acceptJson, fillAbsentBody } from '../plugins/body-parsers.ts'
import type { RequestLimits } from '../plugins/rate-limit.ts'
import { logCreated } from '../plugins/request-log.ts'
import { invalidRequest } from '../plugins/validation.ts'
import type { FoundVerification, VerificationView } from '../schemas/verification.ts'
import { viewVerification } from '../views/verification.ts'

const defaultLimit = 20

type VerificationRoutesParts = {
  gateway: Gateway, apps: Pick<Apps, 'all'>, live: Live, ids: Ids, auth: Auth
  limits: Pick<RequestLimits, 'byCreate'>, publicUrl: string
}

export const verificationRoutes: FastifyPluginAsyncTypebox<VerificationRoutesParts> = async (
  server, { gateway, apps, live, ids, auth, limits, publicUrl },
) => {
  // A proxy may serve the gateway below a path.
  const basePath = new URL(publicUrl).pathname.replace(/\/$/, '')
  acceptJson(server)
  const view = (verification: Verification, request: FastifyRequest): VerificationView =>
    viewVerification(verification, { attemptId: ids.attemptId, masked: isMasked(request) })
  const byApp = { onRequest: auth.byApp('verifications:write') }
  const byFrontEnd = {
    onRequest: auth.byAppOrClient('verifications:write'), preValidation: fillAbsentBody, config: { forFrontEnds: true },
  }

  server.post('/verifications', {
    onRequest: [auth.byApp('verifications:write'), limits.byCreate], schema: createOperation,
  }, async (request, reply) => {
    const key = request.headers['idempotency-key'] ?? null
    const verification = await gateway.create(callingApp(request), request.body, key, logCreated(request))
    const { id } = verification
    request.verificationId = id
    const created = viewVerification(verification, { attemptId: ids.attemptId })
    return reply.code(201).header('location', `${basePath}/verifications/${id}`).send({
      ...created, clientSecret: ids.clientSecret(id),
    })
  })

  server.get('/verifications', {
    onRequest: auth.byApp('verifications:read', 'operations:read'), schema: listOperation,
  }, async request => {
    const { reference, phoneNumber, limit = defaultLimit } = request.query
    const criterion = readCriterion(reference, phoneNumber)
    if (!isOperator(request)) {
      const found = await gateway.find(callingApp(request), criterion, limit)
      return { data: found.map(verification => view(verification, request)), nextCursor: null }
    }
    const found = await gateway.find([...apps.all()], criterion, limit)
    auditAction(request, 'verifications_searched')
    const data = found.map(verification => viewForOperator(verification, view(verification, request)))
    return { data, nextCursor: null }
  })

  server.get('/verifications/:id', {
    onRequest: auth.byAppOrClient('verifications:read'), config: { forFrontEnds: true }, schema: getOperation,
  }, async (request, reply) => view(await live.read(request.params.id, request.query, reply), request))

  server.post('/verifications/:id/check', { ...byFrontEnd, schema: checkOperation }, async (request, reply) => {
    const { verification, settled } = await gateway.check(request.params.id, request.body)
    return reply.code(settled ? 200 : 202).send(view(verification, request))
  })

  server.post('/verifications/:id/next', { ...byFrontEnd, schema: nextOperation }, async request => {
    const { reason = 'abandoned', revision } = request.body
    return view(await gateway.next(request.params.id, reason, revision), request)
  })

  server.post('/verifications/:id/resend', { ...byFrontEnd, schema: resendOperation }, async request =>
    view(await gateway.resend(request.params.id), request))

  server.post('/verifications/:id/cancel', {
    ...byApp, preValidation: fillAbsentBody, schema: cancelOperation,
  }, async request => view(await gateway.cancel(request.params.id), request))

  server.delete('/verifications/:id', { ...byApp, schema: eraseOperation }, async (request, reply) => {
    await gateway.erase(request.params.id)
    auditAction(request, 'verification_erased')
    return reply.code(204).send(null)
  })
}

/** For support: with its app, and without the profile, which is for that app only. */
const viewForOperator = ({ appId }: Verification, view: VerificationView): FoundVerification =>
  ({ ...view, result: view.result === null ? null : { ...view.result, profile: null }, appId })

/** Throws `ApiError` invalid_request unless exactly one of the two is given. */
function readCriterion (
  reference: string | undefined, phoneNumber: string | undefined,
): { reference: string } | { phoneNumber: string } {
  if (reference !== undefined && phoneNumber === undefined) return { reference }
  // A `+` that was not encoded as %2B arrives as a space.
  if (phoneNumber !== undefined && reference === undefined) return { phoneNumber: phoneNumber.replace(/^ /, '+') }
  const message = 'is required unless the other one is given: send either reference or phoneNumber'
  throw invalidRequest([{ field: 'reference', message }, { field: 'phoneNumber', message }])
}
