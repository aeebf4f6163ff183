import { ProviderError } from '../../core/errors.ts'
import type { AttemptContext } from '../adapter.ts'
import type { FlowParts } from './flow.ts'
import { readRefusal, readSwapped } from './wire.ts'

// https://github.com/camaraproject/SimSwap

const scope = 'sim-swap:check'
/** The period of a check that names none: ten days. */
const swapHours = 240
/** With less time left, the operator is not asked: it may charge for that, and the answer would be lost. */
const minMs = 500

/**
 * Whether the SIM of the number was swapped within ten days; null: that could not be found out within `timeoutMs`.
 * Never throws `ProviderError`.
 */
export type CheckSimSwap = (attempt: AttemptContext, timeoutMs: number) => Promise<boolean | null>

export function createSimSwap ({ oidc, http, url }: FlowParts): CheckSimSwap {
  const api = oidc.asClient(http, scope, { isBrief: true })
  return async ({ id, phoneNumber }, timeoutMs) => {
    if (timeoutMs < minMs) return null
    try {
      const { status, body } = await api({
        method: 'POST', url: `${url}/check`, call: 'check SIM swap', timeoutMs,
        headers: { 'content-type': 'application/json', 'x-correlator': id },
        body: JSON.stringify({ phoneNumber, maxAge: swapHours }),
      })
      return readRefusal(status, body) === null ? readSwapped(body) : null
    } catch (error) {
      if (error instanceof ProviderError) return null
      throw error
    }
  }
}
