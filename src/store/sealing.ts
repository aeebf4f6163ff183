import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, randomBytes as systemRandomBytes } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { Packr } from 'msgpackr'
import type { Json } from '../adapters/adapter.ts'
import { prepareHmac } from './hmac.ts'

/** What a subkey is for. Each purpose has its own, derived from every key of `SEAL_KEYS` by HKDF-SHA256 (RFC 5869). */
export type KeyPurpose = 'seal' | 'tag' | 'id' | 'callback' | 'secret'

/** A sealed value was changed, moved to another name, or sealed with a key that is no longer given. The message shows none of it. */
export class SealError extends Error {
  constructor (why: string) {
    super(`sealed value cannot be opened: ${why}`)
    this.name = 'SealError'
  }
}

/**
 * Sealing of values, and tags of what must be found again but never be readable.
 * A sealed value is: format version (1 byte), length of the key id (1), key id, nonce (12), ciphertext, tag (16).
 * In format 2 it is written in MessagePack; in format 1, of earlier versions, in JSON.
 * The cipher is AES-256-GCM (NIST SP 800-38D).
 * The nonce is random: change the first key before some 2^32 values were sealed with it.
 */
export type Sealer = {
  /** Seals a JSON value under the first key, bound to `aad`: it opens under that name only. */
  seal (value: Json, aad: string): Buffer
  /** Opens what any of the keys sealed. Throws `SealError`. */
  open (sealed: Buffer, aad: string): Json
  /** What the same text has in common everywhere, and nothing else: 128 bits of HMAC-SHA256 under the first key, base64url. */
  keyedHash (purpose: string, text: string): string
  /** The tag under every key, the first one first: for finding what was written before a rotation. */
  keyedHashes (purpose: string, text: string): string[]
  /** The subkeys of a purpose, the first key's first. */
  subkeys (purpose: KeyPurpose): readonly KeyObject[]
}

const [jsonFormat, format] = [1, 2]
/** Plain MessagePack, without what is msgpackr's own: structures that it learns from what it writes. */
const packr = new Packr({ useRecords: false, variableMapSize: true, useToJSON: false })
const nonceBytes = 12
const tagBytes = 16
const keyBytes = 32
const purposes: readonly KeyPurpose[] = ['seal', 'tag', 'id', 'callback', 'secret']

/** The first bytes of a sealed value, to the end of its nonce: no two sealings share them. Throws `SealError` when it cannot be one. */
export const versionOf = (sealed: Buffer): Buffer => {
  const end = 2 + (sealed[1] ?? 0) + nonceBytes
  if ((sealed[0] !== format && sealed[0] !== jsonFormat) || sealed.length < end + tagBytes) throw new SealError('not in a known format')
  return sealed.subarray(0, end)
}

const readKeys = (text: string): { id: string, secret: Buffer }[] => {
  const keys = text.split(',').map((entry, place) => {
    const [, id, encoded] = /^([A-Za-z0-9_-]{1,32}):([A-Za-z0-9+/_-]+={0,2})$/.exec(entry.trim()) ?? []
    const secret = Buffer.from(encoded ?? '', 'base64')
    if (id === undefined || secret.length !== keyBytes) {
      throw new Error(`SEAL_KEYS: entry ${place + 1} must be <id>:<base64 of ${keyBytes} bytes>, the id 1 to 32 letters, digits, - or _`)
    }
    return { id, secret }
  })
  if (new Set(keys.map((key) => key.id)).size !== keys.length) throw new Error('SEAL_KEYS: every key needs an id of its own')
  return keys
}

const nothing = Buffer.alloc(0)
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
/** The first 128 bits of what is written in base64url: of the 22nd character two bits are theirs. */
const shorten = (digest: string): string => digest.slice(0, 21) + alphabet.charAt(alphabet.indexOf(digest.charAt(21)) & 0b11_0000)

/** Makes a sealer from the text of `SEAL_KEYS` (`id:base64,…`). Throws an `Error` that names the variable and shows no key. */
export const createSealer = (
  keys: string,
  { randomBytes = systemRandomBytes }: { randomBytes?: (size: number) => Buffer } = {},
): Sealer => {
  const roots = readKeys(keys)
  const derive = (secret: Buffer, purpose: KeyPurpose) =>
    createSecretKey(Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), `verigate ${purpose}`, keyBytes)))
  const ring = new Map(purposes.map((purpose) => [purpose, roots.map(({ secret }) => derive(secret, purpose))]))
  const subkeys = (purpose: KeyPurpose): KeyObject[] => ring.get(purpose) ?? []

  const [sealKey] = subkeys('seal')
  const [first] = roots
  if (sealKey === undefined || first === undefined) throw new Error('SEAL_KEYS: at least one key is needed')
  const header = Buffer.from([format, first.id.length, ...Buffer.from(first.id)])
  const openers = new Map(roots.map(({ id }, place) => [id, subkeys('seal')[place]]))

  const tagMacs = subkeys('tag').map(prepareHmac)
  const latest = new Map<string, { text: string, made: string[] }>()
  // One request asks for some tags twice.
  const keyedHashes = (purpose: string, text: string): string[] => {
    const last = latest.get(purpose)
    if (last?.text === text) return last.made
    const made = tagMacs.map((mac) => shorten(mac(nothing, `${purpose.length}:${purpose}${text}`, 'base64url')))
    latest.set(purpose, { text, made })
    return made
  }

  return {
    seal (value, aad) {
      const nonce = randomBytes(nonceBytes)
      const cipher = createCipheriv('aes-256-gcm', sealKey, nonce).setAAD(Buffer.from(aad))
      const body = cipher.update(packr.pack(value))
      cipher.final()
      return Buffer.concat([header, nonce, body, cipher.getAuthTag()])
    },
    open (sealed, aad) {
      const mark = versionOf(sealed)
      const key = openers.get(mark.toString('latin1', 2, mark.length - nonceBytes))
      if (key === undefined) throw new SealError('no key of SEAL_KEYS has its id')
      const decipher = createDecipheriv('aes-256-gcm', key, mark.subarray(-nonceBytes), { authTagLength: tagBytes })
        .setAAD(Buffer.from(aad))
        .setAuthTag(sealed.subarray(-tagBytes))
      const body = decipher.update(sealed.subarray(mark.length, -tagBytes))
      try {
        decipher.final()
      } catch {
        throw new SealError('it was changed, or belongs to another name')
      }
      return sealed[0] === format ? packr.unpack(body) : JSON.parse(body.toString())
    },
    keyedHash: (purpose, text) => keyedHashes(purpose, text)[0] ?? '',
    keyedHashes,
    subkeys,
  }
}
