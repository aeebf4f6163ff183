import { ProviderError } from '../../core/errors.ts'
import type { Reason } from '../../core/reasons.ts'
import type { AttemptContext, Http, Outcome, ProviderAnswer, Started } from '../adapter.ts'
import { deny, refusal } from '../refusal.ts'
import { isLimitOfNumber, provider } from './errors.ts'
import { channelOf, readCodeLength, shownChannelOf, silentMethod, wantsToken } from './methods.ts'
import { judgeCheck, judgeSilentCheck, readCreated, readSilentUrl } from './wire.ts'

/** Requests to Twilio Verify. Each throws `ProviderError`. */

/** How long Twilio remembers a verification, unless its support has changed that for the service. */
const rememberedMs = 600_000
/** Twilio limits checks, so a silent one is not repeated sooner. */
const silentRetryMs = 3000

export type ApiParts = {
  origin: string, serviceSid: string, apiKey: string, apiSecret: string
  http: Http, allowInsecure: boolean
}
export type Api = ReturnType<typeof createApi>

function numberOf ({ method, phoneNumber }: AttemptContext): string {
  if (phoneNumber === null) throw new Error(`${method} needs a phone number`)
  return phoneNumber
}

/** A request about verifications, as a form; `reason`: what the limits of one number mean there. */
type Ask = (call: string, path: string, form: Record<string, string>, reason: Reason) => Promise<ProviderAnswer>

function createRequests ({ origin, serviceSid, apiKey, apiSecret, http }: ApiParts) {
  const url = `${origin}/v2/Services/${serviceSid}`
  const authorization = `Basic ${Buffer.from(`${apiKey}:${apiSecret}`).toString('base64')}`
  const headers = { authorization, 'content-type': 'application/x-www-form-urlencoded' }

  /** Twilio answers 429 to the limits of one number as well. */
  const ask: Ask = async (call, path, form, reason) => {
    try {
      const body = new URLSearchParams(form).toString()
      return await http({ method: 'POST', url: `${url}/${path}`, call, headers, body })
    } catch (error) {
      if (!(error instanceof ProviderError) || !isLimitOfNumber(error)) throw error
      const { status, vendor } = error
      throw new ProviderError(provider, call, reason, { status, vendor, isCarrierFault: true })
    }
  }

  const readService = (call: string): Promise<ProviderAnswer> =>
    http({ method: 'GET', url, call, headers: { authorization } })

  return { ask, readService }
}

/** Twilio answers 404 to a locale that it does not know, and recommends a request without it. */
async function create (
  ask: Ask, call: string, form: Record<string, string>, locale: string | null,
): Promise<ProviderAnswer> {
  const send = (more: Record<string, string>) => ask(call, 'Verifications', { ...form, ...more }, 'recently_tried')
  const answer = await send(locale === null ? {} : { Locale: locale })
  return answer.status === 404 && locale !== null ? send({}) : answer
}

export function createApi (parts: ApiParts) {
  const { allowInsecure } = parts
  const { ask, readService } = createRequests(parts)

  return {
    /** Sends a code, or makes the URL of a silent check. While one is open, Twilio sends the same code again. */
    async start (attempt: AttemptContext): Promise<Started> {
      const { method, options, locale } = attempt
      const channel = channelOf(method)
      const isSilent = method === silentMethod
      const hasToken = isSilent && wantsToken(options)
      const call = `start ${channel}`
      const answer = await create(ask, call, {
        To: numberOf(attempt), Channel: channel, ...hasToken ? { EnableSnaClientToken: 'true' } : {},
      }, isSilent ? null : locale)
      const created = readCreated(answer.status, answer.body, numberOf(attempt))
      if (typeof created === 'string') throw refusal(provider, call, created, answer)
      const started = { state: { sid: created.sid }, expiresInMs: rememberedMs }
      if (!isSilent) {
        const channels = [shownChannelOf(method)]
        return { ...started, action: { type: 'submitCode', length: readCodeLength(options), channels } }
      }
      const url = readSilentUrl(created.url, allowInsecure)
      if (url === null) throw refusal(provider, call, 'provider_bad_response', answer)
      return { ...started, action: { type: 'openUrlOnCellular', url, finish: hasToken ? 'code' : 'none' } }
    },

    async checkCode (attempt: AttemptContext, sid: string, code: string, repeated: boolean): Promise<Outcome> {
      const call = 'check code'
      const phoneNumber = numberOf(attempt)
      const form = { VerificationSid: sid, Code: code }
      const answer = await ask(call, 'VerificationCheck', form, 'code_attempts_exhausted').catch(readExhausted)
      if ('verdict' in answer) return answer
      const verdict = judgeCheck(answer.status, answer.body, { phoneNumber, sid, isSilent: false })
      if (verdict === 'proven') return { verdict, phoneNumber }
      return verdict === 'pending' ? { verdict: 'incorrect' } : denyCheck(call, verdict, answer, repeated)
    },

    /** `token`: what the phone received at the end of the URL; null: the check does not ask for one. */
    async checkSilently (
      attempt: AttemptContext, sid: string, token: string | null, repeated: boolean,
    ): Promise<Outcome> {
      const call = 'check sna'
      const phoneNumber = numberOf(attempt)
      const form = { VerificationSid: sid, ...token === null ? {} : { SnaClientToken: token } }
      const answer = await ask(call, 'VerificationCheck', form, 'provider_error')
      const asked = { phoneNumber, sid, isSilent: true }
      const verdict = judgeSilentCheck(answer.status, answer.body, asked, token !== null)
      if (verdict === 'proven') return { verdict, phoneNumber }
      return verdict === 'pending'
        ? { verdict, retryAfterMs: silentRetryMs }
        : denyCheck(call, verdict, answer, repeated)
    },

    /** Twilio answers 404 for a verification that has ended: nothing is left to cancel. */
    async cancel (sid: string): Promise<void> {
      const call = 'cancel'
      const answer = await ask(call, `Verifications/${sid}`, { Status: 'canceled' }, 'provider_error')
      const reason = answer.status === 401 ? 'provider_misconfigured' : 'provider_bad_response'
      if (answer.status >= 400 && answer.status !== 404) throw refusal(provider, call, reason, answer)
    },

    /** The service itself: free of charge, and found with valid credentials only. */
    async readService (): Promise<void> {
      const call = 'read service'
      const answer = await readService(call)
      if (answer.status >= 400) throw refusal(provider, call, 'provider_misconfigured', answer)
    },
  }
}

function readExhausted (error: unknown): Outcome {
  if (!(error instanceof ProviderError) || error.reason !== 'code_attempts_exhausted') throw error
  return { verdict: 'denied', reason: error.reason, vendor: error.vendor }
}

/**
 * Twilio does not find an approved verification any more. If the answer to an earlier try was lost, that try may have
 * been the approved one: the result is unknown, and the user is not at fault.
 */
function denyCheck (
  call: string, reason: Exclude<ReturnType<typeof judgeCheck>, 'proven' | 'pending'>, answer: ProviderAnswer,
  repeated: boolean,
): Outcome {
  if (repeated && answer.status === 404) throw refusal(provider, call, 'provider_timeout', answer)
  return deny(provider, call, reason, answer, { isCarrierFault: reason === 'provider_error' })
}
