import { byId, create, show } from './dom.ts'
import type { Current } from './session.ts'

const module = '/elements/phone-verification.js'

/** What the page uses of `<phone-verification>`: docs/front-end.md. */
type PhoneVerification = HTMLElement & {
  verification: string | null
  clientSecret: string | null
  submit (evidence: object): Promise<void>
  next (reason?: string): Promise<void>
}

/**
 * The app on the phone: a page with `<phone-verification>`. URLs and SDKs are left to the simulated phone, which asks
 * the person what to do. `onOpen`: the person has pressed the button of the app that opens a URL.
 */
export async function createFrontEnd ({ onOpen }: { onOpen: () => void }) {
  await import(module)
  const app = byId('app')
  let element: PhoneVerification | null = null
  // The tab of a link that was opened from a message: the element hands the code to the tab that waits for it.
  const isReturn = new URLSearchParams(location.search).has('verification')
  show(app, isReturn
    ? document.createElement('phone-verification')
    : create('p', { class: 'quiet' }, 'Your app shows the verification here.'))

  return {
    start ({ id, clientSecret }: Current): void {
      element = document.createElement('phone-verification') as PhoneVerification
      element.verification = id
      element.clientSecret = clientSecret
      element.setAttribute('locale', 'en')
      // The element also opens a URL by itself: then the person has not decided yet.
      let isPressed = false
      element.addEventListener('click', () => {
        isPressed = true
        setTimeout(() => { isPressed = false })
      }, true)
      element.addEventListener('token-needed', event => event.preventDefault())
      element.addEventListener('before-open', event => {
        event.preventDefault()
        if (isPressed) onOpen()
      })
      show(app, create('p', { class: 'app-name' }, 'Example Shop'), element)
    },
    submit: async (evidence: object): Promise<void> => element?.submit(evidence),
    next: async (reason?: string): Promise<void> => element?.next(reason),
  }
}
export type FrontEnd = Awaited<ReturnType<typeof createFrontEnd>>
