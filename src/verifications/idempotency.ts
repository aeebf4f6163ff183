import { ApiError } from '../core/errors.ts'
import { currentAttempt, type IdempotencyClaim, type Verification } from '../core/verification.ts'
import type { ChangeFeed } from '../store/change-feed.ts'
import { partitionOfHash } from '../store/keys.ts'
import type { Store } from '../store/record-store.ts'
import type { Sealer } from '../store/sealing.ts'
import { readKeyClaim, type KeyClaim } from './key-claim.ts'
import { idempotencyReleases } from './record-keys.ts'

/** An Idempotency-Key and the body it came with, hashed under each key of `SEAL_KEYS`, the first key's first. */
export type IdempotencyKey = { names: readonly string[], fingerprints: readonly string[] }

export const noIdempotencyKey: IdempotencyKey = { names: [], fingerprints: [''] }

/** How a new verification holds the key; null without one. */
export const holdKey = ({ names }: IdempotencyKey, { hash, at }: KeyClaim): IdempotencyClaim | null =>
  names.length === 0 ? null : { names: [...names], hash, at }

/** Characters of a body's hash that are kept: 48 bits. Nobody without the key can make another body match. */
const fingerprintLength = 8

/** Hashes a key and its body. While `SEAL_KEYS` rotates, processes differ in which key is the first. */
export function readIdempotencyKey (
  sealer: Pick<Sealer, 'keyedHashes'>, appId: string, key: string, body: unknown,
): IdempotencyKey {
  return {
    names: sealer.keyedHashes('key', `${appId} ${key}`),
    fingerprints: sealer.keyedHashes('body', canonicalJson(body)).map(hash => hash.slice(0, fingerprintLength)),
  }
}

/** What earlier requests with an Idempotency-Key made. */
export type IdempotentReplays = {
  /**
   * The verification that the claim is for, once its first attempt has started; `not_written` when the claiming process
   * may have died before it could write; `gone` when nothing is left of it. Throws `ApiError` idempotency_key_reused,
   * idempotency_in_progress.
   */
  waitForFirst (claim: KeyClaim, key: IdempotencyKey): Promise<Verification | 'not_written' | 'gone'>
  /** What was made with this key before a policy began to refuse it; null when nothing was. */
  findEarlier (key: IdempotencyKey): Promise<Verification | null>
}

export type IdempotentReplaysParts = {
  store: Pick<Store<Verification>, 'loadReplicated' | 'claimOf'>
  changeFeed: Pick<ChangeFeed, 'once'>
  now: () => number
}

const waitMs = 6_000
/** A process that claimed a key this long ago and wrote nothing will not write any more. */
const notWrittenMs = 10_000

export function createIdempotentReplays ({ store, changeFeed, now }: IdempotentReplaysParts): IdempotentReplays {
  async function waitForFirst ({ id, hash, at }: KeyClaim, { fingerprints }: IdempotencyKey) {
    if (!fingerprints.includes(hash)) {
      throw new ApiError('idempotency_key_reused', 'This Idempotency-Key was used before with another body.')
    }
    const until = now() + waitMs
    const listening = new AbortController()
    try {
      for (;;) {
        const timeoutMs = Math.max(1, until - now())
        const changed = changeFeed.once(id, { timeoutMs, signal: listening.signal })
        const stored = await store.loadReplicated(id, idempotencyReleases)
        if (stored === null) return now() - at < notWrittenMs ? 'not_written' : 'gone'
        if (currentAttempt(stored.record)?.attempt.phase !== 'starting') return stored.record
        if (now() >= until) {
          const detail = 'The first request with this Idempotency-Key is still in progress.'
          throw new ApiError('idempotency_in_progress', detail, { retryAfterSeconds: 1 })
        }
        await changed
      }
    } finally {
      listening.abort()
    }
  }

  async function findEarlier (key: IdempotencyKey): Promise<Verification | null> {
    for (const name of key.names) {
      const claim = await store.claimOf({ partition: partitionOfHash(name), name })
      const earlier = claim === null ? 'gone' : await waitForFirst(readKeyClaim(claim), key)
      if (typeof earlier === 'object') return earlier
    }
    return null
  }

  return { waitForFirst, findEarlier }
}

/** The same text for the same content, in whatever order its members are. */
export function canonicalJson (value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join()}]`
  const members = Object.entries(value).filter(([, member]) => member !== undefined).sort(([a], [b]) => a < b ? -1 : 1)
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`).join()}}`
}
