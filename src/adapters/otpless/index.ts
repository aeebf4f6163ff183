import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { Adapter, AdapterIo, AttemptContext, Method, Provider, Settings } from '../adapter.ts'
import { credential, readCredential, readOrigin, setting } from '../settings.ts'
import { createApi, provider, type OtpOptions } from './api.ts'
import { assuranceOfOtp } from './assurance.ts'
import { isSigned, readToken, readWebhook } from './wire.ts'

// https://otpless.com/docs/api-reference
const defaultAuthUrl = 'https://auth.otpless.app'
const defaultUserAuthUrl = 'https://user-auth.otpless.app'
const channels = ['WHATSAPP', 'SMS', 'VOICE_CALL', 'VIBER']
const defaultChannels = ['SMS']
const defaultCodeLength = 6

const settings = Type.Object({
  OTPLESS_CLIENT_ID: credential('Client id of the OTPLESS dashboard. Turns the provider on.'),
  OTPLESS_CLIENT_SECRET: credential('Client secret of the OTPLESS dashboard.'),
  OTPLESS_APP_ID: credential('App id of the OTPLESS front-end SDK (public). Without it there is no `otpless.token`.'),
  OTPLESS_AUTH_URL: setting(`Origin of the initiate and verify APIs (${defaultAuthUrl}).`),
  OTPLESS_USER_AUTH_URL: setting(`Origin of the token API (${defaultUserAuthUrl}).`),
  OTPLESS_WEBHOOK_SECRET: credential(
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
  // That of an account; the token says what it was.
  assurance: { possession: 'account', binding: 'session', restricted: false },
  timeoutMs: 300_000,
  options: Type.Object({}, { additionalProperties: false }),
  isRepeatable: true,
  sendsMessage: false,
  startsLocally: true,
  defaultRank: 5,
}
const otp: Method = {
  needsPhoneNumber: true,
  evidence: ['code'],
  nextActions: ['submitCode'],
  assurance: options => assuranceOfOtp(readOptions(options).channels),
  timeoutMs: 300_000,
  options: otpOptions,
  isRepeatable: false,
  sendsMessage: true,
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
  const appId = env.OTPLESS_APP_ID ? readCredential('OTPLESS_APP_ID', env.OTPLESS_APP_ID) : ''
  const authUrl = readOrigin('OTPLESS_AUTH_URL', env.OTPLESS_AUTH_URL || defaultAuthUrl, io.allowInsecure)
  const userAuthUrl = readOrigin(
    'OTPLESS_USER_AUTH_URL', env.OTPLESS_USER_AUTH_URL || defaultUserAuthUrl, io.allowInsecure,
  )
  const http = io.openHttp(provider, [new URL(authUrl).host, new URL(userAuthUrl).host])
  const api = createApi({ authUrl, userAuthUrl, clientId, clientSecret, http, now: io.now })

  return {
    provider,
    methods: { ...(appId === '' ? {} : { 'otpless.token': token }), 'otpless.otp': otp },

    async start (attempt) {
      if (attempt.method === 'otpless.otp') return api.sendOtp(attempt, readOptions(attempt.options))
      return { state: null, action: { type: 'submitToken', sdk: 'otpless', params: { appId } } }
    },

    /** A new request, which sends a new code; the first code is not valid any more. */
    resend: attempt => api.sendOtp(attempt, readOptions(attempt.options)),

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
      return attempt.method === 'otpless.otp'
        ? api.checkOtp(attempt, evidence, repeated)
        : api.exchangeToken(attempt, evidence)
    },
  }
}

function readOptions (options: Readonly<AttemptContext['options']>): OtpOptions {
  const { channels = defaultChannels, codeLength = defaultCodeLength } = knownOptions.Check(options) ? options : {}
  return { channels, codeLength }
}
