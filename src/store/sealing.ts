import {
  createCipheriv, createDecipheriv, createHmac, createSecretKey, hkdfSync, randomBytes as systemRandomBytes,
  type KeyObject,
} from 'node:crypto'
import { partitions } from './keys.ts'

/** What a subkey is for. Each purpose has its own, derived from every key of `SEAL_KEYS` by HKDF-SHA256 (RFC 5869). */
export type KeyPurpose = 'seal' | 'tag' | 'id' | 'callback' | 'secret'

/**
 * A sealed value was changed, moved to another name, or sealed with an unknown key. The message contains nothing of it.
 */
export class SealError extends Error {
  constructor (why: string) {
    super(`sealed value cannot be opened: ${why}`)
    this.name = 'SealError'
  }
}

/** The name of a key in Redis, and its partition. */
export type KeyName = { name: string, partition: number }

/**
 * Authenticated encryption of records, and keyed hashes for names that are looked up but never read. A sealed value is:
 * format (1 byte), length of the key id (1), key id, nonce (12), ciphertext, tag (16). The cipher is AES-256-GCM (NIST
 * SP 800-38D). The nonce is random: replace the first key before it has sealed about 2^32 values.
 */
export type Sealer = {
  /** Seals the bytes with the first key. They open only with the same `aad`. */
  seal (bytes: Uint8Array, aad: string): Buffer
  /** Opens a value that any of the keys sealed. Throws `SealError`. */
  open (sealed: Buffer, aad: string): Buffer
  /** 128 bits of HMAC-SHA256 with the first key, base64url: the same for the same text, which it does not reveal. */
  keyedHash (purpose: string, text: string): string
  /** The hash with every key, the first key's first: finds what was written before a rotation. */
  keyedHashes (purpose: string, text: string): string[]
  /** The same hashes as names of keys. */
  names (purpose: string, text: string): readonly KeyName[]
  /** The subkeys of a purpose, the first key's first. */
  subkeys (purpose: KeyPurpose): readonly KeyObject[]
}

const format = 3
const nonceBytes = 12
const tagBytes = 16
const keyBytes = 32
const hashBytes = 16
const purposes: readonly KeyPurpose[] = ['seal', 'tag', 'id', 'callback', 'secret']

/** The start of a sealed value, up to the end of its nonce. Every sealed value has its own. Throws `SealError`. */
export const versionOf = (sealed: Buffer): Buffer => {
  const end = 2 + (sealed[1] ?? 0) + nonceBytes
  if (sealed[0] !== format || sealed.length < end + tagBytes) throw new SealError('not in a known format')
  return sealed.subarray(0, end)
}

/** Stands for a number in the logs, so that support can find its lines. Does not reveal the number. */
export const numberTag = (sealer: Pick<Sealer, 'keyedHash'>, phoneNumber: string): string =>
  sealer.keyedHash('place', phoneNumber)

const readKeys = (text: string): { id: string, secret: Buffer }[] => {
  const keys = text.split(',').map((entry, index) => {
    const [, id, encoded] = /^([A-Za-z0-9_-]{1,32}):([A-Za-z0-9+/_-]+={0,2})$/.exec(entry.trim()) ?? []
    const secret = Buffer.from(encoded ?? '', 'base64')
    if (id === undefined || secret.length !== keyBytes) {
      const form = `<id>:<base64 of ${keyBytes} bytes>, the id 1 to 32 letters, digits, - or _`
      throw new Error(`SEAL_KEYS: entry ${index + 1} must be ${form}`)
    }
    return { id, secret }
  })
  if (new Set(keys.map(key => key.id)).size !== keys.length) throw new Error('SEAL_KEYS: every key needs its own id')
  return keys
}

/** Creates a sealer from `SEAL_KEYS` (`id:base64,…`). Throws an `Error` that names the variable and contains no key. */
export const createSealer = (
  keys: string, { randomBytes = systemRandomBytes }: { randomBytes?: (size: number) => Buffer } = {},
): Sealer => {
  const roots = readKeys(keys)
  const derive = (secret: Buffer, purpose: KeyPurpose) =>
    createSecretKey(Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), `verigate ${purpose}`, keyBytes)))
  const ring = new Map(purposes.map(purpose => [purpose, roots.map(({ secret }) => derive(secret, purpose))]))
  const subkeys = (purpose: KeyPurpose): KeyObject[] => ring.get(purpose) ?? []

  const [sealKey] = subkeys('seal')
  const [first] = roots
  if (sealKey === undefined || first === undefined) throw new Error('SEAL_KEYS: at least one key is needed')
  const header = Buffer.from([format, first.id.length, ...Buffer.from(first.id)])
  const keysById = new Map(roots.map(({ id }, index) => [id, subkeys('seal')[index]]))

  const hashKeys = subkeys('tag')
  const latest = new Map<string, { text: string, names: readonly KeyName[] }>()
  /** Requests use some names twice, so the last ones of each purpose are cached. */
  function names (purpose: string, text: string): readonly KeyName[] {
    const last = latest.get(purpose)
    if (last?.text === text) return last.names
    const made = hashKeys.map(key => {
      const digest = createHmac('sha256', key).update(`${purpose.length}:${purpose}${text}`).digest()
      return { name: digest.toString('base64url', 0, hashBytes), partition: digest.readUInt8(0) % partitions }
    })
    latest.set(purpose, { text, names: made })
    return made
  }

  return {
    seal (bytes, aad) {
      const nonce = randomBytes(nonceBytes)
      const cipher = createCipheriv('aes-256-gcm', sealKey, nonce).setAAD(Buffer.from(aad))
      const body = cipher.update(bytes)
      cipher.final()
      return Buffer.concat([header, nonce, body, cipher.getAuthTag()])
    },
    open (sealed, aad) {
      const version = versionOf(sealed)
      const key = keysById.get(version.toString('latin1', 2, version.length - nonceBytes))
      if (key === undefined) throw new SealError('no key of SEAL_KEYS has its id')
      const decipher = createDecipheriv('aes-256-gcm', key, version.subarray(-nonceBytes), { authTagLength: tagBytes })
        .setAAD(Buffer.from(aad))
        .setAuthTag(sealed.subarray(-tagBytes))
      const body = decipher.update(sealed.subarray(version.length, -tagBytes))
      try {
        decipher.final()
      } catch {
        throw new SealError('it was changed, or belongs to another name')
      }
      return body
    },
    keyedHash: (purpose, text) => names(purpose, text)[0]?.name ?? '',
    keyedHashes: (purpose, text) => names(purpose, text).map(({ name }) => name),
    names,
    subkeys,
  }
}
