import { ProviderError } from '../core/errors.ts'
import { reasons, type Reason } from '../core/reasons.ts'
import type { Outcome, ProviderAnswer } from './adapter.ts'

/** The answer that is a refusal; null: no request was sent. */
type Refusing = Pick<ProviderAnswer, 'status' | 'body' | 'describe'> | null

/**
 * The error for a provider's refusal. Only the rate limit is worth a retry with the same request. The error has no
 * status where the answer cannot be read, although the provider had the request: then the provider is at fault, and not
 * the evidence of a user.
 */
export function refusal (
  provider: string, call: string, reason: Reason, answer: Refusing = null,
  { retryable = reason === 'rate_limited_by_provider', isCarrierFault = false } = {},
): ProviderError {
  const isUnreadable = answer === null || (answer.status < 300 && answer.body === undefined)
  return new ProviderError(provider, call, reason, {
    status: isUnreadable ? null : answer.status, retryable, isCarrierFault, vendor: answer?.describe?.() ?? null,
  })
}

/** The outcome of a refusal. A reason that is the provider's fault says nothing about the number, so it is thrown. */
export function deny (
  provider: string, call: string, reason: Reason, answer: Refusing = null, { isCarrierFault = false } = {},
): Outcome {
  if (reasons[reason].isProviderFault) throw refusal(provider, call, reason, answer, { isCarrierFault })
  return { verdict: 'denied', reason, vendor: answer?.describe?.() ?? null }
}
