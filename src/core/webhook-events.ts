import { firstRevision, type Pending, type Verification } from './verification.ts'
import type { WebhookEventType } from './vocabulary.ts'

/** `revision` is the one of the change that the event describes. */
export type WebhookEvent = { type: WebhookEventType, revision: number }

/** The webhook events of a change that the app wants. `before` is null for a new verification. */
export function webhookEventsOf (before: Verification | null, after: Verification): WebhookEvent[] {
  const { revision } = after
  const events: WebhookEvent[] = before === null ? [{ type: 'created', revision: firstRevision }] : []
  const type = eventTypeOf(before, after)
  if (type !== null) events.push({ type, revision })
  return events.filter(({ type }) => after.webhookEvents.includes(type))
}

/** What a change means to an app: its outcome, or a new action; null when it means neither. */
export function eventTypeOf (before: Verification | null, after: Verification): WebhookEventType | null {
  if (after.status === 'pending') return isNewAction(before, after) ? 'action_required' : null
  return before?.status === after.status ? null : after.status
}

/** The response to create shows the action of the first attempt, so it is no event. */
function isNewAction (before: Verification | null, after: Pending): boolean {
  const index = after.attempts.length - 1
  const [was, is] = [before?.attempts[index], after.attempts[index]]
  const isShown = is?.status === 'pending' && (
    is.phase === 'waiting' || (is.phase === 'resolving' && is.evidence.from === 'poll')
  )
  if (!isShown || is.action === null) return false
  if (was?.status !== 'pending' || was.phase === 'starting') return index > 0
  return was.state !== is.state && (is.phase === 'waiting' || was.action !== is.action)
}
