import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import {
  deny, refusal, type Adapter, type AdapterIo, type AttemptContext, type Method, type Outcome, type Provider,
  type ProviderAnswer, type Settings, type Started,
} from '../adapter.ts'
import { readOrigin, setting } from '../settings.ts'
import {
  isSigned, judgeOtp, judgeToken, readCode, readRefusal, readRequestId, readStarted, readStartRefusal, readToken,
  readWebhook, writeMetadata,
} from './wire.ts'
import type { Json } from '../../core/vocabulary.ts'

// https://otpless.com/docs/api-reference
const provider = 'otpless'
const defaultAuthUrl = 'https://auth.otpless.app'
const defaultUserAuthUrl = 'https://user-auth.otpless.app'
const channels = ['WHATSAPP', 'SMS', 'VOICE_CALL', 'VIBER']
const defaultChannels = ['SMS']
const defaultCodeLength = 6
const minExpirySeconds = 30
const maxExpirySeconds = 86_400

const settings = Type.Object({
  OTPLESS_CLIENT_ID: setting('Client id of the OTPLESS dashboard. Turns the provider on.'),
  OTPLESS_CLIENT_SECRET: setting('Client secret of the OTPLESS dashboard.'),
  OTPLESS_APP_ID: setting('App id of the OTPLESS front-end SDK (public). Without it there is no `otpless.token`.'),
  OTPLESS_AUTH_URL: setting(`Origin of the initiate and verify APIs (${defaultAuthUrl}).`),
  OTPLESS_USER_AUTH_URL: setting(`Origin of the token API (${defaultUserAuthUrl}).`),
  OTPLESS_WEBHOOK_SECRET: setting(
    'Secret with which OTPLESS signs its webhooks. Without it they are counted, and change nothing.',
  ),
})

const otpOptions = Type.Object({
  channels: Type.Optional(
    Type.Array(Type.Enum(channels), { minItems: 1, maxItems: channels.length, uniqueItems: true }),
  ),
  codeLength: Type.Optional(Type.Union([Type.Literal(4), Type.Literal(6)])),
}, { additionalProperties: false })
const knownOptions = Compile(otpOptions)

const token: Method = {
  needsPhoneNumber: false,
  evidence: ['token'],
  nextActions: ['submitToken'],
  timeoutMs: 300_000,
  options: Type.Object({}, { additionalProperties: false }),
  isRepeatable: true,
  startsLocally: true,
  defaultRank: 5,
}
const otp: Method = {
  needsPhoneNumber: true,
  evidence: ['code'],
  nextActions: ['submitCode'],
  timeoutMs: 300_000,
  options: otpOptions,
  isRepeatable: false,
  defaultRank: 3,
  resend: { afterMs: 30_000, times: 2 },
  codeAttempts: 5,
}

export const otpless: Provider<typeof settings> = { provider, settings, open }

