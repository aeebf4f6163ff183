import t from 'tap'
import {
  isOwnLink, judgeCode, judgeOtp, judgeStatus, readCode, readInitiated, readLinkCode, readRequestIds, readToken,
} from '../../../src/adapters/otpless/wire.ts'

const refused = (errorCode: string) => ({ message: 'Invalid Request', errorCode, description: 'Request error' })

t.test('what a code comes to', async t => {
  const right = { requestId: 'r1', isOTPVerified: true, message: 'OTP verified successfully' }
  t.equal(judgeOtp(200, right, 'r1', false), 'correct')
  for (const requestId of [undefined, null, '']) {
    t.equal(judgeOtp(200, { ...right, requestId }, 'r1', false), 'correct', 'absent')
  }
  t.equal(judgeOtp(200, { ...right, requestId: 12 }, '12', false), 'correct', 'a number')
  t.equal(judgeOtp(200, { ...right, requestId: 'r2' }, 'r1', false), 'provider_bad_response', 'of another request')
  t.equal(judgeOtp(200, { ...right, isOTPVerified: false }, 'r1', false), 'incorrect')
  for (const isOTPVerified of ['true', 1, null, undefined]) {
    t.equal(judgeOtp(200, { ...right, isOTPVerified }, 'r1', false), 'provider_bad_response')
  }
  for (const status of [200, 400]) {
    for (const code of ['7118', '7112', '7116']) {
      t.equal(judgeOtp(status, refused(code), 'r1', true), 'incorrect', `${code} in a ${status}`)
      t.equal(judgeOtp(status, { ...right, errorCode: Number(code) }, 'r1', true), 'incorrect', 'a code counts')
    }
    t.equal(judgeOtp(status, refused('7303'), 'r1', false), 'evidence_expired')
    t.equal(judgeOtp(status, refused('7020'), 'r1', false), 'rate_limited_by_provider')
    t.equal(judgeOtp(status, { status: 'FAILED', error: refused('7118') }, 'r1', false), 'incorrect', 'nested')
  }
  t.equal(judgeOtp(400, refused('7115'), 'r1', false), 'evidence_invalid', 'verified by another caller')
  t.equal(judgeOtp(400, refused('7115'), 'r1', true), 'correct', 'verified by our own earlier call')
  t.equal(judgeOtp(400, right, 'r1', true), 'provider_bad_response', 'a 400 is no success')
  const blocked = { message: 'Access blocked', description: 'Error Description' }
  t.equal(judgeOtp(401, blocked, 'r1', true), 'provider_misconfigured', 'the documented 401')
  t.equal(judgeOtp(400, blocked, 'r1', true), 'provider_bad_response')
})

const completedAt = 1724276345786
const asked = { phoneNumber: '+15551234567', startedAt: completedAt - 30_000, now: completedAt + 30_000 }
const identity = {
  identityType: 'MOBILE', identityValue: '15551234567', channel: 'MAGIC_LINK', methods: ['SMS'], verified: true,
  verifiedTimestamp: completedAt,
}
const userDetails = {
  token: 'tokenvalue', status: 'SUCCESS', completedAt, identities: [identity], network: { ip: '192.168.0.1' },
  deviceInfo: { platform: 'MacIntel' },
}
const proven = {
  phoneNumber: '+15551234567', channel: 'MAGIC_LINK', methods: ['SMS'],
  signals: {
    network: { ip: '192.168.0.1' }, device: { platform: 'MacIntel' },
    identity: { channel: 'MAGIC_LINK', methods: ['SMS'], verifiedAt: '2024-08-21T21:39:05.786Z' },
  },
}

t.test('what the code of a link comes to', async t => {
  const message = 'Code verified successfully'
  const judge = (body: unknown, status = 200) => judgeCode(status, body, ['r2', 'r1'], asked)
  t.strictSame(judge({ requestId: 'r2', message, userDetails }), proven, 'the documented answer')
  t.strictSame(judge({ requestId: 'r1', message, userDetails }), proven, 'the link of the first message')
  t.equal(judge({ requestId: 'r3', message, userDetails }), 'evidence_invalid', 'a code of another request')
  for (const requestId of [undefined, null, '', {}]) {
    t.equal(judge({ requestId, message, userDetails }), 'provider_bad_response', 'of nobody knows which request')
  }
  const email = { ...identity, identityType: 'EMAIL', identityValue: 'a@example.com' }
  const judgeUser = (more: object) => judge({ requestId: 'r1', userDetails: { ...userDetails, ...more } })
  t.equal(judgeUser({ identities: [email] }), 'evidence_invalid', 'an e-mail address is no number')
  t.equal(judgeUser({ identities: [{ ...identity, verifiedTimestamp: completedAt - 91_000 }] }), 'evidence_expired')
  t.equal(judgeUser({ identities: [{ ...identity, verifiedTimestamp: null }] }), 'evidence_invalid')
  t.equal(judgeUser({ completedAt: null }), 'evidence_invalid')
  t.equal(judgeUser({ status: 'PENDING' }), 'provider_bad_response')
  t.equal(judge({ requestId: 'r1' }), 'provider_bad_response')
  for (const status of [200, 400]) {
    t.equal(judge(refused('7302'), status), 'evidence_expired')
    t.equal(judge({ requestId: 'r1', userDetails, errorCode: '7114' }, status), 'evidence_invalid')
  }
  t.equal(judge({ message: 'Invalid Request' }, 400), 'evidence_invalid')
  t.equal(judge({ message: 'Access blocked', description: 'Error Description' }, 401), 'provider_misconfigured')
})

