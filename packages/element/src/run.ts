import { createClient, isLost, type Access, type Answer, type Client } from './client.ts'
import { follow } from './follow.ts'
import { isOn, openApp, openingOf, openPage, openWindow, readMessage } from './opening.ts'
import { removeSession, writeSession, type Returned, type Session } from './session.ts'
import { after, backoffMs, pause } from './timing.ts'
import { actionKey, isFinal, type Evidence, type Verification } from './verification.ts'

/** What the element shows. */
export type State = {
  /** Null: none was read. */
  verification: Verification | null
  isLost: boolean
  isSubmitting: boolean
  notice: Notice | null
}
export type Notice = { type: 'resent' | 'offline' } | { type: 'incorrect', remaining: number | null }
  | { type: 'limited', ms: number }

/** The element, as a run sees it. */
export type Host = {
  draw (state: State): void
  /** The code in the field was wrong: it is to be corrected. */
  selectCode (): void
  fillCode (code: string): void
  /** False: the page has called `preventDefault`. */
  emit (type: EventName, detail: unknown): boolean
  prefersWindow (): boolean
}
export type EventName = 'change' | 'verified' | 'failed' | 'unavailable' | 'before-open' | 'token-needed'

/** What `next` accepts; the other reasons of a return are failures of the provider. */
const nextReasons = ['app_not_installed', 'not_on_cellular', 'carrier_unsupported', 'user_rejected']
const returning = ['openUrlOnCellular', 'openUrl', 'openMessageLink']
const defaultNotOpenedMs = 1_500
const defaultRetryMs = 60_000
const checkEveryMs = 3_000

/**
 * The work on one verification, from `start` to its final state or `stop`. All timers and requests end with it. In this
 * order: its state and the screen, the calls to the gateway, and what `nextAction` asks for.
 */
export class Run {
  readonly access: Access
  readonly #client: Client
  readonly #session: Session
  readonly #host: Host
  readonly #life = new AbortController()
  readonly #signal = this.#life.signal
  readonly #other = new BroadcastChannel('phone-verification')
  readonly #state: State = { verification: null, isLost: false, isSubmitting: false, notice: null }
  /** The newest state; while a code is being submitted, `#state` keeps showing its field. */
  #newest: Verification | null = null
  #task = { key: '', control: new AbortController() }

  constructor (access: Access, session: Session, host: Host) {
    this.access = access
    this.#client = createClient(access)
    this.#session = session
    this.#host = host
  }

