import { channelList, fill, type TextKey, type Texts } from './texts.ts'
import { actionKey, isFinal, type Verification } from './verification.ts'

/** What is shown, without how: `view.ts` draws it. */
export type Screen = {
  /** Changes when the person has something else to do: then the focus moves, and the screen is announced. */
  key: string
  /** Also a part, for styles. */
  name: ScreenName
  title: string
  text: string
  /** Label of the field for the code; null: there is none. */
  codeLabel: string | null
  /** The URL of `nextAction` is opened by a button. */
  hasContinue: boolean
  isBusy: boolean
}

export type ScreenName = 'wait' | 'cellular' | 'deepLink' | 'url' | 'link' | 'approve' | 'call' | 'code'
  | 'verified' | 'failed' | 'unavailable' | 'elsewhere'

const screensOfActions: Readonly<Record<string, ScreenName>> = {
  openUrlOnCellular: 'cellular', openDeepLink: 'deepLink', openUrl: 'url', openMessageLink: 'link',
  approveOnDevice: 'approve', answerCall: 'call', submitCode: 'code',
}
const withContinue: readonly ScreenName[] = ['cellular', 'deepLink', 'url']
const busy: readonly ScreenName[] = ['wait', 'cellular', 'link', 'approve', 'call']

const join = (...sentences: readonly string[]): string => sentences.filter(Boolean).join(' ')
/** Isolated, so that a number keeps its order within text from right to left. */
const isolate = (text: string): string => `\u2066${text}\u2069`

/** The screen of a verification; `without` names the screen when there is none. */
export function screenOf (
  verification: Verification | null, texts: Texts, without: 'wait' | 'unavailable' | 'elsewhere' = 'wait',
): Screen {
  const make = (name: ScreenName, key: string, text: string): Screen => ({
    name, key, text, title: fill(texts[name], valuesOf(verification, texts)), codeLabel: null,
    hasContinue: withContinue.includes(name), isBusy: busy.includes(name),
  })
  if (verification === null) return make(without, without, '')
  const { status, reason, nextAction } = verification
  if (status === 'verified') return make(status, status, '')
  if (isFinal(verification)) return make('failed', 'failed', join(reasonText(reason, texts), texts.retry))
  const name = screensOfActions[nextAction?.type ?? ''] ?? 'wait'
  const text = textOf(name, texts)
  const screen = make(
    name, actionKey(verification), join(pastText(verification, texts), fill(text, valuesOf(verification, texts))),
  )
  return name !== 'code'
    ? screen
    : { ...screen, codeLabel: fill(texts.codeLabel, { length: nextAction?.length ?? 6 }) }
}

/** The values that a text may contain. */
function valuesOf (verification: Verification | null, texts: Texts): Record<string, string> {
  const { nextAction = null, attempts = [], phoneNumber = null } = verification ?? {}
  const app = nextAction?.app ?? attempts.at(-1)?.provider ?? ''
  return {
    app: app.charAt(0).toUpperCase() + app.slice(1), phoneNumber: isolate(phoneNumber ?? ''),
    channels: channelList(nextAction?.channels ?? [], texts),
  }
}

/** The sentence below the title; empty where the title says everything. */
function textOf (name: ScreenName, texts: Texts): string {
  if (name === 'code' || name === 'link') return texts.sent
  return texts[`${name}Text` as TextKey] ?? ''
}

/** Reasons that a person can act on, or would ask about. */
function reasonText (reason: string | null, texts: Texts): string {
  const known = reason === 'deadline' ? 'attempt_timeout' : reason ?? ''
  return known.includes('_') && known in texts ? texts[known as TextKey] : ''
}

/** Why an earlier attempt ended; empty when none did, or when the person asked for another way. */
function pastText ({ attempts }: Verification, texts: Texts): string {
  const before = attempts.findLast(({ status }) => status === 'failed' || status === 'expired')
  if (before === undefined || before.reason === 'abandoned') return ''
  return reasonText(before.reason, texts) || texts.other
}

export type Choice = { action: 'resend' | 'next', label: string, waitMs: number }

/**
 * "Send again" and "Another way", as far as they exist, and how long each has to wait. `now`: of the gateway's clock,
 * ms since the epoch.
 */
export function choicesOf (verification: Verification, texts: Texts, now: number): Choice[] {
  const { availableActions, attempts, workflow, updatedAt } = verification
  // A clock that was read from a header in whole seconds may be behind what has happened.
  const time = Math.max(now, Date.parse(updatedAt))
  const canNext = attempts.length < workflow.length
  return (['resend', 'next'] as const).flatMap(action => {
    const found = availableActions.find(one => one.action === action)
    if (found === undefined || isFinal(verification) || (action === 'next' && !canNext)) return []
    const waitMs = Math.max(0, Date.parse(found.availableAt) - time)
    const label = waitMs > 0 ? fill(texts.later, { action: texts[action], time: clock(waitMs) }) : texts[action]
    return [{ action, label, waitMs }]
  })
}

/** Minutes and seconds, rounded up: `0:07`. */
export function clock (ms: number): string {
  const seconds = Math.ceil(ms / 1000)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}
