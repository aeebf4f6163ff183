import { foldCode } from '../../core/typed-code.ts'
import type { Json } from '../../core/vocabulary.ts'
import type { Outcome, ProviderAnswer } from '../adapter.ts'
import { membersOf } from '../message.ts'
import { deny, refusal } from '../refusal.ts'
import type { Flow, FlowParts } from './flow.ts'
import { readAuthenticationId, readErrorCode, readRefusal } from './wire.ts'

// https://github.com/camaraproject/OTPValidation: one-time-password-sms

const scope = 'one-time-password-sms:send-validate'

export type SmsOptions = {
  /** Text of the message, at most 160 characters, in which `{{code}}` stands for the code. */
  text: string
  /** How many characters the operator's codes have. */
  codeLength: number
}

/** The operator makes the code, sends it and judges it. */
export function createSms (
  { provider, oidc, http, url }: FlowParts, { text, codeLength }: SmsOptions,
): Flow {
  const api = oidc.asClient(http, scope)
  const post = (call: string, path: string, id: string, body: Json): Promise<ProviderAnswer> => api({
    method: 'POST', url: `${url}/${path}`, call, headers: { 'content-type': 'application/json', 'x-correlator': id },
    body: JSON.stringify(body),
  })

  return {
    async start ({ id, phoneNumber }) {
      const call = 'send code'
      const answer = await post(call, 'send-code', id, { phoneNumber, message: text })
      const reason = readRefusal(answer.status, answer.body)
      if (reason !== null) throw refusal(provider, call, reason, answer)
      const authenticationId = readAuthenticationId(answer.body)
      if (authenticationId === null) throw refusal(provider, call, 'provider_bad_response', answer)
      return {
        id: authenticationId, state: { authenticationId },
        action: { type: 'submitCode', length: codeLength, channels: ['SMS'] },
      }
    },

    /** A typed code is judged together with the id of the message. */
    singleUse: () => null,

    async resolve ({ id, phoneNumber, state }, evidence, { repeated }) {
      const authenticationId = readAuthenticationId(state)
      const typed = membersOf(evidence).code
      if (authenticationId === null || phoneNumber === null || typeof typed !== 'string') {
        return { verdict: 'denied', reason: 'evidence_invalid' }
      }
      const code = foldCode(typed)
      if (!/^[A-Za-z0-9]{1,10}$/.test(code)) return { verdict: 'incorrect' }
      const call = 'validate code'
      const answer = await post(call, 'validate-code', id, { authenticationId, code })
      return judge(call, answer, { phoneNumber, repeated })
    },
  }

  function judge (
    call: string, answer: ProviderAnswer, { phoneNumber, repeated }: { phoneNumber: string, repeated: boolean },
  ): Outcome {
    const { status, body } = answer
    const reason = readRefusal(status, body)
    switch (readErrorCode(body)) {
      // 204: the answer names no number, because the code proves the number that it was sent to.
      case null: if (status === 204) return { verdict: 'proven', phoneNumber }; break
      // What was typed is the only part of the request that can be malformed.
      case 'INVALID_OTP': case 'INVALID_ARGUMENT': case 'OUT_OF_RANGE': return { verdict: 'incorrect' }
      // The code has expired; or it was validated, and that answer was lost.
      case 'NOT_FOUND': case 'VERIFICATION_EXPIRED':
        if (repeated) throw refusal(provider, call, 'provider_timeout', answer)
        return deny(provider, call, 'evidence_expired', answer)
    }
    return deny(provider, call, reason ?? 'provider_bad_response', answer)
  }
}