  start (): void {
    this.#other.addEventListener('message', ({ data }: MessageEvent<{ id: string, returned: Returned }>) => {
      if (data.id !== this.access.id || this.#state.verification === null) return
      this.#remember({ returned: data.returned })
      this.#takeReturned(this.#state.verification)
    })
    this.#remember({})
    this.#draw()
    void follow(this.#client, this.#signal, {
      revision: () => this.#newest?.revision ?? null,
      onState: verification => this.#onState(verification),
      onLost: answer => this.#onLost(answer),
      onConnection: isConnected => {
        if (!isConnected) this.#setNotice({ type: 'offline' })
        else if (this.#state.notice?.type === 'offline') this.#setNotice(null)
      },
    })
  }

  /** The state that was read last. */
  get current (): Verification | null { return this.#newest }
  now (): number { return this.#client.now() }

  stop (): void {
    this.#life.abort()
    this.#task.control.abort()
    this.#other.close()
  }

  #draw (): void {
    if (!this.#signal.aborted || this.#state.isLost) this.#host.draw(this.#state)
  }

  #setNotice (notice: State['notice']): void {
    this.#state.notice = notice
    this.#draw()
  }

  #onState (verification: Verification): void {
    if (this.#signal.aborted || (this.#newest !== null && verification.revision <= this.#newest.revision)) return
    this.#newest = verification
    this.#host.emit('change', verification)
    if (!this.#state.isSubmitting || !this.#isBeingChecked(verification)) this.#show(verification)
  }

  /** The evidence of the screen is being checked: the screen stays, because a wrong code leads back to it. */
  #isBeingChecked ({ nextAction, attempts }: Verification): boolean {
    return nextAction?.type === 'wait' && attempts.at(-1)?.id === this.#state.verification?.attempts.at(-1)?.id
  }

  #show (verification: Verification): void {
    this.#state.verification = verification
    const key = actionKey(verification)
    if (isFinal(verification)) {
      this.#setNotice(null)
      removeSession(this.access.id)
      this.stop()
      this.#host.emit(verification.status === 'verified' ? 'verified' : 'failed', verification)
    } else if (key === this.#task.key) {
      this.#draw()
    } else {
      this.#task.control.abort()
      this.#task = { key, control: new AbortController() }
      this.#setNotice(null)
      this.#perform(verification)
    }
  }

  #onLost ({ problem }: Answer): void {
    this.#state.isLost = true
    removeSession(this.access.id)
    this.stop()
    this.#draw()
    this.#host.emit('unavailable', problem)
  }

  /** The answer of a call, repeated while there is none; null when the attempt has ended meanwhile. */
  async #call (path: 'check' | 'next', body: object): Promise<Answer | null> {
    const attempt = this.#newest?.attempts.at(-1)?.id
    for (let failures = 1; !this.#signal.aborted && this.#newest?.attempts.at(-1)?.id === attempt; failures += 1) {
      const answer = await this.#client.post(path, body, this.#signal).catch(() => null)
      if (answer !== null && answer.status < 500) return answer
      this.#setNotice({ type: 'offline' })
      await pause(answer?.retryMs ?? backoffMs(failures), this.#signal)
    }
    return null
  }

  async #take (answer: Answer | null): Promise<void> {
    if (answer === null || this.#signal.aborted) return
    if (this.#state.notice?.type === 'offline') this.#state.notice = null
    const { verification, status, problem, retryMs } = answer
    if (verification !== null) return this.#onState(verification)
    if (isLost(answer)) return this.#onLost(answer)
    if (status === 429) return this.#setNotice({ type: 'limited', ms: retryMs ?? defaultRetryMs })
    if (problem.code === 'code_incorrect' || problem.code === 'invalid_request') {
      this.#setNotice({ type: 'incorrect', remaining: problem.attemptsRemaining ?? null })
      if (problem.attemptsRemaining !== 0) return this.#host.selectCode()
    }
    const read = await this.#client.get(this.#signal).catch(() => null)
    if (read?.verification) this.#onState(read.verification)
  }

  async submit (evidence: Evidence): Promise<void> {
    if (this.#state.isSubmitting || this.#signal.aborted) return
    this.#state.isSubmitting = true
    this.#setNotice(null)
    const answer = await this.#call('check', evidence)
    this.#state.isSubmitting = false
    await this.#take(answer)
    if (this.#signal.aborted || this.#newest === null) return
    // Shows the state that was held back. After a wrong code, the state with the code's screen is still to come.
    if (answer?.verification || !this.#isBeingChecked(this.#newest)) this.#show(this.#newest)
    else this.#draw()
  }

  async next (reason?: string): Promise<void> {
    if (this.#newest === null || this.#signal.aborted) return
    const { revision } = this.#newest
    await this.#take(await this.#call('next', {
      revision, ...reason !== undefined && nextReasons.includes(reason) ? { reason } : {},
    }))
    this.#draw()
  }

  /** Not repeated: it could send two messages. */
  async resend (): Promise<void> {
    const answer = await this.#client.post('resend', {}, this.#signal).catch(() => null)
    await this.#take(answer)
    if (answer?.verification) this.#setNotice({ type: 'resent' })
    else if (answer === null && !this.#signal.aborted) this.#setNotice({ type: 'offline' })
  }

  #remember (change: Partial<Session>): void {
    writeSession(this.access.id, Object.assign(this.#session, change))
  }

  /** Opens the URL of `nextAction`, unless the page does it. */
  openUrl (): void {
    const { nextAction: action = null } = this.#state.verification ?? {}
    if (action?.url === undefined) return
    const { signal } = this.#task.control
    this.#remember({ opened: this.#task.key })
    if (!this.#host.emit('before-open', action)) return
    switch (openingOf(action, this.#host.prefersWindow())) {
      case 'page': return openPage(action.url, signal)
      case 'app': return openApp(
        action.url, action.notOpenedAfterMs ?? defaultNotOpenedMs, signal, () => void this.next('app_not_installed'),
      )
      case 'window':
        openWindow(action.url, signal)
        if (action.finish === 'none') this.#checkAgain(signal)
    }
  }

  #checkAgain (signal: AbortSignal): void {
    after(checkEveryMs, signal, async () => {
      await this.#take(await this.#call('check', {}))
      this.#checkAgain(signal)
    })
  }

  /** Does what a new `nextAction` asks for without the person. */
  #perform (verification: Verification): void {
    const { nextAction: action } = verification
    const { signal } = this.#task.control
    if (action === null || this.#takeReturned(verification)) return
    switch (action.type) {
      case 'openUrlOnCellular':
        if (this.#session.opened === this.#task.key) {
          if (action.finish === 'none') this.#checkAgain(signal)
        } else if (openingOf(action, this.#host.prefersWindow()) === 'page') this.openUrl()
        return
      case 'openDeepLink':
        // The page may have another device that can open it.
        if (!isOn(action.platforms, navigator.userAgent) && this.#host.emit('before-open', action)) {
          void this.next('app_not_installed')
        }
        return
      case 'submitCode':
        if (action.autofill?.webOtp) void readMessage(signal).then(code => this.#fillIn(code))
        return
      case 'submitToken':
        if (this.#host.emit('token-needed', { sdk: action.sdk, params: action.params })) void this.next()
        return
      case 'openUrl': case 'openMessageLink': case 'approveOnDevice': case 'answerCall': case 'wait':
        return
      default:
        void this.next()
    }
  }

  #fillIn (code: string | null): void {
    if (code === null) return
    this.#host.fillCode(code)
    void this.submit({ code })
  }

  /** Submits what a redirect returned. False: there is nothing, or it belongs to an earlier attempt. */
  #takeReturned ({ nextAction, attempts }: Verification): boolean {
    const { returned, opened } = this.#session
    if (returned === undefined) return false
    const isOfThis = opened === undefined || opened.startsWith(`${attempts.at(-1)?.id} `)
    const isWanted = isOfThis && returning.includes(nextAction?.type ?? '')
    const forget = (): void => {
      delete this.#session.returned
      if (!this.#signal.aborted) this.#remember({})
    }
    if (isWanted) void ('code' in returned ? this.submit(returned) : this.next(returned.error)).then(forget)
    else forget()
    return isWanted
  }
}

/** Another tab may be the one that waits for this: a link in a message opens a tab of its own. */
export function passOn (id: string, returned: Returned): void {
  const channel = new BroadcastChannel('phone-verification')
  channel.postMessage({ id, returned })
  channel.close()
}
