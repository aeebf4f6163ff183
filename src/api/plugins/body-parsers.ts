import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { ApiError } from '../../core/errors.ts'

/** The body of a callback: its bytes, and its value if it is JSON. */
export type RawBody = { rawBody: Buffer, body: unknown }

/** The routes of this scope accept JSON or no body. An empty body is `undefined`, whatever its content type. */
export function acceptJson (server: FastifyInstance): void {
  const parse = server.getDefaultJsonParser('error', 'error')
  server.addContentTypeParser('application/json', { parseAs: 'string' }, (request, text: string, done) => {
    if (text === '') done(null, undefined)
    else if (hasLoneSurrogate(text)) done(
      new ApiError('invalid_request', 'The body contains an unpaired surrogate (`\\ud800` to `\\udfff`).'),
    )
    else void parse(request, text, done)
  })
  server.addContentTypeParser('*', ({ headers }, _payload, done) => {
    const isEmpty = headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0
    if (isEmpty) done(null, undefined)
    else done(new ApiError('unsupported_media_type', 'Send `content-type: application/json`.'))
  })
}

/**
 * Only escapes can contain one. UTF-8 has no form for it: every lone surrogate would be stored as the same character.
 */
const hasLoneSurrogate = (json: string): boolean => /\\ud/i.test(json)
  && /\\ud[89a-f]/i.test(json.replaceAll('\\\\', ' ').replaceAll(/\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}/gi, ''))

/**
 * The routes of this scope accept any body. A body that is declared as JSON must be JSON. Other bodies are parsed as
 * JSON if possible, because providers send wrong content types. Members that could change a prototype are left out.
 */
export function acceptAnyBody (server: FastifyInstance): void {
  const parse = server.getDefaultJsonParser('remove', 'remove')
  server.addContentTypeParser('*', { parseAs: 'buffer' }, (request, rawBody: Buffer, done) => {
    const mustBeJson = /^application\/([\w.+-]+\+)?json$/.test(request.mediaType ?? '')
    void parse(request, rawBody.toString(), (error, body) => {
      if (error !== null && mustBeJson) done(error, undefined)
      else done(null, { rawBody, body: error === null ? body : undefined } satisfies RawBody)
    })
  })
}

/** For `preValidation`: an absent body is `{}`. */
export function fillAbsentBody (request: FastifyRequest, _reply: FastifyReply, done: () => void): void {
  if (request.body === undefined) request.body = {}
  done()
}
