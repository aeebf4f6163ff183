import { createHmac } from 'node:crypto'
import type { Callback } from '../../../src/adapters/adapter.ts'
import { otpless } from '../../../src/adapters/otpless/index.ts'
import type { CallbackRefusal } from '../../../src/core/vocabulary.ts'
import { callbackKey, type Answer, type Call, type Contract, type Vendor } from '../../../src/conformance/index.ts'

/** Settings, answers and webhooks as the documents of OTPLESS show them. */

export const phoneNumber = '+919999999999'
export const redirectUrl = 'https://verify.example/callbacks/otpless/key-1'
export const secrets = ['client-1', 'secret-1', 'webhook-1', 'TOKEN_VALUE', '123456', 'unique_request_id']
export const settings = ({ origin }: Vendor) => ({
  OTPLESS_CLIENT_ID: 'client-1',
  OTPLESS_CLIENT_SECRET: 'secret-1',
  OTPLESS_APP_ID: 'APP1',
  OTPLESS_AUTH_URL: origin,
  OTPLESS_USER_AUTH_URL: origin,
  OTPLESS_JWKS_URL: origin,
  OTPLESS_WEBHOOK_SECRET: 'webhook-1',
})
export const isInitiate = ({ path }: Call) => path.startsWith('/auth/v1/initiate/')
export const isVerify = ({ path }: Call) => path === '/auth/v1/verify/otp'
export const isValidate = ({ path }: Call) => path === '/auth/v1/validate/token'
export const isCode = ({ path }: Call) => path === '/auth/v1/verify/code'
export const isStatus = ({ path }: Call) => path.split('?')[0] === '/auth/v1/status'
export const verifiedAt = new Date().toISOString()
export const identity = {
  identityType: 'MOBILE', identityValue: '919999999999', channel: 'OAUTH', methods: ['TRUE_CALLER'], verified: true,
  verifiedAt,
}
export const success = { token: 'TOKEN_VALUE', status: 'SUCCESS', userId: 'U', timestamp: verifiedAt }
/** The user as the calls with epoch times describe them. */
export const completedAt = Date.parse(verifiedAt)
export const signedUp = (channel: string, methods: string[], more: object = {}) => ({
  identityType: 'MOBILE', identityValue: '919999999999', channel, methods, verified: true,
  verifiedTimestamp: completedAt, ...more,
})
export const ofUser = (user: object, more: object = {}) =>
  ({ token: 'tokenvalue', status: 'SUCCESS', completedAt, identities: [user], ...more })
export const userDetails = ofUser(signedUp('MAGIC_LINK', ['SMS']), { network: { ip: '192.168.0.1' } })
export const verifiedCode = (more: object = {}) =>
  ({ requestId: 'unique_request_id', message: 'Code verified successfully', userDetails, ...more })
