import type { FastifyReply } from 'fastify'

/**
 * The error codes that the simulator sends, with their HTTP status. Only the texts of 7114 and 7301 are documented; a
 * client must not depend on texts.
 */
const errors = {
  7012: [401, 'Access blocked', 'Client credentials are empty'],
  7020: [429, 'Rate limit exceeded', 'Request error: Too many requests'],
  7101: [400, 'Invalid Request', 'Request error: Required parameters missing or invalid'],
  7102: [400, 'Invalid Request', 'Request error: Invalid phone number'],
  7103: [400, 'Invalid Request', 'Request error: Invalid phone channel'],
  7104: [400, 'Invalid Request', 'Request error: Invalid email'],
  7105: [400, 'Invalid Request', 'Request error: Invalid email channel'],
  7106: [400, 'Invalid Request', 'Request error: Either phone number or email'],
  7112: [400, 'Invalid Request', 'Request error: OTP is empty'],
  7113: [400, 'Invalid Request', 'Request error: Invalid expiry'],
  7114: [400, 'Invalid Request', 'Request error: Invalid token'],
  7115: [400, 'Invalid Request', 'Request error: OTP is already verified'],
  7116: [400, 'Invalid Request', 'Request error: Invalid OTP length'],
  7118: [400, 'Invalid Request', 'Request error: Incorrect OTP'],
  7119: [400, 'Invalid Request', 'Request error: Invalid request id'],
  7136: [400, 'Invalid Request', 'Request error: Unknown request id'],
  7301: [401, 'Expired', 'Request error: Token is expired'],
  7303: [400, 'Expired', 'Request error: OTP is expired'],
} as const

export type ErrorCode = keyof typeof errors

/** Answers `{ message, errorCode, description }`; the code is a string on the wire. `status` replaces its own. */
export function sendError (reply: FastifyReply, errorCode: ErrorCode, status?: number): FastifyReply {
  const [documented, message, description] = errors[errorCode]
  return reply.code(status ?? documented).send({ message, errorCode: String(errorCode), description })
}

/**
 * Wrong credentials are documented without `errorCode`; those of validate/token, and its other errors in one of the two
 * documents about it, with `message` only.
 */
export function sendBareError (
  reply: FastifyReply, status: number, message: string, description?: string,
): FastifyReply {
  return reply.code(status).send({ message, description })
}

const codeOfMember: Record<string, ErrorCode> = {
  phoneNumber: 7102,
  email: 7104,
  channels: 7103,
  expiry: 7113,
  otpLength: 7116,
  requestId: 7119,
  otp: 7112,
  token: 7114,
}

/** The code for a body member that is missing or malformed. */
export function codeFor (member: string): ErrorCode {
  return (Object.hasOwn(codeOfMember, member) ? codeOfMember[member] : undefined) ?? 7101
}
