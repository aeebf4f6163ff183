import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Scenario } from '../scenarios.ts'
import { type ErrorCode, sendBareError, sendError } from './errors.ts'

export const provider = 'otpless'
export const clientId = 'sandbox-otpless-client'
export const clientSecret = 'sandbox-otpless-secret'
export const appId = 'SANDBOXAPPID'

export const serverError = { message: 'Something went wrong. Please try again!' }

type Reject = (reply: FastifyReply) => FastifyReply

/** The documents of most calls show wrong credentials without `errorCode`. */
const rejectCredentials: Reject = reply =>
  sendBareError(reply, 401, 'Access blocked', 'Invalid client credentials')
/** Those of SNA and of the SDK's requests show them with it. */
export const rejectWithCode: Reject = reply => sendError(reply, 7002)

/** The header check of a route. `reject` answers wrong credentials; missing ones are 7012 everywhere. */
export function authorize (reject: Reject = rejectCredentials) {
  return async ({ headers }: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> => {
    if (!headers['clientid'] || !headers['clientsecret']) return sendError(reply, 7012)
    if (headers['clientid'] === clientId && headers['clientsecret'] === clientSecret) return undefined
    return reject(reply)
  }
}

/**
 * How an initiate call answers a number that cannot be served, with the codes and the malformed body of its document.
 */
export type StartAnswers = { unsupported: Reject, malformed: Reject, limited: ErrorCode, refused: Reject }

/** The document of calls that send something to a person. */
const messageAnswers: StartAnswers = {
  unsupported: reply => sendError(reply, 7103),
  malformed: reply => reply.type('text/html').send('<html><body>Welcome</body></html>'),
  limited: 7020,
  refused: rejectCredentials,
}

/** Answers an initiate call that starts nothing; undefined: it starts. */
export function answerStart (
  scenario: Scenario, reply: FastifyReply, answers: StartAnswers = messageAnswers,
): FastifyReply | undefined {
  switch (scenario) {
    case 'unsupported': case 'notCellular': case 'otherDevice': return answers.unsupported(reply)
    case 'error': case 'evidenceInvalid': case 'startFails': return reply.code(500).send(serverError)
    case 'startLimited': return sendError(reply, answers.limited)
    case 'startRefused': return answers.refused(reply)
    case 'startHangs': return reply.hijack()
    case 'malformed': return answers.malformed(reply)
    default: return undefined
  }
}
