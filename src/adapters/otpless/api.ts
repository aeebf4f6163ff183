import type { Assurance } from '../../core/assurance.ts'
import type { Reason } from '../../core/reasons.ts'
import type { Json } from '../../core/vocabulary.ts'
import type { AttemptContext, Http, Outcome, ProviderAnswer, Started } from '../adapter.ts'
import { membersOf } from '../message.ts'
import { deny, refusal } from '../refusal.ts'
import { assuranceOfIdentity } from './assurance.ts'
import { alreadyVerified, isOfCarrier, provider, readErrorCode, readEvidenceError } from './errors.ts'
import { isIdToken, type IdTokens } from './id-token.ts'
import type { Asked, Proof } from './identities.ts'
import type { Flow } from './methods.ts'
import {
  isOwnLink, judgeCode, judgeOtp, judgeStatus, judgeToken, readInitiated, readRequestIds, readToken,
} from './wire.ts'

/** Requests to OTPLESS. Each throws `ProviderError`. */

const minExpirySeconds = 30
const maxExpirySeconds = 86_400
/** OTPLESS documents every 2 to 3 seconds. */
export const pollMs = 3000

type Call = { repeated: boolean }

export type Api = {
  /** The first request of an attempt, or a later one that sends the message again. */
  initiate (flow: Flow, attempt: AttemptContext): Promise<Started>
  checkOtp (attempt: AttemptContext, code: string, call: Call): Promise<Outcome>
  /** `canBeTyped`: the user may have mistyped the code, and can try again. */
  exchangeCode (attempt: AttemptContext, code: string, call: Call & { canBeTyped: boolean }): Promise<Outcome>
  /** `announcedId`: the request that a webhook named, for the case that the answer to our own request was lost. */
  readStatus (attempt: AttemptContext, announcedId?: string): Promise<Outcome>
  /** `token`: the reference token of the SDK, or an id token that contains one. */
  exchangeToken (attempt: AttemptContext, token: string): Promise<Outcome>
}

export type ApiParts = {
  authUrl: string, userAuthUrl: string, clientId: string, clientSecret: string
  /** Null without an app id, which id tokens name. */
  idTokens: IdTokens | null
  http: Http, now: () => number, allowInsecure: boolean
}

const denied = (reason: Reason): Outcome => ({ verdict: 'denied', reason })

