import type { Choice, Screen } from './screen.ts'
import style from './style.css'

/** What the person can do. */
export type Handlers = {
  onCode (code: string): void
  onContinue (): void
  onChoice (action: Choice['action']): void
}

export type Labels = { continue: string, submit: string }
export type Notice = { text: string, isError: boolean }

type Drawing = {
  screen: Screen, choices: readonly Choice[], notice: Notice | null, labels: Labels
  lang: string, dir: 'ltr' | 'rtl', isSubmitting: boolean
}

export type View = ReturnType<typeof createView>

/**
 * The content of the shadow root. Everything exists from the start and is shown or hidden, so that what a person has
 * typed and where the focus is survive every change. Built without HTML texts and style attributes: it works under a
 * strict Content Security Policy, also with Trusted Types.
 */
export function createView (host: HTMLElement, handlers: Handlers) {
  const shadow = attachShadow(host)
  const spinner = element('div', 'spinner', { 'aria-hidden': 'true' })
  const title = element('p', 'title', { id: 'title', tabindex: '-1' })
  const text = element('p', 'text')
  const label = element('label', 'label', { for: 'code' })
  const input = codeInput()
  const notice = element('p', 'notice', { id: 'notice' })
  const submit = element('button', 'button primary submit', { type: 'submit' })
  const form = codeForm(label, input, submit, handlers)
  const forward = element('button', 'button primary continue', { type: 'button' })
  const buttons = { resend: choiceButton('resend', handlers), next: choiceButton('next', handlers) }
  const actions = element('div', 'actions', {}, buttons.resend, buttons.next)
  const status = element('div', 'status', { role: 'status' })
  const head = element('div', 'head', {}, spinner, title)
  const root = element(
    'div', 'root', { role: 'group', 'aria-labelledby': 'title', hidden: '' },
    head, text, notice, form, forward, actions,
  )
  // The live region is never hidden: otherwise its first text would not be read.
  shadow.append(root, status)

  let key = ''
  let noticed: string | undefined

  forward.addEventListener('click', () => handlers.onContinue())

  function drawChoices (choices: readonly Choice[]): void {
    for (const action of ['resend', 'next'] as const) {
      drawChoice(buttons[action], choices.find(one => one.action === action))
    }
    actions.hidden = choices.length === 0
  }

  return {
    draw ({ screen, choices, notice: given, labels, lang, dir, isSubmitting }: Drawing): void {
      const hadFocus = shadow.activeElement !== null
      root.lang = lang
      root.dir = dir
      root.hidden = false
      root.setAttribute('part', `root ${screen.name}`)
      spinner.hidden = !screen.isBusy
      show(title, screen.title)
      show(text, screen.text || null)
      show(label, screen.codeLabel)
      form.hidden = screen.codeLabel === null
      submit.textContent = labels.submit
      submit.ariaDisabled = String(isSubmitting)
      show(forward, screen.hasContinue && !isSubmitting ? labels.continue : null)
      drawNotice(notice, input, given)
      drawChoices(choices)
      // Screen readers read what has changed, but no countdown.
      if (screen.key !== key) {
        key = screen.key
        input.value = ''
        if (hadFocus) (form.hidden ? title : input).focus()
        status.textContent = `${screen.title} ${screen.text}`
      } else if (given?.text !== noticed) {
        status.textContent = given?.text ?? ''
      }
      noticed = given?.text
    },

    drawChoices,

    clear (): void {
      root.hidden = true
      key = status.textContent = ''
    },

    /** After a wrong code: the person can type over it. */
    selectCode (): void {
      input.focus()
      input.select()
    },

    fillCode (code: string): void { input.value = code },
  }
}

/** The shadow root, with the styles. */
function attachShadow (host: HTMLElement): ShadowRoot {
  const shadow = host.attachShadow({ mode: 'open' })
  const sheet = new CSSStyleSheet()
  sheet.replaceSync(style)
  shadow.adoptedStyleSheets = [sheet]
  return shadow
}

function codeInput (): HTMLInputElement {
  return element('input', 'input', {
    id: 'code', name: 'code', type: 'text', dir: 'ltr', inputmode: 'numeric', autocomplete: 'one-time-code',
    required: '', autocapitalize: 'off', spellcheck: 'false', 'aria-describedby': 'notice',
  })
}

function codeForm (
  label: HTMLLabelElement, input: HTMLInputElement, submit: HTMLButtonElement, { onCode }: Handlers,
): HTMLFormElement {
  const form = element('form', 'form', {}, element('div', 'field', {}, label, input), submit)
  form.addEventListener('submit', event => {
    event.preventDefault()
    if (submit.ariaDisabled !== 'true') onCode(input.value)
  })
  return form
}

function choiceButton (action: Choice['action'], { onChoice }: Handlers): HTMLButtonElement {
  const button = element('button', `button ${action}`, { type: 'button' })
  // Not `disabled`, which would lose the focus of a keyboard.
  button.addEventListener('click', () => { if (button.ariaDisabled !== 'true') onChoice(action) })
  return button
}

function drawChoice (button: HTMLButtonElement, choice: Choice | undefined): void {
  show(button, choice?.label ?? null)
  button.ariaDisabled = String(choice !== undefined && choice.waitMs > 0)
}

function drawNotice (target: HTMLElement, input: HTMLInputElement, notice: Notice | null): void {
  show(target, notice?.text ?? null)
  target.setAttribute('part', notice?.isError === true ? 'notice error' : 'notice')
  input.ariaInvalid = String(notice?.isError === true)
}

/** Shows an element with this text; hides it for null. */
function show (target: HTMLElement, text: string | null): void {
  target.hidden = text === null
  if (target.textContent !== text) target.textContent = text
}

function element<Name extends keyof HTMLElementTagNameMap> (
  name: Name, part: string, attributes: Readonly<Record<string, string>> = {}, ...children: readonly Node[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name)
  made.setAttribute('part', part)
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value)
  made.append(...children)
  return made
}
