import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { Scenario } from '../scenarios.ts'
import { snaErrors } from './errors.ts'
import type { Parts } from './parts.ts'
import type { Attempt } from './verifications.ts'

const KeyParams = Type.Object({ key: Type.String() })

/** What the network says, where it is not that the SIM has the number. */
const outcomes: Partial<Record<Scenario, keyof typeof snaErrors>> = {
  mismatch: 'mismatch', error: 'carrierFailed', notCellular: 'notCellular',
}

/**
 * The URL that a device opens over mobile data: once, within ten minutes. It answers 200 with a text in the form of a
 * query. `ErrorCode=0` says that the carrier has judged; how, only a check says. The place of the client token in it is
 * documented nowhere.
 * https://www.twilio.com/docs/verify/best-practices-for-verify-sna-error-handling
 */
export const deviceRoutes: FastifyPluginAsyncTypebox<Parts> = async (app, { context, verifications }) => {
  const { timers, slowMs, silenceMs } = context
  const failure = { ErrorCode: '-10', ErrorDescription: 'Failure' }

  /** Null: the network never answers. */
  async function identify (scenario: Scenario, attempt: Attempt): Promise<Record<string, string> | null> {
    if (scenario === 'slow') await timers.sleep(slowMs)
    if (scenario === 'silent' || scenario === 'rejected') {
      await timers.sleep(silenceMs)
      return null
    }
    const outcome = outcomes[scenario]
    if (outcome === undefined) attempt.isMatch = true
    else attempt.errorCode = snaErrors[outcome]
    if (outcome !== undefined && outcome !== 'mismatch') return failure
    const { token = null } = attempt.sna ?? {}
    return {
      ErrorCode: '0', ErrorDescription: 'Success', Carrier: 'VZW', ...token !== null && { SnaClientToken: token },
    }
  }

  app.route({
    method: ['GET', 'POST'],
    url: '/m/id/:key',
    schema: { params: KeyParams },
    handler: async ({ params: { key } }, reply) => {
      const [verification, attempt] = verifications.findAttempt(key) ?? []
      reply.type('text/plain')
      if (verification?.status !== 'pending' || attempt === undefined || attempt.isOpened) {
        return String(new URLSearchParams(failure))
      }
      attempt.isOpened = true
      const result = await identify(verification.scenario, attempt)
      return result === null ? reply.code(504).send('') : String(new URLSearchParams(result))
    },
  })
}
