import t from 'tap'
import { otpless } from '../../../src/adapters/otpless/index.ts'
import {
  anAttempt, contract, openAdapter, openIo, openVendor, type Answer, type Call, type Contract,
} from '../../../src/conformance/index.ts'
import {
  answerWell, common, completedAt, denied, isCode, isInitiate, misconfigured, ofUser, phoneNumber, redirectUrl, refuse,
  settings, signedUp, userDetails, verifiedAt, verifiedCode,
} from './documented.ts'

type End = Contract['bad'][number]['ends']
const linkRefusals = (unknown: End): Contract['refusals'] => [
  { call: isInitiate, phase: 'start', ends: status => status === 401 ? misconfigured : null },
  {
    call: isCode, phase: 'resolve',
    ends: status => status === 400 ? unknown : status === 401 ? misconfigured : null,
  },
]
const returns: Contract['returns'] = [
  { query: { code: '1234abcd' }, returned: { code: '1234abcd' } },
  { query: { code: '' }, returned: null },
  { query: { code: 'a b' }, returned: null },
  { query: { error: 'denied' }, returned: null },
]
const user = (more: object) => (call: Call): Answer | null =>
  isCode(call) ? { body: verifiedCode({ userDetails: { ...userDetails, ...more } }) } : null

/** `unknown`: how a code ends that OTPLESS does not know. */
const badCodes = (unknown: End): Contract['bad'] => [
  { name: 'expired', vendor: refuse(400, '7302'), ends: denied('evidence_expired') },
  { name: 'unknown', vendor: refuse(400, '7114'), ends: unknown },
  { name: 'unknown, without an error code', vendor: refuse(400), ends: unknown },
  { name: 'used', vendor: refuse(400, '7115'), ends: unknown },
  { name: 'an error in a 200', vendor: refuse(200, '7302'), ends: denied('evidence_expired') },
  { name: 'credentials', vendor: refuse(401), ends: misconfigured },
  {
    name: 'used by ourselves, and the answer was lost', repeated: true,
    vendor: call => isCode(call) ? { status: 400, body: { errorCode: '7115' } } : null,
    ends: { verdict: 'proven', phoneNumber },
  },
  {
    name: 'used by another, and the link not opened', repeated: true,
    vendor: call => isCode(call) ? { status: 400, body: { errorCode: '7115' } } : { body: { status: 'PENDING' } },
    ends: { verdict: 'pending' },
  },
  {
    name: 'unknown, when we ask again', repeated: true,
    vendor: call =>
      isCode(call) ? { status: 400, body: { errorCode: '7114' } } : null, ends: unknown,
  },
  {
    name: 'of another request', vendor: () => ({ body: verifiedCode({ requestId: 'another' }) }),
    ends: denied('evidence_invalid'),
  },
  {
    name: 'of an unknown request', vendor: () => ({ body: verifiedCode({ requestId: null }) }),
    ends: { failed: 'provider_bad_response', retryable: false },
  },
  {
    name: 'of another number',
    vendor: user({ identities: [signedUp('MAGIC_LINK', ['SMS'], { identityValue: '14155550100' })] }),
    ends: { verdict: 'proven', phoneNumber: '+14155550100' },
  },
  {
    name: 'an e-mail address',
    vendor: user(
      { identities: [signedUp('OAUTH', ['GOOGLE'], { identityType: 'EMAIL', identityValue: 'a@b.example' })] },
    ),
    ends: denied('evidence_invalid'),
  },
  {
    name: 'verified before the attempt',
    vendor: user({ identities: [signedUp('MAGIC_LINK', ['SMS'], { verifiedTimestamp: completedAt - 600_000 })] }),
    ends: denied('evidence_expired'),
  },
  { name: 'without a time', vendor: user({ completedAt: null }), ends: denied('evidence_invalid') },
  { name: 'a webhook', evidence: { webhook: true, requestId: 'r1' }, ends: { verdict: 'pending' } },
  { name: 'a token', evidence: { token: 'x' }, ends: denied('evidence_invalid') },
]

const codeProven = {
  phoneNumber,
  signals: { network: { ip: '192.168.0.1' }, identity: { channel: 'MAGIC_LINK', methods: ['SMS'], verifiedAt } },
}

