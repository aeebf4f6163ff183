import { call, describeProblem, member, type NextAction, type Settings, type Verification } from './api.ts'
import { byId } from './dom.ts'
import type { FrontEnd } from './front-end.ts'
import { createNotifications, type Item } from './notifications.ts'
import { nameOf } from './numbers.ts'
import { completeSdk } from './sdk.ts'
import type { Current } from './session.ts'

type Parts = { settings: Settings, frontEnd: FrontEnd, announce: (text: string) => void, note: (text: string) => void }

/** Items that come from `nextAction`, not from a provider: what the phone asks before it opens something. */
const ownItems: Readonly<Record<string, (action: NextAction) => Omit<Item, 'id' | 'chosen'>>> = {
  openUrlOnCellular: () => ({
    kind: 'link', title: 'Your app',
    text: 'Opens a link of the mobile network. Only over mobile data does it identify the SIM.',
    choices: [{ id: 'open', label: 'Open over mobile data' }, { id: 'not_on_cellular', label: 'Stay on Wi-Fi' }],
  }),
  openDeepLink: () => ({
    kind: 'link', title: 'Your app', text: 'Opens the Truecaller app by a deep link.',
    choices: [
      { id: 'open', label: 'Open Truecaller' }, { id: 'app_not_installed', label: 'Truecaller is not installed' },
    ],
  }),
  openUrl: ({ url = '' }) => (
    { kind: 'link', title: 'Your app', text: 'Opens a page of the provider.', url, choices: [] }
  ),
  submitToken: ({ sdk = '' }) => ({
    kind: 'prompt', title: 'Your app', text: `Shows the SDK of ${nameOf(sdk)}.`,
    choices: [
      { id: 'open', label: 'Agree' }, { id: 'user_rejected', label: 'Refuse' }, { id: 'abandoned', label: 'Close it' },
    ],
  }),
}

/** The simulated phone: what reaches it, and what the person does with it. */
export function createHandset (parts: Parts) {
  const { settings: { simulatorsUrl }, frontEnd, announce } = parts
  let current: Current | null = null
  let own: { item: Item, action: NextAction } | null = null
  const notifications = createNotifications({
    onChoice: (item, choice) => void choose(item, choice),
    onCode: code => void frontEnd.submit({ code }),
    onNew: ({ title, text }) => announce(`On the phone, ${title}: ${text}`),
  })

  async function choose (item: Item, choice: string): Promise<void> {
    if (own?.item.id !== item.id) {
      await call('POST', `${simulatorsUrl}/handset/items/${item.id}`, { body: { choice } })
      return readItems()
    }
    const { action } = own
    own.item = { ...item, chosen: choice }
    notifications.show(own.item)
    if (choice === 'open') await open(action, current?.phoneNumber ?? '', parts)
    else await frontEnd.next(choice === 'abandoned' ? undefined : choice)
  }

  /** Calls `show` for everything that the simulators have shown to this number. */
  async function readItems (): Promise<void> {
    if (current === null) return
    const { phoneNumber, startedAt } = current
    const url = `${simulatorsUrl}/handset/items?phoneNumber=${encodeURIComponent(phoneNumber)}`
    const answer = await call('GET', url).catch(() => null)
    const data = member(answer?.body, 'data')
    if (!Array.isArray(data) || current?.phoneNumber !== phoneNumber) return
    for (const item of data as (Item & { provider: string, at: string })[]) {
      // Not the messages of an earlier verification of the number.
      if (Date.parse(item.at) < startedAt) continue
      notifications.show({ ...item, title: item.title || nameOf(item.provider) })
    }
  }

  async function answer (): Promise<void> {
    if (own !== null && own.item.chosen === null) await choose(own.item, 'open')
  }

  return {
    readItems,

    /** The person decides by hand, or the number does. Before the verification is created. */
    async setMode (phoneNumber: string, manual: boolean): Promise<void> {
      await call('PUT', `${simulatorsUrl}/handset/mode`, { body: { phoneNumber, manual } }).catch(() => null)
    },

    start (next: Current): void {
      current = next
      own = null
      notifications.clear()
      byId('phone-number').textContent = next.phoneNumber
      frontEnd.start(next)
    },

    onState ({ nextAction, attempts, id }: Verification): void {
      const { classList } = byId('notifications')
      classList.toggle('without-code', nextAction?.type !== 'submitCode')
      classList.toggle('over', nextAction === null)
      const key = `${id} ${attempts.length} ${nextAction?.type}`
      if (own?.item.id === key) return
      if (own !== null && own.item.chosen === null) notifications.remove(own.item.id)
      own = null
      const make = ownItems[nextAction?.type ?? '']
      if (nextAction === null || make === undefined) return
      own = { action: nextAction, item: { ...make(nextAction), id: key, chosen: null } }
      notifications.show(own.item)
    },

    /** When the phone answers by itself, it opens every URL. */
    answer,

    /** The person opens the URL with the button of the app, not with that of the phone. */
    press: async (): Promise<void> => own?.item.url === undefined ? answer() : openTab(own.item.url),
  }
}

const openTab = (url: string): void => { window.open(url, '_blank', 'noopener') }

/** Does what the phone of a person would do with the action. */
async function open (
  action: NextAction, phoneNumber: string, { settings: { simulatorsUrl }, frontEnd, note }: Parts,
): Promise<void> {
  const { url = '', finish, type } = action
  if (type === 'submitToken') {
    const result = await completeSdk(action, phoneNumber, simulatorsUrl)
    if (result === null) return note('The SDK returned nothing.')
    return 'reason' in result ? frontEnd.next(result.reason) : frontEnd.submit(result.evidence)
  }
  const path = type === 'openDeepLink' ? 'open' : 'cellular'
  const body = type === 'openDeepLink' ? { url, phoneNumber } : { url }
  const answer = await call('POST', `${simulatorsUrl}/handset/${path}`, { body })
  if (type === 'openDeepLink') {
    if (answer.status === 404) await frontEnd.next('app_not_installed')
    else if (answer.status >= 400) note(describeProblem(answer))
    return
  }
  if (answer.status !== 200) return note(describeProblem(answer))
  const [code, location] = [member(answer.body, 'code'), member(answer.body, 'location')]
  const error = typeof location === 'string' ? readError(new URL(location), code) : null
  if (error !== null) return frontEnd.next(error)
  await frontEnd.submit(finish === 'code' && typeof code === 'string' ? { code } : {})
}

/** A fragment without a code describes an error. */
const readError = ({ searchParams, hash }: URL, code: unknown): string | null =>
  searchParams.get('error') ?? (code === null && hash !== '' ? '' : null)
