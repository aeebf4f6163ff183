import { createSecretKey, type KeyObject } from 'node:crypto'

/** A secret has 24 to 64 bytes (Standard Webhooks 1.0). */
const secretBytes = { min: 24, max: 64 }

const keys = new Map<string, KeyObject>()

/** The key of a `whsec_` secret; null when the text is not one. */
export function readSecret (secret: string): KeyObject | null {
  const known = keys.get(secret)
  if (known !== undefined) return known
  const [, encoded] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret) ?? []
  const bytes = Buffer.from(encoded ?? '', 'base64')
  if (
    bytes.length < secretBytes.min || bytes.length > secretBytes.max || bytes.toString('base64') !== encoded
  ) return null
  const key = createSecretKey(bytes)
  keys.set(secret, key)
  return key
}

/**
 * A URL that webhooks may be sent to, as far as its text shows: http or https, without user info. The address is
 * checked when
 * the connection is made.
 */
export function readWebhookUrl (text: string): URL | null {
  const url = URL.parse(text)
  return url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '' ? url : null
}
