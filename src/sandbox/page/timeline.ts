import type { Verification } from './api.ts'
import { create } from './dom.ts'

export type Entry = { at: string, text: string, kind: string }

/** What has changed between two states, oldest first; `before` is null for the first one. */
export function changesBetween (before: Verification | null, now: Verification): Entry[] {
  const entries: Entry[] = before === null ? [{ at: now.createdAt, text: 'created', kind: 'created' }] : []
  now.attempts.forEach((attempt, index) => {
    const earlier = before?.attempts[index]
    if (earlier === undefined && attempt.status !== 'skipped') {
      entries.push({ at: attempt.startedAt, text: `${attempt.method} started`, kind: 'pending' })
    }
    if (attempt.status !== 'pending' && (earlier === undefined || earlier.status === 'pending')) {
      const reason = attempt.reason === null ? '' : `: ${attempt.reason}`
      entries.push({
        at: attempt.endedAt
          ?? now.updatedAt, text: `${attempt.method} ${attempt.status}${reason}`, kind: attempt.status,
      })
    }
    const { delivery } = attempt
    if (delivery && delivery.status !== earlier?.delivery?.status) {
      entries.push({ at: now.updatedAt, text: `${attempt.method}: message ${delivery.status}`, kind: 'created' })
    }
  })
  const [was, is] = [before?.nextAction?.type, now.nextAction?.type]
  if (is !== undefined && is !== was && is !== 'wait') {
    entries.push({ at: now.updatedAt, text: `nextAction is ${is}`, kind: 'pending' })
  } else if (is === was && before?.nextAction?.attemptsRemaining !== now.nextAction?.attemptsRemaining) {
    entries.push({
      at: now.updatedAt, text: `${now.nextAction?.attemptsRemaining} tries of the code remain`, kind: 'pending',
    })
  }
  if (now.status !== 'pending') {
    const reason = now.reason === null ? '' : `: ${now.reason}`
    entries.push({ at: now.updatedAt, text: `the verification is ${now.status}${reason}`, kind: now.status })
  }
  return entries
}

export const drawEntry = ({ at, text, kind }: Entry): HTMLLIElement => create('li', { class: kind },
  create('time', { datetime: at }, at.slice(11, 23)), create('span', {}, text))