t.test('otpless.magic_link', t => contract(t, {
  ...common,
  method: 'otpless.magic_link',
  attempt: { phoneNumber, redirectUrl, options: { channels: ['WHATSAPP', 'SMS'] } },
  vendor: answerWell,
  action: () => ({ type: 'openMessageLink', channels: ['WHATSAPP', 'SMS'] }),
  good: { evidence: { code: '1234abcd' }, proven: codeProven },
  assurance: { possession: 'message', binding: 'session', restricted: true },
  singleUse: '1234abcd',
  returns, isBoundByPath: true,
  bad: [
    ...badCodes(denied('evidence_invalid')),
    { name: 'digits', evidence: { code: '123456' }, ends: { verdict: 'proven', phoneNumber } },
  ],
  refusals: linkRefusals(denied('evidence_invalid')),
}))

t.test('otpless.otp_link', async t => {
  await contract(t, {
    ...common,
    method: 'otpless.otp_link',
    attempt: { phoneNumber, redirectUrl, options: { channels: ['VIBER'] } },
    vendor: answerWell,
    action: () => ({ type: 'openMessageLink', channels: ['VIBER'] }),
    good: { evidence: { code: '1234abcd' }, proven: codeProven },
    assurance: { possession: 'message', binding: 'session', restricted: false },
    singleUse: '1234abcd',
    returns, isBoundByPath: true,
    bad: [
      // It may be mistyped.
      ...badCodes({ verdict: 'incorrect' }),
      { name: 'the code of the message', evidence: { code: '123 456' }, ends: { verdict: 'proven', phoneNumber } },
      {
        name: 'a wrong one', evidence: { code: '123457' }, vendor: refuse(400, '7118'), ends: { verdict: 'incorrect' },
      },
      {
        name: 'an expired one', evidence: { code: '123457' }, vendor: refuse(400, '7303'),
        ends: denied('evidence_expired'),
      },
    ],
    refusals: linkRefusals({ verdict: 'incorrect' }),
  })
  const vendor = await openVendor(t, () => ({ body: { isOTPVerified: true } }))
  const adapter = openAdapter(otpless, settings(vendor), openIo(t))
  const attempt = anAttempt({ method: 'otpless.otp_link', phoneNumber, state: { requestIds: ['r2', 'r1'] } })
  await adapter.resolve(attempt, { code: '\u0661\u0662\u0663-456' }, { repeated: false })
  t.strictSame(vendor.calls.map(({ path, body }) => [path, body]), [
    ['/auth/v1/verify/otp', { requestId: 'r2', otp: '123456' }],
  ], 'a typed code is that of the last message')
  t.equal(adapter.singleUse?.(attempt, { code: '123456' }), null, 'many users have the same code')
})

t.test('otpless.oauth', t => contract(t, {
  ...common,
  method: 'otpless.oauth',
  attempt: { redirectUrl, options: { channel: 'WHATSAPP' } },
  vendor: (vendor, call) => isCode(call)
    ? { body: verifiedCode({ userDetails: ofUser(signedUp('OAUTH', ['WHATSAPP'])) }) }
    : answerWell(vendor, call),
  action: ({ origin }) => ({ type: 'openUrl', url: `${origin}/e3r3` }),
  good: {
    evidence: { code: '1234abcd' },
    proven: { phoneNumber, signals: { identity: { channel: 'OAUTH', methods: ['WHATSAPP'], verifiedAt } } },
  },
  assurance: { possession: 'account', binding: 'session', restricted: false },
  singleUse: '1234abcd',
  returns, isBoundByPath: true,
  bad: [...badCodes(denied('evidence_invalid')), { name: 'no code yet', evidence: {}, ends: { verdict: 'pending' } }],
  refusals: linkRefusals(denied('evidence_invalid')),
}))

t.test('a link that is sent again adds a request, and both links are valid', async t => {
  const vendor = await openVendor(t, ({ calls }, call) =>
    isInitiate(call) ? { body: { requestId: `r${calls.length}` } } : { body: verifiedCode({ requestId: 'r1' }) })
  const adapter = openAdapter(otpless, settings(vendor), openIo(t))
  const attempt = anAttempt({ method: 'otpless.magic_link', phoneNumber, redirectUrl })
  const { state } = await adapter.start(attempt)
  const again = await adapter.resend?.({ ...attempt, state })
  t.match(again, { id: 'r2', state: { requestIds: ['r2', 'r1'] } })
  const outcome = await adapter.resolve({ ...attempt, state: again?.state ?? null }, { code: 'c' }, { repeated: false })
  t.match(outcome, { verdict: 'proven', phoneNumber })
  t.equal(adapter.readReturn?.(attempt, { code: 'c' }), null, 'before the message was sent nobody can return')
})
