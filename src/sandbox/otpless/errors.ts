import type { FastifyReply } from 'fastify'

/**
 * The error codes that the simulator sends, with their HTTP status. Few of the texts are documented, and the documents
 * differ in them; a client must not depend on texts.
 */
const errors = {
  7002: [401, 'Access blocked', 'Authorization error: Invalid credentials'],
  7012: [401, 'Access blocked', 'Authorization error: Merchant credentials are empty'],
  7020: [429, 'Rate limit exceeded', 'Request error: Too many requests'],
  7024: [429, 'App Rate Limit Exceeded', 'The application has exceeded the allowed number of requests.'],
  7101: [400, 'Invalid Request', 'Request error: Required parameters missing or invalid'],
  7102: [400, 'Invalid Request', 'Request error: Invalid phone number'],
  7103: [400, 'Invalid Request', 'Request error: Invalid phone channel'],
  7104: [400, 'Invalid Request', 'Request error: Invalid email'],
  7105: [400, 'Invalid Request', 'Request error: Invalid email channel'],
  7106: [400, 'Invalid Request', 'Request error: Either phone number or email'],
  7108: [400, 'Invalid Request', 'Request error: Invalid redirect URI'],
  7112: [400, 'Invalid Request', 'Request error: OTP is empty'],
  7113: [400, 'Invalid Request', 'Request error: Invalid expiry'],
  7114: [400, 'Invalid Request', 'Request error: Invalid token'],
  7115: [400, 'Invalid Request', 'Request error: OTP is already verified'],
  7116: [400, 'Invalid Request', 'Request error: Invalid OTP length'],
  7118: [400, 'Invalid Request', 'Request error: Incorrect OTP'],
  7119: [400, 'Invalid Request', 'Request error: Invalid request id'],
  7136: [400, 'Invalid Request', 'Request error: Unknown request id'],
  7170: [400, 'Invalid Request', 'Auth not started yet. Please initiate authentication first.'],
  7172: [400, 'Expired', 'Request error: Request id is expired'],
  7301: [401, 'Expired', 'Request error: Token is expired'],
  7302: [400, 'Expired', 'Request error: Code is expired'],
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
  channel: 7103,
  redirectURI: 7108,
  expiry: 7113,
  otpLength: 7116,
  requestId: 7119,
  otp: 7112,
  token: 7114,
  code: 7114,
}

/** The code for a body member that is missing or malformed. */
export function codeFor (member: string): ErrorCode {
  return (Object.hasOwn(codeOfMember, member) ? codeOfMember[member] : undefined) ?? 7101
}

/** Errors inside a 200: message and description. https://otpless.com/docs/api-reference/endpoint/sign-in/sna/errors */
const snaErrors = {
  SP40005: [
    'Operator not supported', 'This operator is not supported for verification. Please try with a different network.',
  ],
  SP40007: [
    'Operator mismatch',
    'The network or SIM operator doesn\'t match. Please use the same device and number you started with.',
  ],
  SP40009: ['HE Failed', 'We couldn\'t verify you with your mobile network. Please try again in a moment.'],
  SP40010: ['Operator server error', 'The operator\'s server encountered an error. Please try again.'],
  SP40011: [
    'Verify failed', 'The phone number doesn\'t match the SIM or network. Please use the correct number and try again.',
  ],
} as const

export type SnaErrorCode = keyof typeof snaErrors

export function describeSnaError (errorCode: SnaErrorCode) {
  const [message, description] = snaErrors[errorCode]
  return { errorCode, message, description }
}
