import { randomInt, randomUUID } from 'node:crypto'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { type Apis, withPlus } from './apis.ts'
import { type ErrorCode, provider, sendError } from './errors.ts'
import { createExpiringMap } from '../expiring-map.ts'
import { type Scenario, scenarioOf } from '../scenarios.ts'
import type { SimulatorContext } from '../simulator.ts'

/** Not documented. */
const codeMs = 5 * 60_000
const maxTries = 3
const sendsMs = 10 * 60_000

const SendBody = Type.Object({
  phoneNumber: Type.String({ pattern: withPlus }),
  message: Type.String({ pattern: '\\{\\{code\\}\\}', maxLength: 160 }),
}, { additionalProperties: false })
const ValidateBody = Type.Object({
  authenticationId: Type.String({ minLength: 1, maxLength: 36 }),
  code: Type.String({ minLength: 1, maxLength: 10 }),
}, { additionalProperties: false })

type Sent = {
  phoneNumber: string, code: string | null, scenario: Scenario, expiresAt: number, triesLeft: number,
  failuresLeft: number,
}

const refusals: Partial<Record<Scenario, ErrorCode>> = {
  error: 'INTERNAL', startFails: 'INTERNAL', startLimited: 'TOO_MANY_REQUESTS', startRefused: 'UNAUTHENTICATED',
  unsupported: 'ONE_TIME_PASSWORD_SMS.PHONE_NUMBER_NOT_ALLOWED', subscriberUnknown: 'NOT_FOUND',
  numberBlocked: 'ONE_TIME_PASSWORD_SMS.PHONE_NUMBER_BLOCKED',
  tooManyCodes: 'ONE_TIME_PASSWORD_SMS.MAX_OTP_CODES_EXCEEDED',
}
/** Nothing reaches the phone, and no code is correct. */
const unheard: readonly Scenario[] = ['silent', 'rejected', 'mismatch']

type Options = Apis & { context: SimulatorContext, maxSends: number }

/**
 * One-time password SMS v1.1. A later code of a number ends the earlier one.
 * https://github.com/camaraproject/OTPValidation
 */
export const oneTimePasswordRoutes: FastifyPluginAsyncTypebox<Options> = async (app, { context, demand, maxSends }) => {
  const { handset, now, slowMs, timers } = context
  // Codes are kept beyond their expiry, so that a late one can be answered with "expired".
  const sent = createExpiringMap<Sent>(now, 2 * codeMs)
  const latest = createExpiringMap<string>(now, 2 * codeMs)
  const sends = createExpiringMap<number[]>(now, sendsMs)
  const onRequest = demand('one-time-password-sms:send-validate')

  function isOverLimit (phoneNumber: string): boolean {
    const recent = (sends.get(phoneNumber) ?? []).filter(at => at > now() - sendsMs)
    if (recent.length >= maxSends) return true
    sends.set(phoneNumber, [...recent, now()])
    return false
  }

  function show (phoneNumber: string, text: string, code: string): void {
    handset.show(phoneNumber, { provider, kind: 'message', title: 'SMS', text, code, choices: [] })
  }

  app.post('/send-code', { schema: { body: SendBody }, onRequest }, async ({ body }, reply) => {
    const { phoneNumber, message } = body
    const scenario = scenarioOf(phoneNumber, provider)
    if (scenario === 'startHangs') return reply.hijack()
    const refusal = refusals[scenario]
    if (refusal !== undefined) return sendError(reply, refusal)
    if (isOverLimit(phoneNumber)) return sendError(reply, 'ONE_TIME_PASSWORD_SMS.MAX_OTP_CODES_EXCEEDED')
    if (scenario === 'malformed') return reply.send({ id: randomUUID() })
    const id = scenario === 'unusual' ? randomInt(1e12) : randomUUID()
    const code = unheard.includes(scenario) ? null : phoneNumber.slice(-6)
    sent.set(String(id), {
      phoneNumber, code, scenario, expiresAt: now() + codeMs, triesLeft: maxTries,
      failuresLeft: scenario === 'flaky' ? 2 : 0,
    })
    latest.set(phoneNumber, String(id))
    if (code !== null) {
      const text = message.replaceAll('{{code}}', code)
      if (scenario === 'slow') timers.after(slowMs, () => show(phoneNumber, text, code))
      else show(phoneNumber, text, code)
    }
    return reply.send({ authenticationId: id })
  })

  app.post('/validate-code', { schema: { body: ValidateBody }, onRequest }, async ({ body }, reply) => {
    const { authenticationId, code } = body
    const one = sent.get(authenticationId)
    if (one === undefined) return sendError(reply, 'NOT_FOUND')
    if (one.failuresLeft-- > 0) return sendError(reply, 'INTERNAL')
    const isOver = one.expiresAt <= now() || latest.get(one.phoneNumber) !== authenticationId
    if (isOver || one.scenario === 'evidenceExpired') {
      return sendError(reply, 'ONE_TIME_PASSWORD_SMS.VERIFICATION_EXPIRED')
    }
    if (one.triesLeft === 0) return sendError(reply, 'ONE_TIME_PASSWORD_SMS.VERIFICATION_FAILED')
    if (code === one.code && one.scenario !== 'evidenceInvalid') {
      one.expiresAt = now()
      return reply.code(204).send()
    }
    one.triesLeft -= 1
    return sendError(reply, one.triesLeft === 0
      ? 'ONE_TIME_PASSWORD_SMS.VERIFICATION_FAILED'
      : 'ONE_TIME_PASSWORD_SMS.INVALID_OTP')
  })
}
