import { currentAttempt, type Verification } from './verification.ts'

/** What an app can be told by webhook, without the `verification.` in front. */
export const webhookEventTypes = ['created', 'action_required', 'verified', 'failed', 'expired', 'canceled', 'profile_ready'] as const
export type WebhookEventType = typeof webhookEventTypes[number]

/** What an app is told unless it chooses: the outcome, and the profile that came after it. */
export const defaultEventTypes: readonly WebhookEventType[] = ['verified', 'failed', 'expired', 'canceled', 'profile_ready']

/** `revision` is that of the change it tells of. */
export type News = { type: WebhookEventType, revision: number }

/** What the app wants to be told, and what nobody has taken over for delivery yet: asked for again at `dueAt`. Part of the record, so that a crash loses none. */
export type Owing = { wanted: WebhookEventType[], owed: News[], dueAt: number }

/** How long whoever is to take news over is trusted to be alive. */
const takeOverMs = 5_000

/** What there is to tell about a change; null when it is no news. */
export function eventTypeOf (before: Verification, after: Verification): WebhookEventType | null {
  if (after.status !== before.status) return after.status === 'pending' ? null : after.status
  if (after.status === 'verified') return before.status === 'verified' && before.result.profile !== after.result.profile ? 'profile_ready' : null
  const [was, is] = [currentAttempt(before), currentAttempt(after)]
  if (is?.attempt.phase !== 'waiting' || is.attempt.action === null) return null
  // What the first attempt asks for is told by the answer to create.
  const isFallback = was?.attempt.phase === 'starting' && is.index > 0
  const isResent = was?.attempt.phase === 'waiting' && was.attempt.state !== is.attempt.state
  return isFallback || isResent ? 'action_required' : null
}

/** Owes one more; null when the app does not want it. */
export function owe (owing: Owing | null, news: News, now: number): Owing | null {
  return owing?.wanted.includes(news.type) === true ? { ...owing, owed: [...owing.owed, news], dueAt: now + takeOverMs } : null
}

/** Somebody has taken over the news of that revision; null when nothing of it is owed. */
export function take (owing: Owing | null, revision: number): Owing | null {
  return owing?.owed.some(news => news.revision === revision) === true ? { ...owing, owed: owing.owed.filter(news => news.revision !== revision) } : null
}

/** Whoever was to take the news over is taken for dead; null while it is not time. */
export function remind (owing: Owing | null, now: number): Owing | null {
  return owing !== null && owing.owed.length > 0 && now >= owing.dueAt ? { ...owing, dueAt: now + takeOverMs } : null
}
