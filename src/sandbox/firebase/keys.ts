import { randomBytes } from 'node:crypto'
import { type CryptoKey, type JWK, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'

type Key = { kid: string, privateKey: CryptoKey, jwk: JWK }

/** The latest ones are published; older ones belong to tokens that have long expired. */
const maxKeys = 8

async function createKey (): Promise<Key> {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
  const kid = randomBytes(8).toString('hex')
  return { kid, privateKey, jwk: { ...await exportJWK(publicKey), kid, alg: 'ES256', use: 'sig' } }
}

export type Keys = ReturnType<typeof createKeys>

/** The keys of the vendor. The latest one signs. */
export function createKeys () {
  const keys: Promise<Key>[] = []

  function rotate (): void {
    keys.push(createKey())
    if (keys.length > maxKeys) keys.shift()
  }

  return {
    rotate,

    async published (): Promise<JWK[]> {
      if (keys.length === 0) rotate()
      return (await Promise.all(keys)).map(({ jwk }) => jwk).toReversed()
    },

    /** `isForeign`: signed by a key that is never published. */
    async sign (claims: JWTPayload, { isForeign = false } = {}): Promise<string> {
      if (keys.length === 0) rotate()
      const { kid, privateKey } = await (isForeign ? createKey() : keys.at(-1) ?? createKey())
      return new SignJWT(claims).setProtectedHeader({ typ: 'JWT', alg: 'ES256', kid }).sign(privateKey)
    },
  }
}
