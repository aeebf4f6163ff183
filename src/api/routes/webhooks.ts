import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { DeliveryLog } from '../../webhooks/log.ts'
import { auditAction } from '../plugins/audit.ts'
import { callingApp, type Auth } from '../plugins/auth.ts'
import { acceptJson, fillAbsentBody } from '../plugins/body-parsers.ts'
import { absentBodyAllowed, jsonResponse, apiErrorResponses, byAppKey } from '../openapi/operations.ts'
import { deliveries as examples } from '../openapi/examples.ts'
import { DeliveriesQuery, DeliveryParams, EmptyBody } from '../schemas/requests.ts'
import { DeliveryList, DeliveryView } from '../schemas/responses.ts'
import { viewDelivery } from '../views/delivery.ts'

const tags = ['Webhooks']
const defaultLimit = 20

export type WebhookOptions = { deliveries: Pick<DeliveryLog, 'list' | 'replay' | 'test'>, auth: Auth }

export const webhookRoutes: FastifyPluginAsyncTypebox<WebhookOptions> = async (server, { deliveries, auth }) => {
  acceptJson(server)

  server.get('/webhooks/deliveries', {
    onRequest: auth.byApp('webhooks:read'),
    schema: {
      tags, security: byAppKey('webhooks:read'), operationId: 'listDeliveries',
      summary: 'List the deliveries to the app\'s webhook',
      description: 'For webhooks that did not arrive: every event with its tries, newest first. A page may contain '
        + 'fewer than `limit` items: continue with `nextCursor` until it is null. Changes nothing.',
      querystring: DeliveriesQuery,
      response: {
        200: jsonResponse('One page.', DeliveryList, {
          page: {
            summary: 'A page with a successor',
            value: {
              data: [examples.retried.value, examples.disabled.value],
              nextCursor: 'MTc3MjM2NjQwNjEyMCB3aGRfWWQwY0E0bzVq',
            },
          },
          last: { summary: 'The last page', value: { data: [examples.delivered.value], nextCursor: null } },
        }),
        ...apiErrorResponses('rate_limited'),
      },
    },
  }, async request => {
    const { data, nextCursor } = await deliveries.list(callingApp(request), { limit: defaultLimit, ...request.query })
    return { data: data.map(viewDelivery), nextCursor }
  })

  server.post('/webhooks/deliveries/:deliveryId/replay', {
    onRequest: auth.byApp('webhooks:write'), preValidation: fillAbsentBody,
    schema: {
      ...absentBodyAllowed,
      tags, security: byAppKey('webhooks:write'), operationId: 'replayDelivery', summary: 'Send a delivery again',
      description: [
        'For use after the receiver was fixed: the event is sent immediately, then retried on the schedule, with the '
        + 'same `webhook-id` and body. A success enables a disabled endpoint again.',
        'Repeating: each call restarts the schedule.',
      ].join('\n\n'),
      params: DeliveryParams, body: EmptyBody,
      response: {
        202: jsonResponse(
          'Accepted. The first try follows immediately.', DeliveryView, { replayed: examples.replayed },
        ),
        ...apiErrorResponses(
          'not_found', 'invalid_state', 'payload_too_large', 'unsupported_media_type', 'rate_limited',
        ),
      },
    },
  }, async (request, reply) => {
    const delivery = await deliveries.replay(callingApp(request), request.params.deliveryId)
    auditAction(request, 'webhook_replayed')
    return reply.code(202).send(viewDelivery(delivery))
  })

  server.post('/webhooks/test', {
    onRequest: auth.byApp('webhooks:write'), preValidation: fillAbsentBody,
    schema: {
      ...absentBodyAllowed,
      tags, security: byAppKey('webhooks:write'), operationId: 'testWebhook',
      summary: 'Send a test event to the app\'s webhook',
      description: [
        'For testing the receiver: a `webhook.test` is signed, retried and listed like any other event. A success '
        + 'enables a disabled endpoint again.',
        'Repeating: each call sends another event.',
      ].join('\n\n'),
      body: EmptyBody,
      response: {
        202: jsonResponse('Accepted. The first try follows immediately.', DeliveryView, { test: examples.test }),
        ...apiErrorResponses('invalid_state', 'payload_too_large', 'unsupported_media_type', 'rate_limited'),
      },
    },
  }, async (request, reply) => {
    const delivery = await deliveries.test(callingApp(request))
    auditAction(request, 'webhook_tested')
    return reply.code(202).send(viewDelivery(delivery))
  })
}
