import { createHash, subtle, type webcrypto } from 'node:crypto'
import { createLocalJWKSet, type LocalJWKSet } from 'jose/jwks/local'
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { Callback } from '../adapter.ts'
import type { CallbackRefusal } from '../../core/vocabulary.ts'

// https://developer.tru.id/docs/phone-check/integration (callback): HTTP Signatures, draft-cavage-http-signatures-12,
// in `Authorization`, over a digest of RFC 3230

/** What a signature must cover. */
const requiredComponents = ['(request-target)', 'host', 'date', 'digest']
const maxSkewMs = 300_000
/**
 * The algorithms of a key for each name of the header. tru.ID does not document the name, so the names that leave the
 * choice to the key are accepted. All are RSA, so nothing that is public can serve as a secret.
 */
const keyAlgorithms: ReadonlyMap<string, readonly string[]> = new Map([
  ['rsa-sha256', ['RS256']], ['rsa-sha512', ['RS512']], ['hs2019', ['RS256', 'RS512', 'PS512', 'PS256']],
])

const keySet = Compile(Type.Object({
  keys: Type.Array(Type.Object({ kty: Type.String(), alg: Type.Optional(Type.String()) }), { maxItems: 64 }),
}))
export type KeySet = LocalJWKSet
export type Key = Awaited<ReturnType<KeySet>>

/** A callback that passes every check that needs no key. `algorithms`: what the key may be used with. */
export type Signed = { keyId: string, algorithms: readonly string[], text: string, signature: Buffer }

type Request = Pick<Callback, 'url' | 'headers' | 'rawBody'>
type Parameters = ReadonlyMap<string, string>

/**
 * The signed text and its signature, or why it is not a signature of tru.ID. Host and target come from the address that
 * tru.ID was given.
 */
export function readSignature (request: Request, now: number): Signed | CallbackRefusal {
  const { authorization, date, digest } = request.headers
  if (typeof authorization !== 'string' || !/^signature[ \t]/i.test(authorization)) return 'signature_missing'
  const parameters = readParameters(authorization.slice('signature'.length))
  const keyId = parameters.get('keyid') ?? ''
  const algorithms = keyAlgorithms.get(parameters.get('algorithm')?.toLowerCase() ?? 'hs2019')
  const components = parameters.get('headers')?.toLowerCase().split(/ +/) ?? []
  const signature = readBase64(parameters.get('signature') ?? '')
  if (keyId === '' || algorithms === undefined || signature === null) return 'signature_invalid'
  if (!requiredComponents.every(name => components.includes(name))) return 'signature_invalid'
  if (typeof date !== 'string' || typeof digest !== 'string') return 'signature_invalid'
  if (!isNear(readDate(date), now) || !isAlive(parameters, now)) return 'date_skewed'
  if (!isDigest(digest, request.rawBody)) return 'digest_mismatch'
  const text = writeText(components, request, parameters)
  return text === null ? 'signature_invalid' : { keyId, algorithms, text, signature }
}

