import { IsIPv4, IsIPv6 } from 'typebox/format'
import { ProviderError } from '../../core/errors.ts'
import type { CallbackRefusal } from '../../core/vocabulary.ts'
import {
  refusal, reportedStatus, type AttemptContext, type Http, type ProviderAnswer, type ProviderRequest,
} from '../adapter.ts'
import { createCached } from '../cached.ts'
import { findKeys, readKeys, type Key, type Signed } from './signature.ts'
import {
  isOfCarrier, judgeExchange, judgeQuery, readCreated, readToken, type Check, type CreatedCheck, type Verdict,
  type Version,
} from './wire.ts'

/** Requests to tru.ID. All of them throw `ProviderError`. */

export const provider = 'truid'

/** A token is renewed this long before it expires. */
const renewalSeconds = 60
/** A signing key that tru.ID withdrew is trusted at most this long. */
const keysMs = 600_000
/** A callback can name a key that does not exist, and anybody can send one: the keys are not fetched more often. */
const keysCoolDownMs = 30_000

/** What an answer about a check says, and what it was. */
export type Judged = { verdict: Verdict, status: number | null, isCarrierFault: boolean }

const judged = (verdict: Verdict, answer: ProviderAnswer): Judged =>
  ({ verdict, status: reportedStatus(answer), isCarrierFault: isOfCarrier(answer.body) })

export type Api = {
  createCheck (attempt: AttemptContext, version: Version): Promise<CreatedCheck>
  readCheck (check: Check): Promise<Judged>
  exchangeCode (check: Check, code: string): Promise<Judged>
  /** The signing key that a signature names, for each algorithm that it may use; or why there is none. */
  getKeys (signed: Pick<Signed, 'keyId' | 'algorithms'>): Promise<Key[] | CallbackRefusal>
}

export type ApiParts = { origin: string, clientId: string, clientSecret: string, http: Http, now: () => number }

export function createApi ({ origin, clientId, clientSecret, http, now }: ApiParts): Api {
  const ask = createAuthorizedHttp({ origin, clientId, clientSecret, http, now })

  return {
    async createCheck ({ id, phoneNumber, device: { ip }, callbackUrl, redirectUrl }, version) {
      if (phoneNumber === null) throw new Error('truid.phone_check needs a phone number')
      const call = 'create check'
      const { status, body } = await ask({
        method: 'POST',
        url: `${origin}/phone_check/${version}/checks`,
        call,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          phone_number: phoneNumber.slice(1),
          reference_id: id,
          callback_url: callbackUrl,
          ...ip !== undefined && (IsIPv4(ip) || IsIPv6(ip)) ? { phone_ip: ip } : {},
          // Without it the redirects end in JSON, which native SDKs need.
          ...version === 'v0.2' && redirectUrl !== null ? { redirect_url: redirectUrl } : {},
        }),
      })
      const check = readCreated(status, body, origin)
      if (typeof check === 'string') throw refusal(provider, call, check, status, isOfCarrier(body))
      return check
    },

    async readCheck ({ checkId, self }) {
      const answer = await ask({ method: 'GET', url: self, call: 'read check' })
      return judged(judgeQuery(answer.status, answer.body, checkId), answer)
    },

    /**
     * A refused code may have been used up by a try whose answer was lost. The check itself cannot tell: anybody who
     * opened its URL completes it, also without the code. So the proof is lost, and the next method has to bring one.
     */
    async exchangeCode ({ checkId, self }, code) {
      const answer = await ask({
        method: 'PATCH',
        url: self,
        call: 'exchange code',
        headers: { 'content-type': 'application/json-patch+json' },
        body: JSON.stringify([{ op: 'add', path: '/code', value: code }]),
      })
      return judged(judgeExchange(answer.status, answer.body, checkId), answer)
    },

    getKeys: createKeyRing({ origin, http, now }),
  }
}

/** Adds the access token. A token that the API refuses is dropped, and the call repeated once with a new one. */
function createAuthorizedHttp ({ origin, clientId, clientSecret, http, now }: ApiParts): Http {
  const credentials = `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`
  const tokens = createCached({ fetch: fetchToken, now })

  async function fetchToken (): Promise<{ value: string, ttlMs: number }> {
    const call = 'access token'
    const { status, body } = await http({
      method: 'POST',
      url: `${origin}/oauth2/v1/token`,
      call,
      headers: { authorization: credentials, 'content-type': 'application/x-www-form-urlencoded' },
      body: 'grant_type=client_credentials&scope=phone_check',
    })
    const read = readToken(status, body)
    if (typeof read === 'string') throw refusal(provider, call, read, status)
    return { value: read.token, ttlMs: (read.expiresIn - renewalSeconds) * 1000 }
  }

  async function send (request: ProviderRequest, token: string): Promise<ProviderAnswer> {
    const answer = await http({ ...request, headers: { ...request.headers, authorization: `Bearer ${token}` } })
    if (answer.status === 401) tokens.forget(token)
    return answer
  }

  return async request => {
    const first = await send(request, await tokens.get())
    const answer = first.status === 401 ? await send(request, await tokens.get()) : first
    if (answer.status === 401) throw refusal(provider, request.call, 'provider_misconfigured', 401)
    return answer
  }
}

/** The keys that sign callbacks, always from the configured origin. Old keys stay when a refresh fails. */
function createKeyRing ({ origin, http, now }: Pick<ApiParts, 'origin' | 'http' | 'now'>): Api['getKeys'] {
  const call = 'signing keys'
  const keys = createCached({
    async fetch () {
      const { status, body } = await http({ method: 'GET', url: `${origin}/.well-known/jwks.json`, call })
      const value = status < 300 ? readKeys(body) : null
      if (value === null) throw refusal(provider, call, 'provider_bad_response', status)
      return { value, ttlMs: keysMs }
    },
    coolDownMs: keysCoolDownMs,
    now,
  })

  async function refresh (): Promise<CallbackRefusal> {
    try {
      await keys.refresh()
      return 'key_unknown'
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error
      return 'keys_unavailable'
    }
  }

  return async signed => {
    const cached = keys.peek()
    const known = cached?.isFresh === true ? await findKeys(cached.value, signed) : []
    if (known.length > 0) return known
    const otherwise = await refresh()
    const found = await findKeys(keys.peek()?.value, signed)
    return found.length > 0 ? found : otherwise
  }
}
