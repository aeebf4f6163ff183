import type { AttemptContext, Json, Method } from '../adapters/adapter.ts'
import type { GuardedAdapter } from '../adapters/guard.ts'
import { ProviderError } from '../core/errors.ts'
import type { Ids } from '../store/ids.ts'
import { currentAttempt, providerOf, type Event, type Evidence, type Verification, type Verified } from '../core/verification.ts'

export type AdapterMap = ReadonlyMap<string, GuardedAdapter>

/** Where a provider's server reaches us, as the outside sees it. */
export const callbackUrl = (publicUrl: string, provider: string, key: string | null): string =>
  `${publicUrl}/callbacks/${provider}${key === null ? '' : `/${encodeURIComponent(key)}`}`

/** The talk with providers about one attempt: what they answer becomes an event. */
export type ProviderCalls = {
  /** What the adapter is told of an attempt. */
  contextOf (verification: Verification, index: number): AttemptContext
  /** Never throws `ProviderError`: a start that fails is an event. */
  start (verification: Verification, index: number): Promise<Event>
  /** Throws the retryable `ProviderError`s: then nobody knows yet. */
  resolve (verification: Verification, index: number, evidence: Evidence, repeated: boolean): Promise<Event>
  /** The profile of a verified user. Throws the retryable `ProviderError`s. */
  readProfile (verification: Verified, evidence: Json): Promise<Event>
  /** Throws `ProviderError`. */
  resend (verification: Verification, index: number): Promise<Event>
}

export function createProviderCalls (
  { adapters, ids, publicUrl, now }: { adapters: AdapterMap, ids: Pick<Ids, 'attemptId' | 'callbackKey'>, publicUrl: string, now: () => number },
): ProviderCalls {
  const find = (verification: Verification, index: number): { adapter: GuardedAdapter, method: Method, context: AttemptContext } => {
    const context = contextOf(verification, index)
    const provider = providerOf(context.method)
    const adapter = adapters.get(provider)
    const method = adapter?.methods[context.method]
    // The operator took the provider's credentials away while this verification was alive.
    if (adapter === undefined || method === undefined) throw new ProviderError(provider, 'lookup', 'provider_misconfigured')
    return { adapter, method, context }
  }

  function contextOf (verification: Verification, index: number): AttemptContext {
    const { id, phoneNumber, locale, device, expiresAt } = verification
    const attempt = verification.attempts[index]
    const step = verification.workflow[index]
    if (attempt === undefined || step === undefined) throw new RangeError('no such attempt')
    const provider = providerOf(step.method)
    const callbackKey = ids.callbackKey(id, index, 'callback')
    return {
      id: ids.attemptId(id, index), method: step.method, phoneNumber, options: step.options, locale, device,
      state: 'state' in attempt ? attempt.state : null,
      expiresAt: 'expiresAt' in attempt ? attempt.expiresAt : expiresAt,
      callbackKey,
      callbackUrl: callbackUrl(publicUrl, provider, callbackKey),
      redirectUrl: verification.returnUrl === null ? null : callbackUrl(publicUrl, provider, ids.callbackKey(id, index, 'redirect')),
    }
  }

  return {
    contextOf,
    start: async (verification, index) => {
      try {
        const { adapter, method, context } = find(verification, index)
        const { state, action, id } = await adapter.start(context, verification)
        const { resend, codeAttempts = null } = method
        return {
          type: 'attemptStarted', attempt: index, state, action, attemptsRemaining: codeAttempts, ...id === undefined ? {} : { providerId: id },
          resend: resend === undefined ? null : { left: resend.times, availableAt: now() + resend.afterMs, afterMs: resend.afterMs },
        }
      } catch (error) {
        if (!(error instanceof ProviderError)) throw error
        // The breaker refused: nothing was started.
        if (error.reason === 'provider_unavailable') return { type: 'attemptSkipped', attempt: index, reason: error.reason }
        return { type: 'startFailed', attempt: index, reason: error.reason }
      }
    },
    resolve: async (verification, index, evidence, repeated) => {
      try {
        const { adapter, context } = find(verification, index)
        const outcome = await adapter.resolve(context, evidence.value, { repeated }, verification)
        switch (outcome.verdict) {
          case 'proven': return { type: 'numberProven', attempt: index, phoneNumber: outcome.phoneNumber, profile: outcome.profile ?? null, profileEvidence: outcome.profileEvidence ?? null, signals: outcome.signals ?? null }
          case 'denied': return { type: 'attemptFailed', attempt: index, reason: outcome.reason }
          case 'incorrect': return { type: 'codeIncorrect', attempt: index }
          case 'pending': return { type: 'stillPending', attempt: index, from: evidence.from, askAgainAt: now() + outcome.retryAfterMs }
          default: return outcome satisfies never
        }
      } catch (error) {
        if (error instanceof ProviderError && !error.retryable) return { type: 'attemptFailed', attempt: index, reason: error.reason }
        throw error
      }
    },
    readProfile: async (verification, evidence) => {
      try {
        const profile = await adapters.get(providerOf(verification.result.method))?.readProfile?.(evidence, verification)
        return profile === undefined ? { type: 'profileFailed' } : { type: 'profileRead', profile }
      } catch (error) {
        if (error instanceof ProviderError && !error.retryable) return { type: 'profileFailed' }
        throw error
      }
    },
    resend: async (verification, index) => {
      const { adapter, context } = find(verification, index)
      if (adapter.resend === undefined) throw new ProviderError(adapter.provider, 'resend', 'provider_misconfigured')
      const { state, action, id } = await adapter.resend(context, verification)
      return { type: 'resent', attempt: index, state, action, ...id === undefined ? {} : { providerId: id } }
    },
  }
}

/** Which evidence the attempt in hand takes; null when there is none in hand or it is still starting. */
export function acceptedEvidence (verification: Verification, adapters: AdapterMap): { index: number, evidence: Method['evidence'] } | null {
  const current = currentAttempt(verification)
  if (current === null || current.attempt.phase === 'starting') return null
  const { method } = current.attempt
  return { index: current.index, evidence: adapters.get(providerOf(method))?.methods[method]?.evidence ?? [] }
}

