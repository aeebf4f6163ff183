import type { App } from './apps.ts'

/** Percent-encoded characters that a server may decode, once or twice, into a path outside of the folder. */
const leavesFolder = /%(?:25|2e|2f|5c)|\\/i

/**
 * Whether the browser may be redirected to `returnUrl`. An allowed URL must match exactly, with any query, or is a
 * folder when it ends in `/`. Only the canonical spelling matches: user info, backslashes, tabs, dots and other forms
 * of the host are refused.
 */
export function allowsReturnUrl (app: App, returnUrl: string): boolean {
  const requested = URL.parse(returnUrl)
  if (requested === null) return false
  const { protocol, host, pathname } = requested
  const [withoutQuery = ''] = returnUrl.split(/[?#]/, 1)
  const canonical = `${protocol}//${host}${pathname}`
  if (withoutQuery !== canonical && `${withoutQuery}/` !== canonical) return false
  return (app.allowedReturnUrls ?? []).some(text => {
    const allowed = URL.parse(text)
    if (allowed === null || allowed.protocol !== protocol || allowed.host !== host) return false
    if (pathname === allowed.pathname) return true
    return allowed.pathname.endsWith('/') && pathname.startsWith(allowed.pathname) && !leavesFolder.test(pathname)
  })
}
