import t from 'tap'
import { truecaller } from '../../../src/adapters/truecaller/index.ts'
import {
  anAttempt, askEligibility, type Call, contract, endingOf, openAdapter, openIo, openVendor, type Vendor,
} from '../../../src/conformance/index.ts'
import { appKey, badResponse, clientId, invalid, misconfigured, outage, settings } from './vendor.ts'

const method = 'truecaller.missed_call'
// The documented sample.
const token = '71d8367e-39f7-4de5-a3a3-2066431b9ca8'
const evidence = { token }
const phoneNumber = '+919999999999'
const legacyPath = `/v1/otp/installation/phoneNumberDetail/${token}`
const oauthPath = `/v1/otp/client/installation/phoneNumberDetail/${token}`
const isDetail = ({ path }: Call) => path === legacyPath
const detail = { phoneNumber: 919999999999, countryCode: 'IN' }
const badPartner = { code: 404, message: 'Invalid partner credentials.' }
const badToken = { code: 1404, message: 'Invalid access token.' }
const says = (status: number, body: unknown) => () => ({ status, body })

t.test(method, async t => {
  await contract(t, {
    provider: truecaller,
    method,
    settings,
    secrets: [appKey, token],
    attempt: { phoneNumber },
    vendor: () => ({ body: detail }),
    action: () => ({ type: 'submitToken', sdk: 'truecaller', params: {} }),
    good: { evidence, proven: { phoneNumber } },
    assurance: { possession: 'message', binding: 'session', restricted: true },
    singleUse: token,
    bad: [
      { name: 'an unknown token', vendor: says(404, badToken), ends: invalid },
      { name: 'an unknown token, in a 200', vendor: says(200, { ...detail, ...badToken }), ends: invalid },
      { name: 'a bad app key', vendor: says(404, badPartner), ends: misconfigured },
      { name: 'a bad app key, in a 200', vendor: says(200, { ...detail, ...badPartner }), ends: misconfigured },
      { name: 'a 404 without a code', vendor: says(404, { message: 'Not Found' }), ends: badResponse },
      { name: 'an outage in a 200', vendor: says(200, { code: 500, message: 'error message' }), ends: outage },
      { name: 'no number', vendor: says(200, { countryCode: 'IN' }), ends: badResponse },
      { name: 'a number without its country', vendor: says(200, { phoneNumber: 999 }), ends: badResponse },
      { name: 'no evidence', evidence: {}, ends: invalid },
      { name: 'another path', evidence: { token: '..' }, ends: invalid },
      { name: 'not a token', evidence: { token: 'a b' }, ends: invalid },
      { name: 'a token of push', evidence: { accessToken: token }, ends: invalid },
    ],
    refusals: [{ call: isDetail, phase: 'resolve', ends: () => null }],
  })
})

t.test('the request is that of the documentation', async t => {
  const vendor = await openVendor(t, () => ({ body: detail }))
  const adapter = openAdapter(truecaller, settings(vendor), openIo(t))
  const resolve = (token: string) => adapter.resolve(anAttempt({ method, phoneNumber }), { token }, { repeated: false })
  await resolve(token)
  t.match(vendor.calls, [{ method: 'GET', path: legacyPath, headers: { appkey: appKey } }])
  await resolve('a/b+c=')
  t.match(vendor.calls[1], { path: '/v1/otp/installation/phoneNumberDetail/a%2Fb%2Bc%3D' }, 'one segment of the path')
})

t.test('the number of the token is what counts', async t => {
  const vendor = await openVendor(t, () => ({ body: detail }))
  const adapter = openAdapter(truecaller, settings(vendor), openIo(t))
  const other = anAttempt({ method, phoneNumber: '+919999999998' })
  t.match(await adapter.resolve(other, evidence, { repeated: false }), { phoneNumber }, 'not the expected one')
})

t.test('a token of either SDK is known by its own key', async t => {
  const vendor = await openVendor(t, () => ({}))
  const oauth = (vendor: Vendor) => ({ ...settings(vendor), TRUECALLER_OAUTH_CLIENT_ID: clientId })
  const { TRUECALLER_APP_KEY: _appKey, ...onlyOauth } = oauth(vendor)
  const run = (by: Record<string, string>) =>
    endingOf(openAdapter(truecaller, by, openIo(t)).resolve(
      anAttempt({ method, phoneNumber }), evidence, { repeated: false },
    ))
  vendor.answer = ({ path }) => path === oauthPath ? { body: detail } : { status: 404, body: badToken }
  t.match(await run(onlyOauth), { verdict: 'proven', phoneNumber })
  t.match(vendor.calls, [{ path: oauthPath, headers: { clientid: clientId } }])
  t.match(await run(settings(vendor)), invalid, 'an app key does not know the token of SDK 3.x')
  vendor.calls.length = 0
  t.match(await run(oauth(vendor)), { verdict: 'proven', phoneNumber })
  t.strictSame(vendor.calls.map(({ path }) => path), [legacyPath, oauthPath])
  vendor.answer = () => ({ status: 404, body: badToken })
  t.match(await run(oauth(vendor)), invalid, 'no key knows it')
  for (const bad of [legacyPath, oauthPath]) {
    vendor.answer = ({ path }) => ({ status: 404, body: path === bad ? badPartner : badToken })
    t.match(await run(oauth(vendor)), misconfigured, 'whichever key is bad')
    vendor.answer = ({ path }) => path === bad ? { status: 500 } : { status: 404, body: badToken }
    t.match(await run(oauth(vendor)), outage, 'nothing is known while one cannot be asked')
    for (const failed of [{ status: 404, body: badPartner }, { status: 500 }, { body: [] }]) {
      vendor.answer = ({ path }) => path === bad ? failed : { body: detail }
      t.match(await run(oauth(vendor)), { verdict: 'proven', phoneNumber }, 'the other key knows it')
    }
  }
})

t.test('it serves India only', async t => {
  const vendor = await openVendor(t, () => ({}))
  const adapter = openAdapter(truecaller, settings(vendor), openIo(t))
  const numbers = {
    '+919999999999': null, '+14155550100': 'carrier_unsupported', '+46760123456': 'carrier_unsupported',
  }
  for (const [phoneNumber, reason] of Object.entries(numbers)) {
    t.equal(await askEligibility(adapter, { method, phoneNumber, device: {} }), reason, phoneNumber)
    const other = { method: 'truecaller.push', phoneNumber, device: {} }
    t.equal(await askEligibility(adapter, other), null, 'the others serve every country')
  }
  t.equal(vendor.calls.length, 0)
})
