import t from 'tap'
import {
  judgeOtp, readCode, readError, readRequestId, readStarted, readToken, readWebhook,
} from '../../../src/adapters/otpless/wire.ts'

t.test('what a code comes to', async t => {
  const right = { requestId: 'r1', isOTPVerified: true, message: 'OTP verified successfully' }
  const refused = (errorCode: string) => ({ message: 'Invalid Request', errorCode, description: 'Request error' })
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

t.test('every documented error code has a reason', async t => {
  const reasons = {
    provider_misconfigured: [7002, 7011, 7012, 7019, 7121, 7123, 7124, 7158],
    carrier_unsupported: [7025, 7035, 7102, 7103],
    user_rejected: [7042],
    evidence_expired: [7301, 7172, 7302, 7303, 7304],
    evidence_invalid: [7038, 7415, 7112, 7114, 7115, 7116, 7118, 7119, 7136, 7169, 7170, 7414, 7168],
    rate_limited_by_provider: [7020, 7022, 7023, 7024, 7036, 7037, 7040, 7041, 7417],
    provider_bad_response: [7101, 7104, 7105, 7106, 7113],
    provider_error: [7160],
  }
  for (const [reason, codes] of Object.entries(reasons)) {
    for (const code of codes) {
      const start = reason.startsWith('evidence_') ? 'provider_bad_response' : reason
      for (const status of [200, 400, 401, 404]) {
        t.equal(readError(status, { errorCode: String(code) }), reason, `${code} in a ${status}`)
        t.equal(readError(status, { errorCode: code }), reason)
        t.equal(readError(status, { error: { errorCode: code } }), reason)
        t.equal(readStarted(status, { requestId: 'r1', errorCode: code }), start)
      }
    }
  }
  const others = [undefined, null, {}, [], { message: 'token is expired' }, { errorCode: '' }, { errorCode: null }]
  for (const other of others) {
    t.equal(readError(200, other), null, JSON.stringify(other))
    t.equal(readError(400, other), 'provider_bad_response')
    t.equal(readError(401, other), 'provider_misconfigured')
    t.equal(readStarted(401, other), 'provider_misconfigured')
  }
  for (const errorCode of ['constructor', 7999, 'InvalidRequest', {}, true, ['7118'], 'x'.repeat(300)]) {
    for (const status of [200, 400, 401]) t.equal(readError(status, { errorCode }), 'provider_bad_response')
  }
  t.equal(
    readError(401, { message: 'Expired', errorCode: '7301', description: 'Request error: Token is expired' }),
    'evidence_expired',
  )
  t.equal(
    readError(400, { message: 'Invalid Request', errorCode: '7114', description: 'Request error: Invalid token' }),
    'evidence_invalid',
  )
})

t.test('the callback key in a webhook', async t => {
  const metadata = { verigate: 'key' }
  for (const data of [{ metadata }, { metaData: metadata }, { metadata: null, metaData: metadata }]) {
    t.equal(readWebhook({ data, eventType: null }), 'key', JSON.stringify(data))
  }
  for (const other of [{}, { data: null }, { data: {} }, { data: { metaData: { verigate: null } } }, { data: [] }]) {
    t.equal(readWebhook(other), '', JSON.stringify(other))
  }
  for (const other of [null, undefined, 'x', [], 5]) t.equal(readWebhook(other), null)
})

t.test('evidence and state', async t => {
  t.same(readStarted(200, { requestId: 'unique_request_id' }), { requestId: 'unique_request_id' })
  t.same(readStarted(200, { requestId: 5, errorCode: null }), { requestId: '5' }, 'a number, kept as a text')
  t.equal(readRequestId({ requestId: 'unique_request_id' }), 'unique_request_id')
  t.equal(readCode({ code: '' }), '')
  t.equal(readToken({ token: 'T' }), 'T')
  for (const other of [null, {}, { requestId: '' }, { requestId: null }, { requestId: 'x'.repeat(257) }]) {
    t.equal(readStarted(200, other), 'provider_bad_response')
  }
  for (const other of [null, {}, { code: 5 }, { code: 'x'.repeat(65) }, { token: '' }, { token: 'x'.repeat(4097) }]) {
    t.same([readRequestId(other), readCode(other), readToken(other)], [null, null, null])
  }
})
