import { Type } from 'typebox'
import type { Reason } from '../../core/reasons.ts'
import type { Json } from '../../core/vocabulary.ts'
import type {
  Adapter, AttemptContext, Http, LinkContext, Method, Outcome, ProviderAnswer, Started,
} from '../adapter.ts'
import { deny, refusal } from '../refusal.ts'
import { statusOf } from './wire.ts'

export const provider = 'truecaller'

/** One method: the part of `Adapter` that concerns its attempts. */
export type Flow = Pick<Adapter, 'canServe' | 'resolve'> & {
  method: Method
  start (attempt: AttemptContext): Started | Promise<Started>
  /** See `Adapter.links`. */
  link? (attempt: LinkContext): string
  /** See `Adapter.singleUse`. */
  singleUse (evidence: Json): string | null
}

/** A method that the SDK in the app performs: the gateway sends nothing, and waits for what the app submits. */
export const sdkMethod = {
  nextActions: ['submitToken'], options: Type.Object({}, { additionalProperties: false }), isRepeatable: true,
  sendsMessage: false, startsLocally: true,
} satisfies Partial<Method>

export type FlowParts = { http: Http, now: () => number }

export const invalid: Outcome = { verdict: 'denied', reason: 'evidence_invalid' }

/**
 * The outcome of an answer that is a refusal; null for a success. `meanings`: the reasons for the documented statuses
 * of this call. Throws `ProviderError` for every other status, and where the reason is the provider's fault.
 */
export function readRefusal (
  call: string, answer: ProviderAnswer, meanings: Readonly<Record<number, Reason>>,
): Outcome | null {
  const meant = statusOf(answer.status, answer.body)
  const reason = meanings[meant]
  if (reason !== undefined) return deny(provider, call, reason, answer)
  if (meant === 429) throw refusal(provider, call, 'rate_limited_by_provider', answer)
  if (meant >= 500) throw refusal(provider, call, 'provider_error', answer, { retryable: true })
  if (meant >= 300) throw refusal(provider, call, 'provider_bad_response', answer)
  return null
}
