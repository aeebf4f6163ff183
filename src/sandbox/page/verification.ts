import type { Attempt, Verification } from './api.ts'
import { create, show } from './dom.ts'
import { nameOf, providerOf } from './numbers.ts'

const row = (name: string, value: string): HTMLElement[] => [create('dt', {}, name), create('dd', {}, value)]

function drawAttempt (method: string, attempt: Attempt | undefined): HTMLLIElement {
  const status = attempt?.status ?? 'waiting'
  const words = [status === 'waiting' ? 'not started' : status, attempt?.reason].filter(Boolean).join(': ')
  return create('li', { class: `attempt ${status}` },
    create('span', { class: 'mark', 'aria-hidden': 'true' }),
    create('span', {}, create('strong', {}, nameOf(providerOf(method))), ' ', create('code', {}, method)),
    create('span', { class: 'words' }, words))
}

function drawNextAction ({ nextAction }: Verification): HTMLElement[] {
  if (nextAction === null) return row('nextAction', 'none: the verification has ended')
  const { type, ...rest } = nextAction
  const fields = Object.entries(rest).map(([name, value]) =>
    create('li', {}, create('code', {}, name), ' ', typeof value === 'object' ? JSON.stringify(value) : String(value)))
  return [
    create('dt', {}, 'nextAction'),
    create('dd', {}, create('code', { class: 'type' }, type), create('ul', {}, ...fields)),
  ]
}

function drawResult ({ result }: Verification): HTMLElement[] {
  if (result === null) return []
  const { level, possession, binding, restricted } = result.assurance
  return [
    ...row('result', `${result.phoneNumber} by ${result.method}`),
    ...row('assurance', `level ${level}: ${possession}, bound to ${binding === 'session' ? 'this session' : 'nothing'}`
      + (restricted ? ', restricted by NIST' : '')),
  ]
}

/** The attempts, what the front end has to do, the result, and the whole as JSON. */
export function drawVerification (parent: Element, verification: Verification): void {
  const { workflow, attempts, id, status, reason } = verification
  const wasOpen = parent.querySelector('details')?.open === true
  show(parent,
    create('ol', { class: 'attempts', 'aria-label': 'Attempts' },
      ...workflow.map(({ method }, index) => drawAttempt(method, attempts[index]))),
    create('dl', {},
      ...row('status', reason === null ? status : `${status}: ${reason}`), ...drawNextAction(verification),
      ...drawResult(verification), ...row('id', id)),
    create('details', { open: wasOpen }, create('summary', { 'data-key': 'json' }, 'As JSON'),
      create('pre', { tabindex: '0' }, JSON.stringify(verification, null, 2))))
}
