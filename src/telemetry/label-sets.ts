import { refusalCauses } from '../core/errors.ts'
import { blameOf, eligibilityReasons, reasons, reasonWords, type Reason } from '../core/reasons.ts'
import type { EndedAttempt } from '../core/verification.ts'
import {
  callbackResults, deliveryChannels, deliveryReceiptStatuses, providerCallKinds, type ProviderCall,
} from '../core/vocabulary.ts'
import type { Instruments } from './instruments.ts'

/** The closed sets of labels, and their series at zero, so that `rate()` sees the first failure. */

/** The result of one webhook try. */
export const webhookResults = ['delivered', 'retry', 'failed'] as const
export type WebhookResult = typeof webhookResults[number]

/** Closed sets of labels that other rooms define. `providers`: the methods of each provider. */
export type LabelSets = {
  providers: Record<string, string[]>
  queues: readonly string[]
  storeErrorCodes: readonly string[]
}

export const countryStatuses = ['created', 'verified', 'failed', 'expired', 'canceled'] as const
export const statusClasses = ['2xx', '3xx', '4xx', '5xx']

const except = (excluded: readonly Reason[]): Reason[] => reasonWords.filter(word => !excluded.includes(word))
const expiryReasons: Reason[] = ['attempt_timeout', 'deadline']
const cancelReasons: Reason[] = ['app_canceled', 'superseded', 'blocked']
const failureReasons = except([...expiryReasons, ...cancelReasons])
const skipReasons: Reason[] = [
  'provider_unavailable', 'recently_tried', 'code_attempts_exhausted', ...eligibilityReasons,
]
const fallbackReasons = except([...cancelReasons, 'deadline'])
/** What a provider's answer, or a missing answer, can mean. */
const answerReasons = failureReasons.filter(
  word => !['provider_unavailable', 'recently_tried', 'abandoned'].includes(word),
)
/** A provider's fault ends a verification as `provider_unavailable`. */
const finalReasons = failureReasons.filter(word => !reasons[word].isProviderFault || word === 'provider_unavailable')
const reasonsByStatus: Record<EndedAttempt['status'], readonly (Reason | null)[]> = {
  verified: [null], failed: failureReasons, expired: expiryReasons, canceled: cancelReasons,
  skipped: [null, ...skipReasons],
}

/** Creates every series of a closed set of labels, at zero. */
export function initializeSeries (instruments: Instruments, { providers, queues, storeErrorCodes }: LabelSets): void {
  const { refused, monitored, redisErrors, stalled, webhookTries, reloads, lastReload } = instruments
  for (const cause of refusalCauses) for (const counter of [refused, monitored]) counter.inc({ cause }, 0)
  for (const code of storeErrorCodes) redisErrors.inc({ code }, 0)
  for (const queue of queues) stalled.inc({ queue }, 0)
  for (const result of webhookResults) webhookTries.inc({ result }, 0)
  for (const result of ['ok', 'invalid']) reloads.inc({ result }, 0)
  lastReload.set(1)
  initializeProviders(instruments, providers)
}

/** Creates the series of these providers and methods, at zero. */
export function initializeProviders (instruments: Instruments, providers: LabelSets['providers']): void {
  for (const [provider, methods] of Object.entries(providers)) {
    initializeProvider(instruments, provider, methods)
    for (const method of methods) initializeMethod(instruments, method)
  }
}

function initializeProvider (
  { callbacks, receipts, providerSeconds, providerCalls }: Instruments, provider: string, methods: readonly string[],
): void {
  for (const result of callbackResults) callbacks.inc({ provider, result }, 0)
  for (const channel of [...deliveryChannels, 'other']) {
    for (const status of deliveryReceiptStatuses) receipts.inc({ provider, channel, status }, 0)
  }
  for (const call of providerCallKinds) {
    providerSeconds.zero({ provider, call })
    for (const { result, reason, blame } of possibleOutcomes(call)) {
      for (const method of methods) {
        providerCalls.inc({ provider, method, call, result, reason: reason ?? 'none', blame }, 0)
      }
    }
  }
}

function initializeMethod ({ seconds, attempts, ended, fallbacks }: Instruments, method: string): void {
  seconds.zero({ method })
  for (const [status, statusReasons] of Object.entries(reasonsByStatus)) {
    for (const word of statusReasons) {
      const reason = word ?? 'none'
      attempts.inc({ method, status, reason }, 0)
      const canBeFinal = status !== 'skipped' && (status !== 'failed' || word === null || finalReasons.includes(word))
      if (canBeFinal) ended.inc({ method, status, reason }, 0)
    }
  }
  for (const reason of fallbackReasons) fallbacks.inc({ method, reason }, 0)
}

type Outcome = Pick<ProviderCall, 'result' | 'reason' | 'blame'>

/** Every way in which a call can end. A start has no outcome yet, so an error refuses it. */
function possibleOutcomes (call: ProviderCall['call']): Outcome[] {
  const denials = call === 'resolve' ? answerReasons.filter(reason => !reasons[reason].isProviderFault) : []
  const faults = answerReasons.filter(reason => reasons[reason].isProviderFault)
  const errors = call === 'start' || call === 'resolve' ? answerReasons : faults
  return [
    { result: 'ok', reason: null, blame: 'none' },
    { result: 'error', reason: 'provider_error', blame: 'internal' },
    ...errors.map((reason): Outcome => ({ result: 'error', reason, blame: blameOf(reason) })),
    ...denials.map((reason): Outcome => ({ result: 'denied', reason, blame: blameOf(reason) })),
  ]
}
