import t from 'tap'
import {
  judgeOtp, judgeToken, readCode, readRefusal, readRequestId, readStarted, readStartRefusal, readToken,
} from '../../../src/adapters/otpless/wire.ts'

// The documented sample, word for word.
const sample = `{
"token": "TOKEN_VALUE", "status": "SUCCESS", "userId": "USER_ID", "timestamp": "2024-10-15T14:07:14Z",
"identities": [ { "identityType": "MOBILE", "identityValue": "919999999999", "channel": "OAUTH",
 "methods": [ "TRUE_CALLER" ], "verified": true, "verifiedAt": "2024-10-15T14:07:14Z" } ],
"network": { "ip": "103.246.62.146", "timezone": "Asia/Kolkata", "ipLocation": { "accuracyRadius": 1000, "city": {},
 "subdivisions": {}, "country": { "code": "IN", "name": "India" }, "continent": { "code": "AS" }, "latitude": 21.9974,
 "longitude": 79.0011,
 "asn": { "asn": "139570", "name": "Spectrum Internet Services", "network": "103.246.62.0/23" } } },
"deviceInfo": {
 "userAgent": "Mozilla/5.0 (Linux; Android 14; RMX3998 Build/UP1A.231005.007; wv) AppleWebKit/537.36 ${
   '(KHTML, like Gecko) Version/4.0 Chrome/129.0.6668.100 Mobile Safari/537.36 otplesssdk'}",
 "platform": "Linux aarch64", "vendor": "Google Inc.", "browser": "Chrome", "connection": "4g", "language": "en-GB",
 "cookieEnabled": true,
 "screenWidth": 360, "screenHeight": 800, "screenColorDepth": 24, "devicePixelRatio": 3, "timezoneOffset": -330,
 "cpuArchitecture": "8-core",
 "fontFamily": "sans-serif", "deviceId": "DEVICE_ID",
 "browserInfo": { "browserName": "Other", "os": "Android", "osVersion": "14", "device": "Generic Smartphone" } },
"secureInfo": { "incognito": false, "confidence": { "score": 1, "revision": "v1.1" },
 "bot": { "result": "notDetected" },
 "rootApps": { "result": false }, "emulator": { "result": false },
 "vpn": { "result": true, "originCountry": "unknown", "methods": { "timezoneMismatch": false, "publicVPN": true } },
 "tampering": { "result": false, "anomalyScore": 0 }, "jailbroken": { "result": false },
 "clonedApp": { "result": false },
 "factoryReset": { "time": "2024-10-09T10:53:31Z", "timestamp": 1728471211 }, "frida": { "result": false },
 "suspectScore": { "result": 5 }, "privacySettings": { "result": false } }
}`
const mobile = {
  identityType: 'MOBILE', identityValue: '919999999999', channel: 'OTP', methods: ['SMS'], verified: true,
}
const email = {
  identityType: 'EMAIL', identityValue: 'someone@example.com', channel: 'OAUTH', methods: ['GOOGLE'], verified: true,
}
const assurance = { possession: 'message', binding: 'session', restricted: true }
const answer = (...identities: unknown[]) => ({ token: 'T', status: 'SUCCESS', userId: 'U', identities })

t.test('the documented token answer', async t => {
  const { network, deviceInfo: device, secureInfo: secure } = JSON.parse(sample)
  t.strictSame(
    judgeToken(JSON.parse(sample), null), {
      phoneNumber: '+919999999999', signals: { network, device, secure },
      assurance: { possession: 'account', binding: 'session', restricted: false },
    },
  )
})

t.test('the proof is a mobile identity that is verified', async t => {
  t.strictSame(
    judgeToken(answer(email, mobile), null), { phoneNumber: '+919999999999', assurance }, 'not the first identity',
  )
  t.strictSame(
    judgeToken(answer({ ...mobile, identityValue: 919999999999 }), null), { phoneNumber: '+919999999999', assurance },
  )
  t.strictSame(
    judgeToken(
      answer({ ...mobile, identityValue: '+919999999999' }), null,
    ), { phoneNumber: '+919999999999', assurance },
  )
  const other = { ...mobile, identityValue: '14155550100' }
  t.match(
    judgeToken(answer(mobile, other), '+14155550100'), { phoneNumber: '+14155550100' }, 'the expected one of several',
  )
  t.match(judgeToken(answer(mobile, other), '+447700900000'), { phoneNumber: '+919999999999' }, 'else the first')
  t.match(
    judgeToken(answer({ ...mobile, identityValue: '???' }, other), null), { phoneNumber: '+14155550100' },
    'that can be read',
  )
  t.equal(judgeToken(answer(email), null), 'evidence_invalid', 'e-mail alone')
  t.equal(judgeToken(answer(), null), 'evidence_invalid')
  for (const verified of [false, 'true', 1, null, undefined]) {
    t.equal(
      judgeToken(answer({ ...mobile, verified }), '+919999999999'), 'number_mismatch', `verified ${String(verified)}`,
    )
  }
  const unverified = answer({ ...mobile, verified: false }, other)
  t.match(judgeToken(unverified, '+919999999999'), { phoneNumber: '+14155550100' }, 'the other number is returned')
  for (const identityValue of ['9999999999', '', '???']) {
    t.equal(judgeToken(answer({ ...mobile, identityValue }), null), 'provider_bad_response', `value ${identityValue}`)
  }
})

