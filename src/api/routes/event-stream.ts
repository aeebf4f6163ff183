import { isDeepStrictEqual } from 'node:util'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { isFinal, type Verification } from '../../core/verification.ts'
import { webhookEventTypes } from '../../core/vocabulary.ts'
import { eventTypeOf } from '../../core/webhook-events.ts'
import type { Ids } from '../../store/ids.ts'
import type { Live } from '../live/live.ts'
import { apiErrorResponses, byAppKeyOrClientSecretInQuery } from '../openapi/operations.ts'
import { verifications } from '../openapi/verification-examples.ts'
import { isMasked, type Auth } from '../plugins/auth.ts'
import { EventsHeaders, EventsQuery, VerificationParams } from '../schemas/requests.ts'
import { viewVerification } from '../views/verification.ts'

const exampleData = JSON.stringify(verifications.openUrlOnCellular.value)
const example = `retry: 1682\n\nid: 2\nevent: verification.updated\ndata: ${exampleData}\n\n`

const eventNames = webhookEventTypes.filter(type => type !== 'created').map(type => `\`verification.${type}\``)

const followOperation = {
  tags: ['Verifications'], security: byAppKeyOrClientSecretInQuery('verifications:read'),
  operationId: 'followVerification', summary: 'Follow a verification: Server-Sent Events',
  description: [
    'The fastest way to learn of changes, also for a browser\'s `EventSource`. The stream sends the current state '
    + 'immediately, then each change: `id` is the revision, `event` the type, `data` the verification in one line. '
    + 'Changes in quick succession may be sent as one event. The stream ends after the final event.',
    `Events: \`verification.updated\`, ${eventNames.join(', ')}.`,
    'Changes nothing. Repeating: with `last-event-id`, which an `EventSource` sends by itself, the stream continues '
    + 'after that revision.',
  ].join('\n\n'),
  params: VerificationParams, querystring: EventsQuery, headers: EventsHeaders,
  response: {
    200: {
      description: 'The stream.',
      content: {
        'text/event-stream': {
          schema: Type.String(), examples: { stream: { summary: 'The first event of a stream', value: example } },
        },
      },
    },
    204: Type.Null({
      description: 'The verification is final, and the caller has received the last event. Do not reconnect.',
    }),
    ...apiErrorResponses('not_found', 'gone', 'rate_limited'),
  },
}

export const eventRoutes: FastifyPluginAsyncTypebox<{
  live: Live, ids: Ids, auth: Auth,
}> = async (server, { live, ids, auth }) => {
  // All streams of a verification receive the same record, so its text is built once.
  const views = { full: new WeakMap<Verification, string>(), masked: new WeakMap<Verification, string>() }
  const show = (verification: Verification, masked: boolean): string => {
    const texts = views[masked ? 'masked' : 'full']
    const text = texts.get(verification)
      ?? JSON.stringify(viewVerification(verification, { attemptId: ids.attemptId, masked }))
    texts.set(verification, text)
    return text
  }

  server.get('/verifications/:id/events', {
    onRequest: auth.byAppOrClientInQuery('verifications:read'),
    config: { forFrontEnds: true },
    exposeHeadRoute: false,
    schema: followOperation,
  }, async (request, reply) => {
    const { id } = request.params
    const masked = isMasked(request)
    // A browser that reconnects sends the header, and the query of its first request.
    const after = readRevision(request.headers['last-event-id']) ?? request.query.lastEventId ?? null
    await live.stream(id, {
      after,
      frame: (before, now) =>
        `id: ${now.revision}\nevent: verification.${nameEvent(before, now)}\ndata: ${show(now, masked)}\n\n`,
    }, reply)
    return reply
  })
}

const readRevision = (text: string | undefined): number | null =>
  text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : null

/** The type of the change since the state that was sent last. Changes in between may be missing. */
function nameEvent (before: Verification | null, now: Verification): string {
  if (before === null) return isFinal(now) ? now.status : 'updated'
  const type = eventTypeOf(before, now)
  if (type !== 'action_required') return type ?? 'updated'
  const [was, is] = [before.attempts.at(-1), now.attempts.at(-1)]
  // Each read from the store creates new objects, so states are compared deeply.
  const isSame = before.attempts.length === now.attempts.length && was !== undefined && is !== undefined
    && 'state' in was && 'state' in is && isDeepStrictEqual(was.state, is.state)
  return isSame ? 'updated' : type
}
