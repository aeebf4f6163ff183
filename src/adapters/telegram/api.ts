import type { Json } from '../../core/vocabulary.ts'
import type { AttemptContext, Http, Outcome, ProviderAnswer, Started } from '../adapter.ts'
import { deny, refusal } from '../refusal.ts'
import {
  judgeCheck, readErrorWord, readSent, reasonOf, startReasonOf, unknownRequest, type Asked,
} from './wire.ts'

/** Requests to Telegram Gateway. Each throws `ProviderError`. */

export const provider = 'telegram'
const codeLength = 6
const [minTtlSeconds, maxTtlSeconds] = [30, 3600]
const maxCallbackUrl = 256

export type ApiParts = {
  origin: string, token: string
  /** Username of the channel that codes come from; null: Telegram's own. */
  sender: string | null
  http: Http, now: () => number, allowInsecure: boolean
}

export type Api = {
  send (attempt: AttemptContext): Promise<Started>
  check (asked: Omit<Asked, 'now'>): Promise<Outcome>
  /** Takes the message away, unless it was delivered or read. */
  revoke (requestId: string): Promise<void>
  /** Asks for the status of a request that does not exist: free of charge, and refused when the token is bad. */
  probe (): Promise<void>
}

export function createApi ({ origin, token, sender, http, now, allowInsecure }: ApiParts): Api {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }

  const ask = (call: string, method: string, body: { [name: string]: Json }): Promise<ProviderAnswer> =>
    http({ method: 'POST', url: `${origin}/${method}`, call, headers, body: JSON.stringify(body) })

  /** Sends a request about a message that Telegram may not know. */
  async function askAbout (call: string, method: string, requestId: string): Promise<void> {
    const answer = await ask(call, method, { request_id: requestId })
    const word = readErrorWord(answer.status, answer.body)
    if (word !== null && word !== unknownRequest) throw refusal(provider, call, reasonOf(word), answer)
  }

  /** Telegram calls https URLs of at most 256 bytes. Without a URL, only the receipts are missing. */
  const reportTo = (url: string): { callback_url?: string } =>
    url.length <= maxCallbackUrl && (allowInsecure || url.startsWith('https:')) ? { callback_url: url } : {}

  /** Telegram refunds a message that was not delivered by the end of the attempt. */
  function ttlOf ({ expiresAt }: AttemptContext): number {
    const seconds = Math.ceil((expiresAt - now()) / 1000)
    return Math.min(Math.max(seconds, minTtlSeconds), maxTtlSeconds)
  }

  return {
    async send (attempt) {
      const call = 'send message'
      const answer = await ask(call, 'sendVerificationMessage', {
        phone_number: attempt.phoneNumber, code_length: codeLength, ttl: ttlOf(attempt),
        ...reportTo(attempt.callbackUrl), ...sender === null ? {} : { sender_username: sender },
      })
      const word = readErrorWord(answer.status, answer.body)
      const sent = word === null ? readSent(answer.body) : startReasonOf(word)
      if (sent === null || typeof sent === 'string') {
        throw refusal(provider, call, sent ?? 'provider_bad_response', answer)
      }
      const { requestId, cost, balance } = sent
      return {
        id: requestId, state: { requestId },
        action: { type: 'submitCode', length: codeLength, channels: ['TELEGRAM'] },
        ...cost === null ? {} : { cost }, ...balance === null ? {} : { balance },
      }
    },

    async check (asked) {
      const call = 'check code'
      const answer = await ask(call, 'checkVerificationStatus', { request_id: asked.requestId, code: asked.code })
      const judged = judgeCheck(answer.status, answer.body, { ...asked, now: now() })
      if (judged === 'incorrect') return { verdict: 'incorrect' }
      return typeof judged === 'string' ? deny(provider, call, judged, answer) : { verdict: 'proven', ...judged }
    },

    revoke: requestId => askAbout('revoke message', 'revokeVerificationMessage', requestId),
    probe: () => askAbout('probe', 'checkVerificationStatus', 'verigate-check'),
  }
}
