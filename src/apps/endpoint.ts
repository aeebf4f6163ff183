import { createSecretKey, type KeyObject } from 'node:crypto'

/** A secret has 24 to 64 bytes (Standard Webhooks 1.0). */
const secretBytes = { min: 24, max: 64 }

const keys = new Map<string, KeyObject>()

/** The signing key of a `whsec_` secret; null when the text is not one. Keys are cached. */
export function readSecret (secret: string): KeyObject | null {
  const known = keys.get(secret)
  if (known !== undefined) return known
  const [, encoded] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret) ?? []
  const bytes = Buffer.from(encoded ?? '', 'base64')
  const isCanonical = bytes.toString('base64') === encoded
  if (bytes.length < secretBytes.min || bytes.length > secretBytes.max || !isCanonical) return null
  const key = createSecretKey(bytes)
  keys.set(secret, key)
  return key
}

/**
 * The URL of a webhook endpoint: http or https, without user info. Null for any other text. The sender checks the
 * address when it connects.
 */
export function readWebhookUrl (text: string): URL | null {
  const url = URL.parse(text)
  return url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '' ? url : null
}
