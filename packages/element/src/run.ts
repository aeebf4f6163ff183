import { createClient, isLost, type Access, type Answer } from './client.ts'
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

export type Run = ReturnType<typeof startRun>

/** What `next` accepts; the other reasons of a return are failures of the provider. */
const nextReasons = ['app_not_installed', 'not_on_cellular', 'carrier_unsupported', 'user_rejected']
const returning = ['openUrlOnCellular', 'openUrl', 'openMessageLink']
const defaultNotOpenedMs = 1_500
const defaultRetryMs = 60_000
const checkEveryMs = 3_000

/**
 * The work on one verification, from the first reading to its final state or `stop`. All timers and requests end with
 * it.
 */
export function startRun (access: Access, session: Session, host: Host) {
  const { id } = access
  const client = createClient(access)
  const life = new AbortController()
  const state: State = { verification: null, isLost: false, isSubmitting: false, notice: null }
  /** The newest state; while a code is being submitted, `state` keeps showing its field. */
  let newest: Verification | null = null
  let task = { key: '', control: new AbortController() }
  const other = new BroadcastChannel('phone-verification')

  const draw = (): void => { if (!life.signal.aborted || state.isLost) host.draw(state) }
  const remember = (change: Partial<Session>): void => writeSession(id, Object.assign(session, change))

  function stop (): void {
    life.abort()
    task.control.abort()
    other.close()
  }

  function onState (verification: Verification): void {
    if (life.signal.aborted || (newest !== null && verification.revision <= newest.revision)) return
    newest = verification
    host.emit('change', verification)
    if (!state.isSubmitting || !isBeingChecked(verification)) show(verification)
  }

  /** The evidence of the screen is being checked: the screen stays, because a wrong code leads back to it. */
  function isBeingChecked ({ nextAction, attempts }: Verification): boolean {
    return nextAction?.type === 'wait' && attempts.at(-1)?.id === state.verification?.attempts.at(-1)?.id
  }

  function show (verification: Verification): void {
    state.verification = verification
    const key = actionKey(verification)
    if (isFinal(verification)) {
      state.notice = null
      draw()
      removeSession(id)
      stop()
      host.emit(verification.status === 'verified' ? 'verified' : 'failed', verification)
    } else if (key === task.key) {
      draw()
    } else {
      task.control.abort()
      task = { key, control: new AbortController() }
      state.notice = null
      draw()
      perform(verification)
    }
  }

  function onLost ({ problem }: Answer): void {
    state.isLost = true
    removeSession(id)
    stop()
    draw()
    host.emit('unavailable', problem)
  }

  /** The answer of a call, repeated while there is none; null when the attempt has ended meanwhile. */
  async function call (path: 'check' | 'next', body: object): Promise<Answer | null> {
    const attempt = newest?.attempts.at(-1)?.id
    for (let failures = 1; !life.signal.aborted && newest?.attempts.at(-1)?.id === attempt; failures += 1) {
      const answer = await client.post(path, body, life.signal).catch(() => null)
      if (answer !== null && answer.status < 500) return answer
      setNotice({ type: 'offline' })
      await pause(answer?.retryMs ?? backoffMs(failures), life.signal)
    }
    return null
  }

  function setNotice (notice: State['notice']): void {
    state.notice = notice
    draw()
  }

  async function take (answer: Answer | null): Promise<void> {
    if (answer === null || life.signal.aborted) return
    if (state.notice?.type === 'offline') state.notice = null
    const { verification, status, problem, retryMs } = answer
    if (verification !== null) return onState(verification)
    if (isLost(answer)) return onLost(answer)
    if (status === 429) return setNotice({ type: 'limited', ms: retryMs ?? defaultRetryMs })
    if (problem.code === 'code_incorrect' || problem.code === 'invalid_request') {
      setNotice({ type: 'incorrect', remaining: problem.attemptsRemaining ?? null })
      if (problem.attemptsRemaining !== 0) return host.selectCode()
    }
    const read = await client.get(life.signal).catch(() => null)
    if (read?.verification) onState(read.verification)
  }

  async function submit (evidence: Evidence): Promise<void> {
    if (state.isSubmitting || life.signal.aborted) return
    state.isSubmitting = true
    setNotice(null)
    const answer = await call('check', evidence)
    state.isSubmitting = false
    await take(answer)
    if (life.signal.aborted || newest === null) return
    // Shows the state that was held back. After a wrong code, the state with the code's screen is still to come.
    if (answer?.verification || !isBeingChecked(newest)) show(newest)
    else draw()
  }

  async function next (reason?: string): Promise<void> {
    if (newest === null || life.signal.aborted) return
    const { revision } = newest
    await take(await call('next', {
      revision, ...reason !== undefined && nextReasons.includes(reason) ? { reason } : {},
    }))
    draw()
  }

  /** Not repeated: it could send two messages. */
  async function resend (): Promise<void> {
    const answer = await client.post('resend', {}, life.signal).catch(() => null)
    await take(answer)
    if (answer?.verification) setNotice({ type: 'resent' })
    else if (answer === null && !life.signal.aborted) setNotice({ type: 'offline' })
  }

  /** Opens the URL of `nextAction`, unless the page does it. */
  function openUrl (): void {
    const { nextAction: action = null } = state.verification ?? {}
    if (action?.url === undefined) return
    const { signal } = task.control
    remember({ opened: task.key })
    if (!host.emit('before-open', action)) return
    switch (openingOf(action, host.prefersWindow())) {
      case 'page': return openPage(action.url, signal)
      case 'app': return openApp(
        action.url, action.notOpenedAfterMs ?? defaultNotOpenedMs, signal, () => void next('app_not_installed'),
      )
      case 'window':
        openWindow(action.url, signal)
        if (action.finish === 'none') checkAgain(signal)
    }
  }

  function checkAgain (signal: AbortSignal): void {
    after(checkEveryMs, signal, () => void call('check', {}).then(take).then(() => checkAgain(signal)))
  }

  /** Does what a new `nextAction` asks for without the person. */
  function perform (verification: Verification): void {
    const { nextAction: action } = verification
    const { signal } = task.control
    if (action === null || takeReturned(verification)) return
    switch (action.type) {
      case 'openUrlOnCellular':
        if (session.opened === task.key) {
          if (action.finish === 'none') checkAgain(signal)
        } else if (openingOf(action, host.prefersWindow()) === 'page') openUrl()
        return
      case 'openDeepLink':
        // The page may have another device that can open it.
        if (!isOn(action.platforms, navigator.userAgent) && host.emit('before-open', action)) {
          void next('app_not_installed')
        }
        return
      case 'submitCode':
        if (action.autofill?.webOtp) void readMessage(signal).then(fillIn)
        return
      case 'submitToken':
        if (host.emit('token-needed', { sdk: action.sdk, params: action.params })) void next()
        return
      case 'openUrl': case 'openMessageLink': case 'approveOnDevice': case 'answerCall': case 'wait':
        return
      default:
        void next()
    }
  }

  function fillIn (code: string | null): void {
    if (code === null) return
    host.fillCode(code)
    void submit({ code })
  }

  /** Submits what a redirect returned. False: there is nothing, or it belongs to an earlier attempt. */
  function takeReturned ({ nextAction, attempts }: Verification): boolean {
    const { returned, opened } = session
    if (returned === undefined) return false
    const isOfThis = opened === undefined || opened.startsWith(`${attempts.at(-1)?.id} `)
    const isWanted = isOfThis && returning.includes(nextAction?.type ?? '')
    const forget = (): void => {
      delete session.returned
      if (!life.signal.aborted) remember({})
    }
    if (isWanted) void ('code' in returned ? submit(returned) : next(returned.error)).then(forget)
    else forget()
    return isWanted
  }

  other.addEventListener('message', ({ data }: MessageEvent<{ id: string, returned: Returned }>) => {
    if (data.id !== id || state.verification === null) return
    remember({ returned: data.returned })
    takeReturned(state.verification)
  })
  remember({})
  draw()
  void follow(client, life.signal, {
    revision: () => newest?.revision ?? null, onState, onLost,
    onConnection (isConnected) {
      if (!isConnected) setNotice({ type: 'offline' })
      else if (state.notice?.type === 'offline') setNotice(null)
    },
  })
  return { access, stop, submit, next, resend, openUrl, now: client.now, current: () => newest }
}

/** Another tab may be the one that waits for this: a link in a message opens a tab of its own. */
export function passOn (id: string, returned: Returned): void {
  const channel = new BroadcastChannel('phone-verification')
  channel.postMessage({ id, returned })
  channel.close()
}
