import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Gateway } from '../../verifications/gateway.ts'
import { acceptAnyBody, type RawBody } from '../plugins/body-parsers.ts'
import type { RequestLimits } from '../plugins/rate-limit.ts'
import { jsonResponse, publicErrors } from '../openapi/operations.ts'
import { CallbackParams, ProviderParams } from '../schemas/requests.ts'

const tags = ['Callbacks']
const responses = {
  200: jsonResponse(
    'Accepted. Unknown and late callbacks get the same response.', Type.Object({}),
    { accepted: { summary: 'Accepted', value: {} } },
  ),
  ...publicErrors('not_found', 'payload_too_large', 'unsupported_media_type', 'store_unavailable'),
}
const description = [
  'For providers only. The body has the format that the provider documents. The provider\'s adapter authenticates and '
  + 'reads it; the result is processed after the response.',
  'Repeating: late, repeated and reordered calls change nothing and get the same response.',
].join('\n\n')

/** Served under load: many providers call only once, so a refusal would lose the user's proof. */
const urgent = { config: { isUrgent: true } }

/** A response without a body. */
const emptyResponse = (description: string, headers: object) =>
  Type.Unsafe<undefined>(Type.Null({ description, headers }))

/** Contains nothing of the request, and no script. */
const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Verification</title>
<h1>You can return to the app</h1>
<p>You can close this page.</p>
</html>
`

const redirects = {
  200: {
    description: 'A small page, if there is no `returnUrl`.',
    content: { 'text/html': { schema: Type.String(), examples: { page: { summary: 'The page', value: page } } } },
  },
  303: emptyResponse('Redirect to the app.', {
    location: { type: 'string', description: 'The app\'s `returnUrl` with the added parameters.' },
  }),
  ...publicErrors('not_found', 'rate_limited', 'store_unavailable'),
}

export const callbackRoutes: FastifyPluginAsyncTypebox<{
  gateway: Gateway, limits: Pick<RequestLimits, 'byAddress'>,
}> = async (server, { gateway, limits }) => {
  acceptAnyBody(server)
  const receive = async (
    request: FastifyRequest, provider: string, key: string | null,
  ): Promise<Record<string, never>> => {
    const { rawBody, body } = readBody(request.body)
    const callback = { key, headers: request.headers, rawBody, body }
    const { result, verificationId = null } = await gateway.receive(provider, callback)
    request.verificationId = verificationId
    request.logFields = { callback: { provider, result } }
    return {}
  }

  server.post('/callbacks/:provider', {
    ...urgent,
    schema: {
      tags, operationId: 'receiveCallback', summary: 'Callback of a provider about any attempt', description,
      params: ProviderParams, response: responses,
    },
  }, async request => receive(request, request.params.provider, null))

  server.post('/callbacks/:provider/:key', {
    ...urgent,
    schema: {
      tags, operationId: 'receiveKeyedCallback', summary: 'Callback of a provider about the attempt that the key names',
      description,
      params: CallbackParams, response: responses,
    },
  }, async request => receive(request, request.params.provider, request.params.key))

  const redirectToApp = async (request: FastifyRequest, reply: FastifyReply, provider: string, key: string | null) => {
    const location = await gateway.readReturn(provider, key, readQuery(request.query))
    reply.header('cache-control', 'no-store').header('referrer-policy', 'no-referrer')
    return location === null
      ? reply.header('content-type', 'text/html; charset=utf-8').send(page)
      : reply.code(303).header('location', location).send(undefined)
  }

  server.get('/callbacks/:provider', {
    onRequest: limits.byAddress,
    schema: {
      tags, operationId: 'returnToFixedUri', summary: 'Return of a browser to a registered redirect URI',
      description: 'For providers that redirect to one URI for every attempt: `state` of the query names the attempt. '
        + 'Otherwise as the path with the key.',
      params: ProviderParams, response: redirects,
    },
  }, async (request, reply) => redirectToApp(request, reply, request.params.provider, null))

  server.get('/callbacks/:provider/:key', {
    onRequest: limits.byAddress,
    schema: {
      tags, operationId: 'returnFromProvider', summary: 'Return of a browser from a provider',
      description: 'Redirects the browser to the app\'s `returnUrl` with `code` (or `error`) and `verification` added; '
        + 'the front end submits the code with `check`. The redirect does not consume the code, so it can be repeated. '
        + 'Where the provider puts the code into the fragment, only `verification` is added, and the browser keeps the '
        + 'fragment.',
      params: CallbackParams, response: redirects,
    },
  }, async (request, reply) => redirectToApp(request, reply, request.params.provider, request.params.key))
}

function readBody (body: unknown): RawBody {
  return typeof body === 'object' && body !== null && 'rawBody' in body && Buffer.isBuffer(body.rawBody)
    ? { rawBody: body.rawBody, body: 'body' in body ? body.body : undefined }
    : { rawBody: Buffer.alloc(0), body: undefined }
}

/** Of a repeated parameter the first value is used. */
function readQuery (query: unknown): Record<string, string> {
  return Object.fromEntries(Object.entries(query ?? {}).flatMap(([name, value]: [string, unknown]) => {
    const first: unknown = Array.isArray(value) ? value[0] : value
    return typeof first === 'string' ? [[name, first]] : []
  }))
}
