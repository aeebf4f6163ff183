import type { KeyObject } from 'node:crypto'
import { SignJWT } from 'jose/jwt/sign'
import type { Json } from '../../core/vocabulary.ts'
import type { AdapterIo, Http, ProviderAnswer } from '../adapter.ts'
import { createCached } from '../cached.ts'
import { refusal } from '../refusal.ts'
import { isOwnUrl, judgeCheck, provider, readCreated, type Created, type Verdict } from './wire.ts'

/** Requests to Vonage. Each throws `ProviderError`. */

export type Api = {
  /** A new request. The check URL, if there is one, is Vonage's. */
  create (call: string, body: { [name: string]: Json }): Promise<Created>
  check (requestId: string, code: string): Promise<{ verdict: Verdict, call: string, answer: ProviderAnswer }>
  /** Ends a request, as far as Vonage allows it: from 30 seconds after its start, and before its end. */
  cancel (requestId: string): Promise<void>
}

export type ApiParts = Pick<AdapterIo, 'now' | 'randomBytes'> & {
  origin: string, applicationId: string, privateKey: KeyObject, http: Http
}

/** A token is valid for 15 minutes, like those of Vonage's clients, and used for five: signing takes half a ms. */
const tokenSeconds = 900
const reuseMs = 300_000

export function createApi (parts: ApiParts): Api {
  const { origin, http } = parts
  const tokens = createTokens(parts)

  async function send (method: 'POST' | 'DELETE', call: string, path: string, body?: Json): Promise<ProviderAnswer> {
    const authorization = `Bearer ${await tokens.get()}`
    return http({
      method, call, url: `${origin}/v2/verify${path}`,
      ...body === undefined
        ? { headers: { authorization } }
        : { headers: { authorization, 'content-type': 'application/json' }, body: JSON.stringify(body) },
    })
  }

  return {
    async create (call, body) {
      const answer = await send('POST', call, '', body)
      const created = readCreated(answer.status, answer.body)
      if (typeof created === 'string') {
        throw refusal(provider, call, created, answer, { isCarrierFault: answer.status === 412 })
      }
      if (created.checkUrl !== null && !isOwnUrl(created.checkUrl, origin)) {
        throw refusal(provider, call, 'provider_bad_response', answer)
      }
      return created
    },

    async check (requestId, code) {
      const call = 'check code'
      const answer = await send('POST', call, `/${encodeURIComponent(requestId)}`, { code })
      return { verdict: judgeCheck(answer.status, answer.body, requestId), call, answer }
    },

    async cancel (requestId) {
      const call = 'cancel'
      const answer = await send('DELETE', call, `/${encodeURIComponent(requestId)}`)
      // Every other refusal means that the request is over, or cannot be canceled yet.
      if ([401, 402, 403].includes(answer.status)) throw refusal(provider, call, 'provider_misconfigured', answer)
    },
  }
}

/** https://developer.vonage.com/en/getting-started/concepts/authentication (JWT) */
function createTokens ({ applicationId, privateKey, now, ...io }: ApiParts) {
  return createCached({
    async fetch () {
      const at = Math.floor(now() / 1000)
      const value = await new SignJWT({ application_id: applicationId })
        .setProtectedHeader({ alg: 'RS256', typ: 'JWT' }).setJti(io.randomBytes(16).toString('hex'))
        .setIssuedAt(at).setExpirationTime(at + tokenSeconds).sign(privateKey)
      return { value, ttlMs: reuseMs }
    },
  })
}
