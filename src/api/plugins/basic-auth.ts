/** `WWW-Authenticate` of routes that accept HTTP Basic. */
export const basicChallenge = 'Basic realm="Verigate", charset="UTF-8"'

/**
 * Turns HTTP Basic into a bearer token: the password is the API key, and the user name is not interpreted. Other
 * headers stay as they are.
 */
export function asBearer (header: string | undefined): string | undefined {
  const credentials = readBasic(header)
  return credentials === null ? header : `Bearer ${credentials.password}`
}

/** The user name and the password of HTTP Basic (RFC 7617); null for any other header. */
export function readBasic (header: string | undefined): { user: string, password: string } | null {
  const [, encoded] = /^Basic +([A-Za-z0-9+/]+={0,2})$/i.exec(header ?? '') ?? []
  if (encoded === undefined) return null
  const text = Buffer.from(encoded, 'base64').toString()
  const colon = text.indexOf(':')
  return { user: text.slice(0, Math.max(0, colon)), password: text.slice(colon + 1) }
}
