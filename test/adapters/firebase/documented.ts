import { createHash } from 'node:crypto'
import { exportJWK } from 'jose/key/export'
import { generateKeyPair } from 'jose/key/generate/keypair'
import { SignJWT } from 'jose/jwt/sign'
import { callbackKey, type Answer, type Vendor } from '../../../src/conformance/index.ts'

/** Tokens as https://firebase.google.com/docs/phone-number-verification/verify-tokens documents them. */

export const phoneNumber = '+14155550100'
export const projectNumber = '123456789012'
const projects = 'https://fpnv.googleapis.com/projects'
export const issuer = `${projects}/${projectNumber}`

const pair = await generateKeyPair('ES256', { extractable: true })
export const stranger = await generateKeyPair('ES256', { extractable: true })
export const jwk = { ...await exportJWK(pair.publicKey), kid: 'k1', alg: 'ES256', use: 'sig' }
export const strangersJwk = { ...await exportJWK(stranger.publicKey), kid: 'k2', alg: 'ES256', use: 'sig' }

export const settings = ({ origin }: Vendor) => ({
  FIREBASE_PROJECT_NUMBER: projectNumber, FIREBASE_PROJECT_ID: 'my-project', FIREBASE_API_URL: origin,
})
export const answerWell = (): Answer => ({ body: { keys: [jwk, strangersJwk] } })

export const seconds = (): number => Math.floor(Date.now() / 1000)

/** A token for the attempt of the contract. `undefined` takes a claim away. */
export const sign = (
  more: object = {}, { key = pair.privateKey, header = {} }: { key?: typeof pair.privateKey, header?: object } = {},
): Promise<string> => new SignJWT({
  iss: issuer, aud: [issuer, `${projects}/my-project`], iat: seconds(), exp: seconds() + 300, sub: phoneNumber,
  jti: 'token-1', nonce: callbackKey, ...more,
}).setProtectedHeader({ alg: 'ES256', typ: 'JWT', kid: 'k1', ...header }).sign(key)

export const hashOf = (token: string): string =>
  createHash('sha256').update(token.split('.').slice(0, 2).join('.')).digest('base64url')
