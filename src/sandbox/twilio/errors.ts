import type { FastifyReply } from 'fastify'

/**
 * The errors of Verify with their HTTP status and text.
 * https://www.twilio.com/docs/verify/api/error-codes
 */
const errors = {
  20003: [401, 'Authenticate'],
  20404: [404, 'The requested resource was not found'],
  20429: [429, 'Too many requests'],
  20500: [500, 'Internal Server Error'],
  60008: [403, 'Unsupported Carrier'],
  60200: [400, 'Invalid parameter'],
  60202: [429, 'Max check attempts reached'],
  60203: [429, 'Max send attempts reached'],
  60204: [403, 'Service does not support this feature'],
  60205: [403, 'SMS is not supported by landline phone number'],
  60221: [400, 'No target verification specified'],
  60223: [400, 'Delivery channel disabled'],
  60410: [403, 'Verification delivery attempt blocked'],
} as const

export type ErrorCode = keyof typeof errors

/** `parameter`: the name of what is invalid, as 60200 has it in its text. */
export function sendError (reply: FastifyReply, code: ErrorCode, parameter?: string): FastifyReply {
  const [status, text] = errors[code]
  if (status === 401) reply.header('www-authenticate', 'Basic realm="Twilio API"')
  return reply.code(status).send({
    code, message: parameter === undefined ? text : `${text}: ${parameter}`,
    more_info: `https://www.twilio.com/docs/errors/${code}`, status,
  })
}

/**
 * What a check says about a silent attempt.
 * https://www.twilio.com/docs/verify/best-practices-for-verify-sna-error-handling
 */
export const snaErrors = {
  mismatch: 60500, failed: 60510, pending: 60519, notCellular: 60531, carrierFailed: 60534,
} as const
