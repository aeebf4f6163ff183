import t from 'tap'
import type { Received } from '../../../src/adapters/adapter.ts'
import { truecaller } from '../../../src/adapters/truecaller/index.ts'
import {
  anAttempt, callbackKey, contract, endingOf, openAdapter, openIo, openVendor,
} from '../../../src/conformance/index.ts'
import { accessToken, assurance, bad, isProfile, refusedToken } from './granted.ts'
import { appKey, settings } from './vendor.ts'

t.test('truecaller.web', async t => {
  const url = 'truecallersdk://truesdk/web_verify?type=btmsheet' +
    `&requestNonce=${callbackKey}&partnerKey=${appKey}&partnerName=Tea%20%26%20Co&lang=hi` +
    '&privacyUrl=https%3A%2F%2Fapp.example%2Fprivacy%3Fa%3Db&loginPrefix=checkout&loginSuffix=verifymobile' +
    '&ctaPrefix=continuewith' +
    '&ctaColor=%23f75d34&skipOption=later&ttl=8000'
  const say = (body: object, received: Received | null) => ({ callback: { body }, received })
  await contract(t, {
    provider: truecaller,
    method: 'truecaller.web',
    settings,
    secrets: [appKey, accessToken],
    attempt: {
      locale: 'hi-IN',
      options: {
        ttl: 8000, privacyUrl: 'https://app.example/privacy?a=b', loginPrefix: 'checkout', ctaColor: '#f75d34',
        skipOption: 'later',
      },
    },
    vendor: () => ({ body: { phoneNumbers: ['919999999999'] } }),
    action: () => ({ type: 'openDeepLink', url, platforms: ['android'], notOpenedAfterMs: 600 }),
    good: { evidence: { accessToken }, proven: { phoneNumber: '+919999999999' } },
    assurance,
    singleUse: accessToken,
    bad,
    refusals: [{ call: isProfile, phase: 'resolve', ends: refusedToken }],
    callbacks: [
      say({ requestId: callbackKey, status: 'flow_invoked' }, { key: callbackKey, type: 'opened' }),
      say(
        { requestId: callbackKey, accessToken, endpoint: 'https://profile4-noneu.truecaller.com/v1/default' },
        {
          key: callbackKey, type: 'evidence',
          evidence: { accessToken, endpoint: 'https://profile4-noneu.truecaller.com/v1/default' },
        },
      ),
      say(
        { requestId: callbackKey, status: 'user_rejected' },
        { key: callbackKey, type: 'denied', reason: 'user_rejected' },
      ),
      say(
        { requestId: callbackKey, status: 'use_another_number' },
        { key: callbackKey, type: 'denied', reason: 'abandoned' },
      ),
      say(
        { requestId: callbackKey, status: 'flow_cancelled' },
        { key: callbackKey, type: 'denied', reason: 'abandoned' },
      ),
      say({ requestId: callbackKey, status: 'constructor' }, { key: callbackKey, type: 'noted' }),
      say({ requestId: callbackKey }, null),
      say(
        { requestId: callbackKey.slice(0, 39), status: 'flow_invoked' },
        { providerId: callbackKey.slice(0, 39), type: 'opened' },
      ),
      say({ requestId: `${callbackKey}=`, status: 'flow_invoked' }, { providerId: `${callbackKey}=`, type: 'opened' }),
      say({ requestId: null, state: `${callbackKey}=`, status: 'flow_invoked' }, null),
      say({ requestId: callbackKey, state: 'theirs', status: 'flow_invoked' }, { key: callbackKey, type: 'opened' }),
      say({ requestId: callbackKey, accessToken: '' }, null),
      say({ requestId: callbackKey, accessToken: 'x'.repeat(2049) }, null),
      say({ requestId: callbackKey, accessToken: 'a b' }, null),
      say({ requestId: callbackKey, accessToken, endpoint: `https://${'x'.repeat(2048)}` }, null),
    ],
  })

  const vendor = await openVendor(t, () => ({ body: { phoneNumbers: ['919999999999'] } }))
  const adapter = openAdapter(truecaller, settings(vendor), openIo(t))
  const linkFor = async (locale: string | null, options = {}) => {
    const { action } = await adapter.start(anAttempt({ method: 'truecaller.web', locale, options }))
    return action.type === 'openDeepLink' ? action.url : ''
  }
  for (const [locale, lang] of [['hi', 'hi'], ['SW_KE', 'sw'], ['sv-SE', 'en'], ['', 'en'], [null, 'en']] as const) {
    t.match(await linkFor(locale), `&lang=${lang}&loginPrefix=continue&`, `${locale} is shown in ${lang}`)
  }
  t.match(await linkFor('hi', { lang: 'ta' }), '&lang=ta&', 'the option comes first')

  const endpoint = `${vendor.origin}/v1/default`
  const attempt = anAttempt({ method: 'truecaller.web' })
  t.match(await adapter.resolve(attempt, { accessToken, endpoint }, { repeated: false }), { verdict: 'proven' })
  const headers = { authorization: `Bearer ${accessToken}`, 'cache-control': 'no-cache' }
  t.match(vendor.calls, [{ method: 'GET', path: '/v1/default', headers }])
  await adapter.resolve(attempt, { accessToken, endpoint: `${vendor.origin}/v1/default?` }, { repeated: false })
  t.equal(vendor.calls.length, 1, 'for a refused endpoint nothing is fetched')
  vendor.answer = () => ({ status: 302, headers: { location: endpoint } })
  const redirected = await endingOf(adapter.resolve(attempt, { accessToken, endpoint }, { repeated: false }))
  t.same(redirected, { failed: 'provider_bad_response', retryable: false }, 'nor is a redirect followed')
  t.equal(vendor.calls.length, 2)
})
