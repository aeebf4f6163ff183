/**
 * What a redirect or a reload must not lose, in the tab's `sessionStorage`: it ends with the tab, and no other tab and
 * no other site can read it. Without storage, only redirects and reloads lose the verification.
 */
export type Session = {
  secret: string
  base: string
  /** `actionKey` whose URL was opened: it is not opened a second time by itself, such as after the back button. */
  opened?: string
  /** What came back by a redirect and is not submitted yet. */
  returned?: Returned
}

/** What a redirect brings. `error`: a reason of the gateway, or a text of the provider. */
export type Returned = { code: string } | { error: string }

const prefix = 'phone-verification'

export function readSession (id: string): Session | null {
  try {
    // Only this module writes under this name.
    return JSON.parse(storage()?.getItem(`${prefix}:${id}`) ?? 'null') as Session | null
  } catch {
    return null
  }
}

/** Id of the verification that this tab works on. */
export const readCurrent = (): string | null => storage()?.getItem(prefix) ?? null

export function writeSession (id: string, session: Session): void {
  try {
    storage()?.setItem(prefix, id)
    storage()?.setItem(`${prefix}:${id}`, JSON.stringify(session))
  } catch {
    // The storage is full: a reload then needs the attributes.
  }
}

export function removeSession (id: string): void {
  storage()?.removeItem(`${prefix}:${id}`)
  if (readCurrent() === id) storage()?.removeItem(prefix)
}

/**
 * Takes what a redirect has added to the address of this page, and cleans the address, so that no reload, bookmark or
 * other script finds the code there. Some providers put the code, or the description of an error, into the fragment.
 * Null: the page was not opened by such a redirect.
 */
export function takeReturn (): { id: string, returned: Returned } | null {
  const url = new URL(location.href)
  const added = new URLSearchParams(url.search + url.hash.replace('#', '&'))
  const [id, code, error] = ['verification', 'code', 'error'].map(name => added.get(name))
  // A fragment without a code describes an error.
  if (!id?.startsWith('ver_') || !(code || error || url.hash)) return null
  // The rest of the query stays as the page wrote it. A `returnUrl` has no fragment of its own.
  url.search = url.search.slice(1).split('&').filter(pair => !/^(verification|code|error)=/.test(pair)).join('&')
  url.hash = ''
  history.replaceState(history.state, '', url)
  return { id, returned: code && !error ? { code } : { error: error ?? '' } }
}

function storage (): Storage | null {
  try {
    return sessionStorage
  } catch {
    return null
  }
}
