import { hash } from 'node:crypto'
import type { AdapterMap, ProviderCalls } from './provider-calls.ts'
import type { Sealer } from '../store/sealing.ts'
import { partitionOfHash } from '../store/keys.ts'
import type { Claim, ClaimRelease } from '../store/record-store.ts'
import { currentAttempt, providerOf, type Event, type Verification } from '../core/verification.ts'

/** How evidence is made good once: a claim of everybody's, held by the attempt that it came to. Neither the evidence nor the attempt can be read in it. */
export type SingleUse = {
  /** What the event brings that no other attempt may have used, under each key of `SEAL_KEYS`; none when it brings nothing of the kind. */
  claimsFor (verification: Verification, event: Event): Claim[]
  /** What the event gives back: evidence that the provider would not take for this attempt is not used up by it. */
  releasesOf (verification: Verification, event: Event): ClaimRelease[]
  /** Who holds a claim: the same text for the same attempt, and it tells nothing of it. */
  claimOwner (verification: Verification, index: number): string
}

/** Longer than any token, code or check lives. */
const usedMs = 86_400_000

export function createSingleUse (
  { adapters, attempts, sealer, now }: { adapters: AdapterMap, attempts: Pick<ProviderCalls, 'contextOf'>, sealer: Pick<Sealer, 'keyedHashes'>, now: () => number },
): SingleUse {
  // Of 128 random bits the hash is as good as random, and every process makes the same, whatever key is its first.
  const claimOwner: SingleUse['claimOwner'] = ({ id }, index) => hash('sha256', `holder ${id} ${index}`, 'base64url')

  /** The provider's own id of an attempt and its evidence are different things, though they may read the same. */
  function singleUseOf (verification: Verification, event: Event): { kind: 'id' | 'evidence', text: string } | null {
    if (event.type === 'attemptStarted' || event.type === 'resent') {
      return event.providerId === undefined ? null : { kind: 'id', text: event.providerId }
    }
    if (event.type !== 'evidenceReceived') return null
    const attempt = attempts.contextOf(verification, event.attempt)
    const text = adapters.get(providerOf(attempt.method))?.singleUse?.(attempt, event.evidence.value) ?? null
    return text === null ? null : { kind: 'evidence', text }
  }

  function claimsFor (verification: Verification, event: Event): Required<Claim>[] {
    const used = singleUseOf(verification, event)
    const current = currentAttempt(verification)
    if (used === null || current === null) return []
    const value = claimOwner(verification, current.index)
    return sealer.keyedHashes('evidence', `${providerOf(current.attempt.method)} ${used.kind} ${used.text}`)
      .map(name => ({ name, partition: partitionOfHash(name), value, expiresAt: now() + usedMs }))
  }

  return {
    claimsFor,
    claimOwner,
    releasesOf (verification, event) {
      const current = currentAttempt(verification)
      if (event.type !== 'attemptFailed' || event.reason !== 'evidence_invalid' || current?.attempt.phase !== 'resolving') return []
      return claimsFor(verification, { type: 'evidenceReceived', attempt: current.index, evidence: current.attempt.evidence })
    },
  }
}
