import {
  createCipheriv, createDecipheriv, createSecretKey, hash, hkdfSync, randomBytes as systemRandomBytes,
} from 'node:crypto'
import { partitions } from './keys.ts'

/** The message authentication code of a message: 32 bytes that nobody can compute without the key. */
export type Mac = (message: Uint8Array) => Buffer

/** All keys are of one length, so that no other key and message together are the same bytes. */
const keyBytes = 32

/**
 * SHA3-256 of the key, followed by the message. SHA-3 cannot be continued from its result as SHA-2 can, so it needs no
 * HMAC construction (https://keccak.team/keccak_strengths.html). `createHmac` allocates an object of OpenSSL for each
 * message; with six messages for a create, that was an eighth of its CPU time.
 */
export const createMac = (key: Buffer): Mac => {
  if (key.length !== keyBytes) throw new RangeError(`a key has ${keyBytes} bytes`)
  return message => hash('sha3-256', Buffer.concat([key, message]), 'buffer')
}

/**
 * What a MAC is for. Each purpose, like encryption, has a subkey of its own, derived from every key of `SEAL_KEYS` by
 * HKDF-SHA256 (RFC 5869).
 */
export type MacPurpose = 'tag' | 'id' | 'callback' | 'secret'

/**
 * A sealed value was changed, moved to another name, sealed with an unknown key, or contains no record. The message
 * contains nothing of it, and there is no `cause`: a decoder's own error can quote what was decrypted.
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
 * SP 800-38D); what precedes the nonce is authenticated together with the `aad`. The nonce is random: replace the first
 * key before it has sealed about 2^32 values.
 */
export type Sealer = {
  /** Seals the bytes with the first key. They open only with the same `aad`. */
  seal (bytes: Uint8Array, aad: string): Buffer
  /** Opens a value that any of the keys sealed. Throws `SealError`. */
  open (sealed: Buffer, aad: string): Buffer
  /** 128 bits of a MAC with the first key, base64url: the same for the same text, which it does not reveal. */
  keyedHash (purpose: string, text: string): string
  /** The hash with every key, the first key's first: finds what was written before a rotation. */
  keyedHashes (purpose: string, text: string): string[]
  /** The same hashes as names of keys. */
  names (purpose: string, text: string): readonly KeyName[]
  /** The MACs of a purpose, the first key's first. For what validates identifiers: without keys marked `:open`. */
  macs (purpose: MacPurpose): readonly [Mac, ...Mac[]]
}

const format = 4
const nonceBytes = 12
const tagBytes = 16
const hashBytes = 16

/** The start of a sealed value, up to the end of its nonce. Every sealed value has its own. Throws `SealError`. */
export const versionOf = (sealed: Buffer): Buffer => {
  const end = 2 + (sealed[1] ?? 0) + nonceBytes
  if (sealed[0] !== format || sealed.length < end + tagBytes) throw new SealError('not in a known format')
  return sealed.subarray(0, end)
}

/** Stands for a number in the logs, so that support can find its lines. Does not reveal the number. */
export const numberTag = (sealer: Pick<Sealer, 'keyedHash'>, phoneNumber: string): string =>
  sealer.keyedHash('place', phoneNumber)

/** Stands for an address in the audit log. */
export const addressTag = (sealer: Pick<Sealer, 'keyedHash'>, network: string): string =>
  sealer.keyedHash('address', network)

type RootKey = { id: string, secret: Buffer, opensOnly: boolean }

const entryPattern = /^([A-Za-z0-9_-]{1,32}):([A-Za-z0-9+/_-]+={0,2})(:open)?$/

const readKeys = (text: string): [RootKey, ...RootKey[]] => {
  const [first, ...others] = text.split(',').map((entry, index): RootKey => {
    const [, id, encoded, mark] = entryPattern.exec(entry.trim()) ?? []
    const secret = Buffer.from(encoded ?? '', 'base64')
    if (id === undefined || secret.length !== keyBytes) {
      const form = `<id>:<base64 of ${keyBytes} bytes>, the id 1 to 32 letters, digits, - or _; then perhaps :open`
      throw new Error(`SEAL_KEYS: entry ${index + 1} must be ${form}`)
    }
    return { id, secret, opensOnly: mark !== undefined }
  })
  if (first === undefined) throw new Error('SEAL_KEYS: at least one key is needed')
  if (first.opensOnly) throw new Error('SEAL_KEYS: the first key encrypts, so it cannot be marked :open')
  if (new Set([first, ...others].map(({ id }) => id)).size !== others.length + 1) {
    throw new Error('SEAL_KEYS: every key needs its own id')
  }
  return [first, ...others]
}

