import { createPrivateKey, type KeyObject } from 'node:crypto'
import { Type } from 'typebox'

/** An optional environment variable of a provider. A description may end with the default in parentheses. */
export const setting = (description: string) => Type.Optional(Type.String({ description }))

/** One that contains a secret: it can also be given as `NAME_FILE`, the path of a file. */
export const secret = (description: string) => Type.Optional(Type.String({ description, isSecret: true }))

/** A secret or an id of an account at the provider. It is refused beside `SANDBOX=true`. */
export const credential = (description: string) =>
  Type.Optional(Type.String({ description, isSecret: true, isCredential: true }))

/** A credential that is a private key, for `readPrivateKey`. A file may have it in several lines. */
export const privateKey = (description: string) =>
  Type.Optional(Type.String({ description, isSecret: true, isCredential: true, hasLines: true }))

/** An optional variable that is `true` or `false`. */
export const flag = (description: string) =>
  Type.Optional(Type.String({ pattern: '^(true|false)$', description }))

/** The value of a credential. Throws an `Error` that names the variable if it is absent or cannot be one. */
export function readCredential (name: string, value: string | undefined): string {
  if (!value) throw new Error(`${name} is missing`)
  if (!/^[\x21-\x7e]+$/.test(value)) throw new Error(`${name} must be visible ASCII characters`)
  return value
}

/**
 * A private key that signs: RSA of at least 2048 bits, or an elliptic curve. PEM, also with `\n` for line ends, or the
 * base64 of PKCS #8 DER on one line. Throws an `Error` that names the variable and nothing of the key.
 */
export function readPrivateKey (name: string, text: string | undefined): KeyObject {
  if (!text) throw new Error(`${name} is missing`)
  const key = parsePrivateKey(text.replaceAll('\\n', '\n').trim())
  const { modulusLength = 0 } = key?.asymmetricKeyDetails ?? {}
  const canSign = key?.asymmetricKeyType === 'rsa' ? modulusLength >= 2048
    : ['ec', 'ed25519'].includes(key?.asymmetricKeyType ?? '')
  if (key === null || !canSign) {
    throw new Error(`${name} must be a private key without a passphrase, RSA of at least 2048 bits or an elliptic curve`
      + ', as PEM or as base64 of its PKCS #8 DER')
  }
  return key
}

function parsePrivateKey (text: string): KeyObject | null {
  try {
    return text.startsWith('-----') ? createPrivateKey(text)
      : createPrivateKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'pkcs8' })
  } catch {
    return null
  }
}

const isSafe = (url: URL, allowInsecure: boolean): boolean =>
  allowInsecure ? /^https?:$/.test(url.protocol) : url.protocol === 'https:' && url.port === ''

/**
 * A bare origin, without a path. http, ports and loopback only where `allowInsecure` permits them. Throws an `Error`
 * that names the variable.
 */
export function readOrigin (name: string, text: string, allowInsecure: boolean): string {
  const url = URL.parse(text)
  if (url === null || !isSafe(url, allowInsecure) || text.replace(/\/$/, '') !== url.origin) {
    throw new Error(`${name} must be an https origin such as https://example.com`)
  }
  return url.origin
}

/** As `readOrigin`, with a path or without. The URL ends without a slash. */
export function readBaseUrl (name: string, text: string, allowInsecure: boolean): string {
  const url = URL.parse(text)
  const base = text.replace(/\/+$/, '')
  const isBare = url !== null && [base, `${base}/`].includes(`${url.origin}${url.pathname}`)
  if (!isBare || !isSafe(url, allowInsecure)) {
    throw new Error(`${name} must be an https URL without a query, such as https://example.com/operator`)
  }
  return base
}
