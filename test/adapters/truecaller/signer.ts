import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto'

/** Signs profiles as Truecaller does: RSA with SHA-512 over the base64 text. */
export type Signer = {
  /** An item of the answer of `/v1/key`. */
  key: { keyType: string, key: string }
  signText: (payload: string, hash?: string) => string
  sign: (profile: object) => { payload: string, signature: string, signatureAlgorithm: string }
}

/** The documented key has 1024 bits. */
export function createSigner (modulusLength = 1024): Signer {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength })
  const signText = (payload: string, hash = 'RSA-SHA512'): string =>
    sign(hash, Buffer.from(payload), privateKey).toString('base64')
  return {
    key: { keyType: 'RSA', key: spkiOf(publicKey) },
    signText,
    sign (profile) {
      const payload = encode(profile)
      return { payload, signature: signText(payload), signatureAlgorithm: 'SHA512withRSA' }
    },
  }
}

export const encode = (profile: object): string => Buffer.from(JSON.stringify(profile)).toString('base64')
export const spkiOf = (key: KeyObject): string => key.export({ format: 'der', type: 'spki' }).toString('base64')
