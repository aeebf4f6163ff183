import type { AdapterMap } from '../adapters/guard.ts'
import { addReturnParameters } from '../apps/return-urls.ts'
import { currentAttempt, providerOf, type Verification } from '../core/verification.ts'
import type { Ids } from '../store/ids.ts'
import type { Store } from '../store/record-store.ts'
import type { ProviderCalls } from './provider-calls.ts'

/**
 * Where to send a browser that returns from a provider; null when there is no such place. `key` is null for a provider
 * with a fixed redirect URI. Changes nothing.
 */
export type ReadReturn = (provider: string, key: string | null, query: Record<string, string>) => Promise<string | null>

export type ReadReturnParts = {
  store: Pick<Store<Verification>, 'load'>
  ids: Pick<Ids, 'readCallbackKey'>
  adapters: AdapterMap
  providerCalls: Pick<ProviderCalls, 'contextOf'>
}

export function createReadReturn ({ store, ids, adapters, providerCalls }: ReadReturnParts): ReadReturn {
  return async (provider, pathKey, query) => {
    const adapter = adapters.get(provider)
    const key = pathKey ?? adapter?.findKey?.(query) ?? null
    const named = key === null ? null : ids.readCallbackKey(key, 'redirect')
    const record = named === null ? null : (await store.load(named.id))?.record ?? null
    if (named === null || record === null || record.returnUrl === null || adapter?.readReturn === undefined) return null
    const { attemptIndex } = named
    if (providerOf(record.workflow[attemptIndex]?.method ?? '.') !== provider) return null
    const returned = currentAttempt(record)?.index === attemptIndex
      ? adapter.readReturn(providerCalls.contextOf(record, attemptIndex), query) ?? { error: 'evidence_invalid' }
      : { error: 'evidence_expired' }
    // A browser keeps the fragment of our own address, because the one that we send it to has none.
    const added = 'isInFragment' in returned ? {} : returned
    return addReturnParameters(record.returnUrl, { ...added, verification: record.id })
  }
}
