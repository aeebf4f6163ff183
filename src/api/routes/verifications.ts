import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Gateway } from '../../verifications/gateway.ts'
import type { Ids } from '../../store/ids.ts'
import { callingApp, auditAction, type Auth } from '../plugins/auth.ts'
import { acceptJson, fillAbsentBody } from '../plugins/body-parsers.ts'
import type { RequestLimits } from '../plugins/rate-limit.ts'
import type { Live } from '../live/live.ts'
import {
  absentBodyAllowed, jsonResponse, apiErrorResponses, byAppKey, byAppKeyOrClientSecret, withExamples,
} from '../openapi/operations.ts'
import { invalidRequest } from '../plugins/validation.ts'
import type { Verification } from '../../core/verification.ts'
import { viewVerification } from '../views/verification.ts'
import { created, createRequests, evidence, nextRequests, states, verifications } from '../openapi/examples.ts'
import {
  CheckBody, CreateBody, CreatedView, CreateHeaders, EmptyBody, GetQuery, ListQuery, NextBody, VerificationList, VerificationParams,
  VerificationView,
} from '../schemas/requests.ts'

const tags = ['Verifications']
const forFrontEnds = { config: { forFrontEnds: true } }
const defaultLimit = 20

export const verificationRoutes: FastifyPluginAsyncTypebox<{
  gateway: Gateway, live: Live, ids: Ids, auth: Auth, limits: Pick<RequestLimits, 'byCreate'>,
}> = async (server, { gateway, live, ids, auth, limits }) => {
  acceptJson(server)
  const view = (verification: Verification, request: FastifyRequest): VerificationView =>
    viewVerification(
      verification, { attemptId: ids.attemptId, masked: request.caller === null || 'clientOf' in request.caller },
    )

  server.post('/verifications', {
    onRequest: [auth.byApp('verifications:write'), limits.byCreate],
    schema: {
      tags, security: byAppKey(
        'verifications:write',
      ), operationId: 'createVerification', summary: 'Create a verification and start its first attempt',
      description: [
        'The beginning of every verification. The first method of the workflow that can serve the request is started before the answer: a message may be on its way to the user.',
        'When every method fails at once, the answer is 201 with a `failed` verification: an outcome is no error.',
        'Repeating: with the same `idempotency-key` and body the same verification is answered, as it is by then, and nothing is started again. Without a key a second request for the number is 409 `verification_in_progress` while the first one is live.',
      ].join('\n\n'),
      headers: CreateHeaders, body: withExamples(CreateBody, createRequests),
      response: {
        201: jsonResponse(
          'Created, or found again by its Idempotency-Key.', CreatedView,
          created(
            'submitCode', 'openUrlOnCellular', 'approveOnDevice', 'openDeepLink', 'submitToken', 'providerUnavailable',
          ),
          { location: { type: 'string', description: 'Path of the verification.' } },
        ),
        ...apiErrorResponses(
          'verification_in_progress', 'idempotency_in_progress', 'payload_too_large', 'unsupported_media_type', 'invalid_phone_number',
          'method_unavailable', 'no_eligible_method', 'idempotency_key_reused', 'country_not_allowed', 'rate_limited',
        ),
      },
    },
  }, async (request, reply) => {
    const verification = await gateway.create(
      callingApp(request), request.body, request.headers['idempotency-key'] ?? null,
    )
    const { id } = verification
    request.verificationId = id
    return reply.code(201).header('location', `/verifications/${id}`).send({
      ...view(verification, request), clientSecret: ids.clientSecret(id),
    })
  })

  server.get('/verifications', {
    onRequest: auth.byApp('verifications:read'),
    schema: {
      tags, security: byAppKey('verifications:read'), operationId: 'listVerifications',
      summary: 'Find the app\'s verifications by reference or phone number',
      description: 'For support and reconciliation: newest first, as long as they are kept. Give exactly one of `reference` and `phoneNumber`. Changes nothing.',
      querystring: ListQuery,
      response: {
        200: jsonResponse('Those that were found, at most `limit` of them.', VerificationList, {
          found: {
            summary: 'Two tries of the same user',
            value: { data: [verifications.verified.value, verifications.expired.value], nextCursor: null },
          },
          none: { summary: 'None', value: { data: [], nextCursor: null } },
        }),
        ...apiErrorResponses('invalid_phone_number', 'rate_limited'),
      },
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
    schema: {
      tags, security: byAppKeyOrClientSecret('verifications:read'), operationId: 'getVerification',
      summary: 'Read a verification, or wait for its next change',
      description: [
        'Changes nothing. With `wait` it is a long poll, answered when the revision passes `revision`, when the verification is final, or when the time is over: ask again with the revision of the answer.',
        'What is final stays readable for a day, unless the operator says otherwise; after that, or after erasure, an id that we gave out is 410 and a made-up one 404.',
      ].join('\n\n'),
      params: VerificationParams, querystring: GetQuery,
      response: {
        200: jsonResponse(
          'As it is now.', VerificationView, verifications,
        ), ...apiErrorResponses('not_found', 'gone', 'rate_limited'),
      },
    },
  }, async (request, reply) => view(await live.read(request.params.id, request.query, reply), request))

  server.post('/verifications/:id/check', {
    onRequest: auth.byAppOrClient('verifications:write'), preValidation: fillAbsentBody, ...forFrontEnds,
    schema: {
      ...absentBodyAllowed,
      tags, security: byAppKeyOrClientSecret('verifications:write'), operationId: 'checkVerification',
      summary: 'Bring evidence: a code, a token, or "the device is done"',
      description: [
        'Which kind the attempt takes follows from `nextAction`; `{}` asks the provider how far the user is. What was proven settles the verification; what proves nothing ends the attempt, and the next method may start. A wrong code is 422 `code_incorrect` with `attemptsRemaining`.',
        'Repeating: while the same evidence is being checked the answer is 202, and nothing is sent twice; afterwards it is 409 `invalid_state` with the state.',
      ].join('\n\n'),
      params: VerificationParams, body: withExamples(CheckBody, evidence),
      response: {
        200: jsonResponse('Checked. Read `status`: it may be verified, failed, or pending with another method.', VerificationView, states(
          'verifiedByFallback', 'verifiedWithProfile', 'numberMismatch', 'fallback',
        )),
        202: jsonResponse(
          'Still being checked: read it with `wait`.', VerificationView, states('wait', 'openUrlOnCellular'),
        ),
        ...apiErrorResponses(
          'not_found', 'invalid_state', 'gone', 'payload_too_large', 'unsupported_media_type', 'code_incorrect', 'rate_limited',
        ),
      },
    },
  }, async (request, reply) => {
    const { verification, settled } = await gateway.check(request.params.id, request.body)
    return reply.code(settled ? 200 : 202).send(view(verification, request))
  })

  server.post('/verifications/:id/next', {
    onRequest: auth.byAppOrClient('verifications:write'), preValidation: fillAbsentBody, ...forFrontEnds,
    schema: {
      ...absentBodyAllowed,
      tags, security: byAppKeyOrClientSecret('verifications:write'), operationId: 'startNextAttempt',
      summary: 'Give up the current attempt, start the next one',
      description: [
        'When the method does not work here, or the user wants another way. The attempt ends with that reason and the next method of the workflow starts; with nothing left the verification is `failed` with that reason.',
        'Repeating: each call gives up the attempt that is in hand then, so repeat it only after reading the verification.',
      ].join('\n\n'),
      params: VerificationParams, body: withExamples(NextBody, nextRequests),
      response: {
        200: jsonResponse(
          'The next method started, or none is left.', VerificationView, states('fallback', 'nothingLeft'),
        ),
        ...apiErrorResponses(
          'not_found', 'invalid_state', 'gone', 'payload_too_large', 'unsupported_media_type', 'rate_limited',
        ),
      },
    },
  }, async request => view(await gateway.next(request.params.id, request.body.reason ?? 'abandoned'), request))

  server.post('/verifications/:id/resend', {
    onRequest: auth.byAppOrClient('verifications:write'), preValidation: fillAbsentBody, ...forFrontEnds,
    schema: {
      ...absentBodyAllowed,
      tags, security: byAppKeyOrClientSecret(
        'verifications:write',
      ), operationId: 'resendAttempt', summary: 'Send the same attempt again',
      description: [
        'When the message did not arrive: the provider sends it again, and what was sent before may still be good. `availableActions` says whether and from when. Too early is 429 with `retry-after`, not possible is 409 `invalid_state`.',
        'Repeating: each call that is answered 200 sent a message; one that comes too soon after it sends none.',
      ].join('\n\n'),
      params: VerificationParams, body: EmptyBody,
      response: {
        200: jsonResponse('Sent again.', VerificationView, states('resent')),
        ...apiErrorResponses(
          'not_found', 'invalid_state', 'gone', 'payload_too_large', 'unsupported_media_type', 'rate_limited', 'provider_unavailable',
        ),
      },
    },
  }, async request => view(await gateway.resend(request.params.id), request))

  server.post('/verifications/:id/cancel', {
    onRequest: auth.byApp('verifications:write'), preValidation: fillAbsentBody,
    schema: {
      ...absentBodyAllowed,
      tags, security: byAppKey(
        'verifications:write',
      ), operationId: 'cancelVerification', summary: 'Cancel a verification',
      description: [
        'When the user went away, or the number is no longer of interest. What comes from the provider afterwards changes nothing, and the number is free for another verification.',
        'Repeating: what is over already is 409 `invalid_state`, with `verificationStatus`.',
      ].join('\n\n'),
      params: VerificationParams, body: EmptyBody,
      response: {
        200: jsonResponse('Canceled.', VerificationView, states('canceled')),
        ...apiErrorResponses(
          'not_found', 'invalid_state', 'gone', 'payload_too_large', 'unsupported_media_type', 'rate_limited',
        ),
      },
    },
  }, async request => view(await gateway.cancel(request.params.id), request))

  server.delete('/verifications/:id', {
    onRequest: auth.byApp('verifications:write'),
    schema: {
      tags, security: byAppKey(
        'verifications:write',
      ), operationId: 'eraseVerification', summary: 'Erase a verification now',
      description: [
        'To forget the user before the retention is over, whatever the state: the record goes, and with it the webhooks that are still owed.',
        'Repeating: afterwards the id is 410 everywhere, here too.',
      ].join('\n\n'),
      params: VerificationParams,
      response: {
        204: Type.Null({ description: 'Erased.' }), ...apiErrorResponses('not_found', 'gone', 'rate_limited'),
      },
    },
  }, async (request, reply) => {
    await gateway.erase(request.params.id)
    auditAction(request, 'verification_erased')
    return reply.code(204).send(null)
  })
}
