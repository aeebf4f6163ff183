import { Webhook, WebhookVerificationError } from 'standardwebhooks'
import type { webhooks } from './schema.ts'

/** The body of a webhook, by its `type`. */
export type WebhookEvent = webhooks[keyof webhooks]['post']['requestBody']['content']['application/json']

/** The headers of a request: those of `fetch`, or an object, whatever the case of its names. */
export type WebhookHeaders = Headers | Readonly<Record<string, string | readonly string[] | undefined>>

/** The signature or the timestamp of a webhook is wrong: answer 401. */
export class WebhookSignatureError extends Error {
  override readonly name = 'WebhookSignatureError'
}

const names = ['webhook-id', 'webhook-timestamp', 'webhook-signature'] as const

/**
 * The event of a webhook that the gateway signed within the last five minutes.
 *
 * @param body The bytes or the text of the body, unchanged: JSON that was parsed and written again has another
 * signature.
 * @param secrets The secret of the app's webhook, or several while one is replaced. One match is enough.
 * @throws `WebhookSignatureError`, and `Error` for a secret that is not base64.
 */
export function verifyWebhook (
  body: string | Uint8Array, headers: WebhookHeaders, secrets: string | readonly string[],
): WebhookEvent {
  const text = typeof body === 'string' ? body : new TextDecoder().decode(body)
  const values = Object.fromEntries(names.map(name => [name, readHeader(headers, name)]))
  let cause: unknown = new Error('no secret was given')
  for (const secret of [secrets].flat()) {
    try {
      return new Webhook(secret).verify(text, values) as WebhookEvent
    } catch (error) {
      if (!(error instanceof WebhookVerificationError)) throw error
      cause = error
    }
  }
  throw new WebhookSignatureError('The webhook is not signed with one of the secrets', { cause })
}

function readHeader (headers: WebhookHeaders, name: string): string {
  const value = headers instanceof Headers
    ? headers.get(name)
    : Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1]
  return typeof value === 'string' ? value : value?.[0] ?? ''
}
