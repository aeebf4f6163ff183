import { isDeepStrictEqual } from 'node:util'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { Ids } from '../../store/ids.ts'
import { eventTypeOf } from '../../core/webhook-events.ts'
import type { Auth } from '../plugins/auth.ts'
import type { Live } from '../live/live.ts'
import { apiErrorResponses, byAppKeyOrClientSecretInQuery } from '../openapi/operations.ts'
import { isFinal, type Verification } from '../../core/verification.ts'
import { viewVerification } from '../views/verification.ts'
import { verifications } from '../openapi/examples.ts'
import { EventsHeaders, EventsQuery, VerificationParams } from '../schemas/requests.ts'
import { webhookEventTypes } from '../../core/vocabulary.ts'

const example =
  `retry: 1682\n\nid: 2\nevent: verification.updated\ndata: ${JSON.stringify(verifications.openUrlOnCellular.value)}\n\n`

export const eventRoutes: FastifyPluginAsyncTypebox<{
  live: Live, ids: Ids, auth: Auth,
}> = async (server, { live, ids, auth }) => {
  // All who follow a verification are handed the same record, and so the same text.
  const views = { full: new WeakMap<Verification, string>(), masked: new WeakMap<Verification, string>() }
  const show = (verification: Verification, masked: boolean): string => {
    const kept = views[masked ? 'masked' : 'full']
    const text = kept.get(verification) ?? JSON.stringify(
      viewVerification(verification, { attemptId: ids.attemptId, masked }),
    )
    kept.set(verification, text)
    return text
  }

  server.get('/verifications/:id/events', {
    onRequest: auth.byAppOrClientInQuery('verifications:read'),
    config: { forFrontEnds: true },
    exposeHeadRoute: false,
    schema: {
      tags: ['Verifications'], security: byAppKeyOrClientSecretInQuery(
        'verifications:read',
      ), operationId: 'followVerification',
      summary: 'Follow a verification: Server-Sent Events',
      description: [
        'The quickest way to know, also for a browser\'s `EventSource`: the present state at once, then each change; `id` is the revision, `event` the type, `data` the verification in one line. Changes that follow each other closely may come as one event. The stream ends after the final event.',
        `Events: \`verification.updated\`, ${webhookEventTypes.filter(type => type !== 'created').map(type => `\`verification.${type}\``).join(', ')}.`,
        'Changes nothing. Repeating: with `last-event-id`, which an `EventSource` sends by itself, it goes on from that revision.',
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
        204: Type.Null({ description: 'It is over, and the caller knows the last event: do not come back.' }),
        ...apiErrorResponses('not_found', 'gone', 'rate_limited'),
      },
    },
  }, async (request, reply) => {
    const { id } = request.params
    const masked = request.caller === null || 'clientOf' in request.caller
    // A browser that reconnects sends the header, and the query as it was at first.
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

/** The type of the change since the state that was sent last; the client may have missed steps in between. */
function nameEvent (before: Verification | null, now: Verification): string {
  if (before === null) return isFinal(now) ? now.status : 'updated'
  const type = eventTypeOf(before, now)
  if (type !== 'action_required') return type ?? 'updated'
  const [was, is] = [before.attempts.at(-1), now.attempts.at(-1)]
  // The same state is another object each time it is read from the store.
  const isSame = before.attempts.length === now.attempts.length && was !== undefined && is !== undefined
    && 'state' in was && 'state' in is && isDeepStrictEqual(was.state, is.state)
  return isSame ? 'updated' : type
}
