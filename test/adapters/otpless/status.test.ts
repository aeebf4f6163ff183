import t from 'tap'
import type { AttemptContext } from '../../../src/adapters/adapter.ts'
import { otpless } from '../../../src/adapters/otpless/index.ts'
import type { ProviderError } from '../../../src/core/errors.ts'
import type { Json } from '../../../src/core/vocabulary.ts'
import {
  anAttempt, contract, endingOf, openAdapter, openIo, openVendor, type Answer, type Call, type Contract,
} from '../../../src/conformance/index.ts'
import {
  answerWell, common, completedAt, denied, isInitiate, isStatus, metaData, misconfigured, ofUser, phoneDetail,
  phoneNumber, redirectUrl, settings, signedUp, verifiedAt,
} from './documented.ts'

const status = (body: object, code = 200) => (call: Call): Answer | null =>
  isStatus(call) ? { status: code, body } : null

const badStatuses: Contract['bad'] = [
  { name: 'pending', vendor: status({ status: 'PENDING', message: 'Not completed.' }), ends: { verdict: 'pending' } },
  { name: 'begun', vendor: status({ status: 'INIT' }), ends: { verdict: 'pending', retryAfterMs: 3000 } },
  { name: 'not begun', vendor: status({ errorCode: '7170', message: 'No' }, 400), ends: { verdict: 'pending' } },
  { name: 'declined', vendor: status({ status: 'DECLINE', message: 'No' }), ends: denied('user_rejected') },
  { name: 'expired', vendor: status({ status: 'EXPIRED' }), ends: denied('evidence_expired') },
  { name: 'forgotten', vendor: status({ errorCode: '7301' }, 401), ends: denied('evidence_expired') },
  { name: 'unknown', vendor: status({ errorCode: '7168' }, 404), ends: denied('evidence_invalid') },
  { name: 'failed', vendor: status({ status: 'FAILED' }), ends: { failed: 'provider_error', retryable: false } },
  { name: 'odd', vendor: status({ status: 'DONE' }), ends: { failed: 'provider_bad_response', retryable: false } },
  {
    name: 'of another request', vendor: status(ofUser(signedUp('SILENT_AUTH', []), { requestId: 'another' })),
    ends: { failed: 'provider_bad_response', retryable: false },
  },
  {
    name: 'another number', vendor: status(ofUser(signedUp('SILENT_AUTH', [], { identityValue: '14155550100' }))),
    ends: { verdict: 'proven', phoneNumber: '+14155550100' },
  },
  {
    name: 'an e-mail address', vendor: status(ofUser(signedUp('OAUTH', [], { identityType: 'EMAIL' }))),
    ends: denied('evidence_invalid'),
  },
  {
    name: 'an old proof',
    vendor: status(ofUser(signedUp('SILENT_AUTH', [], { verifiedTimestamp: completedAt - 600_000 }))),
    ends: denied('evidence_expired'),
  },
]

const polled = {
  ...common, attempt: { phoneNumber }, poll: { afterMs: 3000 }, singleUse: null,
  refusals: [
    { call: isInitiate, phase: 'start', ends: status => status === 401 ? misconfigured : null },
    { call: isStatus, phase: 'resolve', ends: status => status === 401 ? misconfigured : null },
  ] satisfies Contract['refusals'],
}

/** The page of this channel demands the status API. */
t.test('otpless.oauth with Truecaller', t => contract(t, {
  ...polled,
  method: 'otpless.oauth',
  attempt: { redirectUrl, options: { channel: 'TRUE_CALLER' } },
  vendor: (vendor, call) =>
    isStatus(call) ? { body: ofUser(signedUp('OAUTH', ['TRUE_CALLER'])) } : answerWell(vendor, call),
  action: ({ origin }) => ({ type: 'openUrl', url: `${origin}/e3r3` }),
  good: {
    evidence: {},
    proven: { phoneNumber, signals: { identity: { channel: 'OAUTH', methods: ['TRUE_CALLER'], verifiedAt } } },
  },
  assurance: { possession: 'account', binding: 'none', restricted: false },
  returns: [{ query: { code: '1234abcd' }, returned: { code: '1234abcd' } }], isBoundByPath: true,
  bad: badStatuses,
}))