function open (env: Settings, io: AdapterIo): Adapter | null {
  if (!env.OTPLESS_CLIENT_ID && !env.OTPLESS_CLIENT_SECRET) return null
  const clientId = readCredential('OTPLESS_CLIENT_ID', env.OTPLESS_CLIENT_ID)
  const clientSecret = readCredential('OTPLESS_CLIENT_SECRET', env.OTPLESS_CLIENT_SECRET)
  const webhookSecret = env.OTPLESS_WEBHOOK_SECRET || null
  const appId = env.OTPLESS_APP_ID ?? ''
  const authUrl = readOrigin('OTPLESS_AUTH_URL', env.OTPLESS_AUTH_URL || defaultAuthUrl, io.allowInsecure)
  const userAuthUrl = readOrigin(
    'OTPLESS_USER_AUTH_URL', env.OTPLESS_USER_AUTH_URL || defaultUserAuthUrl, io.allowInsecure,
  )
  const http = io.openHttp(provider, [new URL(authUrl).host, new URL(userAuthUrl).host])

  function post (call: string, url: string, body: Json): Promise<ProviderAnswer> {
    const headers = { clientId, clientSecret, 'content-type': 'application/json' }
    return http({ method: 'POST', url, call, headers, body: JSON.stringify(body) })
  }

  async function sendOtp (attempt: AttemptContext): Promise<Started> {
    if (attempt.phoneNumber === null) throw new Error('otpless.otp needs a phone number')
    const call = 'initiate otp'
    const options = knownOptions.Check(attempt.options) ? attempt.options : {}
    const chosen = options.channels ?? defaultChannels
    const length = options.codeLength ?? defaultCodeLength
    const secondsLeft = Math.floor((attempt.expiresAt - io.now()) / 1000)
    const { status, body } = await post(call, `${authUrl}/auth/v1/initiate/otp`, {
      phoneNumber: attempt.phoneNumber,
      channels: chosen,
      otpLength: length,
      expiry: Math.min(Math.max(secondsLeft, minExpirySeconds), maxExpirySeconds),
      metadata: writeMetadata(attempt.callbackKey),
    })
    if (status >= 400) throw refusal(provider, call, readStartRefusal(body), status)
    const requestId = readStarted(body)
    if (requestId === null) throw refusal(provider, call, 'provider_bad_response', status)
    return { id: requestId, state: { requestId }, action: { type: 'submitCode', length, channels: chosen } }
  }

  async function checkOtp (
    { phoneNumber, state }: AttemptContext, evidence: Json, repeated: boolean,
  ): Promise<Outcome> {
    if (phoneNumber === null) throw new Error('otpless.otp needs a phone number')
    const requestId = readRequestId(state)
    const code = readCode(evidence)
    if (requestId === null || code === null) return { verdict: 'denied', reason: 'evidence_invalid' }
    if (!/^\d{1,10}$/.test(code)) return { verdict: 'incorrect' }
    const call = 'verify otp'
    const { status, body } = await post(call, `${authUrl}/auth/v1/verify/otp`, { requestId, otp: code })
    // The answer names no number: the code proves the number that it was sent to.
    const verdict = judgeOtp(status, body, requestId, repeated)
    if (verdict === 'correct') return { verdict: 'proven', phoneNumber }
    return verdict === 'incorrect' ? { verdict: 'incorrect' } : deny(provider, call, verdict, status)
  }

  async function exchangeToken ({ phoneNumber }: AttemptContext, evidence: Json): Promise<Outcome> {
    const given = readToken(evidence)
    if (given === null) return { verdict: 'denied', reason: 'evidence_invalid' }
    const call = 'validate token'
    const { status, body } = await post(call, `${userAuthUrl}/auth/v1/validate/token`, { token: given })
    const judged = status >= 400 ? readRefusal(body) : judgeToken(body, phoneNumber)
    return typeof judged === 'string' ? deny(provider, call, judged, status) : { verdict: 'proven', ...judged }
  }

  return {
    provider,
    methods: { ...(appId === '' ? {} : { 'otpless.token': token }), 'otpless.otp': otp },

    async start (attempt) {
      if (attempt.method === 'otpless.otp') return sendOtp(attempt)
      return { state: null, action: { type: 'submitToken', sdk: 'otpless', params: { appId } } }
    },

    /** A new request, which sends a new code; the first code is not valid any more. */
    resend: sendOtp,

    receive ({ headers: { 'x-signature': signature }, rawBody, body }) {
      if (webhookSecret === null) return { type: 'refused', cause: 'secret_not_set' }
      if (typeof signature !== 'string') return { type: 'refused', cause: 'signature_missing' }
      if (!isSigned(rawBody, signature, webhookSecret)) return { type: 'refused', cause: 'signature_invalid' }
      const key = readWebhook(body)
      // Delivery proves nothing, and the user's token or code says who signed in.
      return key === null ? null : { key, type: 'noted' }
    },

    /**
     * How OTPLESS answers to a token that it has validated before is not documented. A code is checked against the
     * request that sent it.
     */
    singleUse: ({ method }, evidence) => method === 'otpless.token' ? readToken(evidence) : null,

    async resolve (attempt, evidence, { repeated }) {
      return attempt.method === 'otpless.otp' ? checkOtp(attempt, evidence, repeated) : exchangeToken(attempt, evidence)
    },
  }
}

function readCredential (name: string, value: string | undefined): string {
  if (!value) throw new Error(`${name} is missing`)
  if (!/^[\x21-\x7e]+$/.test(value)) throw new Error(`${name} must be visible ASCII characters`)
  return value
}
