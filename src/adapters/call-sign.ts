import { ProviderError } from '../core/errors.ts'
import { reasons, type Reason } from '../core/reasons.ts'
import type { ProviderCall } from '../core/vocabulary.ts'
import type { Sign } from './call-health.ts'

/** What an answer says: one about a user's evidence may come from anything that answers 404. */
export function signOfAnswer ({ reason }: { reason: Reason | null }): Sign {
  return reason?.startsWith('evidence_') === true ? 'none' : 'ok'
}

/** Statuses with which a provider refuses the content of a request: the number may be the cause. */
const contentStatuses = [400, 422]
/** Statuses that are about our account, whatever the evidence. */
const accountStatuses = [401, 402, 429]

/**
 * What an error says. Evidence comes from users and from strangers, so a 4xx to it, and a readable answer without a
 * meaning, may be their doing. A start has nothing of a user but the number.
 */
export function signOfError (error: unknown, call: ProviderCall['call']): Sign {
  // A fault of this program.
  if (!(error instanceof ProviderError)) return 'none'
  const { reason, status, isCarrierFault } = error
  if (!reasons[reason].isProviderFault) return signOfAnswer(error)
  if (isCarrierFault || isOfOneUser(reason, status, call)) return 'none'
  return reason === 'provider_misconfigured' ? 'misconfigured' : 'failed'
}

function isOfOneUser (reason: Reason, status: number | null, call: ProviderCall['call']): boolean {
  if (status === null || status >= 500) return false
  if (call !== 'resolve') return reason === 'provider_bad_response' && contentStatuses.includes(status)
  return reason === 'provider_bad_response' || (status >= 400 && !accountStatuses.includes(status))
}