t.test('what breaks the contract proves nothing', async t => {
  for (const body of [
    undefined, null, [], {}, { ...answer(mobile), status: 'FAILED' }, { ...answer(mobile), status: undefined },
    { success: true, identities: [mobile] },
    { status: 'SUCCESS' }, { ...answer(), identities: mobile }, answer(null), answer('MOBILE'),
    answer(...Array.from({ length: 65 }, () => mobile)),
  ]) t.equal(judgeToken(body, null), 'provider_bad_response', JSON.stringify(body)?.slice(0, 60))
})

t.test('name, picture and signals are taken when they are fit to keep', async t => {
  const named = answer(
    { ...mobile, name: 'Rajat Kapoor', picture: 'https://example.com/p.png', isCompanyEmail: 'true' },
  )
  t.match(
    judgeToken(named, null), { profile: { name: { first: 'Rajat Kapoor' }, avatarUrl: 'https://example.com/p.png' } },
  )
  const unfit = answer({ ...mobile, name: '', picture: 'x'.repeat(1025) })
  t.strictSame(judgeToken(unfit, null), { phoneNumber: '+919999999999', assurance })
  const deep = JSON.parse(`${'['.repeat(50_000)}${']'.repeat(50_000)}`)
  const signals = { network: { pad: 'x'.repeat(8192) }, deviceInfo: { a: 1 }, secureInfo: deep }
  t.strictSame(
    judgeToken({ ...answer(mobile), ...signals }, null),
    { phoneNumber: '+919999999999', assurance, signals: { device: { a: 1 } } },
  )
  const nested = (levels: number): unknown => JSON.parse(`${'['.repeat(levels)}1${']'.repeat(levels)}`)
  t.strictSame(
    judgeToken(
      { ...answer(mobile), deviceInfo: nested(32), secureInfo: nested(33) }, null,
    ), { phoneNumber: '+919999999999', assurance, signals: { device: nested(32) } },
    'nor what is nested too deeply to be kept',
  )
  t.strictSame(
    judgeToken({ ...answer(mobile), network: 'x', deviceInfo: null, secureInfo: 5 }, null),
    { phoneNumber: '+919999999999', assurance },
  )
})

t.test('what a code comes to', async t => {
  const right = { requestId: 'r1', isOTPVerified: true, message: 'OTP verified successfully' }
  const refused = (errorCode: string) => ({ message: 'Invalid Request', errorCode, description: 'Request error' })
  t.equal(judgeOtp(200, right, 'r1', false), 'correct')
  t.equal(judgeOtp(200, { isOTPVerified: true }, 'r1', false), 'correct')
  t.equal(judgeOtp(200, { ...right, requestId: 'r2' }, 'r1', false), 'provider_bad_response', 'of another request')
  t.equal(judgeOtp(200, { ...right, isOTPVerified: false }, 'r1', false), 'incorrect')
  for (const isOTPVerified of ['true', 1, null, undefined]) {
    t.equal(judgeOtp(200, { ...right, isOTPVerified }, 'r1', false), 'provider_bad_response')
  }
  for (const code of ['7118', '7112', '7116']) t.equal(judgeOtp(400, refused(code), 'r1', true), 'incorrect', code)
  t.equal(judgeOtp(400, refused('7115'), 'r1', false), 'evidence_invalid', 'verified by another caller')
  t.equal(judgeOtp(400, refused('7115'), 'r1', true), 'correct', 'verified by our own earlier call')
  t.equal(judgeOtp(400, refused('7303'), 'r1', false), 'evidence_expired')
  t.equal(judgeOtp(400, right, 'r1', true), 'provider_bad_response', 'a 400 is no success')
  t.equal(
    judgeOtp(401, { message: 'Access blocked', description: 'Error Description' }, 'r1', true), 'provider_bad_response',
  )
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
      t.equal(readRefusal({ errorCode: String(code) }), reason, String(code))
      t.equal(readRefusal({ errorCode: code }), reason)
      t.equal(readStartRefusal({ errorCode: code }), reason.startsWith('evidence_') ? 'provider_bad_response' : reason)
    }
  }
  const others = [
    undefined, null, {}, { message: 'token is expired' }, { errorCode: '' }, { errorCode: 'constructor' },
    { errorCode: 7999 },
  ]
  for (const other of others) t.equal(readRefusal(other), 'provider_bad_response', JSON.stringify(other))
  t.equal(
    readRefusal({ message: 'Expired', errorCode: '7301', description: 'Request error: Token is expired' }),
    'evidence_expired',
  )
  t.equal(
    readRefusal({ message: 'Invalid Request', errorCode: '7114', description: 'Request error: Invalid token' }),
    'evidence_invalid',
  )
})

t.test('evidence and state', async t => {
  t.equal(readStarted({ requestId: 'unique_request_id' }), 'unique_request_id')
  t.equal(readRequestId({ requestId: 'unique_request_id' }), 'unique_request_id')
  t.equal(readCode({ code: '' }), '')
  t.equal(readToken({ token: 'T' }), 'T')
  for (const other of [null, {}, { requestId: '' }, { requestId: 5 }]) t.equal(readStarted(other), null)
  for (const other of [null, {}, { code: 5 }, { code: 'x'.repeat(65) }, { token: '' }, { token: 'x'.repeat(4097) }]) {
    t.same([readRequestId(other), readCode(other), readToken(other)], [null, null, null])
  }
})
