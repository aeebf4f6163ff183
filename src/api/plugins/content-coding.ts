import type { FastifyRequest } from 'fastify'

/** Whether the client accepts gzip (RFC 9110, section 12.5.3). */
export const acceptsGzip = ({ headers }: Pick<FastifyRequest, 'headers'>): boolean =>
  /\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/i.test(headers['accept-encoding'] ?? '')
