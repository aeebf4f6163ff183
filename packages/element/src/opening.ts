import { after } from './timing.ts'
import type { Action } from './verification.ts'

/** How a URL is opened: in this page, in a new window, or in an app. */
export type Opening = 'page' | 'window' | 'app'

/**
 * Redirects of operators must be followed by the browser itself, with cookies and over http: `fetch` cannot do that.
 * With `finish: "none"` the last page does not come back, so it is opened in a window.
 */
export function openingOf ({ type, finish }: Action, prefersWindow: boolean): Opening {
  if (type === 'openDeepLink') return 'app'
  return prefersWindow || finish === 'none' ? 'window' : 'page'
}

/** The page goes to `url`. A navigation that hangs is stopped when `signal` is aborted. */
export function openPage (url: string, signal: AbortSignal): void {
  const abort = (): void => stop()
  signal.addEventListener('abort', abort)
  // Back from the history: the navigation is over.
  addEventListener('pageshow', () => signal.removeEventListener('abort', abort), { signal })
  location.assign(url)
}

/** Needs a click, or the browser blocks it. The window is closed when `signal` is aborted. */
export function openWindow (url: string, signal: AbortSignal): void {
  const opened = open()
  if (opened === null) return
  // The window cannot navigate this page, but has a copy of this tab's session for its return.
  opened.opener = null
  opened.location.href = url
  signal.addEventListener('abort', () => opened.close())
}

/** Calls `onMissing` when this page still has the focus after `ms`: no app has opened. */
export function openApp (url: string, ms: number, signal: AbortSignal, onMissing: () => void): void {
  let hasLeft = false
  const leave = (): void => { hasLeft = true }
  addEventListener('blur', leave, { signal })
  document.addEventListener('visibilitychange', leave, { signal })
  location.assign(url)
  after(ms, signal, () => { if (!hasLeft && document.hasFocus()) onMissing() })
}

/** Whether this device is one of these platforms; an unknown list excludes none. */
export function isOn (platforms: readonly string[] | undefined, userAgent: string): boolean {
  const platform = /android/i.test(userAgent) ? 'android' : /iphone|ipad|ipod/i.test(userAgent) ? 'ios' : 'web'
  return platforms === undefined || platforms.includes(platform)
}

/** The code of a message whose text names this page (WebOTP); null where the browser cannot, or no message came. */
export async function readMessage (signal: AbortSignal): Promise<string | null> {
  if (!('OTPCredential' in window)) return null
  const options = { otp: { transport: ['sms'] }, signal }
  const found = await navigator.credentials.get(options as CredentialRequestOptions).catch(() => null)
  return (found as { code?: string } | null)?.code ?? null
}
