import t from 'tap'
import type { Asked } from '../../../src/adapters/otpless/identities.ts'
import { judgeToken } from '../../../src/adapters/otpless/wire.ts'

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
const number = '+919999999999'
const startedAt = Date.parse('2024-10-15T14:06:00Z')
const asked: Asked = { phoneNumber: null, startedAt, now: startedAt + 120_000 }
const verifiedAt = '2024-10-15T14:07:14Z'
const mobile = {
  identityType: 'MOBILE', identityValue: '919999999999', channel: 'OTP', methods: ['SMS'], verified: true, verifiedAt,
}
const email = { ...mobile, identityType: 'EMAIL', identityValue: 'someone@example.com', channel: 'OAUTH' }
const other = { ...mobile, identityValue: '14155550100' }
const answer = (...identities: unknown[]) => ({ token: 'T', status: 'SUCCESS', timestamp: verifiedAt, identities })
const identity = { channel: 'OTP', methods: ['SMS'], verifiedAt: '2024-10-15T14:07:14.000Z' }
/** What the answer proves when `phoneNumber` is asked for. */
const judge = (body: unknown, phoneNumber: string | null = number) => judgeToken(200, body, { ...asked, phoneNumber })
const proven = { phoneNumber: number, channel: 'OTP', methods: ['SMS'], signals: { identity } }

t.test('the documented token answer', async t => {
  const { network, deviceInfo: device, secureInfo: secure } = JSON.parse(sample)
  const identity = { channel: 'OAUTH', methods: ['TRUE_CALLER'], verifiedAt: '2024-10-15T14:07:14.000Z' }
  t.strictSame(judge(JSON.parse(sample), null), {
    phoneNumber: number, signals: { network, device, secure, identity }, channel: 'OAUTH', methods: ['TRUE_CALLER'],
  })
})

t.test('the proof is a mobile identity that is verified', async t => {
  t.strictSame(judge(answer(email, mobile), null), proven, 'not the first identity')
  for (const identityValue of [919999999999, '+919999999999', '00919999999999', '+91 99999 99999']) {
    t.strictSame(judge(answer({ ...mobile, identityValue })), proven, String(identityValue))
  }
  const mexican = { ...mobile, identityValue: '5215512345678' }
  t.match(judge(answer(mobile, mexican), '+525512345678'), { phoneNumber: '+525512345678' }, 'in another spelling')
  t.match(judge(answer(mobile, other), '+14155550100'), { phoneNumber: '+14155550100' }, 'the expected one of several')
  t.strictSame(judge(answer(mobile, other), '+447700900000'), proven, 'else the first')
  t.match(judge(answer({ ...mobile, identityValue: '???' }, other), null), { phoneNumber: '+14155550100' })
  t.equal(judge(answer(email)), 'evidence_invalid', 'e-mail alone')
  t.equal(judge(answer()), 'evidence_invalid')
  for (const identityValue of ['9999999999', '', '???', null, undefined]) {
    t.equal(judge(answer({ ...mobile, identityValue })), 'evidence_invalid', `value ${String(identityValue)}`)
  }
})

t.test('only false says that a number is not verified', async t => {
  t.equal(judge(answer({ ...mobile, verified: false })), 'number_mismatch')
  t.equal(judge(answer({ ...mobile, verified: false }, email)), 'number_mismatch')
  t.equal(judge(answer({ ...mobile, verified: false }, other)), 'number_mismatch', 'of the expected number')
  t.strictSame(judge(answer({ ...mobile, verified: false }, mobile)), proven, 'another identity says yes')
  for (const verified of ['true', 'false', 1, 0, null, undefined, {}]) {
    const unclear = { ...mobile, verified }
    t.equal(judge(answer(unclear)), 'evidence_invalid', `verified ${String(verified)}`)
    t.equal(judge(answer({ ...mobile, verified: false }, unclear)), 'evidence_invalid')
    t.equal(judge(answer(unclear, other)), 'evidence_invalid', 'the expected number may be verified')
  }
})

t.test('what was verified before the attempt is no proof', async t => {
  const old = '2019-01-01T00:00:00Z'
  const at = (ms: number) => new Date(startedAt + ms).toISOString()
  const judgeAt = (verifiedAt: unknown, timestamp: unknown) =>
    judge({ ...answer({ ...mobile, verifiedAt }), timestamp })
  for (const time of [at(0), at(-60_000), at(180_000), startedAt, startedAt / 1000, String(startedAt),
    '2024-10-15T19:36:00+05:30', '2024-10-15 14:06Z']) {
    t.match(judgeAt(time, verifiedAt), { phoneNumber: number }, `verified at ${time}`)
    t.match(judgeAt(verifiedAt, time), { phoneNumber: number }, `token of ${time}`)
  }
  for (const time of [old, at(-60_001), Date.parse(old), Date.parse(old) / 1000, 0]) {
    t.equal(judgeAt(time, verifiedAt), 'evidence_expired', `verified at ${time}`)
    t.equal(judgeAt(verifiedAt, time), 'evidence_expired', `token of ${time}`)
  }
  for (const time of [null, undefined, '', 'yesterday', '2024-10-15T14:07:14', true, {}, 1e300, at(180_001),
    '9999-12-31T23:59:59Z']) {
    t.equal(judgeAt(time, verifiedAt), 'evidence_invalid', `verified at ${String(time)}`)
    t.equal(judgeAt(verifiedAt, time), 'evidence_invalid', `token of ${String(time)}`)
  }
  const google = { ...email, methods: ['GOOGLE'] }
  t.equal(judge(answer(google, { ...mobile, verifiedAt: old })), 'evidence_expired', 'a login by another identity')
  t.equal(judge(answer({ ...mobile, verifiedAt: old }, other)), 'evidence_expired', 'not: another number')
  t.equal(judge(answer({ ...mobile, verifiedAt: old, verified: false })), 'number_mismatch')
  t.equal(judge(answer({ ...mobile, verifiedAt: old, verified: null })), 'evidence_invalid')
  t.strictSame(judge(answer({ ...mobile, verifiedAt: old }, mobile)), proven, 'verified again')
  const { timestamp: _timestamp, ...message } = answer({ ...mobile, verifiedAt: null, verifiedTimestamp: startedAt })
  t.match(judge({ ...message, completedAt: startedAt }), { phoneNumber: number }, 'as the other calls name the times')
})

