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
  const shadow = host.attachShadow({ mode: 'open' })
  const sheet = new CSSStyleSheet()
  sheet.replaceSync(style)
  shadow.adoptedStyleSheets = [sheet]

  const spinner = element('div', 'spinner', { 'aria-hidden': 'true' })
  const title = element('p', 'title', { id: 'title', tabindex: '-1' })
  const text = element('p', 'text')
  const label = element('label', 'label', { for: 'code' })
  const input = element('input', 'input', {
    id: 'code', name: 'code', type: 'text', dir: 'ltr', inputmode: 'numeric', autocomplete: 'one-time-code',
    required: '', autocapitalize: 'off', spellcheck: 'false', 'aria-describedby': 'notice',
  })
  const notice = element('p', 'notice', { id: 'notice' })
  const submit = element('button', 'button primary submit', { type: 'submit' })
  const form = element('form', 'form', {}, element('div', 'field', {}, label, input), submit)
  const forward = element('button', 'button primary continue', { type: 'button' })
  const buttons = { resend: choiceButton('resend'), next: choiceButton('next') }
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

  form.addEventListener('submit', event => {
    event.preventDefault()
    if (submit.ariaDisabled !== 'true') handlers.onCode(input.value)
  })
  forward.addEventListener('click', () => handlers.onContinue())

  function choiceButton (action: Choice['action']): HTMLButtonElement {
    const button = element('button', `button ${action}`, { type: 'button' })
    // Not `disabled`, which would lose the focus of a keyboard.
    button.addEventListener('click', () => { if (button.ariaDisabled !== 'true') handlers.onChoice(action) })
    return button
  }

  function drawChoices (choices: readonly Choice[]): void {
    for (const action of ['resend', 'next'] as const) {
      const choice = choices.find(one => one.action === action)
      show(buttons[action], choice?.label ?? null)
      buttons[action].ariaDisabled = String(choice !== undefined && choice.waitMs > 0)
    }
    actions.hidden = choices.length === 0
  }

  function drawNotice (given: Notice | null): void {
    show(notice, given?.text ?? null)
    notice.setAttribute('part', given?.isError === true ? 'notice error' : 'notice')
    input.ariaInvalid = String(given?.isError === true)
  }

  return {
    draw ({ screen, choices, notice, labels, lang, dir, isSubmitting }: Drawing): void {
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
      drawNotice(notice)
      drawChoices(choices)
      // Screen readers read what has changed, but no countdown.
      if (screen.key !== key) {
        key = screen.key
        input.value = ''
        if (hadFocus) (form.hidden ? title : input).focus()
        status.textContent = `${screen.title} ${screen.text}`
      } else if (notice?.text !== noticed) {
        status.textContent = notice?.text ?? ''
      }
      noticed = notice?.text
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
