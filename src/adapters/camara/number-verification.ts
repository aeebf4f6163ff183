import { ProviderError } from '../../core/errors.ts'
import type { Reason } from '../../core/reasons.ts'
import type { Json } from '../../core/vocabulary.ts'
import type { AttemptContext, Outcome, ProviderAnswer, Returned } from '../adapter.ts'
import { membersOf, readString } from '../message.ts'
import { deny, refusal } from '../refusal.ts'
import type { Flow, FlowParts } from './flow.ts'
import { readCode, readErrorCode, readRedirectError, readRefusal, readVerified } from './wire.ts'

// https://github.com/camaraproject/NumberVerification

const scope = 'number-verification:verify'
const retryMs = 1000
/** After an exchange that took longer, the deadline of one `resolve` leaves no time for the second request. */
const maxExchangeMs = 1500

const invalid: Outcome = { verdict: 'denied', reason: 'evidence_invalid' }

/** The operator identifies the SIM of the device that opens the URL, and says whether it has the number. */
export function createNumberVerification (
  { provider, issuer, oidc, http, now, url }: FlowParts,
): Flow & { readReturn (attempt: AttemptContext, query: Readonly<Record<string, string>>): Returned | null } {
  /** The access token, or the outcome of a refusal. */
  async function exchange (attempt: AttemptContext, code: string, repeated: boolean): Promise<string | Outcome> {
    const { verifier } = readState(attempt.state)
    if (verifier === null || attempt.redirectUrl === null) return invalid
    const { call, answer, token } = await oidc.exchange({ code, verifier, redirectUrl: attempt.redirectUrl }, scope)
    if (typeof token !== 'string') return token.value
    // The request whose answer was lost may have used up the code, so a refusal does not show what the code proves.
    if (token === 'evidence_invalid' && repeated) throw refusal(provider, call, 'provider_timeout', answer)
    return deny(provider, call, token, answer)
  }

  async function verify (
    { id, phoneNumber }: AttemptContext, token: string, { isUsed }: { isUsed: boolean },
  ): Promise<Outcome> {
    if (phoneNumber === null) return invalid
    const call = 'verify number'
    const answer = await http({
      method: 'POST', url: `${url}/verify`, call,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'x-correlator': id },
      body: JSON.stringify({ phoneNumber }),
    })
    const reason = readVerifyRefusal(answer)
    // A token is valid for one call, and the operator may have received the call of an earlier try.
    if (isUsed && answer.status === 401) throw refusal(provider, call, 'provider_timeout', answer)
    if (reason !== null) return deny(provider, call, reason, answer)
    switch (readVerified(answer.body)) {
      case true: return { verdict: 'proven', phoneNumber }
      case false: return deny(provider, call, 'number_mismatch', answer)
      case null: throw refusal(provider, call, 'provider_bad_response', answer)
    }
  }

  return {
    async start ({ phoneNumber, redirectUrl, redirectKey }) {
      if (phoneNumber === null || redirectUrl === null || redirectKey === null) {
        throw new Error('number verification needs a phone number and a return URL')
      }
      const { url, verifier } = await oidc.authorize({ phoneNumber, redirectUrl, state: redirectKey, scope })
      return { state: { verifier }, action: { type: 'openUrlOnCellular', url, finish: 'code' } }
    },

    readReturn ({ redirectKey }, { state, iss, code, error }) {
      if (state === undefined || state !== redirectKey) return null
      // RFC 9207: `iss`, where it is sent, names the server that answers. It must be ours.
      if (iss !== undefined && iss.replace(/\/+$/, '') !== issuer) return null
      if (error !== undefined) return { error: readRedirectError(error) }
      const read = readCode({ code })
      return read === null ? null : { code: read }
    },

    singleUse: readCode,

    async resolve (attempt, evidence, { repeated }) {
      const code = readCode(evidence)
      if (code === null) return invalid
      const { verifier, accessToken } = readState(attempt.state)
      if (accessToken !== null) return verify(attempt, accessToken, { isUsed: true })
      const askedAt = now()
      const token = await exchange(attempt, code, repeated)
      if (typeof token !== 'string') return token
      // The code is used up now, so the access token must outlive this call.
      const later = { verdict: 'pending' as const, retryAfterMs: 0, state: { verifier, accessToken: token } }
      if (now() - askedAt > maxExchangeMs) return later
      try {
        return await verify(attempt, token, { isUsed: false })
      } catch (error) {
        if (!(error instanceof ProviderError) || !error.retryable) throw error
        return { ...later, retryAfterMs: error.retryAfterMs ?? retryMs }
      }
    },
  }
}

function readState (state: Json): { verifier: string | null, accessToken: string | null } {
  const { verifier, accessToken } = membersOf(state)
  return { verifier: readString(verifier), accessToken: readString(accessToken, 8192) }
}

/**
 * Like `readRefusal`, but the token was granted for this call. So a denied permission is about the line ("the user
 * fails operational security"), and one line must not cost others the method.
 */
function readVerifyRefusal ({ status, body }: ProviderAnswer): Reason | null {
  const isDenied = readErrorCode(body) === 'PERMISSION_DENIED'
  return isDenied ? 'carrier_unsupported' : readRefusal(status, body)
}
