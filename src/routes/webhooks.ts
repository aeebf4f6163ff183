import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { Deliveries } from '../deliveries.ts'
import { viewDelivery } from '../delivery.ts'
import { callingApp, noteAction, type Auth } from '../plugins/auth.ts'
import { acceptJson, fillAbsentBody } from '../plugins/bodies.ts'
import { absentBodyAllowed, apiProblems, byAppKey } from '../plugins/openapi.ts'
import { DeliveriesQuery, DeliveryList, DeliveryParams, DeliveryView, EmptyBody } from './schemas.ts'

const tags = ['Webhooks']
const defaultLimit = 20
const Accepted = Type.Object(DeliveryView.properties, { title: 'Delivery', 'x-response-description': 'Accepted: it is tried at once.' })

export type WebhookOptions = { deliveries: Pick<Deliveries, 'list' | 'replay' | 'test'>, auth: Auth }

export const webhookRoutes: FastifyPluginAsyncTypebox<WebhookOptions> = async (server, { deliveries, auth }) => {
  acceptJson(server)

  server.get('/webhooks/deliveries', {
    onRequest: auth.byApp('webhooks:read'),
    schema: {
      tags, security: byAppKey, operationId: 'listDeliveries', summary: 'What was sent to the app\'s webhook, and what came of it',
      description: 'Newest first. A page may hold fewer than `limit`: go on with `nextCursor` until it is null.',
      querystring: DeliveriesQuery,
      response: { 200: DeliveryList, ...apiProblems('rate_limited') },
    },
  }, async request => {
    const { data, nextCursor } = await deliveries.list(callingApp(request), { limit: defaultLimit, ...request.query })
    return { data: data.map(viewDelivery), nextCursor }
  })

  server.post('/webhooks/deliveries/:deliveryId/replay', {
    onRequest: auth.byApp('webhooks:write'), preValidation: fillAbsentBody,
    schema: {
      ...absentBodyAllowed,
      tags, security: byAppKey, operationId: 'replayDelivery', summary: 'Send a delivery again',
      description: 'At once, then by the schedule; with the same `webhook-id` and body. One that succeeds enables a disabled endpoint again.',
      params: DeliveryParams, body: EmptyBody,
      response: {
        202: Accepted, ...apiProblems('not_found', 'invalid_state', 'payload_too_large', 'unsupported_media_type', 'rate_limited'),
      },
    },
  }, async (request, reply) => {
    const delivery = await deliveries.replay(callingApp(request), request.params.deliveryId)
    noteAction(request, 'webhook_replayed')
    return reply.code(202).send(viewDelivery(delivery))
  })

  server.post('/webhooks/test', {
    onRequest: auth.byApp('webhooks:write'), preValidation: fillAbsentBody,
    schema: {
      ...absentBodyAllowed,
      tags, security: byAppKey, operationId: 'testWebhook', summary: 'Send a `webhook.test` event to the app\'s webhook',
      description: 'Signed, retried and listed as any other. One that succeeds enables a disabled endpoint again.',
      body: EmptyBody,
      response: { 202: Accepted, ...apiProblems('invalid_state', 'payload_too_large', 'unsupported_media_type', 'rate_limited') },
    },
  }, async (request, reply) => {
    const delivery = await deliveries.test(callingApp(request))
    noteAction(request, 'webhook_tested')
    return reply.code(202).send(viewDelivery(delivery))
  })
}
