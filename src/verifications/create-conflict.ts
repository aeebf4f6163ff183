import { ApiError, isGone } from '../core/errors.ts'
import { isFinal, type Verification } from '../core/verification.ts'
import type { Store } from '../store/record-store.ts'
import { unpackId } from '../store/keys.ts'
import type { KeyName } from '../store/sealing.ts'
import type { Dispatch } from './dispatch.ts'
import { holdKey, type IdempotencyKey, type IdempotentReplays } from './idempotency.ts'
import { readKeyClaim, type KeyClaim } from './key-claim.ts'
import { idempotencyReleases, liveClaims } from './record-keys.ts'
import type { WriteConflict } from './writer.ts'

/**
 * Resolves a conflict of a create: the earlier verification of its Idempotency-Key, or the claim with which the insert
 * is tried again. Throws `ApiError` verification_in_progress, and what `IdempotentReplays.waitForFirst` throws.
 */
export type ResolveConflict = (planned: Wanted, conflict: WriteConflict, own: KeyClaim) =>
  Promise<Verification | KeyClaim>

/** What a create wants: its number's keys, its Idempotency-Key, and whether it replaces a live verification. */
export type Wanted = {
  request: { onConflict?: 'error' | 'replace', reference?: string }, keys: readonly KeyName[], key: IdempotencyKey
}

export type ConflictParts = {
  dispatch: Pick<Dispatch, 'apply'>
  replays: Pick<IdempotentReplays, 'waitForFirst'>
  store: Pick<Store<Verification>, 'load' | 'release'>
}

export function createResolveConflict ({ dispatch, replays, store }: ConflictParts): ResolveConflict {
  /**
   * Frees a number that is claimed. A claim of a final or erased verification is a leftover: its release was lost.
   * Throws `ApiError` verification_in_progress for a live one that is not replaced.
   */
  async function freeNumber ({ request, keys }: Wanted, id: string): Promise<void> {
    const holder = await store.load(id)
    if (holder === null || isFinal(holder.record)) {
      await Promise.all(liveClaims(keys, id).map(claim => store.release(claim)))
    } else if (request.onConflict !== 'replace' || isOfAnother(request.reference, holder.record.reference)) {
      const detail = 'This app already has a live verification of this number.'
      throw new ApiError('verification_in_progress', detail, { verificationId: id })
    } else {
      await dispatch.apply(holder, { type: 'canceled', reason: 'superseded' }).catch(error => {
        if (!isGone(error)) throw error
      })
    }
  }

  return async (planned, conflict, own) => {
    if (conflict.type === 'live') {
      await freeNumber(planned, unpackId(conflict.holder.value))
      return own
    }
    const claimed = conflict.holder === null ? own : readKeyClaim(conflict.holder.value)
    const earlier = await replays.waitForFirst(claimed, planned.key)
    if (typeof earlier === 'object') return earlier
    if (earlier === 'not_written') return claimed
    const held = idempotencyReleases({ id: claimed.id, idempotency: holdKey(planned.key, claimed) })
    await Promise.all(held.map(claim => store.release(claim)))
    return own
  }
}

/** Two references stand for two users or processes of the app: one must not end the verification of the other. */
const isOfAnother = (wanted: string | undefined, held: string | null): boolean =>
  wanted !== undefined && held !== null && wanted !== held
