import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Gateway } from '../../verifications/gateway.ts'
import { acceptAnyBody, type RawBody } from '../plugins/body-parsers.ts'
import type { RequestLimits } from '../plugins/rate-limit.ts'
import { jsonResponse, publicErrors } from '../openapi/operations.ts'
import { CallbackParams, ProviderParams } from '../schemas/requests.ts'

const tags = ['Callbacks']
const answers = {
  200: jsonResponse(
    'Heard, whether or not it is of use: unknown ids get the same answer.', Type.Object({}),
    { heard: { summary: 'Heard', value: {} } },
  ),
  ...publicErrors('not_found', 'payload_too_large', 'unsupported_media_type', 'store_unavailable'),
}
const description = [
  'For providers only. The body is whatever the provider documents; it is kept as it came, judged by the provider\'s adapter, and worked on after the answer.',
  'Repeating: late, repeated and reordered calls change nothing, and are answered in the same way.',
].join('\n\n')

/** Many providers call once only: to refuse them would cost the user the proof. */
const urgent = { config: { isUrgent: true } }

/** An answer without a body. */
const nothing = (description: string, headers: object) => Type.Unsafe<undefined>(Type.Null({ description, headers }))

/** Nothing of the request is in it, and no script. */
const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Verification</title>
<h1>You can return to the app</h1>
<p>This page can be closed.</p>
</html>
`

export const callbackRoutes: FastifyPluginAsyncTypebox<{
  gateway: Gateway, limits: Pick<RequestLimits, 'byAddress'>,
}> = async (server, { gateway, limits }) => {
  acceptAnyBody(server)
  const receive = async (
    request: FastifyRequest, provider: string, key: string | null,
  ): Promise<Record<string, never>> => {
    const { rawBody, body } = readBody(request.body)
    await gateway.receive(provider, { key, headers: request.headers, rawBody, body })
    return {}
  }

  server.post('/callbacks/:provider', {
    ...urgent,
    schema: {
      tags, operationId: 'receiveCallback', summary: 'A provider calls about any attempt', description, params: ProviderParams, response: answers,
    },
  }, async request => receive(request, request.params.provider, null))

  server.post('/callbacks/:provider/:key', {
    ...urgent,
    schema: {
      tags, operationId: 'receiveKeyedCallback', summary: 'A provider calls about the attempt that the key names', description,
      params: CallbackParams, response: answers,
    },
  }, async request => receive(request, request.params.provider, request.params.key))

  const sendBack = async (request: FastifyRequest, reply: FastifyReply, provider: string, key: string | null) => {
    const location = await gateway.readReturn(provider, key, readQuery(request.query))
    reply.header('cache-control', 'no-store').header('referrer-policy', 'no-referrer')
    return location === null
      ? reply.header('content-type', 'text/html; charset=utf-8').send(page)
      : reply.code(303).header('location', location).send(undefined)
  }

  // For providers whose redirect URI is registered beforehand. No configured provider has one yet, so it is not
  // documented.
  server.get('/callbacks/:provider', {
    onRequest: limits.byAddress, schema: { hide: true, params: ProviderParams },
  }, async (request, reply) => sendBack(request, reply, request.params.provider, null))

  server.get('/callbacks/:provider/:key', {
    onRequest: limits.byAddress,
    schema: {
      tags, operationId: 'returnFromProvider', summary: 'A browser comes back from a provider',
      description: 'For browsers that a provider sends back: on to the app\'s `returnUrl`, with `code` (or `error`) and `verification` added for the front end to bring by `check`. Nothing is consumed here, so repeating it does no harm.',
      params: CallbackParams,
      response: {
        200: {
          description: 'There is nowhere to go: a small page says so.',
          content: { 'text/html': { schema: Type.String(), examples: { page: { summary: 'The page', value: page } } } },
        },
        303: nothing(
          'On to the app.',
          { location: { type: 'string', description: 'The app\'s `returnUrl`, with what was added.' } },
        ),
        ...publicErrors('not_found', 'rate_limited', 'store_unavailable'),
      },
    },
  }, async (request, reply) => sendBack(request, reply, request.params.provider, request.params.key))
}

function readBody (body: unknown): RawBody {
  return typeof body === 'object' && body !== null && 'rawBody' in body && Buffer.isBuffer(body.rawBody)
    ? { rawBody: body.rawBody, body: 'body' in body ? body.body : undefined }
    : { rawBody: Buffer.alloc(0), body: undefined }
}

/** Of a name that comes twice the first counts. */
function readQuery (query: unknown): Record<string, string> {
  return Object.fromEntries(Object.entries(query ?? {}).flatMap(([name, value]: [string, unknown]) => {
    const first: unknown = Array.isArray(value) ? value[0] : value
    return typeof first === 'string' ? [[name, first]] : []
  }))
}
