import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { acceptForms } from '../forms.ts'
import type { Simulator, SimulatorContext } from '../simulator.ts'
import {
  answerStart, apiToken, type ErrorWord, GatewayError, provider, scenarioIn, sendError, senderUsername,
} from './account.ts'
import { type Parameters, readMessage, readParameters, readPhoneNumber, readToken } from './parameters.ts'
import { createReports } from './reports.ts'
import { createRequests, type VerificationRequest } from './requests.ts'

type Call = (parameters: Parameters, reply: FastifyReply) => unknown

/** The four methods. A result that is a reply was sent already. */
function createMethods (context: SimulatorContext): Readonly<Record<string, Call>> {
  const requests = createRequests(context)
  const reports = createReports(context, requests)

  /** The suffix 97: the calls about a sent message fail twice. */
  function findSent (parameters: Parameters): VerificationRequest {
    const request = requests.find(parameters.get('request_id'))
    if (request.failuresLeft-- > 0) throw new GatewayError('INTERNAL_ERROR', 500)
    return request
  }

  return {
    checkSendAbility (parameters, reply) {
      const phoneNumber = readPhoneNumber(parameters)
      return answerStart(reply, scenarioIn(phoneNumber))
        ?? requests.describe(requests.create(phoneNumber), { isCharged: true })
    },

    /** A send is free with the `request_id` of `checkSendAbility`. */
    sendVerificationMessage (parameters, reply) {
      const message = readMessage(parameters)
      const answer = answerStart(reply, scenarioIn(message.phoneNumber))
      if (answer !== undefined) return answer
      const id = parameters.get('request_id')
      const request = id === undefined ? requests.create(message.phoneNumber) : requests.find(id)
      requests.send(request, message)
      const result = requests.describe(request, { isCharged: id === undefined })
      void reports.arrive(request)
      return result
    },

    checkVerificationStatus (parameters) {
      const request = findSent(parameters)
      if (request.scenario === 'evidenceInvalid') throw new GatewayError('REQUEST_ID_INVALID')
      const code = parameters.get('code')
      if (code !== undefined) requests.check(request, code)
      else if (request.expiresAt !== undefined && request.expiresAt <= context.now()) requests.expire(request)
      return requests.describe(request)
    },

    revokeVerificationMessage (parameters) {
      requests.revoke(findSent(parameters))
      return true
    },
  }
}

/**
 * Telegram Gateway: codes that Telegram shows, made by it or by the sender, and signed delivery reports. Methods are
 * called by GET or POST, with the parameters in the query, a form or JSON; their names have no case.
 * https://core.telegram.org/gateway/api
 */
export const telegram: Simulator = {
  provider,

  settings: url => ({
    TELEGRAM_API_TOKEN: apiToken, TELEGRAM_API_URL: url, TELEGRAM_SENDER_USERNAME: senderUsername,
  }),

  async routes (app, { context }) {
    acceptForms(app)
    app.setErrorHandler<FastifyError | GatewayError>((error, _request, reply) => {
      if (error instanceof GatewayError) return sendError(reply, error.word, error.status)
      const word: ErrorWord = (error.statusCode ?? 500) < 500 ? 'UNKNOWN_METHOD' : 'INTERNAL_ERROR'
      return sendError(reply, word, error.statusCode ?? 500)
    })

    const answer = (call: Call) => async (request: FastifyRequest, reply: FastifyReply) => {
      const parameters = readParameters(request)
      const token = readToken(request, parameters)
      if (token === undefined) throw new GatewayError('ACCESS_TOKEN_REQUIRED')
      if (token !== apiToken) throw new GatewayError('ACCESS_TOKEN_INVALID')
      const result = await call(parameters, reply)
      return result === reply ? reply : { ok: true, result }
    }
    for (const [name, call] of Object.entries(createMethods(context))) {
      for (const path of [name, name.toLowerCase()]) {
        app.route({ method: ['GET', 'POST'], url: `/${path}`, handler: answer(call) })
      }
    }
  },
}
