import { button, byId, create } from './dom.ts'

/** What the phone shows. `chosen`: what the person did; null as long as it waits. */
export type Item = {
  id: string
  kind: 'prompt' | 'message' | 'call' | 'link'
  title: string
  text: string
  code?: string
  url?: string
  choices: readonly { id: string, label: string }[]
  chosen: string | null
}

export type Handlers = {
  onChoice (item: Item, choice: string): void
  onCode (code: string): void
  onNew (item: Item): void
}

const nothing = 'nothing'
const kinds = { prompt: 'Prompt', message: 'Message', call: 'Call', link: 'Link' }

/** The list of what has reached the phone, the latest first. An item keeps its element, and with it the focus. */
export function createNotifications ({ onChoice, onCode, onNew }: Handlers) {
  const list = byId('notifications')
  const shown = new Map<string, { element: HTMLLIElement, text: string }>()
  /** Items that the person leaves alone. */
  const ignored = new Set<string>()

  function drawChoices (item: Item): HTMLElement {
    const { id, code, url, choices } = item
    const choose = (choice: string) => (): void => {
      if (choice === nothing) {
        ignored.add(id)
        update(item)
      } else onChoice(item, choice)
    }
    return create('div', { class: 'actions' },
      code !== undefined && button(`Use ${code}`, () => onCode(code), { class: 'small primary use-code' }),
      url !== undefined && create(
        'a', { class: 'button small', href: url, target: '_blank', rel: 'noopener' }, 'Open the link',
      ),
      ...choices.map((choice, index) => button(choice.label, choose(choice.id), {
        class: index === 0 ? 'small primary' : 'small', 'data-key': choice.id,
      })),
      button('Do nothing', choose(nothing), { class: 'plain calm', 'data-key': nothing }))
  }

  function draw (item: Item): HTMLLIElement {
    const { id, kind, title, text, chosen, choices } = item
    const done = chosen ?? (ignored.has(id) ? nothing : null)
    const label = choices.find(choice => choice.id === done)?.label ?? 'Nothing done'
    return create('li', { class: `notification ${kind}`, 'data-item': kind },
      create('header', {}, create('strong', {}, title), create('span', {}, kinds[kind])),
      create('p', {}, text),
      done === null ? drawChoices(item) : create('p', { class: 'done' }, label))
  }

  function update (item: Item): void {
    const text = JSON.stringify([item, ignored.has(item.id)])
    const before = shown.get(item.id)
    if (before?.text === text) return
    const element = draw(item)
    shown.set(item.id, { element, text })
    if (before === undefined) {
      list.prepend(element)
      onNew(item)
      return
    }
    const hadFocus = before.element.contains(document.activeElement)
    before.element.replaceWith(element)
    if (!hadFocus) return
    element.tabIndex = -1
    element.focus()
  }

  function remove (id: string): void {
    shown.get(id)?.element.remove()
    shown.delete(id)
    drawEmpty()
  }
  const drawEmpty = (): void => { byId('no-notifications').hidden = shown.size > 0 }

  return {
    show (item: Item): void {
      update(item)
      drawEmpty()
    },
    remove,
    clear (): void {
      for (const id of [...shown.keys()]) remove(id)
      ignored.clear()
    },
  }
}
