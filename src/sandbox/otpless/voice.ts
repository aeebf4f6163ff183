import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { scenarioOf } from '../scenarios.ts'
import { answerStart, authorize, provider } from './account.ts'
import type { AuthRequest } from './auth-request.ts'
import type { Parts } from './parts.ts'
import { withoutPlus } from './phone-number.ts'

const InitiateBody = Type.Object(
  { phoneNumber: Type.String({ pattern: withoutPlus }) }, { additionalProperties: false },
)

/** Not documented. */
const expirySeconds = 300

/**
 * A call that asks for approval. The status tells the result.
 * https://otpless.com/docs/api-reference/endpoint/sign-in/call-approval/call-approval
 */
export const voiceRoutes: FastifyPluginAsyncTypebox<Parts> = async (app, { context, requests, webhooks }) => {
  const { handset, timers, handsetDelayMs, slowMs } = context

  /** Resolves when the person has answered; at once for one that answers by hand, later. */
  async function call (request: AuthRequest, phoneNumber: string): Promise<void> {
    handset.show(phoneNumber, {
      provider, kind: 'call', title: 'Voice call',
      text: 'Somebody signs in to the sandbox with your number. Is it you?',
      choices: [{ id: 'approve', label: 'Approve' }, { id: 'decline', label: 'Decline' }],
    }, async choice => {
      if (choice === 'approve') await requests.succeed(request)
      else requests.decline(request)
    })
    if (handset.isManual(phoneNumber)) return
    await timers.sleep(request.scenario === 'slow' ? slowMs : handsetDelayMs)
    if (request.scenario === 'rejected') requests.decline(request)
    else await requests.succeed(request)
  }

  app.post('/auth/v1/initiate/voice_approval', {
    schema: { body: InitiateBody }, onRequest: authorize(),
  }, async ({ body: { phoneNumber } }, reply) => {
    const scenario = scenarioOf(phoneNumber, provider)
    const answer = answerStart(scenario, reply)
    if (answer !== undefined) return answer
    const request = requests.create(
      { method: 'VOICE_APPROVAL', channel: 'VOICE_CALL', person: { digits: phoneNumber }, scenario, expirySeconds },
    )
    if (scenario !== 'silent') {
      void webhooks.initiated(request)
      const answered = call(request, phoneNumber)
      // The person is faster than this answer.
      if (scenario === 'reordered') await answered
    }
    return scenario === 'unusual'
      ? { requestId: request.id, message: null, errorCode: null }
      : { requestId: request.id }
  })
}
