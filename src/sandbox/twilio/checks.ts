import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { type Static, Type } from 'typebox'
import type { Scenario } from '../scenarios.ts'
import { waitUntilReady } from '../slow-answer.ts'
import { sendError } from './errors.ts'
import type { Parts } from './parts.ts'
import { latest, maxChecks, type Verification } from './verifications.ts'
import { viewCheck } from './views.ts'

const CheckForm = Type.Object({
  Code: Type.Optional(Type.String()),
  To: Type.Optional(Type.String()),
  VerificationSid: Type.Optional(Type.String()),
  SnaClientToken: Type.Optional(Type.String()),
})

const unprovable: readonly Scenario[] = ['mismatch', 'evidenceInvalid', 'silent', 'rejected']

/** Whether a check proves the number; null: there is no silent result that it could ask for. */
function judge (verification: Verification, { Code, SnaClientToken }: Static<typeof CheckForm>): boolean | null {
  const { scenario, code } = verification
  const { sna, isMatch } = latest(verification)
  if (sna === undefined) return Code === code && !unprovable.includes(scenario)
  if (!isMatch) return null
  return sna.token === null || (SnaClientToken === sna.token && scenario !== 'evidenceInvalid')
}

/** https://www.twilio.com/docs/verify/api/verification-check */
export const checkRoutes: FastifyPluginAsyncTypebox<Parts> = async (app, { context, verifications }) => {
  app.post('/VerificationCheck', { schema: { body: CheckForm } }, async ({ body, raw }, reply) => {
    const { Code, To, VerificationSid } = body
    const target = VerificationSid ?? To
    if (target === undefined) return sendError(reply, 60221)
    const verification = verifications.find(target)
    if (verification === undefined) return sendError(reply, 20404)
    const isSilent = latest(verification).sna !== undefined
    if (!isSilent && !/^\w{4,10}$/.test(Code ?? '')) return sendError(reply, 60200, 'Code')
    if (verification.failuresLeft-- > 0) return sendError(reply, 20500)
    if (!await waitUntilReady(context, verification, raw)) return reply.hijack()
    if (verification.scenario === 'evidenceExpired') return sendError(reply, 20404)
    if (verification.wrongChecks >= maxChecks) {
      verifications.end(verification, 'max_attempts_reached')
      return sendError(reply, 60202)
    }
    const isProven = judge(verification, body)
    if (isProven === true) {
      verifications.end(verification, verification.scenario === 'unverified' ? 'failed' : 'approved')
    }
    if (isProven === false) verification.wrongChecks += 1
    return viewCheck(verification)
  })
}
