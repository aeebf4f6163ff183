import { ApiError, ProviderError } from '../core/errors.ts'
import { availableActions, providerOf, type Verification } from '../core/verification.ts'
import { invalidState } from './check.ts'
import type { Dispatch } from './dispatch.ts'
import type { ProviderCalls } from './provider-calls.ts'
import type { Transitions } from './transitions.ts'

/**
 * Sends the same attempt again. Throws `ApiError` invalid_state, rate_limited when it is too early,
 * provider_unavailable.
 */
export type Resend = (id: string) => Promise<Verification>

export type ResendParts = {
  transitions: Pick<Transitions, 'load'>
  dispatch: Pick<Dispatch, 'apply' | 'persist'>
  providerCalls: Pick<ProviderCalls, 'resend'>
  now: () => number
}

export function createResend ({ transitions, dispatch, providerCalls, now }: ResendParts): Resend {
  function notAvailable (record: Verification): ApiError {
    const offer = availableActions(record).find(({ action }) => action === 'resend')
    if (offer === undefined) return invalidState(record, 'The pending attempt cannot be sent again.')
    return tooEarly('It can be sent again', offer.availableAt - now())
  }

  return async id => {
    const before = await transitions.load(id)
    const attempt = before.record.attempts.length - 1
    const { stored, changed } = await dispatch.apply(before, { type: 'resendRequested', attempt })
    if (!changed) throw notAvailable(stored.record)
    try {
      const event = await providerCalls.resend(stored.record, attempt)
      const sent = await dispatch.persist(stored, event)
      if (!sent.isReplay) return sent.stored.record
      const provider = providerOf(stored.record.attempts[attempt]?.method ?? '.')
      throw new ProviderError(provider, 'resend', 'provider_bad_response')
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error
      throw new ApiError(
        'provider_unavailable', 'The provider could not send it again. What was sent before is still valid.',
      )
    }
  }
}

/** `rate_limited` for a message that has to wait. */
export function tooEarly (what: string, waitMs: number): ApiError {
  const retryAfterSeconds = Math.max(1, Math.ceil(waitMs / 1000))
  return new ApiError('rate_limited', `${what} in ${retryAfterSeconds} s.`, { retryAfterSeconds })
}
