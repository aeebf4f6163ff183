import { randomUUID } from 'node:crypto'
import type { FastifyReply } from 'fastify'

const page = 'https://developer.vonage.com/en/api-errors'

/**
 * The problem details of the interface description, with their HTTP status: the anchor of `type`, title and detail.
 * Those of `slowDown`, `noCode`, `noEvents` and `gone` are in its table of errors or in the fixtures of the official
 * clients.
 */
const problems = {
  unauthorized: [401, '#unauthorized', 'Unauthorized', 'You did not provide correct credentials'],
  jwtExpired: [401, '#jwt-expired', 'You did not provide correct credentials.', 'The JWT provided has expired.'],
  invalidParams: [422, '#invalid-params', 'Invalid params', 'The value of one or more parameters is invalid.'],
  slowDown: [429, '#throttled', 'Rate Limit Hit', 'Please wait, then retry your request'],
  internal: [
    500, '#internal-error', 'Internal error', 'There was an error processing your request in the Platform.',
  ],
  notFound: [
    404, '/verify-v2#request-not-found', 'Not Found', 'Request was not found or it has been verified already.',
  ],
  concurrent: [
    409, '/verify-v2#concurrent', 'Conflict', 'Concurrent verifications to the same number are not allowed.',
  ],
  noEvents: [409, '/verify-v2#no-events', 'Conflict', 'There are no more events left to trigger.'],
  noCode: [409, '/verify-v2#no-code', 'Conflict', 'The current Verify workflow step does not support a code.'],
  invalidCode: [
    400, '/verify-v2#invalid-code', 'Invalid Code', 'The code you provided does not match the expected value.',
  ],
  gone: [
    410, '/verify-v2#expired', 'Invalid Code',
    'An incorrect code has been provided too many times. Workflow terminated.',
  ],
  networkUnsupported: [
    412, '/verify-v2#precondition-failed', 'Network not supported',
    'Device number does not resolve to a supported Mobile Network Operator.',
  ],
  silentAuthFailed: [
    412, '/verify-v2#precondition-failed', 'Silent authentication failed',
    'The silent auth verification cannot be initiated',
  ],
} as const

export type Problem = keyof typeof problems

/** Answers `application/problem+json`. `status` replaces the documented one, `more` adds and replaces members. */
export function sendProblem (
  reply: FastifyReply, problem: Problem, { status, ...more }: { status?: number } & Record<string, unknown> = {},
): FastifyReply {
  const [documented, anchor, title, detail] = problems[problem]
  if (documented === 429) reply.header('retry-after', '1')
  // The description requires `details` of an expired JWT and defines `detail`.
  const details = problem === 'jwtExpired' ? { details: detail } : {}
  return reply.code(status ?? documented).type('application/problem+json')
    .send({ type: `${page}${anchor}`, title, detail, instance: randomUUID(), ...details, ...more })
}
