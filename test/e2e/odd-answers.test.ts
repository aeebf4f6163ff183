import t from 'tap'
import { openVendor, type Answer } from '../../src/conformance/index.ts'
import { startGateway } from '../helpers/gateway.ts'

/** What the app sees when OTPLESS answers in another form than the usual one. */

let say: Answer = {}
let initiated: Answer = { body: { requestId: 'r1' } }
const vendor = await openVendor(t, (_vendor, { path }) => path === '/auth/v1/initiate/otp' ? initiated : say)
const { shop } = await startGateway(t, {
  environment: { OTPLESS_AUTH_URL: vendor.origin, OTPLESS_USER_AUTH_URL: vendor.origin },
})

let serial = 0
const identity = (more: object = {}) => ({
  identityType: 'MOBILE', identityValue: '919999999999', channel: 'OTP', methods: ['WHATSAPP'], verified: true,
  verifiedAt: new Date().toISOString(), ...more,
})
const signedIn = (...identities: unknown[]): Answer =>
  ({ body: { status: 'SUCCESS', timestamp: new Date().toISOString(), identities } })

/** A verification of the number by a token, to which OTPLESS answers so. */
async function prove (answer: Answer, phoneNumber = '+919999999999') {
  say = answer
  const { body: { id } } = await shop.create({ phoneNumber, workflow: ['otpless.token'] })
  const { status, body } = await shop.call('POST', `/verifications/${id}/check`, { token: `token-${serial += 1}` })
  t.equal(status, 200)
  return body
}

t.test('a proof of long ago is no proof', async t => {
  const old = { verifiedAt: '2019-05-01T10:00:00Z' }
  const google = identity({ identityType: 'EMAIL', identityValue: 'a@example.com', methods: ['GOOGLE'] })
  t.hasStrict(await prove(signedIn(google, identity(old))), { status: 'failed', reason: 'evidence_expired' })
  t.hasStrict(await prove(signedIn(identity({ verifiedAt: null }))), { status: 'failed', reason: 'evidence_invalid' })
  t.hasStrict(await prove({ body: { status: 'SUCCESS', identities: [identity()] } }), { reason: 'evidence_invalid' })
  const { result } = await prove(signedIn(identity(old), identity()))
  t.match(result, {
    phoneNumber: '+919999999999', assurance: { level: 2, possession: 'message', restricted: false },
    signals: { identity: { channel: 'OTP', methods: ['WHATSAPP'], verifiedAt: /^20/ } },
  })
})

t.test('neither yes nor no', async t => {
  for (const verified of [null, 'true', undefined]) {
    t.hasStrict(await prove(signedIn(identity({ verified }))), { status: 'failed', reason: 'evidence_invalid' })
  }
  t.hasStrict(await prove(signedIn(identity({ verified: false }))), { status: 'failed', reason: 'number_mismatch' })
})

t.test('a number in another spelling, among items of other forms', async t => {
  const mexican = await prove(signedIn(null, identity(), identity({ identityValue: 5215512345678 })), '+525512345678')
  t.hasStrict(mexican, { status: 'verified', phoneNumber: '+525512345678', result: { phoneNumber: '+525512345678' } })
  const other = await prove(signedIn(null, identity({ identityValue: '0044 (0)7700 900123' })))
  t.hasStrict(other, { status: 'failed', reason: 'number_mismatch', phoneNumber: '+919999999999' })
})

t.test('an error code in a 200', async t => {
  const { body: { id } } = await shop.create({ phoneNumber: '+919999999999', workflow: ['otpless.otp'] })
  const check = (code: string) => shop.call('POST', `/verifications/${id}/check`, { code })
  say = { body: { message: 'Invalid Request', errorCode: '7118' } }
  t.hasStrict(await check('111111'), { status: 422, body: { code: 'code_incorrect', attemptsRemaining: 4 } })
  say = { body: { errorCode: 7020 } }
  t.hasStrict(await check('222222'), { status: 202, body: { status: 'pending' } }, 'asked again later')
  say = { body: { requestId: null, isOTPVerified: true } }
  t.hasStrict(await shop.waitFor(id), { status: 'verified' })

  initiated = { body: { errorCode: '7103' } }
  const { body } = await shop.create({ phoneNumber: '+919999999999', workflow: ['otpless.otp'] })
  t.hasStrict(body, { status: 'failed', reason: 'carrier_unsupported' })
  initiated = { status: 401, body: { message: 'Access blocked', description: 'Error Description' } }
  const blocked = await shop.create({ phoneNumber: '+919999999999', workflow: ['otpless.otp'] })
  t.hasStrict(blocked.body, { status: 'failed', attempts: [{ reason: 'provider_misconfigured' }] })
})
