import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'

/** A webhook as it was received: `body` has exactly the characters that were signed. */
export type ReceivedWebhook = {
  receivedAt: string
  verificationId: string | null
  headers: Record<string, string>
  body: string
}

export const sinkPath = '/webhook-sink'
/** Signs the webhooks of the sandbox's app. Public, like everything of the sandbox. */
export const sinkSecret = `whsec_${Buffer.from('the sandbox has no secrets').toString('base64')}`

const maxWebhooks = 200
const ListQuery = Type.Object({ verificationId: Type.Optional(Type.String()) })

/**
 * An endpoint as an app has one: it accepts every webhook, and shows the latest 200 to the page of the sandbox, oldest
 * first.
 */
export function createWebhookSink (now: () => number): FastifyPluginAsyncTypebox {
  const received: ReceivedWebhook[] = []

  return async app => {
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body))

    app.post(sinkPath, async ({ headers, body }, reply) => {
      const text = typeof body === 'string' ? body : ''
      received.push({
        receivedAt: new Date(now()).toISOString(), verificationId: readVerificationId(text),
        headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)])),
        body: text,
      })
      if (received.length > maxWebhooks) received.shift()
      return reply.code(204).send()
    })

    app.get(sinkPath, { schema: { querystring: ListQuery } }, async ({ query: { verificationId } }) => ({
      data: received.filter(one => verificationId === undefined || one.verificationId === verificationId),
    }))
  }
}

function readVerificationId (text: string): string | null {
  try {
    const body: unknown = JSON.parse(text)
    const data = typeof body === 'object' && body !== null && 'data' in body ? body.data : null
    return typeof data === 'object' && data !== null && 'id' in data ? String(data.id) : null
  } catch {
    return null
  }
}
