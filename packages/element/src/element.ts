import { textsFor } from './languages.ts'
import { passOn, Run, type EventName, type State } from './run.ts'
import { choicesOf, clock, screenOf } from './screen.ts'
import { readCurrent, readSession, takeReturn, type Returned } from './session.ts'
import { directionOf, english, fill, type Texts } from './texts.ts'
import { after } from './timing.ts'
import type { Evidence, Verification } from './verification.ts'
import { createView, type Notice } from './view.ts'

const attributes = ['verification', 'client-secret', 'base-url', 'locale'] as const
const properties = ['verification', 'clientSecret', 'baseUrl', 'locale', 'texts'] as const

/** The origin that served this module, and the path of the gateway there. */
const ownBase = new URL('..', import.meta.url).href
const withoutSlash = (url: string): string => url.replace(/\/+$/, '')

/**
 * `<phone-verification>`: shows one verification and does what its `nextAction` asks for. docs/front-end.md describes
 * attributes, properties, events, parts and custom properties.
 */
export class PhoneVerification extends HTMLElement {
  static readonly observedAttributes = attributes

  readonly #view = createView(this, {
    onCode: code => void this.submit({ code }),
    onContinue: () => this.#run?.openUrl(),
    onChoice: action => void (action === 'next' ? this.next() : this.resend()),
  })
  #run: Run | null = null
  #state: State | null = null
  #secret: string | null = null
  #texts: Partial<Texts> = {}
  #ticking = new AbortController()
  #isScheduled = false

  /** The id of the verification. */
  get verification (): string | null { return this.getAttribute('verification') }
  set verification (id: string | null) { this.#reflect('verification', id) }
  /** Not reflected to the attribute: the page keeps it out of its HTML. */
  get clientSecret (): string | null { return this.#secret ?? this.getAttribute('client-secret') }
  set clientSecret (secret: string | null) {
    this.#secret = secret
    this.#schedule()
  }
  /** URL of the gateway. Default: where this module was loaded from. */
  get baseUrl (): string | null { return this.getAttribute('base-url') }
  set baseUrl (url: string | null) { this.#reflect('base-url', url) }
  /** BCP 47 tag. Default: `lang` of the element or of what is around it, else the browser's language. */
  get locale (): string {
    return this.getAttribute('locale') ?? this.closest<HTMLElement>('[lang]')?.lang ?? navigator.language
  }
  set locale (locale: string | null) { this.#reflect('locale', locale) }
  /** Texts that replace those of the language. */
  get texts (): Partial<Texts> { return this.#texts }
  set texts (texts: Partial<Texts>) {
    this.#texts = texts
    this.#draw()
  }

  /** The state that was read last; null before. */
  get current (): Verification | null { return this.#run?.current ?? null }

  /** Submits evidence, for example `{ token }` after `token-needed`. Resolves when it was answered. */
  submit (evidence: Evidence): Promise<void> { return this.#run?.submit(evidence) ?? Promise.resolve() }
  /** Ends the present attempt and starts the next one. `reason`: one that the call `next` accepts. */
  next (reason?: string): Promise<void> { return this.#run?.next(reason) ?? Promise.resolve() }
  /** Sends the message again. */
  resend (): Promise<void> { return this.#run?.resend() ?? Promise.resolve() }

  connectedCallback (): void {
    // Values that the page has set before this class existed.
    for (const name of properties) {
      if (!Object.hasOwn(this, name)) continue
      const value: unknown = this[name]
      delete (this as Record<string, unknown>)[name]
      Object.assign(this, { [name]: value })
    }
    this.#schedule()
  }

  disconnectedCallback (): void { this.#schedule() }

  attributeChangedCallback (name: (typeof attributes)[number]): void {
    if (name === 'locale') this.#draw()
    else this.#schedule()
  }

  #reflect (name: string, value: string | null): void {
    if (value === null) this.removeAttribute(name)
    else this.setAttribute(name, value)
  }

  /** Attributes are set one after the other, and elements are moved: only the last state of a task counts. */
  #schedule (): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    queueMicrotask(() => {
      this.#isScheduled = false
      if (this.isConnected) this.#start()
      else this.#stop()
    })
  }

  #stop (): void {
    this.#run?.stop()
    this.#run = null
    this.#ticking.abort()
  }

  #start (): void {
    const back = takeReturn()
    const id = this.verification ?? back?.id ?? readCurrent()
    const session = id === null ? null : readSession(id)
    const secret = this.clientSecret ?? session?.secret
    const isOurs = back?.id === id && secret !== undefined
    if (back !== null && !isOurs) passOn(back.id, back.returned)
    if (id === null || !secret) return this.#showNothing(back?.returned)
    const base = withoutSlash(this.baseUrl ?? session?.base ?? ownBase)
    const access = this.#run?.access
    if (access?.id === id && access.secret === secret && access.base === base) return
    this.#stop()
    const kept = { ...session, secret, base, ...back !== null && isOurs ? { returned: back.returned } : {} }
    this.#run = new Run({ id, secret, base }, kept, {
      draw: state => {
        this.#state = state
        this.#draw()
      },
      selectCode: this.#view.selectCode,
      fillCode: this.#view.fillCode,
      emit: (type, detail) => this.#emit(type, detail),
      prefersWindow: () => this.getAttribute('open-in') === 'window',
    })
    this.#run.start()
  }

  #showNothing (returned: Returned | undefined): void {
    this.#stop()
    this.#state = null
    if (returned === undefined) this.#view.clear()
    else this.#draw('elsewhere')
  }

  #emit (type: EventName, detail: unknown): boolean {
    const cancelable = type === 'before-open' || type === 'token-needed'
    return this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true, cancelable }))
  }

  #draw (without: 'wait' | 'elsewhere' = 'wait'): void {
    this.#ticking.abort()
    if (this.#state === null && without === 'wait') return
    const own = textsFor(this.locale)
    const texts = { ...english, ...own, ...this.#texts }
    // Without texts of its own a language is shown in English, and must not be read out as another one.
    const lang = own === null && Object.keys(this.#texts).length === 0 ? 'en' : this.locale
    const { verification = null, isLost = false, notice = null, isSubmitting = false } = this.#state ?? {}
    this.#view.draw({
      screen: screenOf(isLost ? null : verification, texts, isLost ? 'unavailable' : without),
      choices: isLost || verification === null ? [] : choicesOf(verification, texts, this.#now()),
      notice: notice === null ? null : noticeOf(notice, texts), isSubmitting,
      labels: { continue: texts.continue, submit: texts.submit }, lang, dir: directionOf(lang),
    })
    if (verification !== null) this.#tick(verification, texts)
  }

  #now (): number { return this.#run?.now() ?? Date.now() }

  /** Counts down to the first moment of "Send again" and "Another way". */
  #tick (verification: Verification, texts: Texts): void {
    this.#ticking = new AbortController()
    const { signal } = this.#ticking
    const tick = (): void => {
      const choices = choicesOf(verification, texts, this.#now())
      this.#view.drawChoices(choices)
      const waits = choices.map(({ waitMs }) => waitMs).filter(ms => ms > 0)
      if (waits.length > 0) after(Math.min(1000, ...waits.map(ms => ms % 1000 || 1000)), signal, tick)
    }
    tick()
  }
}

function noticeOf (notice: NonNullable<State['notice']>, texts: Texts): Notice {
  switch (notice.type) {
    case 'incorrect': {
      const remaining = notice.remaining === null ? '' : ` ${fill(texts.remaining, { count: notice.remaining })}`
      return { text: `${texts.incorrect}${remaining}`, isError: true }
    }
    case 'limited': return {
      text: fill(texts.limited, { time: clock(notice.ms) }), isError: true,
    }
    default: return { text: texts[notice.type], isError: false }
  }
}
