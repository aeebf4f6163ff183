import type { FastifyReply, FastifyRequest } from 'fastify'

export const provider = 'acme'
/** The one token that the service accepts. */
export const token = 'sandbox-acme-token'

/** Every refusal is `{ "code", "message" }`. */
export const errors = {
  invalid: { status: 400, code: 21100, message: 'A member of the request is missing, unknown or invalid.' },
  unreachable: { status: 400, code: 21211, message: 'The number cannot receive messages.' },
  unauthorized: { status: 401, code: 20003, message: 'The token is missing or not valid.' },
  notFound: { status: 404, code: 20404, message: 'There is nothing at this path.' },
  limited: { status: 429, code: 20429, message: 'Too many requests.' },
  failed: { status: 500, code: 20500, message: 'Something went wrong.' },
} as const

export function sendError (reply: FastifyReply, error: typeof errors[keyof typeof errors]): FastifyReply {
  const { status, code, message } = error
  if (status === 429) reply.header('retry-after', '1')
  return reply.code(status).send({ code, message })
}

/** The header check of a route. */
export async function authorize (
  { headers }: FastifyRequest, reply: FastifyReply,
): Promise<FastifyReply | undefined> {
  return headers.authorization === `Bearer ${token}` ? undefined : sendError(reply, errors.unauthorized)
}
