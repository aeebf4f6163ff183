import type { FastifyReply } from 'fastify'

export const provider = 'camara'

/** Status and message of each code. https://github.com/camaraproject/Commonalities, CAMARA_common.yaml */
const errors = {
  INVALID_ARGUMENT: [400, 'Client specified an invalid argument, request body or query param.'],
  OUT_OF_RANGE: [400, 'Client specified an invalid range.'],
  'ONE_TIME_PASSWORD_SMS.INVALID_OTP': [400, 'The provided OTP is not valid for this authenticationId'],
  'ONE_TIME_PASSWORD_SMS.VERIFICATION_EXPIRED': [400, 'The authenticationId is no longer valid'],
  'ONE_TIME_PASSWORD_SMS.VERIFICATION_FAILED': [
    400, 'The maximum number of attempts for this authenticationId was exceeded without providing a valid OTP',
  ],
  UNAUTHENTICATED: [401, 'Request not authenticated due to missing, invalid, or expired credentials.'],
  PERMISSION_DENIED: [403, 'Client does not have sufficient permissions to perform this action.'],
  'NUMBER_VERIFICATION.USER_NOT_AUTHENTICATED_BY_MOBILE_NETWORK': [
    403, 'Client must authenticate via the mobile network to use this service',
  ],
  'ONE_TIME_PASSWORD_SMS.MAX_OTP_CODES_EXCEEDED': [
    403, 'Too many OTPs have been requested for this MSISDN. Try later.',
  ],
  'ONE_TIME_PASSWORD_SMS.PHONE_NUMBER_NOT_ALLOWED': [
    403, 'Phone_number can\'t receive an SMS due to business reasons in the operator.',
  ],
  'ONE_TIME_PASSWORD_SMS.PHONE_NUMBER_BLOCKED': [
    403, 'Phone_number is blocked to receive SMS due to any blocking business reason in the operator.',
  ],
  NOT_FOUND: [404, 'The specified resource is not found.'],
  IDENTIFIER_NOT_FOUND: [404, 'Device identifier not found.'],
  UNSUPPORTED_MEDIA_TYPE: [415, 'The server refuses the format of the request body.'],
  SERVICE_NOT_APPLICABLE: [422, 'The service is not available for the provided identifier.'],
  MISSING_IDENTIFIER: [422, 'The device cannot be identified.'],
  UNNECESSARY_IDENTIFIER: [422, 'The device is already identified by the access token.'],
  TOO_MANY_REQUESTS: [429, 'Rate limit reached.'],
  INTERNAL: [500, 'Unknown server error.'],
} as const

export type ErrorCode = keyof typeof errors

export function sendError (reply: FastifyReply, code: ErrorCode): FastifyReply {
  const [status, message] = errors[code]
  if (status === 429) reply.header('retry-after', '1')
  return reply.code(status).send({ status, code, message })
}

/** An error of OAuth 2.0, RFC 6749, section 5.2. */
export function sendTokenError (reply: FastifyReply, status: number, error: string): FastifyReply {
  if (status === 429) reply.header('retry-after', '1')
  return reply.code(status).header('cache-control', 'no-store').send({ error })
}
