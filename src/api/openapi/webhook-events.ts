import { Type, type TSchema } from 'typebox'
import { retryDelays } from '../../webhooks/delivery.ts'
import { verifications } from './examples.ts'
import { VerificationView } from '../schemas/requests.ts'
import { defaultEventTypes, webhookEventTypes, type WebhookEventType } from '../../core/vocabulary.ts'
import { signWebhook } from '../../webhooks/signature.ts'

/** What each event says, and a verification of which it is said. */
const events: Readonly<Record<WebhookEventType, {
  summary: string, description: string, example: keyof typeof verifications,
}>> = {
  created: {
    summary: 'A verification was created',
    description: 'Sent for each new verification, also for one that ended at once.', example: 'openUrlOnCellular',
  },
  action_required: {
    summary: 'The front end has something else to do', example: 'fallback',
    description: '`nextAction` is another one: the next method of the workflow started, or the code was sent again.',
  },
  verified: {
    summary: 'The number was proven', description: 'The one event that lets you trust the number.',
    example: 'verifiedByFallback',
  },
  failed: { summary: 'The verification failed', description: '`reason` says why.', example: 'numberMismatch' },
  expired: { summary: 'The verification expired', description: 'Nothing came in time.', example: 'expired' },
  canceled: {
    summary: 'The verification was canceled', description: 'By the app, or because a newer one took its place.',
    example: 'canceled',
  },
}

/** The secret that the signatures of the examples are made with. */
export const exampleSecret = `whsec_${Buffer.from('only the examples are signed with it').toString('base64')}`

const showDelay = (delayMs: number): string => {
  const seconds = delayMs / 1000
  return seconds < 60 ? `${seconds} s` : seconds < 3600 ? `${seconds / 60} min` : `${seconds / 3600} h`
}

/** What holds for every event. */
export const webhookRules = [
  'Events are signed by [Standard Webhooks](https://www.standardwebhooks.com): verify `webhook-signature` over the raw body before you believe one, and refuse timestamps more than five minutes off.',
  'Answer 2xx within 10 seconds and work afterwards; what is answered otherwise is tried again, for days.',
  'Events come at least once and in any order: drop a `webhook-id` that you have seen, and ignore an event whose `data.revision` is not above the last one you saw for that `data.id`.',
].join('\n\n')
const chosen = (type: WebhookEventType): string =>
  `${defaultEventTypes.includes(type) ? 'Sent unless the app chooses otherwise' : 'Sent only when the app chooses it'} (\`events\` of its webhook: \`${type}\`).`

const answers = {
  '2XX': { description: 'Taken. It is not sent again, unless you ask for a replay.' },
  410: { description: 'Gone: the endpoint is disabled until its URL changes, or a test or a replay succeeds.' },
  default: {
    description: `Not taken, like a redirect, or no answer within 10 seconds. It is tried again ${retryDelays.slice(1).map(showDelay).join(', ')} (± 10 %) after the try before; \`retry-after\` on 429 and 503 is honoured.`,
  },
}

function describeEvent (type: string, { summary, description, data, example: { timestamp, revision, data: told } }: {
  summary: string, description: string, data: TSchema, example: { timestamp: string, revision: number, data: object },
}) {
  const name = type.split(/[._]/).map(word => word.charAt(0).toUpperCase() + word.slice(1)).join('')
  const body = { type, timestamp, data: told }
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
    type: Type.Literal(type, { description: 'What happened.' }),
    timestamp: Type.String({ format: 'date-time', description: 'When it happened.' }),
    data,
  }, { title: `${name}Event`, description: `Body of \`${type}\`.` })
  return {
    post: {
      tags: ['Webhooks'], operationId: `on${name}`, summary, description, security: [],
      parameters: [
        header('webhook-id', 'Name of the event: the same on every try and replay.'),
        header('webhook-timestamp', 'When this try was made, in seconds since 1970. Part of what is signed.'),
        header(
          'webhook-signature',
          `\`v1,\` and the base64 of HMAC-SHA256 over \`webhook-id.webhook-timestamp.body\`; two of them, with a blank between, while a secret is rotated. This one is over the example without any white space, made with \`${exampleSecret}\`.`,
        ),
      ],
      requestBody: {
        required: true, content: { 'application/json': { schema, examples: { [name]: { summary, value: body } } } },
      },
      responses: answers,
    },
  }
}

/** The section `webhooks` of the document: what is sent to the apps. */
export const describeWebhooks = () => Object.fromEntries([
  ...webhookEventTypes.map(news => {
    const [type, { summary, description, example }] = [`verification.${news}`, events[news]]
    const { value: data } = verifications[example]
    return [type, describeEvent(type, {
      summary, description: `${description} ${chosen(news)}`, data: VerificationView, example: {
        timestamp: data.updatedAt, revision: data.revision, data,
      },
    })] as const
  }),
  ['webhook.test', describeEvent('webhook.test', {
    summary: 'A trial', description: 'Sent by `POST /webhooks/test` and at no other time. It tells nothing of a verification.',
    data: Type.Object(
      { app: Type.String({ description: 'Id of the app.' }) },
      { title: 'TestData', description: 'Whom it is sent to.' },
    ),
    example: { timestamp: '2026-03-01T12:00:00.000Z', revision: 0, data: { app: 'shop' } },
  })] as const,
])
