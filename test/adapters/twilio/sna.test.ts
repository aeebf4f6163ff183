import t from 'tap'
import { twilio } from '../../../src/adapters/twilio/index.ts'
import {
  anAttempt, contract, endingOf, openAdapter, openIo, openVendor, type Contract,
} from '../../../src/conformance/index.ts'
import {
  answerWell, check, common, denied, error, failed, formOf, isCheck, phoneNumber, refusals, refuse, say,
  settings, sid, silentErrors, silentUrl, verification,
} from './documented.ts'

const pending = (...codes: unknown[]) => say(check('sna', 'pending', silentErrors(...codes)))

/** With or without a token. */
const outcomes: Contract['bad'] = [
  { name: 'another SIM', vendor: pending(60500), ends: denied('number_mismatch') },
  { name: 'Wi-Fi', vendor: pending(60531), ends: denied('not_on_cellular') },
  { name: 'the other SIM', vendor: pending('60532'), ends: denied('not_on_cellular') },
  { name: 'unsupported', vendor: pending(60008), ends: denied('carrier_unsupported') },
  { name: 'an invalid number', vendor: pending(60540), ends: denied('carrier_unsupported') },
  { name: 'a failure', vendor: pending(60510), ends: failed('provider_error') },
  { name: 'a new code', vendor: pending(60599), ends: failed('provider_error') },
  { name: 'the latest one counts', vendor: pending(60519, 60531, 60500), ends: denied('number_mismatch') },
  { name: 'not over', vendor: pending(60519), ends: { verdict: 'pending', retryAfterMs: 3000 } },
  { name: 'not over any more', vendor: pending(60500, 60519), ends: { verdict: 'pending' } },
  {
    name: 'failed', vendor: say(check('sna', 'failed', silentErrors(60500))), ends: denied('number_mismatch'),
  },
  { name: 'failed without a code', vendor: say(check('sna', 'failed')), ends: denied('evidence_invalid') },
  { name: 'proved by a code', vendor: say(check('sms', 'approved')), ends: denied('evidence_invalid') },
  { name: 'over', vendor: refuse(404, 20404), ends: denied('evidence_expired') },
  {
    name: 'over, when the first answer was lost', repeated: true, vendor: refuse(404, 20404),
    ends: failed('provider_timeout'),
  },
  { name: 'too many checks', vendor: refuse(429, 60202), ends: failed('provider_error') },
]

t.test('twilio.sna', async t => {
  await contract(t, {
    ...common,
    method: 'twilio.sna',
    attempt: { phoneNumber },
    action: () => ({ type: 'openUrlOnCellular', url: silentUrl, finish: 'code' }),
    good: { evidence: { code: 'the-client-token' }, proven: { phoneNumber } },
    assurance: { possession: 'sim', binding: 'session', restricted: false },
    bad: [
      ...outcomes,
      { name: 'another token', vendor: say(check('sna', 'pending')), ends: denied('evidence_invalid') },
      { name: 'no token', evidence: {}, ends: { verdict: 'pending' } },
      { name: 'an empty token', evidence: { code: '' }, ends: denied('evidence_invalid') },
      { name: 'a blank token', evidence: { code: ' ' }, ends: denied('evidence_invalid') },
      { name: 'a token of an SDK', evidence: { token: 'the-client-token' }, ends: denied('evidence_invalid') },
    ],
    refusals,
  })
})

t.test('twilio.sna without the client token', async t => {
  await contract(t, {
    ...common,
    method: 'twilio.sna',
    attempt: { phoneNumber, options: { clientToken: false } },
    action: () => ({ type: 'openUrlOnCellular', url: silentUrl, finish: 'none' }),
    good: { evidence: {}, proven: { phoneNumber } },
    assurance: { possession: 'sim', binding: 'none', restricted: false },
    bad: [
      ...outcomes,
      { name: 'not opened', vendor: say(check('sna', 'pending', { sna_attempts_error_codes: null })), ends: {
        verdict: 'pending',
      } },
    ],
    refusals,
  })
})

t.test('the token is asked for, and only with it is the check queried', async t => {
  const vendor = await openVendor(t, answerWell)
  const adapter = openAdapter(twilio, settings(vendor), openIo(t))
  const attempt = anAttempt({ method: 'twilio.sna', phoneNumber, locale: 'pt-BR' })
  const { state } = await adapter.start(attempt)
  t.match(await adapter.resolve({ ...attempt, state }, {}, { repeated: false }), { verdict: 'pending' })
  t.equal(vendor.calls.length, 1, 'the check was not queried')
  t.match(await adapter.resolve({ ...attempt, state }, { code: 'the-client-token' }, { repeated: false }), {
    verdict: 'proven', phoneNumber,
  })
  const open = { ...attempt, options: { clientToken: false } }
  await adapter.start(open)
  await adapter.resolve({ ...open, state }, {}, { repeated: false })
  t.strictSame(vendor.calls.map(formOf), [
    { To: phoneNumber, Channel: 'sna', EnableSnaClientToken: 'true' },
    { VerificationSid: sid, SnaClientToken: 'the-client-token' }, { To: phoneNumber, Channel: 'sna' },
    { VerificationSid: sid },
  ])
})

t.test('a failure of one carrier is not one of Twilio', async t => {
  const vendor = await openVendor(t, answerWell)
  const adapter = openAdapter(twilio, settings(vendor), openIo(t))
  const attempt = anAttempt({ method: 'twilio.sna', phoneNumber, state: { sid } })
  const thrownBy = (work: Promise<unknown>) => work.catch((error: unknown) => error)
  const resolve = () => thrownBy(adapter.resolve(attempt, { code: 'x' }, { repeated: false }))
  for (const answer of [pending(60510), refuse(429, 60202)]) {
    vendor.answer = call => answer(call) ?? 'hang'
    t.match(await resolve(), { reason: 'provider_error', isCarrierFault: true })
  }
})

t.test('without a URL that the phone may open, nothing is started', async t => {
  const vendor = await openVendor(t, answerWell)
  const adapter = openAdapter(twilio, settings(vendor), openIo(t))
  for (const sna of [null, {}, { url: null }, { url: 'javascript:alert(1)' }]) {
    vendor.answer = () => ({ status: 201, body: verification('sna', { sna }) })
    const ending = await endingOf(adapter.start(anAttempt({ method: 'twilio.sna', phoneNumber })))
    t.same(ending, failed('provider_bad_response'), JSON.stringify(sna))
  }
})

t.test('the probe reads the service', async t => {
  const vendor = await openVendor(t, answerWell)
  const adapter = openAdapter(twilio, settings(vendor), openIo(t))
  await adapter.probes?.['credentials']?.(anAttempt({}))
  t.match(vendor.calls, [{ method: 'GET', path: /^\/v2\/Services\/VA[0-9a-f]{32}$/ }])
  t.notOk(vendor.calls.some(isCheck))
  for (const status of [401, 404]) {
    vendor.answer = () => error(status)
    const thrown = await adapter.probes?.['credentials']?.(anAttempt({})).catch((error: unknown) => error)
    t.match(thrown, { reason: 'provider_misconfigured' })
  }
})
