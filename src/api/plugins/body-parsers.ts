import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { ApiError } from '../../core/errors.ts'

/** What a provider sent: the bytes as they came, and what they say if they are JSON. */
export type RawBody = { rawBody: Buffer, body: unknown }

/**
 * The routes of this scope take JSON, or nothing at all: an empty body is `undefined`, whatever type it claims to have.
 */
export function acceptJson (server: FastifyInstance): void {
  const parse = server.getDefaultJsonParser('error', 'error')
  server.addContentTypeParser('application/json', { parseAs: 'string' }, (request, text: string, done) => {
    if (text === '') done(null, undefined)
    else if (hasHalfPairs(text)) done(
      new ApiError(
        'invalid_request', 'The body holds half of a surrogate pair (`\\ud800` to `\\udfff`), which is no character.',
      ),
    )
    else void parse(request, text, done)
  })
  server.addContentTypeParser('*', ({ headers }, _payload, done) => {
    const isEmpty = headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0
    if (isEmpty) done(null, undefined)
    else done(new ApiError('unsupported_media_type', 'Send `content-type: application/json`.'))
  })
}

/** Escapes are the only way for them to get in, and nowhere can they be kept: in UTF-8 all of them are the same. */
const hasHalfPairs = (json: string): boolean => /\\ud/i.test(json)
  && /\\ud[89a-f]/i.test(json.replaceAll('\\\\', ' ').replaceAll(/\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}/gi, ''))

/**
 * The routes of this scope take any body. Only what claims to be JSON must be JSON; other bodies are read as JSON where
 * they are,
 * since providers are not careful with their content types.
 */
export function acceptAnyBody (server: FastifyInstance): void {
  const parse = server.getDefaultJsonParser('error', 'error')
  server.addContentTypeParser('*', { parseAs: 'buffer' }, (request, rawBody: Buffer, done) => {
    const mustBeJson = /^application\/([\w.+-]+\+)?json$/.test(request.mediaType ?? '')
    void parse(request, rawBody.toString(), (error, body) => {
      if (error !== null && mustBeJson) done(error, undefined)
      else done(null, { rawBody, body: error === null ? body : undefined } satisfies RawBody)
    })
  })
}

/** `preValidation`: a body that was not sent is `{}`. */
export function fillAbsentBody (request: FastifyRequest, _reply: FastifyReply, done: () => void): void {
  if (request.body === undefined) request.body = {}
  done()
}
