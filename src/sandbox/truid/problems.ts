import type { FastifyReply } from 'fastify'

/**
 * The problem details of tru.ID's API reference, with their HTTP status. The last four rows are not documented.
 */
const problems = {
  check_not_found: [404, 'Not Found', 'Check Not Found'],
  bad_request: [400, 'Bad Request', 'The request body is invalid'],
  phone_format_invalid: [400, 'Bad Request', 'Phone Number Validation Error'],
  mno_not_supported: [400, 'Bad Request', 'Mobile Network Operator Not Supported'],
  not_mobile_ip: [412, 'Precondition Failed', 'Not a mobile IP'],
  ip_msisdn_mismatch: [409, 'Conflict', 'ip_msisdn_mismatch'],
  mno_redirect_unsupported: [501, 'Not Implemented', 'Mobile Network Operator Not Supporting Redirect'],
  trace_not_found: [404, 'Not Found', 'Trace Not Found'],
  trace_gone: [410, 'Gone', 'Traces have expired'],
  too_many_requests: [
    429, 'Rate Limit exceeded',
    'Rate Limit has exceeded, check response Retry-After HTTP header for when request can be retried.',
  ],
  forbidden: [403, 'Forbidden', 'Forbidden'],
  not_found: [404, 'Not Found', 'Not Found'],
  unauthorized: [401, 'Unauthorized', 'Unauthorized'],
  unsupported_media_type: [415, 'Unsupported Media Type', 'The media type of the request is not supported'],
  server_error: [500, 'Internal Server Error', 'Internal Server Error'],
} as const

export type Problem = keyof typeof problems

/** Answers `application/problem+json` with exactly `type`, `title` and `detail`. */
export function sendProblem (reply: FastifyReply, problem: Problem): FastifyReply {
  const [status, title, detail] = problems[problem]
  const type = `https://developer.tru.id/docs/reference/api-errors#${problem}`
  if (status === 429) reply.header('retry-after', '1')
  return reply.code(status).type('application/problem+json').send({ type, title, detail })
}

/** A create for a number of a country without any network: documented as a problem without a type of its own. */
export function sendUnsupportedCountry (reply: FastifyReply): FastifyReply {
  return reply.code(400).type('application/problem+json').send({
    title: 'Bad Request', detail: 'The country for the supplied phone_number is not supported',
  })
}
