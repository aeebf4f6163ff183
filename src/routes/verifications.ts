import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Gateway } from '../gateway.ts'
import type { Ids } from '../ids.ts'
import { callingApp, noteAction, type Auth } from '../plugins/auth.ts'
import { acceptJson, fillAbsentBody } from '../plugins/bodies.ts'
import type { RequestLimits } from '../plugins/limits.ts'
import type { Live } from '../plugins/live.ts'
import { absentBodyAllowed, apiProblems, byAppKey, byAppKeyOrClientSecret } from '../plugins/openapi.ts'
import { invalidRequest } from '../plugins/validation.ts'
import type { Verification } from '../verification.ts'
import { viewVerification } from '../view.ts'
import {
  CheckBody, CreateBody, CreatedView, CreateHeaders, EmptyBody, GetQuery, ListQuery, NextBody, VerificationList, VerificationParams,
  VerificationView,
} from './schemas.ts'

const tags = ['Verifications']
const forFrontEnds = { config: { forFrontEnds: true } }
/** Longest `wait` and what answering takes. */
const waitTimeoutMs = 40_000
const defaultLimit = 20

export const verificationRoutes: FastifyPluginAsyncTypebox<{
  gateway: Gateway, live: Live, ids: Ids, auth: Auth, limits: Pick<RequestLimits, 'ofCreate'>,
}> = async (server, { gateway, live, ids, auth, limits }) => {
  acceptJson(server)
  const view = (verification: Verification, request: FastifyRequest): VerificationView =>
    viewVerification(verification, { attemptId: ids.attemptId, masked: request.caller === null || 'clientOf' in request.caller })

  server.post('/verifications', {
    onRequest: [auth.byApp('verifications:write'), limits.ofCreate],
    schema: {
      tags, security: byAppKey, operationId: 'createVerification', summary: 'Create a verification and start its first attempt',
      description: 'When every method fails at once, the answer is 201 with a `failed` verification: an outcome is no error.',
      headers: CreateHeaders, body: CreateBody,
      response: {
        201: {
          description: 'Created, or found again by its Idempotency-Key.',
          headers: { location: { type: 'string', description: 'Path of the verification.' } },
          content: { 'application/json': { schema: CreatedView } },
        },
        ...apiProblems(
          'verification_in_progress', 'idempotency_in_progress', 'payload_too_large', 'unsupported_media_type', 'invalid_phone_number',
          'method_unavailable', 'no_eligible_method', 'idempotency_key_reused', 'country_not_allowed', 'rate_limited',
        ),
      },
    },
  }, async (request, reply) => {
    const verification = await gateway.create(callingApp(request), request.body, request.headers['idempotency-key'] ?? null)
    const { id } = verification
    request.verificationId = id
    return reply.code(201).header('location', `/verifications/${id}`).send({
      ...view(verification, request), clientSecret: ids.clientSecret(id),
    })
  })

  server.get('/verifications', {
    onRequest: auth.byApp('verifications:read'),
    schema: {
      tags, security: byAppKey, operationId: 'listVerifications', summary: 'Find the app\'s verifications by reference or phone number',
      description: 'Newest first. Exactly one of `reference` and `phoneNumber`.',
      querystring: ListQuery,
      response: { 200: VerificationList, ...apiProblems('invalid_phone_number', 'rate_limited') },
    },
  }, async request => {
    const { reference, phoneNumber, limit = defaultLimit } = request.query
    const by = reference === undefined
      // A `+` that was not written as %2B arrives as a blank.
      ? phoneNumber === undefined ? null : { phoneNumber: phoneNumber.replace(/^ /, '+') }
      : phoneNumber === undefined ? { reference } : null
    if (by === null) {
      const message = 'must be given, or else the other: exactly one of reference and phoneNumber'
      throw invalidRequest([{ field: 'reference', message }, { field: 'phoneNumber', message }])
    }
    const found = await gateway.find(callingApp(request), by, limit)
    return { data: found.map(verification => view(verification, request)), nextCursor: null }
  })

  server.get('/verifications/:id', {
    onRequest: auth.byAppOrClient('verifications:read'), ...forFrontEnds,
    handlerTimeout: waitTimeoutMs,
    schema: {
      tags, security: byAppKeyOrClientSecret, operationId: 'getVerification', summary: 'Read a verification, or wait for its next change',
      description: 'With `wait` (long poll) answered when the revision passes `revision`, when it is final, or when the time is over.',
      params: VerificationParams, querystring: GetQuery,
      response: { 200: VerificationView, ...apiProblems('not_found', 'gone', 'rate_limited') },
    },
  }, async (request, reply) => view(await live.read(request.params.id, request.query, reply), request))

  server.post('/verifications/:id/check', {
    onRequest: auth.byAppOrClient('verifications:write'), preValidation: fillAbsentBody, ...forFrontEnds,
    schema: {
      ...absentBodyAllowed,
      tags, security: byAppKeyOrClientSecret, operationId: 'checkVerification',
      summary: 'Bring evidence: a code, a token, or "the device is done"',
      description: 'Which kind the attempt takes follows from `nextAction`. A wrong code is 422 `code_incorrect` with `attemptsRemaining`.',
      params: VerificationParams, body: CheckBody,
      response: {
        200: Type.Object(VerificationView.properties, { title: 'Verification', 'x-response-description': 'Settled.' }),
        202: Type.Object(VerificationView.properties, {
          title: 'Verification', 'x-response-description': 'Still being checked: read it with `wait`.',
        }),
        ...apiProblems(
          'not_found', 'invalid_state', 'gone', 'payload_too_large', 'unsupported_media_type', 'code_incorrect', 'rate_limited',
        ),
      },
    },
  }, async (request, reply) => {
    const { verification, settled } = await gateway.submit(request.params.id, request.body)
    return reply.code(settled ? 200 : 202).send(view(verification, request))
  })

  server.post('/verifications/:id/next', {
    onRequest: auth.byAppOrClient('verifications:write'), preValidation: fillAbsentBody, ...forFrontEnds,
    schema: {
      ...absentBodyAllowed,
      tags, security: byAppKeyOrClientSecret, operationId: 'startNextAttempt', summary: 'Give up the current attempt, start the next one',
      description: 'With nothing left to start the verification is `failed` with that reason.',
      params: VerificationParams, body: NextBody,
      response: {
        200: VerificationView,
        ...apiProblems('not_found', 'invalid_state', 'gone', 'payload_too_large', 'unsupported_media_type', 'rate_limited'),
      },
    },
  }, async request => view(await gateway.next(request.params.id, request.body.reason ?? 'abandoned'), request))

  server.post('/verifications/:id/resend', {
    onRequest: auth.byAppOrClient('verifications:write'), preValidation: fillAbsentBody, ...forFrontEnds,
    schema: {
      ...absentBodyAllowed,
      tags, security: byAppKeyOrClientSecret, operationId: 'resendAttempt', summary: 'Send the same attempt again',
      description: '`availableActions` says whether and from when. Too early is 429, not possible is 409 `invalid_state`.',
      params: VerificationParams, body: EmptyBody,
      response: {
        200: VerificationView,
        ...apiProblems(
          'not_found', 'invalid_state', 'gone', 'payload_too_large', 'unsupported_media_type', 'rate_limited', 'provider_unavailable',
        ),
      },
    },
  }, async request => view(await gateway.resend(request.params.id), request))

  server.post('/verifications/:id/cancel', {
    onRequest: auth.byApp('verifications:write'), preValidation: fillAbsentBody,
    schema: {
      ...absentBodyAllowed,
      tags, security: byAppKey, operationId: 'cancelVerification', summary: 'Cancel a verification',
      params: VerificationParams, body: EmptyBody,
      response: {
        200: VerificationView,
        ...apiProblems('not_found', 'invalid_state', 'gone', 'payload_too_large', 'unsupported_media_type', 'rate_limited'),
      },
    },
  }, async request => view(await gateway.cancel(request.params.id), request))

  server.delete('/verifications/:id', {
    onRequest: auth.byApp('verifications:write'),
    schema: {
      tags, security: byAppKey, operationId: 'eraseVerification', summary: 'Erase a verification now',
      description: 'Whatever its state; afterwards the id answers 410.',
      params: VerificationParams,
      response: { 204: Type.Null({ description: 'Erased.' }), ...apiProblems('not_found', 'gone', 'rate_limited') },
    },
  }, async (request, reply) => {
    await gateway.erase(request.params.id)
    noteAction(request, 'verification_erased')
    return reply.code(204).send(null)
  })
}
