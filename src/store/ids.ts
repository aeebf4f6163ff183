import { createHmac, hash, timingSafeEqual, type KeyObject } from 'node:crypto'
import { partitionOf } from './keys.ts'
import type { KeyPurpose, Sealer } from './sealing.ts'

/** `callback`: the provider's server sends the key. `redirect`: the user's browser returns with it. */
export type CallbackPurpose = 'callback' | 'redirect'

/**
 * Identifiers with a MAC, so that a forged one is rejected without a read of Redis. All are base64url. An id is 16
 * random bytes, the partition (1 byte) and 5 bytes of MAC over both and the app. The other identifiers contain it.
 */
export type Ids = {
  /** `ver_` and 30 characters. The partition decides where the record lives. */
  newId (appId: string, partition: number): string
  /** Whether this id was made for this app. Constant time; tries every key. */
  checkId (id: string, appId: string): boolean
  /** The partition in the id of a verification or a delivery. See `partitionOf` in keys.ts. */
  partitionOf (id: string): number | null
  /**
   * `whd_`, the 30 characters of the verification's id, `_` and its revision (0 to 999 999 999). A delivery is in
   * the partition of its verification.
   */
  deliveryId (id: string, revision: number): string
  /** The parts of a delivery's id; null: the text does not have its form. Use `checkId` on the id inside. */
  readDeliveryId (text: string): { id: string, revision: number } | null
  /** 48 characters: the id, the attempt's index (0 to 255) and 13 bytes of MAC. */
  callbackKey (id: string, attemptIndex: number, purpose: CallbackPurpose): string
  /** The parts of a callback key; null: it was not made here for this purpose. */
  readCallbackKey (key: string, purpose: CallbackPurpose): { id: string, attemptIndex: number } | null
  /** `vcs_` and 51 characters: the id and 16 bytes of MAC. */
  clientSecret (id: string): string
  /** The id in a client secret; null: it was not made here. */
  readClientSecret (secret: string): string | null
  /** `att_` and 16 characters of a hash, which do not reveal the verification. */
  attemptId (id: string, index: number): string
}

const randomLength = 16
const bodyLength = randomLength + 1
const idLength = bodyLength + 5
const idPrefix = 'ver_'
const secretPrefix = 'vcs_'
const deliveryPrefix = 'whd_'
const deliveryPattern = /^whd_([A-Za-z0-9_-]{30})_(0|[1-9]\d{0,8})$/

// The spare bits of the last character must be zero. Otherwise several texts would be the same identifier.
const decode = (text: string, prefix: string, length: number): Buffer | null => {
  if (!text.startsWith(prefix) || text.length !== prefix.length + Math.ceil(length * 4 / 3)) return null
  const body = text.slice(prefix.length)
  const bytes = Buffer.from(body, 'base64url')
  return bytes.length === length && bytes.toString('base64url') === body ? bytes : null
}

const makeId = (bytes: Buffer): string => idPrefix + bytes.toString('base64url')

const readId = (id: string): Buffer => {
  const bytes = decode(id, idPrefix, idLength)
  if (bytes === null) throw new TypeError('not an id')
  return bytes
}

const macOf = (key: KeyObject, label: string, body: Buffer): Buffer =>
  createHmac('sha256', key).update(body).update(label).digest()

/** Fills the bytes after `end` with the MAC of the bytes before it and of the label. */
const sign = (key: KeyObject, label: string, bytes: Buffer, end: number): Buffer => {
  bytes.set(macOf(key, label, bytes.subarray(0, end)).subarray(0, bytes.length - end), end)
  return bytes
}

const isSigned = (keys: readonly KeyObject[], label: string, bytes: Buffer, end: number): boolean => {
  const [body, given] = [bytes.subarray(0, end), bytes.subarray(end)]
  return keys.reduce(
    (found, key) => timingSafeEqual(macOf(key, label, body).subarray(0, given.length), given) || found, false,
  )
}

const readDeliveryId = (text: string): { id: string, revision: number } | null => {
  const [, body, revision] = deliveryPattern.exec(text) ?? []
  const id = idPrefix + (body ?? '')
  return decode(id, idPrefix, idLength) === null ? null : { id, revision: Number(revision) }
}

/** Makes and reads every identifier of the API. `partitions` is at most 256. */
export const createIds = (
  sealer: Pick<Sealer, 'subkeys'>,
  { partitions, randomBytes }: { partitions: number, randomBytes: (size: number) => Buffer },
): Ids => {
  const keysOf = (purpose: KeyPurpose): readonly [KeyObject, ...KeyObject[]] => {
    const [first, ...others] = sealer.subkeys(purpose)
    if (first === undefined) throw new TypeError('a sealer has at least one key')
    return [first, ...others]
  }
  const [idKeys, callbackKeys, secretKeys] = [keysOf('id'), keysOf('callback'), keysOf('secret')]

  return {
    newId (appId, partition) {
      if (
        !Number.isInteger(partition) || partition < 0 || partition >= partitions
      ) throw new RangeError('no such partition')
      const bytes = Buffer.allocUnsafe(idLength)
      bytes.set(randomBytes(randomLength))
      bytes[randomLength] = partition
      return makeId(sign(idKeys[0], appId, bytes, bodyLength))
    },
    checkId (id, appId) {
      const bytes = decode(id, idPrefix, idLength)
      return bytes !== null && isSigned(idKeys, appId, bytes, bodyLength)
    },
    partitionOf: (id) => partitionOf(id, partitions),
    deliveryId (id, revision) {
      readId(id)
      if (
        !Number.isInteger(revision) || revision < 0 || revision > 999_999_999
      ) throw new RangeError('revision must be 0 to 999999999')
      return `${deliveryPrefix}${id.slice(idPrefix.length)}_${revision}`
    },
    readDeliveryId,
    callbackKey (id, attemptIndex, purpose) {
      if (
        !Number.isInteger(attemptIndex) || attemptIndex < 0 || attemptIndex > 255
      ) throw new RangeError('attempt index must be 0 to 255')
      const bytes = Buffer.allocUnsafe(idLength + 1 + 13)
      bytes.set(readId(id))
      bytes[idLength] = attemptIndex
      return sign(callbackKeys[0], purpose, bytes, idLength + 1).toString('base64url')
    },
    readCallbackKey (key, purpose) {
      const bytes = decode(key, '', idLength + 1 + 13)
      if (bytes === null || !isSigned(callbackKeys, purpose, bytes, idLength + 1)) return null
      return { id: makeId(bytes.subarray(0, idLength)), attemptIndex: bytes.readUInt8(idLength) }
    },
    clientSecret (id) {
      const bytes = Buffer.allocUnsafe(idLength + 16)
      bytes.set(readId(id))
      return secretPrefix + sign(secretKeys[0], '', bytes, idLength).toString('base64url')
    },
    readClientSecret (secret) {
      const bytes = decode(secret, secretPrefix, idLength + 16)
      if (bytes === null || !isSigned(secretKeys, '', bytes, idLength)) return null
      return makeId(bytes.subarray(0, idLength))
    },
    attemptId: (id, index) => `att_${hash('sha256', `${id} ${index}`, 'base64url').slice(0, 16)}`,
  }
}
