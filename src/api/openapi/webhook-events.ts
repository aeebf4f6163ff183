import { Type, type TSchema } from 'typebox'
import { retryDelays } from '../../webhooks/schedule.ts'
import { verifications } from './verification-examples.ts'
import { VerificationView } from '../schemas/verification.ts'
import { defaultEventTypes, webhookEventTypes, type WebhookEventType } from '../../core/vocabulary.ts'
import { signWebhook } from '../../webhooks/signature.ts'

/** The documentation of each event, and an example. */
const events: Readonly<Record<WebhookEventType, {
  summary: string, description: string, example: keyof typeof verifications,
}>> = {
  created: {
    summary: 'A verification was created',
    description: 'Sent for each new verification, also for one that failed immediately.', example: 'openUrlOnCellular',
  },
  action_required: {
    summary: 'The front end has a new action', example: 'fallback',
    description: '`nextAction` changed: the next method of the workflow started, or the code was sent again.',
  },
  verified: {
    summary: 'The number was proven', description: 'Only this event means that the number can be trusted.',
    example: 'verifiedByFallback',
  },
  failed: { summary: 'The verification failed', description: 'See `reason`.', example: 'numberMismatch' },
  expired: {
    summary: 'The verification expired', description: 'No evidence was received in time.', example: 'expired',
  },
  canceled: {
    summary: 'The verification was canceled', description: 'By the app, or because a newer verification replaced it.',
    example: 'canceled',
  },
}

/** The secret that signs the examples. */
export const exampleSecret = `whsec_${Buffer.from('only the examples are signed with it').toString('base64')}`

const showDelay = (delayMs: number): string => {
  const seconds = delayMs / 1000
  return seconds < 60 ? `${seconds} s` : seconds < 3600 ? `${seconds / 60} min` : `${seconds / 3600} h`
}

/** The rules for every event. */
export const webhookRules = [
  'Events are signed as [Standard Webhooks](https://www.standardwebhooks.com) specifies: verify `webhook-signature` '
  + 'over the raw body before you use an event, and reject timestamps that are off by more than five minutes.',
  'Respond with 2xx within 10 seconds and process the event afterwards. After any other response the event is sent '
  + 'again, for several days.',
  'Events are delivered at least once and in any order: drop a `webhook-id` that you have processed, and ignore an '
  + 'event whose `data.revision` is not above the last one you processed for that `data.id`.',
].join('\n\n')
const selection = (type: WebhookEventType): string => {
  const isDefault = defaultEventTypes.includes(type)
  const when = isDefault ? 'Sent by default' : 'Sent only if the app selects it'
  return `${when} (\`events\` of its webhook: \`${type}\`).`
}

const responses = {
  '2XX': { description: 'Accepted. The event is not sent again, unless the app requests a replay.' },
  410: { description: 'Gone: the endpoint is disabled until its URL changes, or a test or replay succeeds.' },
  default: {
    description: 'Failed, as is a redirect, or no response within 10 seconds. The event is sent again '
      + `${retryDelays.slice(1).map(showDelay).join(', ')} (± 10 %) after the previous try; \`retry-after\` on 429 `
      + 'and 503 is honoured.',
  },
}

function describeEvent (type: string, { summary, description, data, example: { timestamp, revision, data: content } }: {
  summary: string, description: string, data: TSchema, example: { timestamp: string, revision: number, data: object },
}) {
  const name = type.split(/[._]/).map(word => word.charAt(0).toUpperCase() + word.slice(1)).join('')
  const body = { type, timestamp, data: content }
  const webhookId = `msg_Yd0cA4o5jCkYlY2xXzVb7QBmJ2kQhQ_${revision}`
  const signed = signWebhook(
    { secrets: [exampleSecret], webhookId, body: JSON.stringify(body), now: Date.parse(timestamp) },
  )
  const header = (name: string, description: string) => ({
    name, in: 'header' as const, required: true, description, schema: {
      type: 'string' as const,
    }, example: signed[name],
  })
  const schema = Type.Object({
    type: Type.Literal(type, { description: 'Type of the event.' }),
    timestamp: Type.String({ format: 'date-time', description: 'When the event occurred.' }),
    data,
  }, { title: `${name}Event`, description: `Body of \`${type}\`.` })
  return {
    post: {
      tags: ['Webhooks'], operationId: `on${name}`, summary, description, security: [],
      parameters: [
        header('webhook-id', 'Id of the event: the same on every try and replay.'),
        header('webhook-timestamp', 'Time of this try, in seconds since 1970. Covered by the signature.'),
        header(
          'webhook-signature',
          '`v1,` and the base64 of HMAC-SHA256 over `webhook-id.webhook-timestamp.body`: one signature for each secret '
          + 'of the app, separated by spaces. This one signs the example without white space, with '
          + `\`${exampleSecret}\`.`,
        ),
      ],
      requestBody: {
        required: true, content: { 'application/json': { schema, examples: { [name]: { summary, value: body } } } },
      },
      responses,
    },
  }
}

/** The section `webhooks` of the document. */
export const describeWebhooks = () => Object.fromEntries([
  ...webhookEventTypes.map(eventType => {
    const [type, { summary, description, example }] = [`verification.${eventType}`, events[eventType]]
    const { value: data } = verifications[example]
    return [type, describeEvent(type, {
      summary, description: `${description} ${selection(eventType)}`, data: VerificationView, example: {
        timestamp: data.updatedAt, revision: data.revision, data,
      },
    })] as const
  }),
  ['webhook.test', describeEvent('webhook.test', {
    summary: 'A test', description: 'Sent only by `POST /webhooks/test`. Describes no verification.',
    data: Type.Object(
      { app: Type.String({ description: 'Id of the app.' }) },
      { title: 'TestData', description: 'The receiving app.' },
    ),
    example: { timestamp: '2026-03-01T12:00:00.000Z', revision: 0, data: { app: 'shop' } },
  })] as const,
])
