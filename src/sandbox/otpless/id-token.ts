import { randomBytes } from 'node:crypto'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { type CryptoKey, type JWK, SignJWT, exportJWK, generateKeyPair } from 'jose'
import type { Scenario } from '../scenarios.ts'
import type { SimulatorContext } from '../simulator.ts'
import { appId } from './account.ts'
import { splitNumber } from './phone-number.ts'
import type { Identity } from './user.ts'

export const issuer = 'https://otpless.com'
/** `exp - iat` of the documented sample. */
const lifetimeSeconds = 300

type Key = { kid: string, privateKey: CryptoKey, jwk: JWK }

async function createKey (): Promise<Key> {
  const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true })
  const kid = `pk${randomBytes(3).toString('hex')}`
  return { kid, privateKey, jwk: { ...await exportJWK(publicKey), kid, alg: 'RS256', use: 'sig' } }
}

export type IdTokens = ReturnType<typeof createIdTokens>['idTokens']

/**
 * Signs ID tokens and publishes the keys. The official Node SDK takes the first key and ignores `kid`, so the first key
 * signs.
 * https://otpless.com/docs/api-reference/endpoint/verifytoken/id-token-validate
 */
export function createIdTokens ({ now, url }: SimulatorContext, tokenPath: string) {
  // Made when they are needed, because that takes a while.
  let signing: Promise<Key> | undefined
  let former: Promise<Key> | undefined
  const signingKey = (): Promise<Key> => signing ??= createKey()
  const formerKey = (): Promise<Key> => former ??= createKey()

  const idTokens = {
    /** `token`: the reference token that validate/token takes once. */
    async sign (identities: readonly Identity[], token: string, scenario: Scenario): Promise<string> {
      const { kid, privateKey } = await signingKey()
      const seconds = Math.floor(now() / 1000)
      return new SignJWT({ sub: 'MO-sandbox', ...claimsOf(identities, scenario), token })
        .setProtectedHeader({ kid, typ: 'JWT', alg: 'RS256' }).setIssuer(issuer).setAudience(appId)
        .setIssuedAt(seconds).setExpirationTime(seconds + lifetimeSeconds).sign(privateKey)
    },
  }

  const routes: FastifyPluginAsyncTypebox = async app => {
    app.get('/.well-known/jwks', async () =>
      ({ keys: (await Promise.all([signingKey(), formerKey()])).map(({ jwk }) => jwk) }))
    app.get('/.well-known/openid-configuration', async () =>
      ({ issuer, jwks_uri: `${url()}/.well-known/jwks`, token_endpoint: `${url()}${tokenPath}` }))
    /** Another key signs from now on; the former one stays published. */
    app.post('/control/otpless/rotate-key', async (_request, reply) => {
      former = signingKey()
      signing = createKey()
      return reply.code(204).send()
    })
  }

  return { idTokens, routes }
}

/** `auth_time` is documented as a number and shown as a text; older samples have `+` and a text that says "true". */
function claimsOf (identities: readonly Identity[], scenario: Scenario): object {
  const mobile = identities.find(({ type }) => type === 'MOBILE')
  const email = identities.find(({ type }) => type === 'EMAIL')
  const at = Math.floor(((mobile ?? email)?.at ?? 0) / 1000)
  const ofEmail = email === undefined ? {} : { email: email.value, email_verified: email.verified }
  if (mobile === undefined) return { auth_time: String(at), ...ofEmail }
  const { phoneNumber, countryCode } = splitNumber(mobile.value)
  const isUnusual = scenario === 'unusual'
  return {
    auth_time: isUnusual ? at : String(at), country_code: countryCode, national_phone_number: phoneNumber,
    phone_number: isUnusual ? `+${mobile.value}` : mobile.value,
    phone_number_verified: isUnusual ? String(mobile.verified) : mobile.verified, ...ofEmail,
  }
}
