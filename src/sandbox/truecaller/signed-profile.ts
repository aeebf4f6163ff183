import { createHmac, generateKeyPair, type KeyObject, sign } from 'node:crypto'
import { promisify } from 'node:util'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { appKey, provider, scenarioIn } from './answers.ts'
import { countryOf } from '../countries.ts'
import { provenDigits } from '../scenarios.ts'

/** The package of the sandbox's app. */
export const packageName = 'com.example.sandbox'

/** Documented: "HMAC-SHA256 of the package name, keyed with the app key". The encoding is not documented. */
const verifierOf = (encoding: 'hex' | 'base64'): string =>
  createHmac('sha256', appKey).update(packageName).digest(encoding)

export type SignedProfile = { payload: string, signature: string, signatureAlgorithm: string }

export type ProfileSigner = ReturnType<typeof createProfileSigner>

/** What the legacy SDK returns: a profile, signed by the latest key. */
export function createProfileSigner (now: () => number) {
  // The documented sample is a key of 1024 bits.
  const generate = () => promisify(generateKeyPair)('rsa', { modulusLength: 1024 })
  let keys: ReturnType<typeof generate>[] | undefined
  const current = () => keys ??= [generate(), generate()]

  async function signWith (pair: ReturnType<typeof generate>, profile: object): Promise<SignedProfile> {
    const { privateKey }: { privateKey: KeyObject } = await pair
    const payload = Buffer.from(JSON.stringify(profile)).toString('base64')
    // The signature covers the base64 text, not what it encodes.
    const signature = sign('RSA-SHA512', Buffer.from(payload), privateKey).toString('base64')
    return { payload, signature, signatureAlgorithm: 'SHA512withRSA' }
  }

  return {
    /** The key that signs, which is the only one that the vendor's own sample reads, and the one before it. */
    async published () {
      const pairs = await Promise.all(current().slice(-2).toReversed())
      return pairs.map(({ publicKey }) =>
        ({ keyType: 'RSA', key: publicKey.export({ type: 'spki', format: 'der' }).toString('base64') }))
    },

    /** Another key signs from now on. */
    rotate (): void {
      current().push(generate())
    },

    /** `verifier` replaces that of the sandbox's app. */
    async sign (phoneNumber: string, requestNonce: string, verifier?: string): Promise<SignedProfile> {
      const scenario = scenarioIn(phoneNumber, ['evidenceInvalid'])
      const digits = provenDigits(phoneNumber, provider)
      const seconds = Math.floor(now() / 1000) - (scenario === 'evidenceExpired' ? 86_400 : 0)
      const isUnusual = scenario === 'unusual'
      const profile = {
        requestNonce,
        requestTime: isUnusual ? String(seconds) : seconds,
        phoneNumber: isUnusual ? Number(digits) : `+${digits}`,
        firstName: 'Ada', lastName: 'Example', gender: isUnusual ? null : 'F',
        countryCode: countryOf(digits).toLowerCase(), email: isUnusual ? null : 'ada@example.com',
        isTrueName: true, isAmbassador: false,
        verifier: verifier ?? verifierOf(isUnusual ? 'base64' : 'hex'),
      }
      const { phoneNumber: _number, ...rest } = profile
      const key = scenario === 'evidenceInvalid' ? generate() : current().at(-1) ?? generate()
      return signWith(key, scenario === 'malformed' ? rest : profile)
    },
  }
}

/** The keys of signed profiles. No credentials are needed. */
export const keyRoutes: FastifyPluginAsyncTypebox<{ signer: ProfileSigner }> = async (app, { signer }) => {
  app.get('/v1/key', () => signer.published())

  app.post('/control/truecaller/rotate-key', async (_request, reply) => {
    signer.rotate()
    return reply.code(204).send()
  })
}
