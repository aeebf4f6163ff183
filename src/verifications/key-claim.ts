import { packedLength, packId, unpackId } from '../store/keys.ts'

/** What the claim of an Idempotency-Key says: the id it is for, a hash of the body, and when it was claimed. */
export type KeyClaim = { id: string, hash: string, at: number }

const timeBytes = 6

/** The value of such a claim: the packed id, so that a repeated request finds the verification; hash; time. */
export function writeKeyClaim ({ id, hash, at }: KeyClaim): string {
  const time = Buffer.alloc(timeBytes)
  time.writeUIntBE(at, 0, timeBytes)
  return packId(id) + Buffer.concat([Buffer.from(hash, 'base64url'), time]).toString('latin1')
}

export function readKeyClaim (value: string): KeyClaim {
  const bytes = Buffer.from(value, 'latin1')
  const timeAt = bytes.length - timeBytes
  return {
    id: unpackId(value.slice(0, packedLength)), hash: bytes.toString('base64url', packedLength, timeAt),
    at: bytes.readUIntBE(timeAt, timeBytes),
  }
}