t.test('other members and items change nothing', async t => {
  t.strictSame(judge(answer(null, 'x', 5, [], {}, mobile, null)), proven)
  t.strictSame(judge({ ...answer({ ...mobile, isCompanyEmail: 'true', more: {} }), errorCode: null, more: 1 }), proven)
  t.strictSame(judge(answer({ ...mobile, channel: null, methods: null })), {
    phoneNumber: number, channel: null, methods: [],
    signals: { identity: { channel: null, methods: [], verifiedAt: identity.verifiedAt } },
  })
  const methods = [null, 'SMS', {}, 'x'.repeat(65)]
  t.strictSame(judge(answer({ ...mobile, methods })), proven, 'nor methods that are not texts')
  const whatsApp = answer({ ...mobile, methods: [null, 'WHATSAPP'] })
  t.match(judge(whatsApp), { methods: ['WHATSAPP'] }, 'which could lower the assurance')
  t.equal(judge(answer(...Array.from({ length: 64 }, () => email), mobile)), 'evidence_invalid', 'a list without end')
})

t.test('what breaks the contract proves nothing', async t => {
  for (const body of [
    undefined, null, [], {}, { ...answer(mobile), status: 'FAILED' }, { ...answer(mobile), status: undefined },
    { ...answer(mobile), status: null }, { success: true, identities: [mobile] }, { status: 'SUCCESS' },
    { ...answer(), identities: mobile }, { ...answer(), identities: null }, { ...answer(mobile), errorCode: '7999' },
  ]) t.equal(judge(body), 'provider_bad_response', JSON.stringify(body)?.slice(0, 60))
})

t.test('why a token is refused', async t => {
  const refused = (status: number, errorCode?: string | null) =>
    judgeToken(status, { message: 'No', errorCode, ...status < 300 ? answer(mobile) : {} }, asked)
  for (const status of [200, 400, 401]) {
    t.equal(refused(status, '7301'), 'evidence_expired')
    t.equal(refused(status, '7114'), 'evidence_invalid')
    t.equal(refused(status, '7002'), 'provider_misconfigured')
    t.equal(refused(status, '7999'), 'provider_bad_response')
  }
  for (const none of [undefined, null, '']) {
    t.equal(refused(400, none), 'evidence_invalid', 'documented with a message only')
    t.equal(refused(401, none), 'provider_misconfigured')
    t.equal(refused(404, none), 'provider_bad_response')
  }
})

t.test('name, picture and signals are taken when they are fit to keep', async t => {
  const named = answer({ ...mobile, name: 'Rajat Kapoor', picture: 'https://example.com/p.png' })
  t.match(judge(named), { profile: { name: { first: 'Rajat Kapoor' }, avatarUrl: 'https://example.com/p.png' } })
  t.strictSame(judge(answer({ ...mobile, name: '', picture: 'x'.repeat(1025) })), proven)
  const deep = JSON.parse(`${'['.repeat(50_000)}${']'.repeat(50_000)}`)
  const signals = { network: { pad: 'x'.repeat(8192) }, deviceInfo: { a: 1 }, secureInfo: deep }
  t.strictSame(judge({ ...answer(mobile), ...signals }), { ...proven, signals: { device: { a: 1 }, identity } })
  const [fits, tooLong] = [{ a: 'x'.repeat(8192 - 8) }, { a: 'é'.repeat(4096 - 3) }]
  t.strictSame(judge({ ...answer(mobile), network: fits, deviceInfo: tooLong }), {
    ...proven, signals: { network: fits, identity },
  }, 'the limit counts bytes')
  const nested = (levels: number): unknown => JSON.parse(`${'['.repeat(levels)}1${']'.repeat(levels)}`)
  t.strictSame(
    judge({ ...answer(mobile), deviceInfo: nested(32), secureInfo: nested(33) }),
    { ...proven, signals: { device: nested(32), identity } }, 'nor what is nested too deeply to be kept',
  )
  t.strictSame(judge({ ...answer(mobile), network: 'x', deviceInfo: null, secureInfo: 5 }), proven)
})
