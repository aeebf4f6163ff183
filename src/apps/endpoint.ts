import { createSecretKey, type KeyObject } from 'node:crypto'
import { isIP } from 'node:net'
import { isPrivateAddress, listAddresses } from '../net.ts'

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

/**
 * Link-local addresses, also in their NAT64 (RFC 6052) and IPv4-compatible forms, and the other metadata addresses of
 * clouds. `BlockList` recognizes IPv4-mapped forms by itself.
 */
const neverAllowed = listAddresses([
  ['169.254.0.0', 16], ['64:ff9b::a9fe:0', 112], ['::a9fe:0', 112], ['fe80::', 10],
  ['100.100.100.200', 32], ['64:ff9b::6464:64c8', 128], ['192.0.0.192', 32], ['fd00:ec2::254', 128],
  ['fd20:ce::254', 128],
])

/** Whether a webhook may go to this address: never to link-local ones, without TLS only to loopback or private ones. */
export function allowsAddress (protocol: string, address: string): boolean {
  const [bare = ''] = address.split('%')
  const version = isIP(bare)
  if (version === 0) return false
  const family = version === 6 ? 'ipv6' : 'ipv4'
  return !neverAllowed.check(bare, family) && (protocol === 'https:' || isPrivateAddress(bare))
}