t.test('otpless.voice_approval', t => contract(t, {
  ...polled,
  method: 'otpless.voice_approval',
  vendor: answerWell,
  action: () => ({ type: 'answerCall' }),
  good: {
    evidence: { webhook: true, requestId: 'r1' },
    proven: { phoneNumber, signals: { identity: { channel: 'VOICE_APPROVAL', methods: ['VOICE_CALL'], verifiedAt } } },
  },
  assurance: { possession: 'message', binding: 'none', restricted: true },
  bad: badStatuses,
}))

t.test('otpless.sna', async t => {
  const failed = (errorCode: string) => ({
    requestId: 'unique_request_id', status: 'FAILED',
    error: { message: 'No', errorCode, description: 'The operator\'s server encountered an error.' },
  })
  await contract(t, {
    ...polled,
    method: 'otpless.sna',
    vendor: (vendor, call) => isStatus(call)
      ? { body: { ...ofUser(signedUp('SILENT_AUTH', ['SILENT_AUTH'])), token: 'unique_request_id', phoneDetail } }
      : answerWell(vendor, call),
    action: ({ origin }) => ({ type: 'openUrlOnCellular', url: `${origin}/sna/continue/1`, finish: 'none' }),
    good: {
      evidence: {},
      proven: {
        phoneNumber,
        signals: {
          phone: phoneDetail, identity: { channel: 'SILENT_AUTH', methods: ['SILENT_AUTH'], verifiedAt },
        },
      },
    },
    assurance: { possession: 'sim', binding: 'none', restricted: false },
    bad: [
      ...badStatuses,
      { name: 'another SIM', vendor: status(failed('SP40011')), ends: denied('number_mismatch') },
      { name: 'Wi-Fi', vendor: status(failed('SP40009')), ends: denied('not_on_cellular') },
      { name: 'an operator', vendor: status(failed('SP40005')), ends: denied('carrier_unsupported') },
      { name: 'a timeout', vendor: status(failed('SP40014')), ends: { failed: 'provider_timeout', retryable: false } },
      { name: 'a new code', vendor: status(failed('SP40077')), ends: { failed: 'provider_error', retryable: false } },
    ],
  })

  const vendor = await openVendor(t, answerWell)
  const adapter = openAdapter(otpless, settings(vendor), openIo(t))
  const attempt = anAttempt({ method: 'otpless.sna', phoneNumber })
  const start = async (body: object, keep?: (error: ProviderError) => void) => {
    vendor.answer = () => ({ body })
    return endingOf(adapter.start(attempt), keep)
  }
  for (const [code, reason, isCarrierFault] of [
    [
      'SP40005', 'carrier_unsupported', true,
    ], ['SP40007', 'not_on_cellular', true], ['SP40011', 'number_mismatch', true],
    ['SP40010', 'provider_error', true], ['SP50001', 'provider_error', false], [
      '7002', 'provider_misconfigured', false,
    ],
  ] as const) {
    let error: ProviderError | undefined
    t.same(await start(failed(code), thrown => { error = thrown }), { failed: reason, retryable: false }, code)
    t.equal(error?.isCarrierFault, isCarrierFault, 'no carrier costs other users the method')
  }
  const link = `${vendor.origin}/sna/continue/1`
  const started = { requestId: 'r1', status: 'PENDING', link }
  t.match(await start(started), { started: { type: 'openUrlOnCellular', url: link } }, 'as good as INIT')
  for (
    const other of [null, undefined, '', 'sna/1', 'https://evil.example/sna', 'http://otpless.me.evil.example/', 5]
  ) {
    const ending = await start({ ...started, link: other })
    t.same(ending, { failed: 'provider_bad_response', retryable: false }, `link ${other}`)
  }
})

