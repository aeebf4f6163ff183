import { createHash, createHmac, generateKeyPairSync } from 'node:crypto'
import type { Callback } from '../../../src/adapters/adapter.ts'
import type { Answer, Call, Vendor } from '../../../src/conformance/index.ts'

// The messages of https://developer.vonage.com/en/api/verify.v2

export const phoneNumber = '+447700900000'
export const requestId = 'c11236f4-00bf-4b89-84ba-88b25df97315'
export const applicationId = '78d335fa-323d-0114-9c3d-d6f0d48968cf'
export const code = 'si9sfG'
export const secret = 'a-signature-secret-of-at-least-32-bytes'
export const keys = generateKeyPairSync('rsa', { modulusLength: 2048 })
export const privateKey = keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
export const secrets = [secret, requestId, applicationId]

export const settings = ({ origin }: Pick<Vendor, 'origin'>) => ({
  VONAGE_APPLICATION_ID: applicationId, VONAGE_PRIVATE_KEY: privateKey, VONAGE_SIGNATURE_SECRET: secret,
  VONAGE_API_URL: origin, VONAGE_BRAND: 'ACME', VONAGE_WHATSAPP_FROM: '+447700400080',
})

export const isCreate = ({ method, path }: Call): boolean => method === 'POST' && path === '/v2/verify'
export const isCheck = ({ method, path }: Call): boolean => method === 'POST' && path === `/v2/verify/${requestId}`
export const isCancel = ({ method, path }: Call): boolean => method === 'DELETE' && path === `/v2/verify/${requestId}`

export const checkUrlAt = ({ origin }: Pick<Vendor, 'origin'>): string =>
  `${origin}/v2/verify/cfbc9a3b-27a2-40d4-a4e0-0c59b3b41901/silent-auth/redirect`

export function answerWell (vendor: Vendor, call: Call): Answer {
  if (isCreate(call)) {
    const { workflow: [first] } = call.body as { workflow: [{ channel: string }] }
    const isSilent = first.channel === 'silent_auth'
    return { status: 202, body: { request_id: requestId, ...isSilent ? { check_url: checkUrlAt(vendor) } : {} } }
  }
  if (isCheck(call)) return { body: { request_id: requestId, status: 'completed' } }
  return isCancel(call) ? { status: 204, body: '' } : { status: 404 }
}

/** An error in Vonage's form. `word`: the fragment of its type. */
export const problem = (status: number, word: string, more: object = {}): Answer => ({
  status, body: {
    title: 'Error', type: `https://developer.vonage.com/en/api-errors/verify-v2#${word}`, detail: 'It is an error.',
    instance: '738f9313-418a-4259-9b0d-6670f06fa82d', ...more,
  },
})

const at = '2026-01-01T14:00:00.000Z'
export const finalizedAt = Date.parse(at)
export const event = (channel: string, status: string, more: object = {}) => ({
  request_id: requestId, triggered_at: at, finalized_at: at, type: 'event', channel, status, ...more,
})

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** A webhook as Vonage signs it. `claims` replaces claims, `header` members of the token's header. */
export function sign (
  body: unknown, { key = secret, claims = {}, header = {} }: { key?: string, claims?: object, header?: object } = {},
): Partial<Callback> {
  const text = JSON.stringify(body)
  const unsigned = [encode({ alg: 'HS256', typ: 'JWT', ...header }), encode({
    iss: 'Vonage', iat: Math.floor(Date.now() / 1000), jti: 'c5ba8f24-1a14-4c10-bfdf-3fbe8ce511b5', api_key: 'abcd1234',
    application_id: applicationId, payload_hash: createHash('sha256').update(text).digest('hex'), ...claims,
  })].join('.')
  const signature = createHmac('sha256', key).update(unsigned).digest('base64url')
  return { body, rawBody: Buffer.from(text), headers: { authorization: `Bearer ${unsigned}.${signature}` } }
}
