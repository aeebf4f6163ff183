import { createHmac } from 'node:crypto'
import { readSecret } from '../apps/endpoint.ts'

/** What is signed. `now` is ms since the epoch; each secret makes a signature of its own. */
export type Signed = { secrets: readonly string[], webhookId: string, body: string, now: number }

/**
 * The headers of Standard Webhooks 1.0 (https://www.standardwebhooks.com): a signature for each secret over
 * `id.timestamp.body`.
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