const parameter = /[ \t]*(?:([\w-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([\w.+/=-]+)))?(?:[ \t]*,|$)/y

/**
 * Names in lower case; values are quoted strings or tokens (RFC 9110 section 11.2). Empty for a header of another form,
 * or with a parameter twice. A parameter that nobody reads is ignored.
 */
function readParameters (text: string): Parameters {
  const read = new Map<string, string>()
  const pattern = new RegExp(parameter)
  while (pattern.lastIndex < text.length) {
    const match = pattern.exec(text)
    if (match === null) return new Map()
    const [, name, quoted, token] = match
    if (name === undefined) continue
    if (read.has(name.toLowerCase())) return new Map()
    read.set(name.toLowerCase(), quoted?.replaceAll(/\\(.)/g, '$1') ?? token ?? '')
  }
  return read
}

/** Only the canonical form, in which no other text gives the same bytes. */
function readBase64 (text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64')
  return bytes.length > 0 && bytes.toString('base64') === text ? bytes : null
}

/** One of the three forms of an HTTP date (RFC 9110 section 5.6.7); all are in GMT, which the oldest does not say. */
function readDate (text: string): number {
  const isDated = /^[A-Z][a-z]{2,8},? .*\d\d:\d\d:\d\d( GMT| \d{4})$/.test(text)
  return isDated ? Date.parse(text.endsWith(' GMT') ? text : `${text} GMT`) : NaN
}

const isNear = (at: number, now: number): boolean => Math.abs(at - now) <= maxSkewMs

/** Seconds since the epoch, where the header has them: not created later, and not expired. */
function isAlive (parameters: Parameters, now: number): boolean {
  const [created, expires] = ['created', 'expires'].map(name => parameters.get(name))
  return (created === undefined || Number(created) * 1000 <= now + maxSkewMs)
    && (expires === undefined || Number(expires) * 1000 >= now - maxSkewMs)
}

const digestHashes: ReadonlyMap<string, string> = new Map([['sha-256', 'sha256'], ['sha-512', 'sha512']])

/**
 * The documentation says both "Base64 encoded" and `hex(SHA256(Body))`. The header may have several digests; all that
 * are known must be right. Names and hex have no case.
 */
function isDigest (header: string, body: Buffer): boolean {
  const digests = header.split(',').map(text => /^[ \t]*([\w-]+)=(.*?)[ \t]*$/.exec(text))
  const known = digests.flatMap(match => {
    const hash = digestHashes.get(match?.[1]?.toLowerCase() ?? '')
    return hash === undefined ? [] : [{ hash, value: match?.[2] ?? '' }]
  })
  return known.length > 0 && known.every(({ hash, value }) => {
    const expected = createHash(hash).update(body).digest()
    return value === expected.toString('base64') || value.toLowerCase() === expected.toString('hex')
  })
}

/** The signed text, in the order of the header; null when a component is not in the request. */
function writeText (components: readonly string[], { url, headers }: Request, parameters: Parameters): string | null {
  const { host, pathname, search } = new URL(url)
  const values: Request['headers'] = {
    ...headers, host, '(request-target)': `post ${pathname}${search}`,
    '(created)': parameters.get('created'), '(expires)': parameters.get('expires'),
  }
  const lines = components.map(name => typeof values[name] === 'string' ? `${name}: ${values[name]}` : null)
  return lines.includes(null) ? null : lines.join('\n')
}

/**
 * The keys of `/.well-known/jwks.json`; null when the body is not a key set. A key for RSA signatures is good for each
 * of their algorithms, whichever the key set names.
 */
export function readKeys (body: unknown): KeySet | null {
  if (!keySet.Check(body)) return null
  try {
    return createLocalJWKSet({
      keys: body.keys.map(({ alg, ...key }) =>
        alg === undefined || /^[RP]S(256|384|512)$/.test(alg) ? key : { ...key, alg }),
    })
  } catch {
    return null
  }
}

/** RFC 7518 section 3.3. */
const minModulusLength = 2048
const rsaOf = (key: Key) => key.algorithm as webcrypto.RsaHashedKeyAlgorithm

/** The RSA signing key with this id, for each of the algorithms; empty when there is not exactly one that is usable. */
export async function findKeys (
  keys: KeySet | undefined, { keyId, algorithms }: Pick<Signed, 'keyId' | 'algorithms'>,
): Promise<Key[]> {
  const found = await Promise.all(algorithms.map(async alg => {
    try {
      return await keys?.({ alg, kid: keyId })
    } catch {
      return undefined
    }
  }))
  return found.filter(key => key !== undefined).filter(key => rsaOf(key).modulusLength >= minModulusLength)
}

export async function isSignedBy (keys: readonly Key[], { text, signature }: Signed): Promise<boolean> {
  for (const key of keys) {
    const { name, hash } = rsaOf(key)
    // Of PSS only: as long as the hash.
    const saltLength = Number(hash.name.slice('SHA-'.length)) / 8
    const isGood = await subtle.verify({ name, saltLength }, key, signature, Buffer.from(text))
    if (isGood) return true
  }
  return false
}
