type Child = Node | string | null | false

/** Attributes; a function is a listener of the event `name`, `true` an empty attribute, `false` and null none. */
export type Attributes = { [name: string]: string | number | boolean | null | ((event: Event) => void) }

function fill<E extends Element> (element: E, attributes: Attributes, children: readonly Child[]): E {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name, value)
    else if (value !== false && value !== null) element.setAttribute(name, value === true ? '' : String(value))
  }
  element.append(...children.filter(child => child !== null && child !== false))
  return element
}

/** Creates an element. Text is never read as HTML. */
export const create = <Name extends keyof HTMLElementTagNameMap> (
  name: Name, attributes: Attributes = {}, ...children: Child[]
): HTMLElementTagNameMap[Name] => fill(document.createElement(name), attributes, children)

export const createSvg = <Name extends keyof SVGElementTagNameMap> (
  name: Name, attributes: Attributes = {}, ...children: Child[]
): SVGElementTagNameMap[Name] =>
  fill(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, children)

/** The element of the page with this id. */
export function byId (id: string): HTMLElement {
  const element = document.getElementById(id)
  if (element === null) throw new Error(`The page has no #${id}`)
  return element
}

/** Replaces the content, and keeps the focus on the element with the same `data-key`, if there is one. */
export function show (parent: Element, ...children: Child[]): void {
  const focused = document.activeElement
  const key = focused !== null && parent.contains(focused) ? focused.getAttribute('data-key') : null
  parent.replaceChildren(...children.filter(child => child !== null && child !== false))
  if (key !== null) parent.querySelector<HTMLElement>(`[data-key="${CSS.escape(key)}"]`)?.focus()
}

export const button = (label: string, onClick: () => void, attributes: Attributes = {}): HTMLButtonElement =>
  create('button', { type: 'button', 'data-key': label, ...attributes, click: onClick }, label)
