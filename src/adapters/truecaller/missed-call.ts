import { ProviderError } from '../../core/errors.ts'
import type { Json } from '../../core/vocabulary.ts'
import { readPhoneNumber } from '../../phone.ts'
import type { Outcome, ProviderAnswer } from '../adapter.ts'
import { membersOf, readNumber, readString } from '../message.ts'
import { refusal } from '../refusal.ts'
import { invalid, provider, readRefusal, sdkMethod, type Flow, type FlowParts } from './flow.ts'

// https://docs.truecaller.com/truecaller-sdk/android/sdk-v2.8.0/server-side-response-validation
// (for non-Truecaller users verification flow), and the page of the OAuth SDK with the same name

const call = 'phone number detail'
/** Where Truecaller offers it, ISO 3166-1 alpha-2. */
const onlyCountry = 'IN'
const invalidToken = 1404

/** A token is read with the key of its SDK: the legacy SDK has an app key, SDK 3.x a client id. */
export type MissedCallOptions = { appKey: string | null, clientId: string | null, otpUrl: string }

export function createMissedCall ({ appKey, clientId, otpUrl }: MissedCallOptions, { http }: FlowParts): Flow {
  const partners = [
    ...appKey === null ? [] : [{ url: `${otpUrl}/v1/otp/installation/phoneNumberDetail`, headers: { appKey } }],
    ...clientId === null
      ? []
      : [{ url: `${otpUrl}/v1/otp/client/installation/phoneNumberDetail`, headers: { clientId } }],
  ]

  return {
    method: {
      // The SDK on the phone has Truecaller call, not this gateway.
      ...sdkMethod,
      needsPhoneNumber: true,
      evidence: ['token'],
      userStep: 'receives a missed call, or types a code from Truecaller',
      assurance: { possession: 'message', binding: 'session', restricted: true },
      timeoutMs: 300_000,
    },

    canServe: ({ country }) => country === onlyCountry ? null : 'carrier_unsupported',

    start: () => ({ state: null, action: { type: 'submitToken', sdk: provider, params: {} } }),

    /** Nothing in the documentation says that a token is valid once only. */
    singleUse: readToken,

    async resolve ({ phoneNumber }, evidence) {
      const token = readToken(evidence)
      if (token === null) return invalid
      let failure: ProviderError | null = null
      for (const { url, headers } of partners) {
        try {
          const answer = await http({ method: 'GET', url: `${url}/${encodeURIComponent(token)}`, call, headers })
          const outcome = judge(answer, phoneNumber)
          if (outcome !== null) return outcome
        } catch (error) {
          // The token may be of the other SDK, whose key works.
          if (!(error instanceof ProviderError)) throw error
          failure ??= error
        }
      }
      if (failure !== null) throw failure
      return invalid
    },
  }
}

/** Only what can be a part of a path; dots alone would change the path. */
function readToken (evidence: Json): string | null {
  const token = readString(membersOf(evidence).token, 2048)
  return token !== null && /^[A-Za-z0-9._~+/=-]*[A-Za-z0-9][A-Za-z0-9._~+/=-]*$/.test(token) ? token : null
}

/** Null: this partner has no such token. Both errors are a 404, and only `code` says which one it is. */
function judge (answer: ProviderAnswer, expected: string | null): Outcome | null {
  const { code: value, phoneNumber } = membersOf(answer.body)
  const code = readNumber(value)
  if (code === invalidToken) return null
  const refused = readRefusal(call, answer, code === 404 ? { 404: 'provider_misconfigured' } : {})
  if (refused !== null) return refused
  const number = readPhoneNumber(phoneNumber, expected)
  if (number === null) throw refusal(provider, call, 'provider_bad_response', answer)
  return { verdict: 'proven', phoneNumber: number }
}