t.test('a webhook that is faster than the answer to our request says which request it is about', async t => {
  const body = { status: 'FAILED', error: { errorCode: 'SP40005', message: 'Operator not supported' } }
  const vendor = await openVendor(t, () => ({ body }))
  const adapter = openAdapter(otpless, settings(vendor), openIo(t))
  const attempt = anAttempt({ method: 'otpless.sna', phoneNumber })
  const resolve = (requestId: string, state: Json = null) =>
    adapter.resolve({ ...attempt, state }, { webhook: true, requestId }, { repeated: false })
  const vendorSaid = { status: 200, code: 'SP40005', text: 'Operator not supported' }
  t.same(await resolve('r1'), { ...denied('carrier_unsupported'), vendor: vendorSaid })
  t.same(await resolve(''), denied('evidence_invalid'), 'nothing to ask about')
  await resolve('r1', { requestIds: ['r2'] })
  t.strictSame(vendor.calls.map(({ body }) => body), [{ requestId: 'r1' }, { requestId: 'r2' }], 'else it is our own')
})

t.test('the pages about silent checks name two verbs for the status', async t => {
  for (const code of [404, 405]) {
    const vendor = await openVendor(t, (_vendor, { method }) =>
      method === 'POST' ? { status: code, body: 'No' } : { body: { status: 'DECLINE' } })
    const adapter = openAdapter(otpless, settings(vendor), openIo(t))
    const attempt = anAttempt({ method: 'otpless.sna', phoneNumber, state: { requestIds: ['a&b'] } })
    t.match(await adapter.resolve(attempt, {}, { repeated: false }), denied('user_rejected'))
    t.match(vendor.calls.map(({ method, path, headers }) => [method, path, headers['clientid']]), [
      ['POST', '/auth/v1/status', 'client-1'], ['GET', '/auth/v1/status?requestId=a%26b', 'client-1'],
    ])
  }
})

t.test('each request is the documented one', async t => {
  const now = 1_000_000
  const vendor = await openVendor(t, answerWell)
  const adapter = openAdapter(otpless, settings(vendor), openIo(t, { now: () => now }))
  const start = (method: string, options: AttemptContext['options'] = {}) =>
    adapter.start(anAttempt({ method, phoneNumber, redirectUrl, options, expiresAt: now + 120_900 }))
  await start('otpless.magic_link')
  await start('otpless.otp_link', { channels: ['VIBER', 'SMS'] })
  await start('otpless.oauth')
  await start('otpless.oauth', { channel: 'TRUE_CALLER' })
  await start('otpless.voice_approval')
  await start('otpless.sna')
  const message = { redirectURI: redirectUrl, phoneNumber, expiry: 120, metadata: metaData }
  t.strictSame(vendor.calls.map(({ method, path, body }) => [method, path, body]), [
    ['POST', '/auth/v1/initiate/magiclink', { ...message, channels: ['SMS'] }],
    ['POST', '/auth/v1/initiate/otplink', { ...message, channels: ['VIBER', 'SMS'], otpLength: 6 }],
    ['POST', '/auth/v1/initiate/oauth', { channel: 'WHATSAPP', redirectURI: redirectUrl }],
    ['POST', '/auth/v1/initiate/oauth', { channel: 'TRUE_CALLER', redirectURI: redirectUrl }],
    ['POST', '/auth/v1/initiate/voice_approval', { phoneNumber: '919999999999' }],
    ['POST', '/auth/v1/initiate/sna', { phoneNumber: '919999999999', expiry: 120, metadata: metaData }],
  ])
  for (const { headers } of vendor.calls) {
    t.match(headers, { clientid: 'client-1', clientsecret: 'secret-1', 'content-type': 'application/json' })
  }
  vendor.calls.length = 0
  const state = { requestIds: ['r1'] }
  const attempt = { phoneNumber, redirectUrl, state }
  await adapter.resolve(anAttempt({ ...attempt, method: 'otpless.magic_link' }), { code: 'c1' }, { repeated: false })
  await adapter.resolve(anAttempt({ ...attempt, method: 'otpless.sna' }), {}, { repeated: false })
  t.strictSame(vendor.calls.map(({ method, path, body }) => [method, path, body]), [
    ['POST', '/auth/v1/verify/code', { code: 'c1' }], ['POST', '/auth/v1/status', { requestId: 'r1' }],
  ])
})