export const phoneDetail = { operator: 'JIO', countryCode: '91', country: 'IN', timeZones: ['Asia/Calcutta'] }
export function answerWell (vendor: Vendor, call: Call): Answer {
  if (call.path === '/auth/v1/initiate/oauth') return {
    body: { requestId: 'unique_request_id', link: `${vendor.origin}/e3r3` },
  }
  if (call.path === '/auth/v1/initiate/sna') return {
    body: {
      requestId: 'unique_request_id', status: 'INIT', link: `${vendor.origin}/sna/continue/1`, operator: 'JIO',
      phoneDetail, simDetail: { operator: 'JIO', mcc: 404, mnc: 10 },
    },
  }
  if (isInitiate(call)) return { body: { requestId: 'unique_request_id' } }
  if (isCode(call)) return { body: verifiedCode() }
  if (isStatus(call)) return { body: ofUser(signedUp('VOICE_APPROVAL', ['VOICE_CALL'])) }
  if (isVerify(call)) return {
    body: { requestId: 'unique_request_id', isOTPVerified: true, message: 'OTP verified successfully' },
  }
  return { body: { ...success, identities: [identity], network: { ip: '103.246.62.146' } } }
}
export const denied = (reason: string) => ({ verdict: 'denied', reason }) as Contract['bad'][number]['ends']
export const refuse = (status: number, errorCode?: string) => (call: Call): Answer | null => {
  return isInitiate(call) ? null : { status, body: { message: 'No', errorCode } }
}
/** A webhook as OTPLESS signs it, with the metadata that we gave it. */
export function webhook (body: unknown, secret = 'webhook-1'): Pick<Callback, 'headers' | 'rawBody' | 'body'> {
  const rawBody = Buffer.from(JSON.stringify(body))
  return { headers: { 'x-signature': createHmac('sha256', secret).update(rawBody).digest('base64') }, rawBody, body }
}
export const metaData = { verigate: callbackKey }
export const delivered = (more: object = { metaData }) => ({
  data: {
    requestId: 'unique_request_id', authSessionId: 'unique_auth_session_id', traceId: 'unique_trace_id',
    status: 'DELIVERED', channel: 'SMS',
    identity: '919999999999', ...more,
  },
  eventType: 'DLR', timestamp: 1734513816000,
})
export const signedIn = {
  data: {
    authSessionId: 'unique_auth_session_id', traceId: 'unique_trace_id', token: 'unique_token', status: 'SUCCESS',
    metaData,
    authenticationDetails: {
      phone: {
        requestId: 'unique_request_id', method: 'SILENT_AUTH', channel: ['SILENT_AUTH'], phoneNumber: '9999999999',
        countryCode: '+91',
      }, email: {},
    },
  },
  eventType: 'AUTH', timestamp: 1734513827,
}
export const noted = (key: string) => ({ key, type: 'noted' }) as const
export const at = 1734513816000
export const receipt = { type: 'delivery', delivery: { status: 'delivered', channel: 'sms', at } } as const
export const asked = { type: 'evidence', evidence: { webhook: true, requestId: 'unique_request_id' } } as const
export const byId = { providerId: 'unique_request_id' }
export const refused = (cause: CallbackRefusal) => ({ type: 'refused', cause }) as const
export const callbacks: NonNullable<Contract['callbacks']> = [
  { callback: webhook(delivered()), received: { key: callbackKey, ...receipt } },
  { callback: webhook(delivered({ metadata: metaData })), received: { key: callbackKey, ...receipt } },
  { callback: webhook(signedIn), received: { key: callbackKey, ...asked } },
  { callback: webhook(delivered({ metaData: {} })), received: { ...byId, ...receipt } },
  { callback: webhook({ ...signedIn, data: { ...signedIn.data, metaData: {} } }), received: { ...byId, ...asked } },
  { callback: webhook(delivered({ metaData: { verigate: {} } })), received: { ...byId, ...receipt } },
  { callback: webhook(delivered({ metaData: null, metadata: metaData })), received: { key: callbackKey, ...receipt } },
  {
    callback: webhook({ ...signedIn, data: { ...signedIn.data, status: 'INITIATED' } }), received: noted(callbackKey),
  },
  { callback: webhook({ status: 'DELIVERED', data: { referenceId: 'r' } }), received: noted('') },
  { callback: webhook({ eventType: null, data: null }), received: noted('') },
  { callback: webhook([]), received: null },
  { callback: webhook(null), received: null },
  { callback: { ...webhook(delivered()), headers: {} }, received: refused('signature_missing') },
  { callback: { ...webhook(delivered()), headers: { 'x-signature': '' } }, received: refused('signature_invalid') },
  {
    callback: { ...webhook(delivered()), headers: { 'x-signature': 'short' } }, received: refused('signature_invalid'),
  },
  {
    callback: { ...webhook(delivered()), headers: { 'x-signature': 'é'.repeat(22) } },
    received: refused('signature_invalid'),
  },
  { callback: webhook(delivered(), 'webhook-2'), received: refused('signature_invalid') },
  { callback: webhook(delivered(), ''), received: refused('signature_invalid') },
]
export const misconfigured = { failed: 'provider_misconfigured', retryable: false }

export const common = { provider: otpless, settings, secrets: [...secrets, '1234abcd'], callbacks, sign: webhook }
