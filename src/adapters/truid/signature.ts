import { createHash, subtle } from 'node:crypto'
import { createLocalJWKSet, type LocalJWKSet } from 'jose/jwks/local'
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { Callback } from '../adapter.ts'
import type { CallbackRefusal } from '../../core/vocabulary.ts'

// https://developer.tru.id/docs/phone-check/integration (callback): HTTP Signatures, draft-cavage-http-signatures, in
// `Authorization`

const components = '(request-target) host date x-tru-callback digest'
const maxSkewMs = 300_000
const parameter = '[A-Za-z]+="[^"\\\\]*"'
const scheme = new RegExp(`^Signature +(${parameter}(?: *, *${parameter})*)$`)

const keySet = Compile(Type.Object({ keys: Type.Array(Type.Object({ kty: Type.String() }), { maxItems: 64 }) }))
export type KeySet = LocalJWKSet
export type Key = Awaited<ReturnType<KeySet>>

/** A callback that passes every check that needs no key. */
export type Signed = { keyId: string, text: string, signature: Buffer }

/**
 * The signed text and its signature, or why it is not a signature of tru.ID. The signed components and the algorithm
 * are fixed, so the sender cannot choose weaker ones. Host and target come from the address that tru.ID was given.
 */
export function readSignature (
  { url, headers, rawBody }: Pick<Callback, 'url' | 'headers' | 'rawBody'>, now: number,
): Signed | CallbackRefusal {
  const { authorization, date, digest, 'x-tru-callback': kind } = headers
  if (typeof authorization !== 'string' || !authorization.startsWith('Signature ')) return 'signature_missing'
  const { keyId, algorithm, headers: signed, signature } = readParameters(authorization)
  if (
    keyId === undefined || keyId === '' || algorithm !== 'rsa-sha256' || signed !== components
  ) return 'signature_invalid'
  const bytes = Buffer.from(signature ?? '', 'base64')
  if (bytes.length === 0 || bytes.toString('base64') !== signature) return 'signature_invalid'
  if (typeof date !== 'string' || typeof digest !== 'string' || typeof kind !== 'string') return 'signature_invalid'
  if (!(date.endsWith(' GMT') && Math.abs(Date.parse(date) - now) <= maxSkewMs)) return 'date_skewed'
  if (!isDigest(digest, rawBody)) return 'digest_mismatch'
  const { host, pathname, search } = new URL(url)
  const text = [
    `(request-target): post ${pathname}${search}`, `host: ${host}`, `date: ${date}`, `x-tru-callback: ${kind}`,
    `digest: ${digest}`,
  ]
  return { keyId, text: text.join('\n'), signature: bytes }
}

/** The documentation says both "Base64 encoded" and `hex(SHA256(Body))`. */
function isDigest (digest: string, body: Buffer): boolean {
  const hash = createHash('sha256').update(body).digest()
  return digest === `SHA-256=${hash.toString('base64')}` || digest === `SHA-256=${hash.toString('hex')}`
}

/** Empty for a header of another form, or with a parameter twice. */
function readParameters (authorization: string): { [name: string]: string | undefined } {
  const pairs = [
    ...(scheme.exec(authorization)?.[1] ?? '').matchAll(/([A-Za-z]+)="([^"]*)"/g),
  ].map(([, name = '', value = '']) => [name, value] as const)
  const read = new Map(pairs)
  return read.size === pairs.length ? Object.fromEntries(read) : {}
}

/** The keys of `/.well-known/jwks.json`; null when the body is not a key set. */
export function readKeys (body: unknown): KeySet | null {
  try {
    return keySet.Check(body) ? createLocalJWKSet(body) : null
  } catch {
    return null
  }
}

/** The RSA signing key with this id; null when there is not exactly one that can be used. */
export async function findKey (keys: KeySet | undefined, keyId: string): Promise<Key | null> {
  try {
    return await keys?.({ alg: 'RS256', kid: keyId }) ?? null
  } catch {
    return null
  }
}

export async function isSignedBy (key: Key, { text, signature }: Signed): Promise<boolean> {
  return subtle.verify('RSASSA-PKCS1-v1_5', key, signature, Buffer.from(text))
}
