import type { Provider } from './api.ts'
import { button, byId, create, show } from './dom.ts'
import {
  concerned, describeNumber, examples, inIndia, nameOf, numberFor, outcomeOf, outcomes, withOtherArea,
} from './numbers.ts'
import { methodOf, presets, type Plan } from './presets.ts'

type Start = (plan: Plan, withoutNumber: boolean) => Promise<string | null>

const input = <E extends HTMLElement> (label: string, element: E): HTMLLabelElement =>
  create('label', { class: 'field' }, create('span', {}, label), element)
const option = (value: string, text: string): HTMLOptionElement => create('option', { value }, text)

const endings = {
  cancel: 'Then press Cancel.', replace: 'Then press Verify again while it is pending.', deadline: 'Then wait 30 s.',
}

/** The plan of an example from the table of reasons. */
function planFor (example: typeof examples[number]): Plan {
  const { method, phoneNumber, meaning, ending, again } = example
  const timeoutSeconds = example.reason === 'attempt_timeout' ? 5 : undefined
  return {
    phoneNumber: withOtherArea(phoneNumber),
    workflow: [timeoutSeconds === undefined ? method : { method, timeoutSeconds }],
    hint: [
      `${meaning.charAt(0).toUpperCase()}${meaning.slice(1)}.`, ...ending === undefined ? [] : [endings[ending]],
      ...again === true ? ['Press Verify, cancel, and press Verify again.'] : [],
    ].join(' '),
    ...ending === 'deadline' ? { expiresInSeconds: 30 } : {},
  }
}

/** Truecaller calls numbers of India only. */
const fit = (plan: Plan): Plan => plan.workflow.map(methodOf).includes('truecaller.missed_call')
  ? { ...plan, phoneNumber: inIndia(plan.phoneNumber) }
  : plan

/** The examples, and the form in which everything can be chosen. `start` resolves with what is wrong, or null. */
export function createForm (providers: readonly Provider[], start: Start): void {
  const all = providers.flatMap(({ methods }) => methods)
  let plan: Plan = {
    phoneNumber: numberFor({ suffix: '00' }), workflow: ['truid.phone_check', 'otpless.otp'], hint: '',
  }

  const reason = create('select', { change: chooseReason }, option('', 'None: choose below'),
    ...examples.map((example, index) => option(String(index), `${example.reason}: ${example.meaning}`)))
  const steps = create('ol', { class: 'steps' })
  const adding = create('select', { change: addMethod })
  const outcome = create('select', { change: chooseNumber },
    ...outcomes.map(({ meaning }, index) => option(String(index), meaning)))
  const limit = create('select', { change: chooseNumber },
    ...concerned.map(({ digit, meaning }) => option(digit, meaning)))
  const number = create('input', { type: 'tel', required: true, input: readNumber })
  const meanings = create('ul', { class: 'meanings' })
  const without = create('input', { type: 'checkbox' })
  const discovery = create('label', { class: 'switch' }, without, create('span', {}, 'Let the method find the number'))
  const hint = byId('hint')
  const problem = create('p', { class: 'problem', role: 'alert' })

  function chooseReason (): void {
    const example = examples[Number(reason.value)]
    if (reason.value !== '' && example !== undefined) draw(planFor(example))
  }
  function chooseNumber (): void {
    const chosen = outcomes[Number(outcome.value)]
    if (chosen === undefined) return
    reason.value = ''
    draw(fit({ phoneNumber: numberFor({ ...chosen, limit: limit.value }), workflow: plan.workflow, hint: '' }))
  }
  function readNumber (): void {
    draw({ ...plan, phoneNumber: number.value })
  }
  function addMethod (): void {
    if (adding.value !== '') draw(fit({ ...plan, workflow: [...plan.workflow, adding.value] }))
  }
  function draw (next: Plan): void {
    plan = next
    const methods = plan.workflow.map(methodOf)
    drawSteps(steps, adding, plan, providers, draw)
    if (number.value !== plan.phoneNumber) number.value = plan.phoneNumber
    const { index, limit: digit } = outcomeOf(plan.phoneNumber)
    outcome.selectedIndex = index
    limit.value = digit
    show(meanings, ...describeNumber(plan.phoneNumber, methods).map(text => create('li', {}, text)))
    discovery.hidden = methods.length === 0
      || !all.filter(({ method }) => methods.includes(method)).every(({ needsPhoneNumber }) => !needsPhoneNumber)
    if (discovery.hidden) without.checked = false
  }
  async function run (): Promise<void> {
    hint.textContent = plan.hint
    problem.textContent = await start(plan, without.checked) ?? ''
  }

  const form = byId('form')
  form.addEventListener('submit', event => {
    event.preventDefault()
    press(null)
    void run()
  })
  show(form,
    input('A reason to see', reason),
    create('fieldset', {}, create('legend', {}, 'Methods, in the order in which they are tried'), steps,
      create('label', { class: 'field' }, create('span', { class: 'visually-hidden' }, 'Add a method'), adding)),
    input('What happens', outcome), input('With', limit),
    input('Phone number', number), meanings, discovery,
    create('button', { type: 'submit', class: 'primary' }, 'Verify'), problem)
  const buttons = presets.map(preset => presetButton(preset, () => {
    reason.value = ''
    draw(preset.plan())
    void run()
    press(preset.id)
  }))
  const press = (id: string | null): void => {
    for (const one of buttons) one.ariaPressed = String(one.dataset['preset'] === id)
  }
  show(byId('presets'), ...buttons)
  draw(plan)
}

/** The chosen methods, each with a button that removes it, and those that can still be added. */
function drawSteps (
  steps: HTMLElement, adding: HTMLElement, plan: Plan, providers: readonly Provider[], draw: (plan: Plan) => void,
): void {
  show(steps, ...plan.workflow.map((item, index) => create('li', {},
    create('span', {}, methodOf(item)),
    button('Remove', () => draw({ ...plan, workflow: plan.workflow.filter((_, other) => other !== index) }), {
      class: 'plain', 'aria-label': `Remove ${methodOf(item)}`, 'data-key': `remove ${index}`,
    }))))
  const isLeft = ({ method }: Provider['methods'][number]): boolean =>
    !plan.workflow.some(item => methodOf(item) === method)
  show(adding, option('', plan.workflow.length === 0 ? 'Add a method' : 'Then try…'),
    ...providers.map(({ provider, methods }) => create('optgroup', { label: nameOf(provider) },
      ...methods.filter(isLeft).map(({ method, userStep }) => option(method, `${method}: ${userStep}`)))))
}

const presetButton = ({ id, title, text }: typeof presets[number], click: () => void): HTMLButtonElement => create(
  'button', { type: 'button', class: 'preset', 'data-preset': id, 'aria-pressed': 'false', click },
  create('strong', {}, title), create('span', {}, text),
)
