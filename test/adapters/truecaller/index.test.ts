import t from 'tap'
import type { Received } from '../../../src/adapters/adapter.ts'
import { truecaller } from '../../../src/adapters/truecaller/index.ts'
import {
  anAttempt, callbackKey, callbackUrl, contract, endingOf, openAdapter, openIo, openVendor, type Call, type Contract,
  type Vendor,
} from '../../contract.ts'

const assurance = { possession: 'account', binding: 'none', restricted: false } as const
const appKey = 'Js9t3518a9eb2b6804160957f7b438dcc01ac'
const accessToken = 'a1asX--8_yw-OF--E6Gj_DPyKelJIGUUeYB9U9MJhyeu4hOCbrl'
const isPush = ({ path }: Call) => path === '/v1/apps/requests'
const isProfile = ({ path }: Call) => path === '/v1/default'

const settings = ({ origin, host }: Vendor) => ({
  TRUECALLER_APP_KEY: appKey,
  TRUECALLER_PARTNER_NAME: 'Tea & Co',
  TRUECALLER_API_URL: origin,
  TRUECALLER_PROFILE_URL: origin,
  TRUECALLER_PROFILE_HOSTS: host,
})
const [invalid, tooLate] = [
  { verdict: 'denied', reason: 'evidence_invalid' } as const,
  { verdict: 'denied', reason: 'evidence_expired' } as const,
]
const bad: Contract['bad'] = [
  {
    name: 'expired token', vendor: () => ({ status: 401, body: { status: 40101, message: 'Unauthorized' } }),
    ends: tooLate,
  },
  {
    name: 'expired, in a 200', vendor: () => ({ body: { status: 40101, phoneNumbers: [46760123456] } }), ends: tooLate,
  },
  {
    name: 'forbidden', vendor: () => ({ status: 403, body: { phoneNumbers: [919999999999] } }), ends: invalid,
  },
  {
    name: 'an outage, in a 200', vendor: () => ({ body: { code: 500, message: 'error message' } }),
    ends: { failed: 'provider_error', retryable: true },
  },
  { name: 'no evidence of a number', vendor: () => ({ body: {} }), ends: { failed: 'provider_bad_response' } },
  { name: 'no number', vendor: () => ({ body: { phoneNumbers: [] } }), ends: { failed: 'provider_bad_response' } },
  { name: 'no evidence', evidence: {}, ends: invalid },
  {
    name: 'an endpoint of another host', evidence: { accessToken, endpoint: 'http://127.0.0.1:1/v1/default' },
    ends: invalid,
  },
  { name: 'a token that is no header', evidence: { accessToken: 'a\r\nb' }, ends: invalid },
]
const refusedToken = (status: number) =>
  status === 401 ? tooLate : [400, 403, 404, 410, 422].includes(status) ? invalid : null
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
  t.match(await adapter.resolve(anAttempt({}), { accessToken, endpoint }, { repeated: false }), { verdict: 'proven' })
  const headers = { authorization: `Bearer ${accessToken}`, 'cache-control': 'no-cache' }
  t.match(vendor.calls, [{ method: 'GET', path: '/v1/default', headers }])
  await adapter.resolve(anAttempt({}), { accessToken, endpoint: `${vendor.origin}/v1/default?` }, { repeated: false })
  t.equal(vendor.calls.length, 1, 'for a refused endpoint nothing is fetched')
  vendor.answer = () => ({ status: 302, headers: { location: endpoint } })
  const redirected = await endingOf(adapter.resolve(anAttempt({}), { accessToken, endpoint }, { repeated: false }))
  t.same(redirected, { failed: 'provider_bad_response', retryable: false }, 'nor is a redirect followed')
  t.equal(vendor.calls.length, 2)
})

t.test('a callback key that is set must be in the path', async t => {
  const vendor = await openVendor(t, () => ({}))
  const [key, next] = ['a-callback-key-of-ours-1', 'a-callback-key-of-ours-two']
  const adapter = openAdapter(
    truecaller, { ...settings(vendor), TRUECALLER_CALLBACK_KEY: `${key}, ${next}` }, openIo(t),
  )
  t.equal(adapter.acceptsAnySender, false)
  const body = { requestId: callbackKey, status: 'flow_invoked' }
  const receive = async (key: string | null) =>
    adapter.receive?.({ key, url: callbackUrl, headers: {}, rawBody: Buffer.alloc(0), body })
  for (const wrong of [null, '', `${key}x`, key.slice(1), `${key},${next}`, `${key}, ${next}`, callbackKey, 'é']) {
    t.strictSame(await receive(wrong), { type: 'refused', cause: 'key_missing' }, String(wrong))
  }
  for (const right of [key, next]) t.match(await receive(right), { key: callbackKey, type: 'opened' }, 'each of them')
})

t.test('settings that cannot be used are named, and their values are not', async t => {
  const io = { ...openIo(t), allowInsecure: false }
  const unusable = {
    TRUECALLER_APP_KEY: ['a b', 'clé'],
    TRUECALLER_API_URL: [
      'http://evil.example', 'https://evil.example:8443', 'https://u@evil.example', 'https://evil.example/path', 'evil',
      'HTTPS://evil.example',
    ],
    TRUECALLER_PROFILE_URL: ['http://evil.example', 'https://evil.example?a', 'https://evil.example#a'],
    TRUECALLER_PROFILE_HOSTS: [
      'evil.example:8443', 'https://evil.example', 'evil.example,', 'Evil.example', 'a b', '*.evil.example/',
    ],
    TRUECALLER_CALLBACK_KEY: [
      '', 'short', 'evil/evil/evil/evil/evil', 'e'.repeat(21), 'e'.repeat(129), `${'e'.repeat(22)},`,
      `${'e'.repeat(22)},evil`,
    ],
  }
  for (const [name, values] of Object.entries(unusable)) {
    for (const value of values) {
      const env = { TRUECALLER_APP_KEY: 'key', TRUECALLER_CALLBACK_KEY: 'e'.repeat(22), [name]: value }
      const error = t.throws(
        () => truecaller.open(env, io, 'truecaller'), { message: new RegExp(`^${name} `) }, `${name} ${value}`,
      )
      t.notMatch(String(error), 'evil')
    }
  }
  const usable = {
    TRUECALLER_CALLBACK_KEY: `${'e'.repeat(22)},${'f'.repeat(128)}`,
    TRUECALLER_API_URL: 'https://api4-noneu.truecaller.com/', TRUECALLER_PROFILE_HOSTS: 'a.example, b.example',
  }
  t.ok(truecaller.open({ TRUECALLER_APP_KEY: 'key', ...usable }, io, 'truecaller'))
})

t.test('without a callback key it starts only where that is permitted, and says so', async t => {
  const [io, env] = [openIo(t), { TRUECALLER_APP_KEY: 'key' }]
  const open = (allowInsecure: boolean, allow?: string) =>
    truecaller.open({ ...env, TRUECALLER_ALLOW_UNKEYED_CALLBACKS: allow }, { ...io, allowInsecure }, 'truecaller')
  for (const allow of [undefined, 'false']) {
    t.throws(() => open(false, allow), { message: /^TRUECALLER_CALLBACK_KEY is missing/ })
  }
  t.equal(open(false, 'true')?.acceptsAnySender, true)
  t.equal(open(true)?.acceptsAnySender, true)
})
