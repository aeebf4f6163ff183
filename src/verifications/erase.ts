import type { Verification } from '../core/verification.ts'
import type { Store } from '../store/record-store.ts'
import type { Sealer } from '../store/sealing.ts'
import type { RelatedKeys } from '../webhooks/deliveries.ts'
import { erasureOf } from './record-keys.ts'

/** Removes a verification, everything that refers to it, and the related records of its partition, in one step. */
export type Erase = (verification: Verification, related?: RelatedKeys) => Promise<void>

const nothing: RelatedKeys = { alsoDelete: [], indexes: [] }

export function createErase (
  { store, names }: { store: Pick<Store<Verification>, 'erase'>, names: Sealer['names'] },
): Erase {
  return async (verification, { alsoDelete, indexes } = nothing) => {
    const own = erasureOf(verification, names)
    await store.erase(verification.id, {
      ...own, alsoDelete, indexes, publish: 'erased',
    })
  }
}
