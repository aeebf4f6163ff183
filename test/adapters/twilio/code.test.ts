import t from 'tap'
import { twilio } from '../../../src/adapters/twilio/index.ts'
import { anAttempt, contract, endingOf, openAdapter, openIo, openVendor } from '../../../src/conformance/index.ts'
import {
  answerWell, check, common, denied, error, failed, formOf, isCancel, misconfigured, phoneNumber, refusals, refuse, say,
  settings, sid, verification,
} from './documented.ts'

const good = { evidence: { code: '550 100' }, proven: { phoneNumber } }
const assurance = { possession: 'message', binding: 'session', restricted: true } as const

t.test('twilio.sms', async t => {
  await contract(t, {
    ...common,
    method: 'twilio.sms',
    attempt: { phoneNumber },
    action: () => ({ type: 'submitCode', length: 6, channels: ['SMS'] }),
    good,
    assurance,
    bad: [
      { name: 'wrong', vendor: say(check('sms', 'pending')), ends: { verdict: 'incorrect' } },
      { name: 'wrong, repeated', repeated: true, vendor: say(check('sms', 'pending')), ends: { verdict: 'incorrect' } },
      { name: 'too short', evidence: { code: '550' }, ends: { verdict: 'incorrect' } },
      { name: 'no digits', evidence: { code: 'abcdef' }, ends: { verdict: 'incorrect' } },
      { name: 'not a code for Twilio', vendor: refuse(400, 60200, 'Invalid parameter: Code'), ends: {
        verdict: 'incorrect',
      } },
      {
        name: 'the last one', vendor: say(check('sms', 'max_attempts_reached')),
        ends: denied('code_attempts_exhausted'),
      },
      { name: 'too many', vendor: refuse(429, 60202), ends: denied('code_attempts_exhausted') },
      { name: 'over', vendor: refuse(404, 20404), ends: denied('evidence_expired') },
      {
        name: 'over, when the first answer was lost', repeated: true, vendor: refuse(404, 20404),
        ends: failed('provider_timeout'),
      },
      { name: 'expired', vendor: say(check('sms', 'expired')), ends: denied('evidence_expired') },
      { name: 'canceled', vendor: say(check('sms', 'canceled')), ends: denied('evidence_expired') },
      { name: 'failed', vendor: say(check('sms', 'failed')), ends: denied('evidence_invalid') },
      { name: 'another status', vendor: say(check('sms', 'excellent')), ends: failed('provider_bad_response') },
      {
        name: 'approved and not valid', vendor: say(check('sms', 'approved', { valid: false })),
        ends: failed('provider_bad_response'),
      },
      {
        name: 'approved, with an error code', vendor: say(check('sms', 'approved', { code: 60202 })),
        ends: failed('provider_bad_response'),
      },
      {
        name: 'valid without a status', vendor: say({ sid, valid: true }), ends: failed('provider_bad_response'),
      },
      {
        name: 'of another verification', vendor: say(check('sms', 'approved', { sid: `VE${'f'.repeat(32)}` })),
        ends: failed('provider_bad_response'),
      },
      {
        name: 'of another number', vendor: say(check('sms', 'approved', { to: '+14155550102' })),
        ends: failed('provider_bad_response'),
      },
      {
        name: 'proved by a silent check of another attempt', vendor: say(check('sna', 'approved')),
        ends: denied('evidence_invalid'),
      },
      { name: 'credentials', vendor: refuse(401, 20003), ends: misconfigured },
      { name: 'limited', vendor: refuse(429, 20429), ends: failed('rate_limited_by_provider', true) },
      { name: 'nothing', evidence: {}, ends: denied('evidence_invalid') },
      { name: 'a token', evidence: { token: '550100' }, ends: denied('evidence_invalid') },
    ],
    refusals,
  })
})

for (const [channel, shown] of [['whatsapp', 'WHATSAPP'], ['call', 'VOICE_CALL']] as const) {
  t.test(`twilio.${channel}`, async t => {
    await contract(t, {
      ...common,
      method: `twilio.${channel}`,
      attempt: { phoneNumber },
      action: () => ({ type: 'submitCode', length: 6, channels: [shown] }),
      good,
      assurance,
      bad: [{ name: 'wrong', vendor: say(check(channel, 'pending')), ends: { verdict: 'incorrect' } }],
      refusals,
    })
  })
}

t.test('a code is sent, sent again, checked and given up as documented', async t => {
  const vendor = await openVendor(t, answerWell)
  const adapter = openAdapter(twilio, settings(vendor), openIo(t))
  const attempt = anAttempt({ method: 'twilio.sms', phoneNumber, options: { codeLength: 4 }, locale: 'pt-BR' })
  const started = await adapter.start(attempt)
  t.strictSame(started, {
    state: { sid }, expiresInMs: 600_000, action: { type: 'submitCode', length: 4, channels: ['SMS'] },
  })
  const again = { ...attempt, state: started.state }
  t.strictSame(await adapter.resend?.(again), started)
  await adapter.resolve(again, { code: '5501' }, { repeated: false })
  await adapter.cancel?.(again)
  t.strictSame(vendor.calls.map(formOf), [
    { To: phoneNumber, Channel: 'sms', Locale: 'pt-BR' }, { To: phoneNumber, Channel: 'sms', Locale: 'pt-BR' },
    { VerificationSid: sid, Code: '5501' }, { Status: 'canceled' },
  ])
  const basic = Buffer.from(`${settings(vendor).TWILIO_API_KEY}:the-api-secret`).toString('base64')
  for (const { headers } of vendor.calls) {
    t.match(headers, { authorization: `Basic ${basic}`, 'content-type': 'application/x-www-form-urlencoded' })
  }
})

