import type { Callback, Received } from '../adapters/adapter.ts'
import type { AdapterMap } from '../adapters/guard.ts'
import { ApiError, isGone } from '../core/errors.ts'
import type { Event } from '../core/events.ts'
import { currentAttempt, providerOf, type Verification } from '../core/verification.ts'
import type { CallbackResult } from '../core/vocabulary.ts'
import type { Sealer } from '../store/sealing.ts'
import type { Ids } from '../store/ids.ts'
import type { Store } from '../store/record-store.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { verificationSpan, type Tracing } from '../telemetry/tracing.ts'
import type { Dispatch } from './dispatch.ts'
import { callbackUrl } from './provider-calls.ts'
import { readOwner, singleUseText } from './single-use.ts'
import type { Current, Transition } from './transitions.ts'

/** The result of a provider's call; `verificationId`: the verification that it is about. */
export type CallbackReport = { result: CallbackResult, verificationId?: string }

/**
 * Processes a provider's call. An unusable call is only counted. Throws `ApiError` not_found for an unknown provider.
 */
export type ReceiveCallback = (provider: string, callback: Omit<Callback, 'url'>) => Promise<CallbackReport>

export type CallbacksParts = {
  dispatch: Pick<Dispatch, 'apply'>
  store: Pick<Store<Verification>, 'load' | 'claimOf' | 'untilReplicated'>
  names: Sealer['names']
  ids: Pick<Ids, 'readCallbackKey'>
  adapters: AdapterMap
  publicUrl: string
  metrics: Pick<Metrics, 'countCallback' | 'countReceipt'>
  tracing: Tracing
}

export function createReceiveCallback (parts: CallbacksParts): ReceiveCallback {
  const { dispatch, store, names, ids, adapters, publicUrl, metrics, tracing } = parts

  async function process (provider: string, callback: Callback): Promise<CallbackReport> {
    const received = await adapters.get(provider)?.receive?.(callback) ?? null
    if (received === null) return { result: 'malformed' }
    if (received.type === 'refused') return { result: received.cause }
    const found = 'key' in received
      ? ids.readCallbackKey(received.key, 'callback')
      : await findByProviderId(provider, received.providerId)
    if (found === null) return { result: 'unknown' }
    const { attemptIndex: attempt, id: verificationId } = found
    const event = eventOf(received, attempt)
    // A callback that changes nothing needs no record.
    if (event === null) return { result: 'accepted', verificationId }
    const stored = await store.load(verificationId)
    if (stored === null) return { result: 'unknown' }
    const method = stored.record.workflow[attempt]?.method
    if (method === undefined || providerOf(method) !== provider) return { result: 'wrong_provider', verificationId }
    return { result: await apply(provider, stored, event, attempt), verificationId }
  }

  /**
   * By the claim of the id. It has one name for each key of `SEAL_KEYS`: the attempt may have begun before the last.
   */
  async function findByProviderId (provider: string, text: string) {
    for (const { name, partition } of names('evidence', singleUseText({ provider, kind: 'id', text }))) {
      const owner = await store.claimOf({ partition, name })
      if (owner !== null) return readOwner(owner)
    }
    return null
  }

  async function apply (provider: string, stored: Current, event: Event, attempt: number): Promise<CallbackResult> {
    const { id } = stored.record
    const span = { kind: 'internal', ...verificationSpan(stored.record) } as const
    try {
      return await tracing.trace(`callback ${provider}`, span, async setAttributes => {
        const result = resultOf(await dispatch.apply(stored, event), event, attempt)
        await store.untilReplicated(id)
        setAttributes?.({ 'verigate.result': result })
        // A late receipt counts, too: the user may have completed the attempt before the receipt came.
        if (event.type === 'deliveryReported' && (result === 'accepted' || result === 'late')) {
          metrics.countReceipt(provider, event.delivery)
        }
        return result
      })
    } catch (error) {
      // It was erased after it was read.
      if (!isGone(error)) throw error
      return 'unknown'
    }
  }

  return async (provider, callback) => {
    if (!adapters.has(provider)) throw new ApiError('not_found', 'This provider does not exist.')
    const report = await process(provider, { ...callback, url: callbackUrl(publicUrl, provider, callback.key) })
    metrics.countCallback(provider, report.result)
    return report
  }
}

/** Null: the call is understood and changes nothing. */
function eventOf (received: Received, attempt: number): Event | null {
  switch (received.type) {
    case 'evidence': return {
      type: 'evidenceReceived', attempt, evidence: { from: 'provider', value: received.evidence },
    }
    case 'denied': return { type: 'userRejected', attempt, reason: received.reason }
    case 'opened': return { type: 'promptOpened', attempt }
    case 'updated': return { type: 'stepChanged', attempt, state: received.state, action: received.action }
    case 'delivery': return { type: 'deliveryReported', attempt, delivery: received.delivery }
    case 'noted': return null
    default: return received satisfies never
  }
}

function resultOf ({ changed, isReplay, stored }: Transition, event: Event, attempt: number): CallbackResult {
  const hasEnded = currentAttempt(stored.record)?.index !== attempt
  if (changed && !(hasEnded && event.type === 'evidenceReceived')) return 'accepted'
  if (isReplay) return 'replayed'
  return hasEnded ? 'late' : 'duplicate'
}
