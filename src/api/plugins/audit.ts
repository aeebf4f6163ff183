import type { FastifyRequest } from 'fastify'
import type { RefusalCause } from '../../core/errors.ts'

/** Writes the audit line of a deliberate action of an operator or an app. */
export function auditAction (
  request: FastifyRequest,
  action: 'verification_erased' | 'verifications_searched' | 'webhook_replayed' | 'webhook_tested' | 'queues_opened',
): void {
  request.log.info({ audit: 'operator_action', action, ...describeCaller(request) }, 'audit')
}

/** Writes the audit line of a refusal. `numberTag`: of the number that it concerns. */
export function auditRefusal (request: FastifyRequest, cause: RefusalCause, numberTag: string | undefined): void {
  const { routeOptions: { url: route = null } } = request
  const about = numberTag === undefined ? {} : { numberTag }
  request.log.warn({ audit: 'refused', cause, route, ...describeCaller(request), ...about }, 'audit')
}

/** Who called: the address appears as a tag, by which it can be found (`npm run tag`). */
function describeCaller (request: FastifyRequest) {
  const { caller, verificationId } = request
  const { app, keyId } = caller !== null && 'app' in caller
    ? { app: caller.app.id, keyId: caller.keyId }
    : { app: null, keyId: null }
  return { app, keyId, addressTag: request.addressTag(), ...verificationId === null ? {} : { verificationId } }
}
