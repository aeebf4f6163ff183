import { Type } from 'typebox'

/** An optional environment variable of a provider. A description may end with the default in parentheses. */
export const setting = (description: string) => Type.Optional(Type.String({ description }))

/** One that contains a secret: it can also be given as `NAME_FILE`, the path of a file. */
export const secret = (description: string) => Type.Optional(Type.String({ description, isSecret: true }))

/** A secret or an id of an account at the provider. It is refused beside `SANDBOX=true`. */
export const credential = (description: string) =>
  Type.Optional(Type.String({ description, isSecret: true, isCredential: true }))

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
 * A bare origin, without a path. http, ports and loopback only where `allowInsecure` permits them. Throws an `Error`
 * that names the variable.
 */
export function readOrigin (name: string, text: string, allowInsecure: boolean): string {
  const url = URL.parse(text)
  const isSafe = url !== null
    && (allowInsecure ? /^https?:$/.test(url.protocol) : url.protocol === 'https:' && url.port === '')
  if (!isSafe || text.replace(/\/$/, '') !== url.origin) {
    throw new Error(`${name} must be an https origin such as https://example.com`)
  }
  return url.origin
}
