import { IsIPv4, IsIPv6 } from 'typebox/format'
import { ProviderError } from '../../core/errors.ts'
import type { CallbackRefusal } from '../../core/vocabulary.ts'
import type { AttemptContext, Http, ProviderAnswer } from '../adapter.ts'
import { createKeySet } from '../key-set.ts'
import { refusal } from '../refusal.ts'
import { provider, type Access, type AccessParts } from './access.ts'
import { findKeys, readKeys, type Key, type Signed } from './signature.ts'
import {
  isOfCarrier, judgeExchange, judgeQuery, readCreated, readSimChange, readSimCheck, type Check, type CreatedCheck,
  type Product, type Verdict, type Version,
} from './wire.ts'

/** Requests to tru.ID about checks and signing keys. Unless they say otherwise, they throw `ProviderError`. */

/** A callback can name a key that does not exist, and anybody can send one: the keys are not fetched more often. */
const keysCoolDownMs = 30_000
/** With less time left, no SIMCheck is made: it would be paid for, and its answer lost. */
const minSimCheckMs = 500
/** Attempts whose SIMCheck is remembered. */
const maxSimChecks = 10_000

/** What an answer about a check says, and which call it answered. */
export type Judged = {
  verdict: Verdict, call: string, answer: ProviderAnswer, isCarrierFault: boolean
  /** Minutes within which the SIM was changed; null: the answer does not say. */
  simChangedWithin: number | null
}

const judged = (verdict: Verdict, call: string, answer: ProviderAnswer): Judged => ({
  verdict, call, answer, isCarrierFault: isOfCarrier(answer.body), simChangedWithin: readSimChange(answer.body),
})

export type Api = {
  createCheck (attempt: AttemptContext, product: Product, version: Version): Promise<CreatedCheck>
  readCheck (check: Check, product: Product): Promise<Judged>
  exchangeCode (check: Check, product: Product, code: string): Promise<Judged>
  /**
   * Minutes within which the SIM of the number was changed; null: that could not be found out within `timeoutMs`. It is
   * charged for, so an attempt has one SIMCheck, also when it is asked for again. Never throws `ProviderError`.
   */
  checkSim (attempt: AttemptContext, timeoutMs: number): Promise<number | null>
  /** The signing key that a signature names, for each algorithm that it may use; or why there is none. */
  getKeys (signed: Pick<Signed, 'keyId' | 'algorithms'>): Promise<Key[] | CallbackRefusal>
}

export type ApiParts = Pick<AccessParts, 'origin' | 'http'> & { access: Access }

const json = { 'content-type': 'application/json' }

/** The fields of every request for a check. The number has no `+`, as in the vendor's samples. */
function describe ({ id, phoneNumber, device: { ip } }: AttemptContext): Record<string, string> {
  if (phoneNumber === null) throw new Error('a check needs a phone number')
  return {
    phone_number: phoneNumber.slice(1),
    reference_id: id,
    ...ip !== undefined && (IsIPv4(ip) || IsIPv6(ip)) ? { phone_ip: ip } : {},
  }
}

export function createApi ({ origin, http, access }: ApiParts): Api {
  const ask: Record<Product, Http> = {
    phone_check: access('phone_check'), subscriber_check: access('subscriber_check'),
  }

  return {
    async createCheck (attempt, product, version) {
      const { callbackUrl, redirectUrl } = attempt
      const call = 'create check'
      const answer = await ask[product]({
        method: 'POST',
        url: `${origin}/${product}/${version}/checks`,
        call,
        headers: json,
        body: JSON.stringify({
          ...describe(attempt),
          callback_url: callbackUrl,
          // Without it the redirects end in JSON, which native SDKs need.
          ...version === 'v0.2' && redirectUrl !== null ? { redirect_url: redirectUrl } : {},
        }),
      })
      const check = readCreated(answer.status, answer.body, origin)
      if (typeof check === 'string') {
        throw refusal(provider, call, check, answer, { isCarrierFault: isOfCarrier(answer.body) })
      }
      return check
    },

    async readCheck ({ checkId, self }, product) {
      const call = 'read check'
      const answer = await ask[product]({ method: 'GET', url: self, call })
      return judged(judgeQuery(answer.status, answer.body, checkId), call, answer)
    },

    /**
     * A refused code may have been used up by a try whose answer was lost. The check itself cannot tell: anybody who
     * opened its URL completes it, also without the code. So the proof is lost, and the next method has to bring one.
     */
    async exchangeCode ({ checkId, self }, product, code) {
      const call = 'exchange code'
      const answer = await ask[product]({
        method: 'PATCH',
        url: self,
        call,
        headers: { 'content-type': 'application/json-patch+json' },
        body: JSON.stringify([{ op: 'add', path: '/code', value: code }]),
      })
      return judged(judgeExchange(answer.status, answer.body, checkId), call, answer)
    },

    checkSim: createSimChecks(origin, access('sim_check')),
    getKeys: createKeyRing({ origin, http }),
  }
}

function createSimChecks (origin: string, ask: Http): Api['checkSim'] {
  const made = new Map<string, Promise<number | null>>()

  async function check (attempt: AttemptContext, timeoutMs: number): Promise<number | null> {
    try {
      const { status, body } = await ask({
        method: 'POST', url: `${origin}/sim_check/v0.1/checks`, call: 'sim check', headers: json,
        body: JSON.stringify(describe(attempt)), timeoutMs,
      })
      return readSimCheck(status, body)
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error
      return null
    }
  }

  return async (attempt, timeoutMs) => {
    const earlier = made.get(attempt.id)
    if (earlier !== undefined) return earlier
    if (timeoutMs < minSimCheckMs) return null
    const [oldest] = made.keys()
    if (made.size >= maxSimChecks && oldest !== undefined) made.delete(oldest)
    const answer = check(attempt, timeoutMs)
    made.set(attempt.id, answer)
    return answer
  }
}

/** The keys that sign callbacks, always from the configured origin. Old keys stay when a refresh fails. */
function createKeyRing ({ origin, http }: Pick<ApiParts, 'origin' | 'http'>): Api['getKeys'] {
  const url = `${origin}/.well-known/jwks.json`
  const keys = createKeySet({
    provider, call: 'signing keys', url, http, read: readKeys, coolDownMs: keysCoolDownMs,
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
