import { Type } from 'typebox'

/** An optional environment variable of a provider. */
export const setting = (description: string) => Type.Optional(Type.String({ description }))

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
