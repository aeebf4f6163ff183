import { callbackUrl, type AdapterMap, type ProviderCalls } from './provider-calls.ts'
import type { Transitions } from './transitions.ts'
import { ApiError, isGone } from '../core/errors.ts'
import type { Gateway } from './gateway.ts'
import type { Ids } from '../store/ids.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { CallbackResult, Metrics } from '../telemetry/metrics.ts'
import type { Store, Stored } from '../store/record-store.ts'
import { verificationSpan, type Tracing } from '../telemetry/tracing.ts'
import { currentAttempt, providerOf, type Event, type Verification } from '../core/verification.ts'

export type CallbacksParts = {
  changes: Pick<Transitions, 'apply'>
  store: Pick<Store<Verification>, 'load'>
  ids: Pick<Ids, 'readCallbackKey'>
  adapters: AdapterMap
  attempts: Pick<ProviderCalls, 'contextOf'>
  publicUrl: string
  metrics: Pick<Metrics, 'countCallback'>
  log: Logger
  tracing: Tracing
}

/** What comes from the providers' side: their servers' calls, and browsers on their way back. */
export function createCallbacks (
  { changes, store, ids, adapters, attempts, publicUrl, metrics, log, tracing }: CallbacksParts,
): Pick<Gateway, 'receive' | 'readReturn'> {
  return {
    async receive (provider, callback) {
      const adapter = adapters.get(provider)
      if (adapter === undefined) throw new ApiError('not_found', 'There is no such provider.')
      let stored: Stored<Verification> | null = null
      const count = (result: CallbackResult): void => {
        metrics.countCallback(provider, result)
        log.info({ provider, result, ...(stored === null ? {} : { verificationId: stored.record.id }) }, 'callback')
      }
      const received = await adapter.receive?.({ ...callback, url: callbackUrl(publicUrl, provider, callback.key) }) ?? null
      if (received === null) return count('malformed')
      if (received.type === 'refused') return count(received.cause)
      const named = ids.readCallbackKey(received.key, 'callback')
      stored = named === null ? null : await store.load(named.id)
      if (named === null || stored === null) return count('unknown')
      const { attemptIndex: attempt } = named
      const method = stored.record.workflow[attempt]?.method
      if (method === undefined || providerOf(method) !== provider) return count('wrong_provider')
      if (received.type === 'noted') return count('accepted')
      const event: Event = received.type === 'evidence'
        ? { type: 'evidenceReceived', attempt, evidence: { from: 'provider', value: received.evidence } }
        : received.type === 'denied' ? { type: 'userRejected', attempt, reason: received.reason } : { type: 'promptOpened', attempt }
      const current = stored
      return tracing.trace(`callback ${provider}`, { kind: 'internal', ...verificationSpan(current.record) }, async tell => {
        const { changed, isReplay, stored: { record: after } } = await changes.apply(current, event)
        const isOver = currentAttempt(after)?.index !== attempt
        const isUsed = changed && !(isOver && event.type === 'evidenceReceived')
        const result = isUsed ? 'accepted' : isReplay ? 'replayed' : isOver ? 'late' : 'duplicate'
        tell({ 'verigate.result': result })
        count(result)
      }).catch(error => {
        // Erased since it was read.
        if (!isGone(error)) throw error
        count('unknown')
      })
    },

    async readReturn (provider, key, query) {
      const adapter = adapters.get(provider)
      const named = ids.readCallbackKey(key, 'redirect')
      const record = named === null ? null : (await store.load(named.id))?.record ?? null
      if (named === null || record === null || record.returnUrl === null || adapter?.readReturn === undefined) return null
      const { attemptIndex } = named
      if (providerOf(record.workflow[attemptIndex]?.method ?? '.') !== provider) return null
      const returned = currentAttempt(record)?.index === attemptIndex
        ? adapter.readReturn(attempts.contextOf(record, attemptIndex), query) ?? { error: 'evidence_invalid' }
        : { error: 'evidence_expired' }
      const url = new URL(record.returnUrl)
      for (const [name, value] of Object.entries(returned)) url.searchParams.set(name, value)
      url.searchParams.set('verification', record.id)
      return url.href
    },
  }
}