t.test('what a status comes to', async t => {
  const judge = (body: unknown, status = 200) => judgeStatus(status, body, 'r1', asked)
  const success = { token: 'unique_token_for_transaction', status: 'SUCCESS', completedAt, identities: [identity] }
  const { network: _network, device: _device, ...signals } = proven.signals
  t.strictSame(judge(success), { ...proven, signals })
  const silent = {
    ...success, token: 'r1', correlationId: 'DHVL001', operator: 'JIO', phoneDetail: { isPorted: true },
    simDetail: { mcc: 404, mnc: 10 }, networkDetail: { continue: { operator: 'JIO' }, callback: {} },
  }
  t.strictSame(judge(silent), {
    ...proven,
    signals: {
      ...signals, phone: { isPorted: true }, sim: { mcc: 404, mnc: 10 },
      network: { continue: { operator: 'JIO' }, callback: {} },
    },
  })
  t.equal(judge({ ...success, requestId: 'r2' }), 'provider_bad_response', 'of another request')
  for (const status of ['PENDING', 'INIT']) {
    t.equal(judge({ status, message: 'Authentication not completed, please try again later.' }), 'pending')
  }
  t.equal(judge({ status: 'PENDING', identities: [identity], completedAt }), 'pending', 'whatever else it says')
  const notStarted = { message: 'Invalid Request', errorCode: '7170', description: 'Auth not started yet.' }
  for (const status of [200, 400]) t.equal(judge(notStarted, status), 'pending')
  t.equal(judge({ status: 'DECLINE', message: 'User declined the authentication.' }), 'user_rejected')
  t.equal(judge({ status: 'EXPIRED' }), 'evidence_expired')
  const failed = (errorCode: string) => ({ status: 'FAILED', token: 'r1', error: { errorCode, message: 'No' } })
  t.equal(judge(failed('SP40011')), 'number_mismatch')
  t.equal(judge(failed('SP40005')), 'carrier_unsupported')
  t.equal(judge({ status: 'FAILED' }), 'provider_error')
  t.equal(judge({ ...success, error: { errorCode: 'SP40003' } }), 'provider_error', 'an error beside a success')
  t.equal(judge(refused('7301'), 401), 'evidence_expired')
  t.equal(judge(refused('7119'), 400), 'evidence_invalid')
  t.equal(judge({ message: 'Invalid Request' }, 400), 'provider_bad_response', 'no evidence of a user is in question')
  for (const body of [undefined, null, [], {}, { status: 'success' }, { status: null }, { status: 'NEW' }]) {
    t.equal(judge(body), 'provider_bad_response', JSON.stringify(body))
  }
})

t.test('a link that the user opens leads to OTPLESS', async t => {
  const origins = ['https://auth.example.com', 'https://user.example.com']
  for (const link of [
    'https://sna.otpless.app/sna/continue/txn_abc123xyz', 'https://otpless.me/e3r3', 'https://otpless.me/0EpixHJ02in',
    'https://auth.example.com/x?y=1',
  ]) t.ok(isOwnLink(link, origins, false), link)
  for (const link of [
    '', 'txn_abc', '/sna', 'http://sna.otpless.app/sna', 'https://otpless.me.evil.example/x', 'https://xotpless.me/x',
    'https://otpless.me:8443/x', 'https://user@otpless.me/x', 'https://otpless.me@evil.example/x',
    'https://otpless.me/#x',
    'javascript:alert(1)', 'otpless://x', ' https://otpless.me/x', 'https://otpless.me\\@evil.example/x',
    'https://OTPLESS.me/x', 'http://auth.example.com/x', 'https://example.com/x', 'https://auth.example.com:444/x',
  ]) t.notOk(isOwnLink(link, origins, false), link)
  const local = ['http://127.0.0.1:4000']
  for (const link of ['http://127.0.0.1:4000/x', 'http://127.0.0.1:4001/x', 'https://sna.otpless.app/x']) {
    t.ok(isOwnLink(link, local, true), link)
  }
  for (const link of ['http://127.0.0.2:4000/x', 'ftp://127.0.0.1/x', 'http://a:b@127.0.0.1:4001/x']) {
    t.notOk(isOwnLink(link, local, true), link)
  }
})

t.test('requests, evidence and state', async t => {
  t.same(readInitiated(200, { requestId: 'unique_request_id' }), { requestId: 'unique_request_id', link: null })
  t.same(readInitiated(200, { requestId: 5, errorCode: null, link: 'https://otpless.me/e3r3' }), {
    requestId: '5', link: 'https://otpless.me/e3r3',
  })
  t.equal(readInitiated(200, { requestId: 'r1', status: 'FAILED' }), 'provider_error', 'a 200 can be a failure')
  t.same(readInitiated(200, { requestId: 'r1', status: 'PENDING', link: null }), { requestId: 'r1', link: null })
  t.same(readRequestIds({ requestIds: ['r2', 'r1'] }), ['r2', 'r1'])
  t.equal(readCode({ code: '' }), '')
  t.equal(readLinkCode({ code: '1234abcd' }), '1234abcd')
  t.equal(readToken({ token: 'T' }), 'T')
  for (const other of [null, {}, { requestId: '' }, { requestId: null }, { requestId: 'x'.repeat(257) }]) {
    t.equal(readInitiated(200, other), 'provider_bad_response')
  }
  for (const other of [
    null, {}, { code: 5 }, { code: 'x'.repeat(257) }, { token: '' }, { token: 'x'.repeat(4097) }, { requestIds: [] },
    { requestIds: [5] }, { requestIds: 'r1' },
  ]) t.same([readRequestIds(other), readCode(other), readLinkCode(other), readToken(other)], [null, null, null, null])
  for (const code of ['', ' ', 'a b', 'a\n', 'é']) t.equal(readLinkCode({ code }), null)
})
