import { isLoopbackUrl } from '../net.ts'
import type { App } from './apps.ts'

/** Percent-encoded characters that a server may decode, once or twice, into a path outside of the folder. */
const leavesFolder = /%(?:25|2e|2f|3b|5c)/i
/** A server that decodes control characters may cut the URL or write another header line. */
const encodedControl = /%(?:[01][0-9a-f]|7f)/i
/** An empty segment or dots, also with path parameters, which some servers remove first. */
const ambiguousPath = /\/\/|\/\.{0,2};/

/**
 * Whether the browser may be redirected to `returnUrl`. An allowed URL must match exactly, with any query, or is a
 * folder when it ends in `/`. Only the canonical spelling matches: user info, fragments, backslashes, tabs, dots and
 * other forms of the host are refused. A custom scheme with a path works as well (RFC 8252, section 7.1).
 */
export function allowsReturnUrl (app: App, returnUrl: string): boolean {
  const requested = URL.parse(returnUrl)
  if (requested === null || !isUnambiguous(returnUrl, requested)) return false
  const { protocol, host, pathname } = requested
  if (app.acceptsLoopback === true && isLoopbackUrl(requested)) return true
  return (app.allowedReturnUrls ?? []).some(text => {
    const allowed = URL.parse(text)
    if (allowed === null || allowed.protocol !== protocol || allowed.host !== host) return false
    if (pathname === allowed.pathname) return true
    return allowed.pathname.endsWith('/') && pathname.startsWith(allowed.pathname) && !leavesFolder.test(pathname)
  })
}

/** Whether every server and browser reads the same address in the text. */
function isUnambiguous (text: string, { username, password, host, pathname, href }: URL): boolean {
  const [written = ''] = text.split('?', 1)
  const [parsed = ''] = href.split('?', 1)
  // An origin may be written without its `/`.
  return (written === parsed || `${written}/` === parsed)
    && username === '' && password === '' && (host !== '' || pathname.startsWith('/'))
    && !/[\\#]/.test(text) && !encodedControl.test(text) && !ambiguousPath.test(pathname) && isDecodable(pathname)
}

/** False for a broken escape, and for bytes that are not UTF-8, such as an overlong dot. */
function isDecodable (path: string): boolean {
  try {
    decodeURIComponent(path)
    return true
  } catch {
    return false
  }
}

/**
 * The host of the app's page on which the user types a code: that of the return URL, else of the app's only https
 * origin. Null: it is not known. A port is never part of it, because a text message cannot name one.
 */
export function pageHostOf (
  { allowedOrigins = [] }: Pick<App, 'allowedOrigins'>, returnUrl: string | null,
): string | null {
  const urls = (returnUrl === null ? allowedOrigins : [returnUrl]).map(text => URL.parse(text))
  const hosts = new Set(urls.flatMap(url => url?.protocol === 'https:' && url.port === '' ? url.hostname : []))
  const [host = null] = hosts
  return hosts.size === 1 ? host : null
}

/** What the gateway adds to a return URL. */
export type ReturnParameters = { verification: string, code?: string, error?: string }

const ownNames = new Set(['code', 'error', 'verification'])

/**
 * The return URL with our parameters at the end of its query. The rest stays as the app wrote it, except that its own
 * parameters with one of our names are removed.
 */
export function addReturnParameters (returnUrl: string, parameters: ReturnParameters): string {
  const [text = ''] = returnUrl.split('#', 1)
  const [address = '', ...query] = text.split('?')
  const kept = query.join('?').split('&').filter(pair => pair !== '' && !pair.split(';').some(isOwn))
  return `${address}?${[...kept, new URLSearchParams(parameters).toString()].join('&')}`
}

/** Some servers ignore the case of a name, and read `code[]` as `code`. */
function isOwn (pair: string): boolean {
  const [[name = ''] = []] = new URLSearchParams(pair)
  return ownNames.has(name.trim().toLowerCase().replace(/\[.*$/s, ''))
}
