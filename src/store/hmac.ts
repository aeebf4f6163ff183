import { hash, type KeyObject } from 'node:crypto'

/** HMAC-SHA256 of the bytes and the text behind them. As text: to make a Buffer of a digest costs more than to make the digest. */
export type Hmac = (bytes: Uint8Array, text: string, encoding: 'base64' | 'base64url' | 'binary') => string

const blockBytes = 64
const digestBytes = 32
/** Longer messages get memory of their own. */
const usualBytes = 2048
const longestCharacter = 3

/**
 * Makes a key ready for many messages: RFC 2104, over the SHA-256 of `node:crypto`. Its `createHmac` gives the same, but makes an object of OpenSSL for each
 * message, which costs several times what the hashing of a short one does.
 */
export function prepareHmac (key: KeyObject): Hmac {
  const given = key.export()
  const secret = given.length > blockBytes ? hash('sha256', given, 'buffer') : given
  const pad = (byte: number): Uint8Array => Buffer.alloc(blockBytes).map((_, at) => byte ^ (secret[at] ?? 0))
  const inner = Buffer.concat([pad(0x36), Buffer.alloc(usualBytes)])
  const outer = Buffer.concat([pad(0x5c), Buffer.alloc(digestBytes)])

  return (bytes, text, encoding) => {
    const start = blockBytes + bytes.length
    const most = start + text.length * longestCharacter
    const message = most > inner.length ? Buffer.concat([inner.subarray(0, blockBytes)], most) : inner
    message.set(bytes, blockBytes)
    const end = start + message.write(text, start)
    outer.write(hash('sha256', message.subarray(0, end), 'binary'), blockBytes, 'binary')
    return hash('sha256', outer, encoding)
  }
}
