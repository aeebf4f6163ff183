import { Type } from 'typebox'
import { foldCode } from '../../core/typed-code.ts'
import type { Adapter, AdapterIo, Provider, Settings } from '../adapter.ts'
import { credential, readCredential, readOrigin, setting } from '../settings.ts'
import { createApi } from './api.ts'
import { provider } from './errors.ts'
import { methods, silentMethod, wantsToken } from './methods.ts'
import { isEmpty, isToken, readCode, readSid } from './wire.ts'

// https://www.twilio.com/docs/verify/api
const defaultUrl = 'https://verify.twilio.com'
const awaitingTokenMs = 3000

const settings = Type.Object({
  TWILIO_API_KEY: credential(
    'SID of an API key (`SK…`), or of the account (`AC…`). Enables the provider together with the secret and the '
      + 'service.',
  ),
  TWILIO_API_SECRET: credential('Secret of the API key; the auth token with the SID of the account.'),
  TWILIO_SERVICE_SID: credential('SID of the Verify service, which begins with `VA`.'),
  TWILIO_API_URL: setting(`Origin of the API (${defaultUrl}).`),
})

export const twilio: Provider<typeof settings> = { provider, settings, open }

function readSidOf (name: string, value: string | undefined, pattern: RegExp): string {
  const text = readCredential(name, value)
  if (!pattern.test(text)) throw new Error(`${name} must be a SID of Twilio of the right kind`)
  return text
}

function open (env: Settings, io: AdapterIo): Adapter | null {
  if (!env.TWILIO_API_KEY && !env.TWILIO_API_SECRET && !env.TWILIO_SERVICE_SID) return null
  const { allowInsecure } = io
  const apiKey = readSidOf('TWILIO_API_KEY', env.TWILIO_API_KEY, /^(SK|AC)[0-9a-fA-F]{32}$/)
  const apiSecret = readCredential('TWILIO_API_SECRET', env.TWILIO_API_SECRET)
  const serviceSid = readSidOf('TWILIO_SERVICE_SID', env.TWILIO_SERVICE_SID, /^VA[0-9a-fA-F]{32}$/)
  const origin = readOrigin('TWILIO_API_URL', env.TWILIO_API_URL || defaultUrl, allowInsecure)
  const http = io.openHttp(provider, [new URL(origin).host])
  const api = createApi({ origin, serviceSid, apiKey, apiSecret, http, allowInsecure })

  return {
    provider,
    methods,
    probes: { credentials: api.readService },
    start: api.start,
    /** Twilio sends the same code again, and may give the verification another sid. */
    resend: api.start,

    async cancel ({ state }) {
      const sid = readSid(state)
      if (sid !== null) await api.cancel(sid)
    },

    async resolve (attempt, evidence, { repeated }) {
      const { method, options, state } = attempt
      const sid = readSid(state)
      const code = readCode(evidence)
      const isSilent = method === silentMethod
      const isKnown = code !== null || (isSilent && isEmpty(evidence))
      if (sid === null || !isKnown) return { verdict: 'denied', reason: 'evidence_invalid' }
      if (isSilent && !wantsToken(options)) return api.checkSilently(attempt, sid, null, repeated)
      if (isSilent) {
        // Anyone can open the URL; only the token shows that the phone of this front end did.
        if (code === null) return { verdict: 'pending', retryAfterMs: awaitingTokenMs }
        return isToken(code)
          ? api.checkSilently(attempt, sid, code, repeated) : { verdict: 'denied', reason: 'evidence_invalid' }
      }
      const digits = foldCode(code ?? '')
      return /^\d{4,10}$/.test(digits) ? api.checkCode(attempt, sid, digits, repeated) : { verdict: 'incorrect' }
    },
  }
}