/**
 * Throws an `Error` that names SEAL_KEYS if an entry cannot be read or is obviously not random: all zeros, a repeated
 * text, a count. In 32 random bytes about 30 differ, and so do the steps between them.
 */
export const assertRandomKeys = (keys: string): void => {
  for (const [index, { secret }] of readKeys(keys).entries()) {
    const steps = secret.map((byte, at) => byte - (secret[at - 1] ?? 0)).subarray(1)
    if (Math.min(new Set(secret).size, new Set(steps).size) < keyBytes / 2) {
      throw new Error(`SEAL_KEYS: entry ${index + 1} is not random; make one with openssl rand -base64 ${keyBytes}`)
    }
  }
}

/**
 * Creates a sealer from `SEAL_KEYS` (`id:base64[:open],…`). Throws an `Error` that names the variable and contains no
 * key.
 */
export const createSealer = (
  keys: string, { randomBytes = systemRandomBytes }: { randomBytes?: (size: number) => Buffer } = {},
): Sealer => {
  const roots = readKeys(keys)
  const derive = (secret: Buffer, purpose: MacPurpose | 'seal'): Buffer =>
    Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), `verigate ${purpose}`, keyBytes))
  const [first, ...others] = roots
  const createMacs = (purpose: MacPurpose, more: readonly RootKey[]): [Mac, ...Mac[]] =>
    [createMac(derive(first.secret, purpose)), ...more.map(({ secret }) => createMac(derive(secret, purpose)))]
  // Identifiers that callers present are validated with the last three. A key that leaked must not validate them.
  const valid = others.filter(({ opensOnly }) => !opensOnly)
  const macs = {
    tag: createMacs('tag', others), id: createMacs('id', valid),
    callback: createMacs('callback', valid), secret: createMacs('secret', valid),
  }

  const sealKey = createSecretKey(derive(first.secret, 'seal'))
  const sealKeys = new Map(roots.map(({ id, secret }) => [id, createSecretKey(derive(secret, 'seal'))]))
  const header = Buffer.from([format, first.id.length, ...Buffer.from(first.id)])
  const headerText = header.toString('latin1')

  const latest = new Map<string, { text: string, names: readonly KeyName[] }>()
  /** Requests use some names twice, so the last ones of each purpose are cached. */
  function names (purpose: string, text: string): readonly KeyName[] {
    const last = latest.get(purpose)
    if (last?.text === text) return last.names
    const message = Buffer.from(`${purpose.length}:${purpose}${text}`)
    const made = macs.tag.map(mac => {
      const digest = mac(message)
      return { name: digest.toString('base64url', 0, hashBytes), partition: digest.readUInt8(0) % partitions }
    })
    latest.set(purpose, { text, names: made })
    return made
  }

  return {
    seal (bytes, aad) {
      const nonce = randomBytes(nonceBytes)
      const cipher = createCipheriv('aes-256-gcm', sealKey, nonce).setAAD(Buffer.from(headerText + aad))
      const body = cipher.update(bytes)
      cipher.final()
      return Buffer.concat([header, nonce, body, cipher.getAuthTag()])
    },
    open (sealed, aad) {
      const version = versionOf(sealed)
      const header = version.toString('latin1', 0, version.length - nonceBytes)
      const key = sealKeys.get(header.slice(2))
      if (key === undefined) throw new SealError('no key of SEAL_KEYS has its id')
      const decipher = createDecipheriv('aes-256-gcm', key, version.subarray(-nonceBytes), { authTagLength: tagBytes })
        .setAAD(Buffer.from(header + aad))
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
    macs: purpose => macs[purpose],
  }
}
