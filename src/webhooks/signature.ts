import { createHmac } from 'node:crypto'
import { readSecret } from '../apps/endpoint.ts'

/** The content to sign. `now` is ms since the epoch; each secret makes a signature. */
export type Signed = { secrets: readonly string[], webhookId: string, body: string, now: number }

/**
 * The headers of Standard Webhooks 1.0 (https://www.standardwebhooks.com): for each secret a signature of
 * `id.timestamp.body`. Throws `TypeError` for an invalid secret.
 */
export function signWebhook ({ secrets, webhookId, body, now }: Signed): Record<string, string> {
  const timestamp = String(Math.floor(now / 1000))
  const signatures = secrets.map(secret => {
    const key = readSecret(secret)
    if (key === null) throw new TypeError('not a webhook secret')
    return `v1,${createHmac('sha256', key).update(`${webhookId}.${timestamp}.${body}`).digest('base64')}`
  })
  return { 'webhook-id': webhookId, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') }
}
