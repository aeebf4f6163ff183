import type { AdapterMap } from '../adapters/guard.ts'
import type { Event } from '../core/events.ts'
import type { Verification } from '../core/verification.ts'
import type { ProviderCalls } from './provider-calls.ts'

/**
 * Replay protection: each token, code and provider id is claimed globally by the first attempt that presents it. `kind`
 * separates the provider's own id of an attempt from its evidence, although both may have the same text.
 */
export type SingleUse = { provider: string, kind: 'id' | 'evidence', text: string }

/** What the event presents that no other attempt may have used; null when it presents nothing of the kind. */
export type SingleUseOf = (verification: Verification, event: Event) => SingleUse | null

/** Longer than any token, code or check lives. */
export const singleUseMs = 86_400_000

export function createSingleUse (
  { adapters, providerCalls }: { adapters: AdapterMap, providerCalls: Pick<ProviderCalls, 'contextOf'> },
): SingleUseOf {
  return (verification, event) => {
    if (event.type !== 'attemptStarted' && event.type !== 'resent' && event.type !== 'evidenceReceived') return null
    const method = verification.attempts.at(-1)?.method ?? ''
    const provider = method.slice(0, method.indexOf('.'))
    if (event.type !== 'evidenceReceived') {
      return event.providerId === undefined ? null : { provider, kind: 'id', text: event.providerId }
    }
    const singleUse = adapters.get(provider)?.singleUse
    const text = singleUse?.(providerCalls.contextOf(verification, event.attempt), event.evidence.value) ?? null
    return text === null ? null : { provider, kind: 'evidence', text }
  }
}
