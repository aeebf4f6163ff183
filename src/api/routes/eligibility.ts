import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Gateway } from '../../verifications/gateway.ts'
import { eligibility, eligibilityQuestions } from '../openapi/examples.ts'
import { apiErrorResponses, byAppKey, jsonResponse, withExamples } from '../openapi/operations.ts'
import { callingApp, type Auth } from '../plugins/auth.ts'
import { acceptJson } from '../plugins/body-parsers.ts'
import { EligibilityBody } from '../schemas/requests.ts'
import { EligibilityList } from '../schemas/responses.ts'

const description = [
  'For apps that let the user choose a method. Nothing is sent to the user. Providers are queried only where that is '
  + 'free of charge, and for at most a second; a method is eligible unless it is known not to serve the number.',
  'A create needs no call of this kind: the gateway checks the same before each attempt, and skips a method that '
  + 'cannot serve the number. Methods that discover the number are not asked about it.',
  'The answer says neither whether the number has an account with a provider, nor what other apps did with it.',
  'Repeating: changes nothing.',
].join('\n\n')

export const eligibilityRoutes: FastifyPluginAsyncTypebox<{
  gateway: Pick<Gateway, 'eligibility'>, auth: Auth,
}> = async (server, { gateway, auth }) => {
  acceptJson(server)
  server.post('/eligibility', {
    onRequest: auth.byApp('verifications:read'),
    schema: {
      tags: ['Providers'], security: byAppKey('verifications:read'), operationId: 'checkEligibility',
      summary: 'Ask which methods can serve a number', description,
      body: withExamples(EligibilityBody, eligibilityQuestions),
      response: {
        200: jsonResponse('Every configured method.', EligibilityList, eligibility),
        ...apiErrorResponses(
          'payload_too_large', 'unsupported_media_type', 'invalid_phone_number', 'rate_limited',
        ),
      },
    },
  }, async request => ({ data: await gateway.eligibility(callingApp(request), request.body), nextCursor: null }))
}
