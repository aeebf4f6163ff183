import { generateKeyPairSync } from 'node:crypto'
import { camara } from '../../../src/adapters/camara/index.ts'
import {
  anAttempt, callbackKey, openAdapter, openIo, type Answer, type Call, type Contract, type Vendor,
} from '../../../src/conformance/index.ts'

/** An operator that answers as the descriptions of CAMARA say. */

export const clientId = 's6BhdRkqt3'
export const redirectUrl = 'https://verify.example/callbacks/camara'
export const redirectKey = callbackKey
export const phoneNumber = '+34666111222'
export const code = 'SplxlOBeZQQYbYS6WxSbIA'
export const accessToken = 'SlAV32hkKG.access-token_1'
export const authenticationId = 'ea0840f3-3663-4149-bd10-c7c6b8912105'

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
export const { publicKey } = pair
export const privateKey = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
export const secrets = [clientId, code, accessToken, authenticationId, privateKey]

export const settings = ({ origin }: Pick<Vendor, 'origin'>): Record<string, string> => ({
  CAMARA_CLIENT_ID: clientId, CAMARA_PRIVATE_KEY: privateKey, CAMARA_KEY_ID: 'key-1',
  CAMARA_ISSUER: `${origin}/oidc`, CAMARA_API_URL: `${origin}/api`,
  CAMARA_SERVICES: 'number_verification, sms, sim_swap',
})

export const isDiscovery = ({ path }: Call): boolean => path === '/oidc/.well-known/openid-configuration'
export const isToken = ({ path }: Call): boolean => path === '/oidc/token'
export const isVerify = ({ path }: Call): boolean => path === '/api/number-verification/v2/verify'
export const isSend = ({ path }: Call): boolean => path === '/api/one-time-password-sms/v1/send-code'
export const isValidate = ({ path }: Call): boolean => path === '/api/one-time-password-sms/v1/validate-code'
export const isSwap = ({ path }: Call): boolean => path === '/api/sim-swap/v2/check'

/** An error of an API. */
export const error = (status: number, code: string) => ({ status, body: { status, code, message: 'Why' } })

export const formOf = ({ text }: Pick<Call, 'text'>): Record<string, string> =>
  Object.fromEntries(new URLSearchParams(text))

export function answerWell ({ origin }: Vendor, call: Call): Exclude<Answer, 'hang'> {
  if (isDiscovery(call)) return {
    body: {
      issuer: `${origin}/oidc`, authorization_endpoint: `${origin}/oidc/authorize`,
      token_endpoint: `${origin}/oidc/token`, jwks_uri: `${origin}/oidc/jwks`, response_types_supported: ['code'],
      token_endpoint_auth_methods_supported: ['private_key_jwt'],
      token_endpoint_auth_signing_alg_values_supported: ['PS256', 'ES256'],
    },
  }
  if (isToken(call)) return {
    body: {
      access_token: accessToken, token_type: 'Bearer', expires_in: 300,
      scope: `openid ${formOf(call)['scope'] ?? 'number-verification:verify'}`,
    },
  }
  if (isVerify(call)) return { body: { devicePhoneNumberVerified: true } }
  if (isSend(call)) return { body: { authenticationId } }
  if (isValidate(call)) return { status: 204, body: '' }
  if (isSwap(call)) return { body: { swapped: false } }
  return { status: 404 }
}

/** Answers the calls of one kind with this; everything else normally. */
export const say = (isAnswered: (call: Call) => boolean, answer: Answer) => (call: Call): Answer | null =>
  isAnswered(call) ? answer : null
export const denied = (reason: string) => ({ verdict: 'denied', reason }) as Contract['bad'][number]['ends']
export const failed = (reason: string, retryable = false) => ({ failed: reason, retryable })

type Owner = Parameters<typeof openIo>[0]

export const open = (t: Owner, vendor: Pick<Vendor, 'origin'>, more: Record<string, string> = {}) =>
  openAdapter(camara, { ...settings(vendor), ...more }, openIo(t))

export const attempt = anAttempt({ method: 'camara.number_verification', phoneNumber, redirectUrl, redirectKey })
export const smsAttempt = anAttempt({ method: 'camara.sms', phoneNumber })
export const noRepeat = { repeated: false }
/** The ending of these statuses: what the operator of the gateway has set up is wrong. */
export const misconfigured = (...statuses: number[]) => (status: number) =>
  statuses.includes(status) ? failed('provider_misconfigured') : null