export function createApi (parts: ApiParts): Api {
  const { authUrl, userAuthUrl, idTokens, now } = parts
  const { post, get } = createRequests(parts)
  const askedOf = ({ phoneNumber, startedAt }: AttemptContext): Asked => ({ phoneNumber, startedAt, now: now() })

  async function conclude (
    call: string, answer: ProviderAnswer, judged: Proof | Reason, assurance?: Assurance,
  ): Promise<Outcome> {
    if (typeof judged === 'string') {
      return deny(provider, call, judged, answer, { isCarrierFault: isOfCarrier(answer.body) })
    }
    const { phoneNumber, signals, profile } = judged
    const { idToken, userDetails } = membersOf(answer.body)
    if (await idTokens?.contradicts(idToken ?? membersOf(userDetails).idToken, phoneNumber) === true) {
      throw refusal(provider, call, 'provider_bad_response', answer)
    }
    return {
      verdict: 'proven', phoneNumber, signals,
      ...profile === undefined ? {} : { profile }, ...assurance === undefined ? {} : { assurance },
    }
  }

  async function readStatus (attempt: AttemptContext, announcedId = ''): Promise<Outcome> {
    const [requestId = announcedId] = readRequestIds(attempt.state) ?? []
    if (requestId === '') return denied('evidence_invalid')
    const call = 'status'
    const url = `${authUrl}/auth/v1/status`
    const posted = await post(call, url, { requestId })
    const isElsewhere = [404, 405].includes(posted.status) && readErrorCode(posted.body) === null
    // The pages about silent checks name both verbs.
    const answer = isElsewhere ? await get(call, `${url}?${new URLSearchParams({ requestId })}`) : posted
    const judged = judgeStatus(answer.status, answer.body, requestId, askedOf(attempt))
    return judged === 'pending' ? { verdict: 'pending', retryAfterMs: pollMs } : conclude(call, answer, judged)
  }

  return {
    initiate: (flow, attempt) => initiate(parts, post, flow, attempt),

    async checkOtp ({ phoneNumber, state }, code, { repeated }) {
      // Only the code of the last message is valid.
      const [requestId] = readRequestIds(state) ?? []
      if (requestId === undefined || phoneNumber === null) return denied('evidence_invalid')
      if (!/^\d{1,10}$/.test(code)) return { verdict: 'incorrect' }
      const call = 'verify otp'
      const answer = await post(call, `${authUrl}/auth/v1/verify/otp`, { requestId, otp: code })
      // The answer names no number: the code proves the number that it was sent to.
      const verdict = judgeOtp(answer.status, answer.body, requestId, repeated)
      if (verdict === 'correct') return { verdict: 'proven', phoneNumber }
      return verdict === 'incorrect' ? { verdict: 'incorrect' } : deny(provider, call, verdict, answer)
    },

    async exchangeCode (attempt, code, { repeated, canBeTyped }) {
      const requestIds = readRequestIds(attempt.state)
      if (requestIds === null) return denied('evidence_invalid')
      const call = 'verify code'
      const answer = await post(call, `${authUrl}/auth/v1/verify/code`, { code })
      // The answer to our first try was lost; the status of the request has the same content.
      if (repeated && readErrorCode(answer.body) === alreadyVerified) return readStatus(attempt)
      const isUnknown = readEvidenceError(answer.status, answer.body) === 'evidence_invalid'
      if (canBeTyped && isUnknown) return { verdict: 'incorrect' }
      return conclude(call, answer, judgeCode(answer.status, answer.body, requestIds, askedOf(attempt)))
    },

    readStatus,

    async exchangeToken (attempt, token) {
      const claims = isIdToken(token) ? await idTokens?.read(token) ?? 'evidence_invalid' : { token }
      if (typeof claims === 'string') return denied(claims)
      const reference = readToken(claims)
      if (reference === null) return denied('evidence_invalid')
      const call = 'validate token'
      const answer = await post(call, `${userAuthUrl}/auth/v1/validate/token`, { token: reference })
      const judged = judgeToken(answer.status, answer.body, askedOf(attempt))
      return conclude(call, answer, judged, assuranceOfIdentity(judged))
    },
  }
}

type Requests = ReturnType<typeof createRequests>

function createRequests ({ clientId, clientSecret, http }: ApiParts) {
  const headers = { clientId, clientSecret, 'content-type': 'application/json' }
  const post = (call: string, url: string, body: Json): Promise<ProviderAnswer> =>
    http({ method: 'POST', url, call, headers, body: JSON.stringify(body) })
  const get = (call: string, url: string): Promise<ProviderAnswer> => http({ method: 'GET', url, call, headers })
  return { post, get }
}

async function initiate (
  { authUrl, userAuthUrl, now, allowInsecure }: ApiParts, post: Requests['post'],
  { path, request, action, hasLink = false, isPolled }: Flow, attempt: AttemptContext,
): Promise<Started> {
  const call = `initiate ${path.replace('_', ' ')}`
  const secondsLeft = Math.floor((attempt.expiresAt - now()) / 1000)
  const expiry = Math.min(Math.max(secondsLeft, minExpirySeconds), maxExpirySeconds)
  const answer = await post(call, `${authUrl}/auth/v1/initiate/${path}`, request(attempt, expiry))
  const initiated = readInitiated(answer.status, answer.body)
  if (typeof initiated === 'string') {
    throw refusal(provider, call, initiated, answer, { isCarrierFault: isOfCarrier(answer.body) })
  }
  const { requestId, link } = initiated
  const url = link !== null && isOwnLink(link, [authUrl, userAuthUrl], allowInsecure) ? link : ''
  if (hasLink && url === '') throw refusal(provider, call, 'provider_bad_response', answer)
  return {
    id: requestId,
    state: { requestIds: [requestId, ...readRequestIds(attempt.state) ?? []] },
    action: action(attempt.options, url),
    ...isPolled?.(attempt.options) === true ? { poll: { afterMs: pollMs } } : {},
  }
}
