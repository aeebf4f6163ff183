import type { FastifyInstance } from 'fastify'

/** Reads `application/x-www-form-urlencoded` in this scope; of a repeated name the last value counts. */
export function acceptForms (app: Pick<FastifyInstance, 'addContentTypeParser'>): void {
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, async (
    _request: unknown, text: string,
  ) => Object.fromEntries(new URLSearchParams(text)))
}
