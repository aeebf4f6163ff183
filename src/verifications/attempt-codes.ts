import { timingSafeEqual } from 'node:crypto'
import type { AttemptCode } from '../adapters/adapter.ts'
import type { Sealer } from '../store/sealing.ts'

type Hashes = Pick<Sealer, 'keyedHash' | 'keyedHashes'>

/** Whether the hash was made of this text, with any of the keys. Constant time. */
export function isHashOf (sealer: Pick<Sealer, 'keyedHashes'>, purpose: string, text: string, hash: string): boolean {
  const expected = Buffer.from(hash)
  return sealer.keyedHashes(purpose, text).map(one => Buffer.from(one))
    .some(one => one.length === expected.length && timingSafeEqual(one, expected))
}

/** Digits of a keyed hash of 128 bits: a code of ten digits is not more likely than another by 1 in 2^94. */
const digitsOf = (hash: string, length: number): string =>
  (BigInt(`0x${Buffer.from(hash, 'base64url').toString('hex')}`) % 10n ** BigInt(length))
    .toString().padStart(length, '0')

/**
 * The code of one attempt. It is derived from the attempt by a key, so that nothing readable is stored and every
 * message of the attempt has the same one. `fixedCode` replaces the derived code in the sandbox.
 */
export function createAttemptCode (
  sealer: Hashes, about: string, fixedCode?: (length: number) => string,
): AttemptCode {
  const textOf = (code: string): string => `${about} ${code}`
  const matches: AttemptCode['matches'] = (code, hash) => isHashOf(sealer, 'attemptCodeHash', textOf(code), hash)
  return {
    matches,
    make (length, hash) {
      const codes = fixedCode === undefined
        ? sealer.keyedHashes('attemptCode', about).map(one => digitsOf(one, length))
        : [fixedCode(length)]
      // After a change of keys, the earlier code is that of another key.
      const earlier = hash === undefined ? undefined : codes.find(code => matches(code, hash))
      if (earlier !== undefined && hash !== undefined) return { code: earlier, hash }
      const [code = ''] = codes
      return { code, hash: sealer.keyedHash('attemptCodeHash', textOf(code)) }
    },
  }
}
