import type { Json } from '../../core/vocabulary.ts'
import {
  deny, refusal, reportedStatus, type AttemptContext, type Http, type Outcome, type ProviderAnswer, type Started,
} from '../adapter.ts'
import { judgeToken } from './token.ts'
import { judgeOtp, readCode, readRequestId, readStarted, readToken, writeMetadata } from './wire.ts'

/** Requests to OTPLESS. All of them throw `ProviderError`. */

export const provider = 'otpless'
const minExpirySeconds = 30
const maxExpirySeconds = 86_400

export type OtpOptions = { channels: string[], codeLength: number }

export type Api = {
  sendOtp (attempt: AttemptContext, options: OtpOptions): Promise<Started>
  /** `repeated`: the same code may have been submitted before. */
  checkOtp (attempt: AttemptContext, evidence: Json, repeated: boolean): Promise<Outcome>
  exchangeToken (attempt: AttemptContext, evidence: Json): Promise<Outcome>
}

export type ApiParts = {
  authUrl: string, userAuthUrl: string, clientId: string, clientSecret: string, http: Http, now: () => number
}

export function createApi ({ authUrl, userAuthUrl, clientId, clientSecret, http, now }: ApiParts): Api {
  function post (call: string, url: string, body: Json): Promise<ProviderAnswer> {
    const headers = { clientId, clientSecret, 'content-type': 'application/json' }
    return http({ method: 'POST', url, call, headers, body: JSON.stringify(body) })
  }

  return {
    async sendOtp ({ phoneNumber, expiresAt, callbackKey }, { channels, codeLength }) {
      if (phoneNumber === null) throw new Error('otpless.otp needs a phone number')
      const call = 'initiate otp'
      const secondsLeft = Math.floor((expiresAt - now()) / 1000)
      const { status, body } = await post(call, `${authUrl}/auth/v1/initiate/otp`, {
        phoneNumber,
        channels,
        otpLength: codeLength,
        expiry: Math.min(Math.max(secondsLeft, minExpirySeconds), maxExpirySeconds),
        metadata: writeMetadata(callbackKey),
      })
      const started = readStarted(status, body)
      if (typeof started === 'string') throw refusal(provider, call, started, status)
      return { id: started.requestId, state: started, action: { type: 'submitCode', length: codeLength, channels } }
    },

    async checkOtp ({ phoneNumber, state }, evidence, repeated) {
      if (phoneNumber === null) throw new Error('otpless.otp needs a phone number')
      const requestId = readRequestId(state)
      const code = readCode(evidence)
      if (requestId === null || code === null) return { verdict: 'denied', reason: 'evidence_invalid' }
      if (!/^\d{1,10}$/.test(code)) return { verdict: 'incorrect' }
      const call = 'verify otp'
      const answer = await post(call, `${authUrl}/auth/v1/verify/otp`, { requestId, otp: code })
      // The answer names no number: the code proves the number that it was sent to.
      const verdict = judgeOtp(answer.status, answer.body, requestId, repeated)
      if (verdict === 'correct') return { verdict: 'proven', phoneNumber }
      return verdict === 'incorrect' ? { verdict: 'incorrect' } : deny(provider, call, verdict, reportedStatus(answer))
    },

    async exchangeToken ({ phoneNumber, startedAt }, evidence) {
      const token = readToken(evidence)
      if (token === null) return { verdict: 'denied', reason: 'evidence_invalid' }
      const call = 'validate token'
      const answer = await post(call, `${userAuthUrl}/auth/v1/validate/token`, { token })
      const judged = judgeToken(answer.status, answer.body, { phoneNumber, startedAt, now: now() })
      return typeof judged === 'string'
        ? deny(provider, call, judged, reportedStatus(answer))
        : { verdict: 'proven', ...judged }
    },
  }
}
