import { hash, timingSafeEqual } from 'node:crypto'
import { partitionOf } from './keys.ts'
import type { Mac, Sealer } from './sealing.ts'

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

/** The bytes before `end` have the same length for each purpose, so the label needs no separator. */
const messageOf = (label: string, bytes: Buffer, end: number): Buffer =>
  Buffer.concat([bytes.subarray(0, end), Buffer.from(label)])

/** Fills the bytes after `end` with the MAC of the bytes before it and of the label. */
const sign = (mac: Mac, label: string, bytes: Buffer, end: number): Buffer => {
  bytes.set(mac(messageOf(label, bytes, end)).subarray(0, bytes.length - end), end)
  return bytes
}

const isSigned = (macs: readonly Mac[], label: string, bytes: Buffer, end: number): boolean => {
  const [message, given] = [messageOf(label, bytes, end), bytes.subarray(end)]
  return macs.reduce(
    (found, mac) => timingSafeEqual(mac(message).subarray(0, given.length), given) || found, false,
  )
}

const readDeliveryId = (text: string): { id: string, revision: number } | null => {
  const [, body, revision] = deliveryPattern.exec(text) ?? []
  const id = idPrefix + (body ?? '')
  return decode(id, idPrefix, idLength) === null ? null : { id, revision: Number(revision) }
}

/** Makes and reads every identifier of the API. `partitions` is at most 256. */
export const createIds = (
  { macs }: Pick<Sealer, 'macs'>,
  { partitions, randomBytes }: { partitions: number, randomBytes: (size: number) => Buffer },
): Ids => {
  const [idMacs, callbackMacs, secretMacs] = [macs('id'), macs('callback'), macs('secret')]

  return {
    newId (appId, partition) {
      if (
        !Number.isInteger(partition) || partition < 0 || partition >= partitions
      ) throw new RangeError('no such partition')
      const bytes = Buffer.allocUnsafe(idLength)
      bytes.set(randomBytes(randomLength))
      bytes[randomLength] = partition
      return idPrefix + sign(idMacs[0], appId, bytes, bodyLength).toString('base64url')
    },
    checkId (id, appId) {
      const bytes = decode(id, idPrefix, idLength)
      return bytes !== null && isSigned(idMacs, appId, bytes, bodyLength)
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
      return sign(callbackMacs[0], purpose, bytes, idLength + 1).toString('base64url')
    },
    readCallbackKey (key, purpose) {
      const bytes = decode(key, '', idLength + 1 + 13)
      if (bytes === null || !isSigned(callbackMacs, purpose, bytes, idLength + 1)) return null
      return { id: makeId(bytes.subarray(0, idLength)), attemptIndex: bytes.readUInt8(idLength) }
    },
    clientSecret (id) {
      const bytes = Buffer.allocUnsafe(idLength + 16)
      bytes.set(readId(id))
      return secretPrefix + sign(secretMacs[0], '', bytes, idLength).toString('base64url')
    },
    readClientSecret (secret) {
      const bytes = decode(secret, secretPrefix, idLength + 16)
      if (bytes === null || !isSigned(secretMacs, '', bytes, idLength)) return null
      return makeId(bytes.subarray(0, idLength))
    },
    attemptId: (id, index) => `att_${hash('sha256', `${id} ${index}`, 'base64url').slice(0, 16)}`,
  }
}
