import t from 'tap'
import { truecaller } from '../../../src/adapters/truecaller/index.ts'
import {
  anAttempt, callbackKey, contract, endingOf, openAdapter, openIo, openVendor, type Call,
} from '../../../src/conformance/index.ts'
import { accessToken, assurance, bad, isProfile, refusedToken } from './granted.ts'
import { appKey, settings } from './vendor.ts'

const isPush = ({ path }: Call) => path === '/v1/apps/requests'
const badKey = (status: number) => status === 404 ? { failed: 'provider_misconfigured', retryable: false } : null

t.test('truecaller.push', async t => {
  await contract(t, {
    provider: truecaller,
    method: 'truecaller.push',
    settings,
    secrets: [appKey, accessToken],
    attempt: { phoneNumber: '+46760123456' },
    vendor: (_vendor, call) => ({
      body: isPush(call) ? { requestId: '92849748hueh9' } : { phoneNumbers: [46760123456], name: { first: 'A' } },
    }),
    action: () => ({ type: 'approveOnDevice', app: 'truecaller' }),
    good: { evidence: { accessToken }, proven: { phoneNumber: '+46760123456', profile: { name: { first: 'A' } } } },
    assurance,
    singleUse: accessToken,
    bad,
    refusals: [
      { call: isPush, phase: 'start', ends: badKey },
      { call: isProfile, phase: 'resolve', ends: refusedToken },
    ],
    callbacks: [
      {
        callback: { body: { requestId: 'vXbyFPwqiCAHZyxAldA9M9DDXKk=', accessToken, state: callbackKey } },
        received: { key: callbackKey, type: 'evidence', evidence: { accessToken } },
      },
      {
        callback: { key: 'anything', body: { requestId: 'x', accessToken, state: callbackKey } },
        received: { key: callbackKey, type: 'evidence', evidence: { accessToken } },
      },
      {
        callback: { body: { requestId: '92849748hueh9', accessToken, state: null } },
        received: { providerId: '92849748hueh9', type: 'evidence', evidence: { accessToken } },
      },
      { callback: { body: { accessToken } }, received: null },
    ],
  })

  const forbidden = { code: 1008, message: 'Forbidden: It is forbidden to use sdk login for this phone number.' }
  const vendor = await openVendor(t, () => ({ status: 403, body: forbidden }))
  const adapter = openAdapter(truecaller, settings(vendor), openIo(t))
  const attempt = anAttempt({ method: 'truecaller.push', phoneNumber: '+46760123456' })
  t.same(
    await endingOf(adapter.start(attempt)), { failed: 'number_not_registered', retryable: false },
    'a number without Truecaller',
  )
  t.match(vendor.calls, [{
    method: 'POST', path: '/v1/apps/requests', headers: {
      appkey: appKey, 'cache-control': 'no-cache', 'content-type': 'application/json',
    },
    text: `{"phoneNumber":46760123456,"state":"${callbackKey}"}`,
  }], 'asked as documented, with the number as a number')
  vendor.answer = () => ({ body: { requestId: '' } })
  t.same(
    await endingOf(adapter.start(attempt)), { failed: 'provider_bad_response', retryable: false },
    'an answer without its id',
  )
})
