import t from 'tap'
import { otpless } from '../../../src/adapters/otpless/index.ts'
import { anAttempt, contract, endingOf, openAdapter, openIo, openVendor } from '../../../src/conformance/index.ts'
import {
  answerWell, callbacks, denied, isInitiate, isVerify, metaData, misconfigured, phoneNumber, refuse, secrets, settings,
  webhook,
} from './documented.ts'

t.test('otpless.otp', async t => {
  await contract(t, {
    provider: otpless,
    method: 'otpless.otp',
    settings,
    secrets,
    attempt: { phoneNumber },
    vendor: answerWell,
    action: () => ({ type: 'submitCode', length: 6, channels: ['SMS'] }),
    good: { evidence: { code: '123456' }, proven: { phoneNumber } },
    assurance: { possession: 'message', binding: 'session', restricted: true },
    singleUse: null,
    callbacks,
    sign: webhook,
    bad: [
      { name: 'wrong', vendor: refuse(400, '7118'), ends: { verdict: 'incorrect' } },
      { name: 'wrong, in a 200', vendor: () => ({ body: { isOTPVerified: false } }), ends: { verdict: 'incorrect' } },
      { name: 'no digits', evidence: { code: 'abcdef' }, ends: { verdict: 'incorrect' } },
      { name: 'nothing', evidence: { code: '' }, ends: { verdict: 'incorrect' } },
      { name: 'used', vendor: refuse(400, '7115'), ends: denied('evidence_invalid') },
      {
        name: 'used by ourselves', repeated: true, vendor: refuse(400, '7115'),
        ends: { verdict: 'proven', phoneNumber },
      },
      { name: 'wrong, repeated', repeated: true, vendor: refuse(400, '7118'), ends: { verdict: 'incorrect' } },
      { name: 'expired', vendor: refuse(400, '7303'), ends: denied('evidence_expired') },
      { name: 'unknown request', vendor: refuse(404, '7168'), ends: denied('evidence_invalid') },
      { name: 'credentials', vendor: refuse(401, '7012'), ends: misconfigured },
      { name: '401 without a code', vendor: refuse(401), ends: misconfigured },
      { name: 'wrong, in a 200', vendor: refuse(200, '7118'), ends: { verdict: 'incorrect' } },
      {
        name: 'limited, in a 200', vendor: refuse(200, '7020'),
        ends: { failed: 'rate_limited_by_provider', retryable: true },
      },
      { name: 'a token', evidence: { token: '123456' }, ends: denied('evidence_invalid') },
      { name: 'a webhook', evidence: { webhook: true, requestId: 'r1' }, ends: { verdict: 'pending' } },
    ],
    refusals: [
      { call: isInitiate, phase: 'start', ends: status => status === 401 ? misconfigured : null },
      { call: isVerify, phase: 'resolve', ends: status => status === 401 ? misconfigured : null },
    ],
  })
})

t.test('a code is sent, sent again and checked as documented', async t => {
  let now = 1_000_000
  const vendor = await openVendor(t, ({ calls }) => ({ body: { requestId: `r${calls.length}` } }))
  const adapter = openAdapter(otpless, settings(vendor), openIo(t, { now: () => now }))
  const options = { channels: ['WHATSAPP', 'SMS'], codeLength: 4 }
  const attempt = anAttempt({ method: 'otpless.otp', phoneNumber, expiresAt: 1_300_900, options })
  const first = await adapter.start(attempt)
  t.same(
    first,
    {
      id: 'r1', state: { requestIds: ['r1'] }, action: { type: 'submitCode', length: 4, channels: ['WHATSAPP', 'SMS'] },
    },
  )
  now += 280_000
  const second = await adapter.resend?.({ ...attempt, state: first.state })
  t.same(second, { ...first, id: 'r2', state: { requestIds: ['r2', 'r1'] } })
  await adapter.start({ ...attempt, expiresAt: now + 1e9, options: { channels: ['PIGEON'] } })
  vendor.answer = () => ({ body: { isOTPVerified: true } })
  await adapter.resolve({ ...attempt, state: second?.state ?? null }, { code: '1234' }, { repeated: false })
  const sent = { phoneNumber, channels: ['WHATSAPP', 'SMS'], otpLength: 4, expiry: 300, metadata: metaData }
  t.strictSame(vendor.calls.map(({ body }) => body), [
    sent, { ...sent, expiry: 30 }, {
      ...sent, channels: ['SMS'], otpLength: 6, expiry: 86_400,
    }, { requestId: 'r2', otp: '1234' },
  ])
  t.match(
    vendor.calls[0]?.headers, { clientid: 'client-1', clientsecret: 'secret-1', 'content-type': 'application/json' },
  )

  vendor.calls.length = 0
  const unsent = await adapter.resolve(attempt, { code: '1234' }, { repeated: false })
  t.same(unsent, { verdict: 'denied', reason: 'evidence_invalid' }, 'nothing was sent')
  t.same(
    await adapter.resolve({ ...attempt, state: { requestIds: ['r2'] } }, { code: 'abcd' }, { repeated: false }),
    { verdict: 'incorrect' },
  )
  t.equal(vendor.calls.length, 0, 'without asking')
})

t.test('why a code cannot be sent', async t => {
  const vendor = await openVendor(t, answerWell)
  const adapter = openAdapter(otpless, settings(vendor), openIo(t))
  const attempt = anAttempt({ method: 'otpless.otp', phoneNumber })
  const refusals: [number, string | undefined, string][] = [
    [400, '7103', 'carrier_unsupported'], [400, '7102', 'carrier_unsupported'], [401, '7025', 'carrier_unsupported'],
    [401, '7002', 'provider_misconfigured'], [401, '7301', 'provider_bad_response'],
    [401, undefined, 'provider_misconfigured'], [400, undefined, 'provider_bad_response'],
    [400, '7115', 'provider_bad_response'], [400, '7101', 'provider_bad_response'],
    [200, '7103', 'carrier_unsupported'], [200, '7118', 'provider_bad_response'],
  ]
  for (const [status, errorCode, failed] of refusals) {
    vendor.answer = () => ({ status, body: { message: 'No', errorCode } })
    t.same(await endingOf(adapter.start(attempt)), { failed, retryable: false }, `${status} ${errorCode}`)
  }
})