t.test('a locale that Twilio does not know is left out', async t => {
  const vendor = await openVendor(t, (_vendor, call) =>
    formOf(call)['Locale'] === undefined ? { status: 201, body: verification('sms') } : error(404, 20404))
  const adapter = openAdapter(twilio, settings(vendor), openIo(t))
  const attempt = anAttempt({ method: 'twilio.sms', phoneNumber, locale: 'tlh' })
  t.match(await adapter.start(attempt), { state: { sid } })
  t.equal(vendor.calls.length, 2)
  vendor.answer = () => error(404, 20404)
  t.same(await endingOf(adapter.start(attempt)), misconfigured, 'the service does not exist')
  t.same(await endingOf(adapter.start({ ...attempt, locale: null })), misconfigured)
  t.equal(vendor.calls.length, 5)
})

t.test('why a code cannot be sent', async t => {
  const vendor = await openVendor(t, answerWell)
  const adapter = openAdapter(twilio, settings(vendor), openIo(t))
  const attempt = anAttempt({ method: 'twilio.sms', phoneNumber })
  const cases: [number, number | undefined, string, string?][] = [
    [401, 20003, 'provider_misconfigured'], [403, 20005, 'provider_misconfigured'],
    [400, 60200, 'carrier_unsupported', 'Invalid parameter `To`: +1415'],
    [400, 60200, 'carrier_unsupported', 'Invalid parameter: To'], [400, 60200, 'carrier_unsupported', ''],
    [400, 60200, 'provider_misconfigured', 'Invalid parameter: Channel'],
    [403, 60205, 'carrier_unsupported'], [403, 60410, 'carrier_unsupported'], [403, 60605, 'carrier_unsupported'],
    [403, 60220, 'carrier_unsupported'], [403, 60238, 'carrier_unsupported'], [403, 60223, 'provider_misconfigured'],
    [400, 68008, 'provider_misconfigured'], [403, undefined, 'provider_bad_response'],
    [400, 99999, 'provider_bad_response'], [429, 60202, 'recently_tried'], [429, 60203, 'recently_tried'],
    [429, 60212, 'recently_tried'],
  ]
  for (const [status, code, reason, message] of cases) {
    vendor.answer = () => error(status, code, message)
    t.same(await endingOf(adapter.start(attempt)), failed(reason), `${status} ${code} ${message}`)
  }
  for (const code of [20429, undefined]) {
    vendor.answer = () => ({ ...Object(error(429, code)), headers: { 'retry-after': '7' } })
    const thrown: unknown = await adapter.start(attempt).catch((error: unknown) => error)
    t.match(thrown, { reason: 'rate_limited_by_provider', retryable: true, retryAfterMs: 7000 }, `429 ${code}`)
  }
  for (const body of [{ ...verification('sms'), sid: 'VE1' }, { ...verification('sms'), to: '+14155550102' }, {}]) {
    vendor.answer = () => ({ status: 201, body })
    t.same(await endingOf(adapter.start(attempt)), failed('provider_bad_response'))
  }
})

t.test('a cancel of a verification that has ended is not an error', async t => {
  const vendor = await openVendor(t, answerWell)
  const adapter = openAdapter(twilio, settings(vendor), openIo(t))
  const attempt = anAttempt({ method: 'twilio.sms', phoneNumber, state: { sid } })
  vendor.answer = () => error(404, 20404)
  await adapter.cancel?.(attempt)
  t.ok(vendor.calls.every(isCancel))
  await adapter.cancel?.({ ...attempt, state: null })
  t.equal(vendor.calls.length, 1, 'nothing was started')
  for (const [status, reason] of [[401, 'provider_misconfigured'], [400, 'provider_bad_response']] as const) {
    vendor.answer = () => error(status)
    t.match(await adapter.cancel?.(attempt).catch((error: unknown) => error), { reason })
  }
})

t.test('settings that cannot be used are named, and their values are not', async t => {
  const vendor = await openVendor(t, answerWell)
  const io = { ...openIo(t), allowInsecure: false }
  const usable = { ...settings(vendor), TWILIO_API_URL: '' }
  t.ok(twilio.open(usable, io, 'twilio'))
  t.ok(twilio.open({ ...usable, TWILIO_API_KEY: `AC${'a'.repeat(32)}` }, io, 'twilio'))
  t.equal(twilio.open({}, io, 'twilio'), null)
  for (const [name, value] of [
    ['TWILIO_API_KEY', ''], ['TWILIO_API_KEY', 'evil'], ['TWILIO_API_KEY', `PK${'a'.repeat(32)}`],
    ['TWILIO_API_SECRET', ''], ['TWILIO_API_SECRET', 'evil\nevil'], ['TWILIO_SERVICE_SID', ''],
    ['TWILIO_SERVICE_SID', `AC${'e'.repeat(32)}`], ['TWILIO_API_URL', 'http://evil.example'],
    ['TWILIO_API_URL', 'https://evil.example/v2'],
  ] as const) {
    const thrown = t.throws(() => twilio.open({ ...usable, [name]: value }, io, 'twilio'), {
      message: new RegExp(`^${name} `),
    }, `${name} ${value}`)
    t.notMatch(String(thrown), /evil|eeee/)
  }
})
