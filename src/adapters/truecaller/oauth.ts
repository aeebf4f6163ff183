import { ProviderError } from '../../core/errors.ts'
import type { Reason } from '../../core/reasons.ts'
import type { Json } from '../../core/vocabulary.ts'
import { readPhoneNumber } from '../../phone.ts'
import type { Outcome } from '../adapter.ts'
import { membersOf, readString, readText } from '../message.ts'
import { refusal } from '../refusal.ts'
import { invalid, provider, readRefusal, sdkMethod, type Flow, type FlowParts } from './flow.ts'
import { toProfile } from './profile.ts'

// https://docs.truecaller.com/truecaller-sdk/android/oauth-sdk-3.2.1/integration-steps/integrating-with-your-backend

/** `openid` and `phone` are needed for the proof, `profile` for the name. */
const scopes = 'openid phone profile'
const userInfoRetryMs = 1000
/** After an exchange that took longer, the deadline of one `resolve` leaves no time for the second request. */
const maxExchangeMs = 1500

const exchangeMeanings: Readonly<Record<number, Reason>> = { 400: 'evidence_invalid', 403: 'evidence_invalid' }
const userInfoMeanings: Readonly<Record<number, Reason>> = {
  401: 'evidence_expired', 404: 'evidence_invalid',
  // The scope `openid` was not requested.
  422: 'provider_misconfigured',
}

export type OauthOptions = { clientId: string, oauthUrl: string }

export function createOauth ({ clientId, oauthUrl }: OauthOptions, { http, now }: FlowParts): Flow {
  /** The access token, or the outcome of a refusal. */
  async function exchange ({ code, verifier }: Authorization, repeated: boolean): Promise<string | Outcome> {
    const call = 'exchange code'
    const answer = await http({
      method: 'POST',
      url: `${oauthUrl}/v1/token`,
      call,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: String(new URLSearchParams({
        grant_type: 'authorization_code', client_id: clientId, code, code_verifier: verifier,
      })),
    })
    const refused = readRefusal(call, answer, exchangeMeanings)
    // The request whose answer was lost may have used up the code, so a refusal does not show what the code proves.
    if (refused !== null && repeated) throw refusal(provider, call, 'provider_timeout', answer)
    if (refused !== null) return refused
    const accessToken = readAccessToken(answer.body)
    if (accessToken === null) throw refusal(provider, call, 'provider_bad_response', answer)
    return accessToken
  }

  async function readUser (accessToken: string, phoneNumber: string | null): Promise<Outcome> {
    const call = 'user info'
    const headers = { authorization: `Bearer ${accessToken}` }
    const answer = await http({ method: 'GET', url: `${oauthUrl}/v1/userinfo`, call, headers })
    const refused = readRefusal(call, answer, userInfoMeanings)
    if (refused !== null) return refused
    const outcome = judgeUser(answer.body, phoneNumber)
    if (outcome === null) throw refusal(provider, call, 'provider_bad_response', answer)
    return outcome
  }

  return {
    method: {
      ...sdkMethod,
      needsPhoneNumber: false,
      evidence: ['authorizationCode'],
      userStep: 'approves in the dialog of the Truecaller SDK 3.x',
      // PKCE: the code is worth nothing without the verifier, which the front end made and kept.
      assurance: { possession: 'account', binding: 'session', restricted: false },
      timeoutMs: 120_000,
    },

    start: ({ callbackKey: state }) =>
      ({ state: null, action: { type: 'submitToken', sdk: provider, params: { clientId, state, scopes } } }),

    /** Truecaller accepts a code once, and does not know for which attempt. */
    singleUse: evidence => readAuthorization(evidence)?.code ?? null,

    async resolve ({ state, phoneNumber }, evidence, { repeated }) {
      const authorization = readAuthorization(evidence)
      if (authorization === null) return invalid
      const known = readAccessToken(state)
      if (known !== null) return readUser(known, phoneNumber)
      const askedAt = now()
      const accessToken = await exchange(authorization, repeated)
      if (typeof accessToken !== 'string') return accessToken
      // The code is used up now, so the access token must outlive this call.
      const later: Outcome = { verdict: 'pending', retryAfterMs: 0, state: { access_token: accessToken } }
      if (now() - askedAt > maxExchangeMs) return later
      try {
        return await readUser(accessToken, phoneNumber)
      } catch (error) {
        if (!(error instanceof ProviderError) || !error.retryable) throw error
        return { ...later, retryAfterMs: error.retryAfterMs ?? userInfoRetryMs }
      }
    },
  }
}

type Authorization = { code: string, verifier: string }

function readAuthorization (evidence: Json): Authorization | null {
  const { authorizationCode, codeVerifier } = membersOf(evidence)
  const [code, verifier] = [readString(authorizationCode, 4096), readString(codeVerifier, 4096)]
  return code === null || verifier === null ? null : { code, verifier }
}

/** From the answer to the exchange, or from the attempt's state. */
const readAccessToken = (from: unknown): string | null => readString(membersOf(from).access_token, 4096)

/**
 * The number counts only where Truecaller says that it verified it. Without that it proves nothing: the front end
 * chooses the scopes, and may have left out the number. Null: the answer names no user, or no number that can be read.
 */
function judgeUser (body: unknown, expected: string | null): Outcome | null {
  const user = membersOf(body)
  if (user.phone_number_verified === false) return invalid
  if (user.phone_number_verified !== true) return readText(user.sub) === null ? null : invalid
  const phoneNumber = readPhoneNumber(user.phone_number, expected)
  if (phoneNumber === null) return null
  const address = membersOf(user.address)
  const profile = toProfile({
    name: { first: user.given_name, last: user.family_name },
    email: user.email,
    gender: user.gender,
    avatarUrl: user.picture,
    addresses: [{ city: address.locality, zipcode: address.postal_code }],
  })
  return { verdict: 'proven', phoneNumber, ...profile === undefined ? {} : { profile } }
}
