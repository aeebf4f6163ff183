import { keyHolds, type Transitions } from './transitions.ts'
import { ApiError } from '../core/errors.ts'
import type { ChangeFeed } from '../store/change-feed.ts'
import { partitionOfHash } from '../store/keys.ts'
import type { Store } from '../store/record-store.ts'
import { currentAttempt, type Verification } from '../core/verification.ts'

/** What the claim of an Idempotency-Key tells: which id it is for, a hash of the body, and when it was claimed. */
export type KeyClaim = { id: string, hash: string, at: number }
export const writeKeyClaim = ({ id, hash, at }: KeyClaim): string => `${id} ${hash} ${at}`
export function readKeyClaim (value: string): KeyClaim {
  const [id = '', hash = '', at] = value.split(' ')
  return { id, hash, at: Number(at) }
}

/** What earlier requests with an Idempotency-Key made. `names`, `fingerprints`: of the key, and of the body, under each key of `SEAL_KEYS`. */
export type IdempotentReplays = {
  /**
   * What the claim is for, once its first attempt has started; `unwritten` when whoever made the claim may have died before it could write; `gone` when nothing is
   * left of it. Throws `ApiError` idempotency_key_reused, idempotency_in_progress.
   */
  waitForFirst (claim: KeyClaim, fingerprints: readonly string[]): Promise<Verification | 'unwritten' | 'gone'>
  /** What was made with this key before a policy began to refuse it; null when nothing was. */
  findEarlier (names: readonly string[], fingerprints: readonly string[]): Promise<Verification | null>
}

const replayWaitMs = 6_000
/** Whoever claimed a key this long ago and has written nothing will not write any more. */
const unwrittenMs = 10_000

export function createIdempotentReplays (
  { changes, store, announcements, now }:
  { changes: Pick<Transitions, 'confirm'>, store: Pick<Store<Verification>, 'load' | 'claimOf'>, announcements: Pick<ChangeFeed, 'once'>, now: () => number },
): IdempotentReplays {
  async function waitForFirst ({ id, hash, at }: KeyClaim, fingerprints: readonly string[]): Promise<Verification | 'unwritten' | 'gone'> {
    if (!fingerprints.includes(hash)) throw new ApiError('idempotency_key_reused', 'This Idempotency-Key was used before with another body.')
    const until = now() + replayWaitMs
    for (;;) {
      const heard = announcements.once(id, { timeoutMs: Math.max(1, until - now()) })
      const stored = await store.load(id)
      if (stored === null) return now() - at < unwrittenMs ? 'unwritten' : 'gone'
      if (currentAttempt(stored.record)?.attempt.phase !== 'starting') {
        await changes.confirm(stored, keyHolds(stored.record))
        return stored.record
      }
      if (now() >= until) throw new ApiError('idempotency_in_progress', 'The first request with this Idempotency-Key is still being worked on.', { retryAfterSeconds: 1 })
      await heard
    }
  }

  async function findEarlier (names: readonly string[], fingerprints: readonly string[]): Promise<Verification | null> {
    for (const name of names) {
      const claim = await store.claimOf(partitionOfHash(name), name)
      const earlier = claim === null ? 'gone' : await waitForFirst(readKeyClaim(claim), fingerprints)
      if (typeof earlier === 'object') return earlier
    }
    return null
  }

  return { waitForFirst, findEarlier }
}
