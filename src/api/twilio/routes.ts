import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { MethodContext } from '../../adapters/guard.ts'
import { ApiError } from '../../core/errors.ts'
import { currentAttempt, type Verification } from '../../core/verification.ts'
import type { Ids } from '../../store/ids.ts'
import type { Gateway } from '../../verifications/gateway.ts'
import type { Live } from '../live/live.ts'
import { callingApp, memberOf, type Auth } from '../plugins/auth.ts'
import { asBearer, basicChallenge, readBasic } from '../plugins/basic-auth.ts'
import { readAndLogError } from '../plugins/error-handler.ts'
import type { RequestLimits } from '../plugins/rate-limit.ts'
import { logCreated } from '../plugins/request-log.ts'
import { channelOf } from './channels.ts'
import { readTwilioError, TwilioError, twilioErrors, viewTwilioError } from './errors.ts'
import { CheckForm, CreateForm, readForm, UpdateForm } from './requests.ts'
import { createTwilioCalls } from './verifications.ts'
import { viewTwilioCheck, viewTwilioVerification, type Names } from './views.ts'

export type TwilioRoutesParts = {
  gateway: Gateway
  live: Pick<Live, 'read'>
  routing: MethodContext
  ids: Pick<Ids, 'attemptId'>
  auth: Auth
  limits: Pick<RequestLimits, 'byCreate'>
  publicUrl: string
  /** Ms since the epoch. */
  now: () => number
}

declare module 'fastify' {
  interface FastifyRequest {
    /** The user name of HTTP Basic, on the routes of Twilio's API. */
    basicUser: string
  }
}

/** How long a check waits for its result: less than the timeouts of Twilio's clients. */
const judgedWithinMs = 5_000

/**
 * The part of Twilio's Verify API that can be mapped, for `TWILIO_COMPAT`. Twilio's own description is its contract, so
 * the routes are not in the API document: docs/twilio.md says what they do.
 */
export const twilioRoutes: FastifyPluginAsyncTypebox<TwilioRoutesParts> = async (
  server, { gateway, live, routing, ids, auth, limits, publicUrl, now },
) => {
  const calls = createTwilioCalls({ gateway, routing, now })
  const { methods } = routing
  const parts = { methods, publicUrl, attemptId: ids.attemptId }
  server.decorateRequest('basicUser', '')
  server.addContentTypeParser(
    'application/x-www-form-urlencoded', { parseAs: 'string' },
    (_request, text: string, done) => done(null, readForm(text)),
  )
  server.addHook('onRequest', async request => {
    request.basicUser = readBasic(request.headers.authorization)?.user ?? ''
    request.headers.authorization = asBearer(request.headers.authorization)
  })
  server.setErrorHandler((error, request, reply) => sendTwilioError(error, request, reply))
  server.setNotFoundHandler((request, reply) => sendTwilioError(
    new TwilioError(twilioErrors.notFound, 'of Verify, Verigate serves Verifications and VerificationCheck'), request,
    reply,
  ))

  const hide = true
  const byWriter = auth.byApp('verifications:write')
  const view = (verification: Verification, request: FastifyRequest) => {
    request.verificationId = verification.id
    return viewTwilioVerification(verification, namesOf(request), parts)
  }

  /** Waits for the result of a silent check, or of a code that is being checked. */
  async function untilJudged (checked: Verification, reply: FastifyReply): Promise<Verification> {
    const until = performance.now() + judgedWithinMs
    let verification = checked
    while (verification.status === 'pending'
      && (channelOf(verification, methods) === 'sna' || isBeingChecked(verification))) {
      const { id, revision } = verification
      const leftMs = until - performance.now()
      if (leftMs <= 0) break
      verification = await live.read(id, { wait: leftMs / 1000, revision }, reply)
    }
    return verification
  }

  server.post('/Services/:service/Verifications', {
    onRequest: [byWriter, limits.byCreate], schema: { hide, body: CreateForm },
  }, async (request, reply) => {
    const verification = await calls.create(callingApp(request), request.body, logCreated(request))
    return reply.code(201).send(view(verification, request))
  })

  server.post('/Services/:service/VerificationCheck', {
    onRequest: byWriter, schema: { hide, body: CheckForm },
  }, async (request, reply) => {
    const checked = await calls.check(callingApp(request), request.body)
    request.verificationId = checked.id
    const judged = await untilJudged(checked, reply)
    // `pending` would say that the code is wrong.
    if (request.body.Code !== undefined && isBeingChecked(judged)) throw new TwilioError(twilioErrors.beingChecked)
    return viewTwilioCheck(judged, namesOf(request), parts)
  })

  server.get('/Services/:service/Verifications/:sid', {
    onRequest: auth.byApp('verifications:read'), schema: { hide },
  }, async request => view(await calls.fetch(callingApp(request), sidOf(request)), request))

  server.post('/Services/:service/Verifications/:sid', {
    onRequest: byWriter, schema: { hide, body: UpdateForm },
  }, async request => {
    if (request.body.Status === 'approved') {
      throw new TwilioError(twilioErrors.notSupported, 'a number is verified by a proof only, never by its app')
    }
    return view(await calls.cancel(callingApp(request), sidOf(request)), request)
  })
}

const isBeingChecked = (verification: Verification): boolean =>
  currentAttempt(verification)?.attempt.phase === 'resolving'

const namesOf = (request: FastifyRequest): Names =>
  ({ service: memberOf(request.params, 'service') ?? '', account: request.basicUser })

const sidOf = ({ params }: FastifyRequest): string => memberOf(params, 'sid') ?? ''

function sendTwilioError (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const known = error instanceof TwilioError ? error : readAndLogError(error, request)
  const shown = readTwilioError(known)
  const retryAfterSeconds = known instanceof ApiError ? known.extra.retryAfterSeconds : undefined
  if (retryAfterSeconds !== undefined) reply.header('retry-after', Math.ceil(retryAfterSeconds))
  if (shown.status === 401) reply.header('www-authenticate', basicChallenge)
  return reply.code(shown.status).send(viewTwilioError(shown))
}
