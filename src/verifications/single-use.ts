import { hash } from 'node:crypto'
import type { AdapterMap } from '../adapters/guard.ts'
import type { Event } from '../core/events.ts'
import type { Verification } from '../core/verification.ts'
import { packedLength, packId, unpackId } from '../store/keys.ts'
import type { ProviderCalls } from './provider-calls.ts'

/**
 * Replay protection: each token, code and provider id is claimed globally by the first attempt that presents it. `kind`
 * separates the provider's own id of an attempt from its evidence, although both may have the same text. `owner` is the
 * value of the claim.
 */
export type SingleUse = { provider: string, kind: 'id' | 'evidence', text: string, owner: string }

/** What the event presents that no other attempt may have used; null when it presents nothing of the kind. */
export type SingleUseOf = (verification: Verification, event: Event) => SingleUse | null

/** Longer than any token, code or check lives. */
export const singleUseMs = 86_400_000

/** The text whose keyed hashes are the names of the claim. */
export const singleUseText = ({ provider, kind, text }: Omit<SingleUse, 'owner'>): string =>
  `${provider} ${kind} ${text}`

/**
 * The value of a claim: the same text for the same attempt in every process. 96 bits of a hash of 128 random bits
 * reveal nothing about the attempt.
 */
export const claimOwner = ({ id }: Pick<Verification, 'id'>, index: number): string =>
  hash('sha256', `holder ${id} ${index}`, 'base64url').slice(0, 16)

/** The value of a claim that is compared between apps: it tells its own app from others, and names neither. */
export function appOwner ({ id, appId }: Pick<Verification, 'id' | 'appId'>, index: number): string {
  const owner = claimOwner({ id }, index)
  return `${owner}.${appMark(owner, appId)}`
}

/** Whether a verification of this app holds a claim with such a value. */
export function isOwnedBy (appId: string, value: string): boolean {
  const [owner = '', mark] = value.split('.')
  return mark === appMark(owner, appId)
}

const appMark = (owner: string, appId: string): string =>
  hash('sha256', `app ${owner} ${appId}`, 'base64url').slice(0, 8)

/** The value of the claim of a provider id by which callbacks are found: it names the attempt, of at most 256. */
export const findableOwner = ({ id }: Pick<Verification, 'id'>, index: number): string =>
  packId(id) + String.fromCharCode(index)

/** The attempt that such a claim names; null for the value of another claim, which is shorter. */
export function readOwner (owner: string): { id: string, attemptIndex: number } | null {
  if (owner.length !== packedLength + 1) return null
  return { id: unpackId(owner.slice(0, packedLength)), attemptIndex: owner.charCodeAt(packedLength) }
}

export function createSingleUse (
  { adapters, providerCalls }: { adapters: AdapterMap, providerCalls: Pick<ProviderCalls, 'contextOf'> },
): SingleUseOf {
  return (verification, event) => {
    if (event.type !== 'attemptStarted' && event.type !== 'resent' && event.type !== 'evidenceReceived') return null
    const index = verification.attempts.length - 1
    const attempt = verification.attempts[index]
    // A test number's fixed code may be used again.
    if (attempt?.status !== 'pending' || verification.testNumber !== undefined) return null
    const { method } = attempt
    const provider = method.slice(0, method.indexOf('.'))
    const adapter = adapters.get(provider)
    if (event.type !== 'evidenceReceived') {
      if (event.providerId === undefined) return null
      const owner = event.isFindable === true ? findableOwner(verification, index) : claimOwner(verification, index)
      return { provider, kind: 'id', text: event.providerId, owner }
    }
    if (adapter?.singleUse === undefined) return null
    const text = adapter.singleUse(providerCalls.contextOf(verification, event.attempt), event.evidence.value)
    return text === null ? null : { provider, kind: 'evidence', text, owner: claimOwner(verification, index) }
  }
}
