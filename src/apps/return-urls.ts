import type { App } from './apps.ts'

/** Percent-encoded characters that a server may decode, once or twice, into a path out of the folder. */
const leadsOut = /%(?:25|2e|2f|5c)|\\/i

/**
 * Whether a front end may be sent to `returnUrl`: an allowed URL must match exactly (any query is allowed), or, when it
 * ends
 * in `/`, as a folder. The text must be the browser's canonical form: every other spelling (user info, backslashes,
 * tabs,
 * dots, another form of the host) is refused.
 */
export function allowsReturnUrl (app: App, returnUrl: string): boolean {
  const wanted = URL.parse(returnUrl)
  if (wanted === null) return false
  const [place = ''] = returnUrl.split(/[?#]/, 1)
  const canonical = `${wanted.protocol}//${wanted.host}${wanted.pathname}`
  if (place !== canonical && `${place}/` !== canonical) return false
  return (app.allowedReturnUrls ?? []).some(allowed => {
    const rule = URL.parse(allowed)
    if (rule === null || rule.protocol !== wanted.protocol || rule.host !== wanted.host) return false
    if (wanted.pathname === rule.pathname) return true
    return rule.pathname.endsWith('/') && wanted.pathname.startsWith(rule.pathname) && !leadsOut.test(wanted.pathname)
  })
}
