import { partitionOfHash } from '../store/keys.ts'
import type { Claim, ClaimRelease, Store } from '../store/record-store.ts'
import type { Sealer } from '../store/sealing.ts'
import type { Delivery } from './delivery.ts'

/** The webhook endpoints that are disabled because they returned 410. All processes share this through claims. */
export type Endpoints = {
  /** The claim that disables the endpoint; null when it is enabled, or was enabled less than a second ago. */
  findDisabled (appId: string, url: string): Promise<ClaimRelease & { partition: number } | null>
  /** The claim that disables the endpoint, to be taken by the write that records the 410. */
  disable (appId: string, url: string): Claim
}

/** How long an endpoint stays disabled, unless its URL changes or a replay or test succeeds. */
const disabledMs = 365 * 86_400_000
const disabledBy = '410'
/** How long this process relies on a lookup that found the endpoint enabled. */
const cacheMs = 1_000

export type EndpointsParts = {
  store: Pick<Store<Delivery>, 'claimOf'>
  sealer: Pick<Sealer, 'keyedHashes'>
  now: () => number
}

export function createEndpoints ({ store, sealer, now }: EndpointsParts): Endpoints {
  const enabledUntil = new Map<string, number>()
  const namesOf = (appId: string, url: string): string[] => sealer.keyedHashes('endpoint', `${appId} ${url}`)

  return {
    async findDisabled (appId, url) {
      const names = namesOf(appId, url)
      const [endpoint = ''] = names
      if (now() < (enabledUntil.get(endpoint) ?? 0)) return null
      for (const name of names) {
        const partition = partitionOfHash(name)
        if (await store.claimOf({ partition, name }) !== null) return { name, value: disabledBy, partition }
      }
      enabledUntil.set(endpoint, now() + cacheMs)
      return null
    },
    disable (appId, url) {
      const [name = ''] = namesOf(appId, url)
      enabledUntil.delete(name)
      return { name, value: disabledBy, partition: partitionOfHash(name), expiresAt: now() + disabledMs }
    },
  }
}
