import t from 'tap'
import { camara } from '../../../src/adapters/camara/index.ts'
import { contract, endingOf, openVendor } from '../../../src/conformance/index.ts'
import {
  answerWell, authenticationId, denied, error, failed, isSend, isToken, isValidate, misconfigured, noRepeat, open,
  phoneNumber, say, secrets, settings, smsAttempt,
} from './vendor.ts'

t.test('camara.sms', async t => {
  const send = (status: number, name: string) => error(status, `ONE_TIME_PASSWORD_SMS.${name}`)
  const judged = (status: number, name: string) => say(isValidate, send(status, name))
  await contract(t, {
    provider: camara,
    method: 'camara.sms',
    settings,
    secrets,
    attempt: { phoneNumber },
    vendor: answerWell,
    action: () => ({ type: 'submitCode', length: 6, channels: ['SMS'] }),
    good: { evidence: { code: 'AJY3' }, proven: { phoneNumber } },
    assurance: { possession: 'message', binding: 'session', restricted: true },
    singleUse: null,
    bad: [
      { name: 'a wrong code', vendor: judged(400, 'INVALID_OTP'), ends: { verdict: 'incorrect' } },
      { name: 'in a 200', vendor: judged(200, 'INVALID_OTP'), ends: { verdict: 'incorrect' } },
      { name: 'too many', vendor: judged(400, 'VERIFICATION_FAILED'), ends: denied('code_attempts_exhausted') },
      { name: 'too late', vendor: judged(400, 'VERIFICATION_EXPIRED'), ends: denied('evidence_expired') },
      {
        name: 'not such a code', vendor: say(isValidate, error(400, 'INVALID_ARGUMENT')),
        ends: { verdict: 'incorrect' },
      },
      { name: 'out of range', vendor: say(isValidate, error(400, 'OUT_OF_RANGE')), ends: { verdict: 'incorrect' } },
      { name: 'forgotten', vendor: say(isValidate, error(404, 'NOT_FOUND')), ends: denied('evidence_expired') },
      {
        name: 'forgotten, or validated by an earlier try', vendor: say(isValidate, error(404, 'NOT_FOUND')),
        repeated: true, ends: failed('provider_timeout'),
      },
      {
        name: 'too late, or validated by an earlier try', vendor: judged(400, 'VERIFICATION_EXPIRED'), repeated: true,
        ends: failed('provider_timeout'),
      },
      {
        name: 'not permitted', vendor: say(isValidate, error(403, 'PERMISSION_DENIED')),
        ends: failed('provider_misconfigured'),
      },
      { name: 'a 200', vendor: say(isValidate, { body: {} }), ends: failed('provider_bad_response') },
      { name: 'too long', evidence: { code: '12345678901' }, ends: { verdict: 'incorrect' } },
      { name: 'a sign', evidence: { code: '12_4' }, ends: { verdict: 'incorrect' } },
      { name: 'no code', evidence: {}, ends: denied('evidence_invalid') },
    ],
    refusals: [
      { call: isSend, phase: 'start', ends: misconfigured(401, 403, 404) },
      { call: isToken, phase: 'resolve', ends: misconfigured(401, 403) },
    ],
  })

  const vendor = await openVendor(t, answerWell)
  await t.test('why no message was sent', async t => {
    for (const [answer, reason] of [
      [send(403, 'MAX_OTP_CODES_EXCEEDED'), 'recently_tried'],
      [send(403, 'PHONE_NUMBER_NOT_ALLOWED'), 'carrier_unsupported'],
      [send(403, 'PHONE_NUMBER_BLOCKED'), 'carrier_unsupported'],
      [error(403, 'PERMISSION_DENIED'), 'provider_misconfigured'], [error(404, 'NOT_FOUND'), 'carrier_unsupported'],
      [error(404, 'IDENTIFIER_NOT_FOUND'), 'carrier_unsupported'],
      [error(422, 'SERVICE_NOT_APPLICABLE'), 'carrier_unsupported'],
      [error(400, 'INVALID_ARGUMENT'), 'provider_bad_response'],
      // A code that nobody documents may be about the number, and two of them must not open the breaker.
      [send(403, 'A_NEW_CODE'), 'provider_bad_response'], [error(404, 'A_NEW_CODE'), 'provider_bad_response'],
      [error(401, 'A_NEW_CODE'), 'provider_misconfigured'],
    ] as const) {
      vendor.answer = call => isSend(call) ? answer : answerWell(vendor, call)
      t.same(await endingOf(open(t, vendor).start(smsAttempt)), failed(reason), JSON.stringify(answer.body))
    }
  })

  await t.test('every status of the answer to a code', async t => {
    const evidence = { code: 'AJY3' }
    for (const status of [200, 201, 202, 204, 302, 400, 401, 402, 403, 404, 409, 410, 422, 429, 500, 503]) {
      vendor.answer = call => isValidate(call) ? { status } : answerWell(vendor, call)
      const ending = await endingOf(
        open(t, vendor).resolve({ ...smsAttempt, state: { authenticationId } }, evidence, noRepeat),
      )
      const expected = status === 204 ? { verdict: 'proven', phoneNumber }
        : status === 429 ? failed('rate_limited_by_provider', true)
          : status >= 500 ? failed('provider_error', true)
            : failed([401, 403, 404].includes(status) ? 'provider_misconfigured' : 'provider_bad_response')
      t.same(ending, expected, String(status))
    }
  })

  await t.test('a code that is sent again replaces the first one', async t => {
    vendor.answer = call => answerWell(vendor, call)
    const adapter = open(t, vendor)
    const first = await adapter.start(smsAttempt)
    vendor.answer = call => isSend(call) ? { body: { authenticationId: 'second' } } : answerWell(vendor, call)
    t.match(await adapter.resend?.({ ...smsAttempt, state: first.state }), {
      id: 'second', state: { authenticationId: 'second' }, action: { type: 'submitCode' },
    })
  })
})
