import t from 'tap'
import { truid } from '../../../src/adapters/truid/index.ts'
import {
  anAttempt, callbackKey, contract, endingOf, openAdapter, openIo, openVendor, type Answer, type Call, type Contract, type Vendor,
} from '../../contract.ts'

const id = 'c69bc0e6-a429-11ea-bb37-0242ac130002'
const token = '2YotnFZFEjr1zCsicMWpAA'
const secrets = ['client-1', 'secret-1', token, Buffer.from('client-1:secret-1').toString('base64'), '94dae426fg']
const phoneNumber = '+447700900000'
const attempt = anAttempt({ method: 'truid.phone_check', phoneNumber })
const noRepeat = { repeated: false }

const isToken = ({ path }: Call) => path === '/oauth2/v1/token'
const isCreate = ({ method, path }: Call) => method === 'POST' && path.startsWith('/phone_check/')
const isCheck = ({ path }: Call) => path.endsWith(`/checks/${id}`)
const settings = ({ origin }: Vendor) => ({ TRUID_CLIENT_ID: 'client-1', TRUID_CLIENT_SECRET: 'secret-1', TRUID_API_URL: origin })
const selfAt = ({ origin }: Vendor, version: string) => `${origin}/phone_check/${version}/checks/${id}`

const check = (more: object) => ({ check_id: id, status: 'COMPLETED', charge_amount: 1, charge_currency: 'API', ttl: 60, ...more })
function answerWell (vendor: Vendor, call: Call): Answer {
  if (isToken(call)) return { body: { access_token: token, token_type: 'bearer', expires_in: 3600, scope: 'phone_check' } }
  if (!isCreate(call)) return { body: check({ match: true }) }
  const self = selfAt(vendor, call.path.split('/')[2] ?? '')
  return { status: 201, body: check({ status: 'ACCEPTED', _links: { self: { href: self }, check_url: { href: `${self}/redirect` } } }) }
}
const say = (more: object) => (call: Call): Answer | null => isCheck(call) ? { body: check(more) } : null
const denied = (reason: string) => ({ verdict: 'denied', reason }) as Contract['bad'][number]['ends']

const refusals: Contract['refusals'] = [
  {
    call: isToken,
    phase: 'start',
    ends: status => status === 401 || status === 403 ? { failed: 'provider_misconfigured', retryable: false } : null,
  },
  {
    call: isCreate,
    phase: 'start',
    ends: status => {
      if ([401, 402, 403].includes(status)) return { failed: 'provider_misconfigured', retryable: false }
      const reason = { 400: 'carrier_unsupported', 409: 'device_mismatch', 412: 'not_on_cellular' }[status]
      return reason === undefined ? null : { failed: reason, retryable: false }
    },
  },
]
const configured = (status: number) => [401, 402, 403].includes(status) ? { failed: 'provider_misconfigured', retryable: false } : null
const judged: Contract['bad'] = [
  { name: 'match false', vendor: say({ match: false }), ends: denied('number_mismatch') },
  { name: 'no match', vendor: say({}), ends: { failed: 'provider_bad_response' } },
  { name: 'match of another type', vendor: say({ match: 'true' }), ends: { failed: 'provider_bad_response' } },
  { name: 'another check', vendor: say({ match: true, check_id: 'other' }), ends: { failed: 'provider_bad_response' } },
  { name: 'expired', vendor: say({ status: 'EXPIRED' }), ends: denied('evidence_expired') },
  { name: 'Wi-Fi', vendor: say({ status: 'ERROR', error_code: 'not_mobile_ip' }), ends: denied('not_on_cellular') },
  { name: 'operator', vendor: say({ status: 'ERROR', error_code: 'mno_not_supported' }), ends: denied('carrier_unsupported') },
  {
    name: 'operator\'s timeout',
    vendor: say({ status: 'ERROR', error_code: 'mno_timeout' }),
    ends: { failed: 'provider_timeout', retryable: false },
  },
  { name: 'error', vendor: say({ status: 'ERROR', match: false }), ends: { failed: 'provider_error', retryable: false } },
  { name: 'unfinished', vendor: say({ status: 'PENDING' }), ends: { verdict: 'pending', retryAfterMs: 1000 } },
]
const callbacks: Contract['callbacks'] = [
  {
    callback: { key: callbackKey, body: check({ match: true }) },
    received: { key: callbackKey, type: 'evidence', evidence: { callback: true } },
  },
  { callback: { key: null, body: check({ match: true }) }, received: null },
  { callback: { key: 'short', body: check({ match: true }) }, received: null },
  { callback: { key: callbackKey, body: { check_id: id } }, received: null },
]

t.test('truid.phone_check v0.2', async t => {
  const bySecond = (patch: Answer, get: Answer) => (call: Call) => isCheck(call) ? (call.method === 'PATCH' ? patch : get) : null
  const [matched, unmatched, unfinished] = [{ match: true }, { match: false }, { status: 'PENDING' }].map(more => ({ body: check(more) }))
  const notFound = { status: 404, body: { type: 'https://developer.tru.id/docs/reference/api-errors#check_not_found', title: 'Not Found' } }
  await contract(t, {
    provider: truid,
    method: 'truid.phone_check',
    settings,
    secrets,
    attempt: { phoneNumber },
    vendor: answerWell,
    action: vendor => ({ type: 'openUrlOnCellular', url: `${selfAt(vendor, 'v0.2')}/redirect`, finish: 'code' }),
    good: { evidence: { code: '94dae426fg' }, proven: { phoneNumber } },
    bad: [
      ...judged,
      { name: 'wrong code', vendor: bySecond(notFound, matched ?? {}), ends: denied('evidence_invalid') },
      { name: 'code used by ourselves', repeated: true, vendor: bySecond(notFound, matched ?? {}), ends: { verdict: 'proven' } },
      { name: 'code used, no match', repeated: true, vendor: bySecond(notFound, unmatched ?? {}), ends: denied('number_mismatch') },
      { name: 'not used after all', repeated: true, vendor: bySecond(notFound, unfinished ?? {}), ends: denied('evidence_invalid') },
      { name: 'gone', repeated: true, vendor: bySecond(notFound, notFound), ends: denied('evidence_invalid') },
      { name: 'unknown now', repeated: true, vendor: bySecond(notFound, { status: 503 }), ends: { failed: 'provider_error' } },
      { name: 'forbidden', repeated: true, vendor: bySecond({ status: 403 }, matched ?? {}), ends: { failed: 'provider_misconfigured' } },
      { name: 'no code', evidence: {}, ends: { verdict: 'pending' } },
      { name: 'callback', evidence: { callback: true }, ends: { verdict: 'pending' } },
      { name: 'callback, no match', evidence: { callback: true }, vendor: say({ match: false }), ends: denied('number_mismatch') },
      { name: 'a code too long', evidence: { code: 'x'.repeat(257) }, ends: denied('evidence_invalid') },
    ],
    refusals: [...refusals, { call: isCheck, phase: 'resolve', ends: status => configured(status) ?? denied('evidence_invalid') }],
    callbacks,
  })
})

t.test('truid.phone_check v0.1', async t => {
  await contract(t, {
    provider: truid,
    method: 'truid.phone_check',
    settings,
    secrets,
    attempt: { phoneNumber, options: { version: 'v0.1' } },
    vendor: answerWell,
    action: vendor => ({ type: 'openUrlOnCellular', url: `${selfAt(vendor, 'v0.1')}/redirect`, finish: 'none' }),
    good: { evidence: {}, proven: { phoneNumber } },
    bad: [
      ...judged,
      { name: 'the callback alone', evidence: { callback: true }, vendor: say({ status: 'ACCEPTED' }), ends: { verdict: 'pending' } },
    ],
    refusals: [...refusals, { call: isCheck, phase: 'resolve', ends: configured }],
    callbacks,
  })
  const vendor = await openVendor(t, answerWell)
  const adapter = openAdapter(truid, { ...settings(vendor), TRUID_API_VERSION: 'v0.1' }, openIo(t))
  t.match(await adapter.start(attempt), { state: { version: 'v0.1' }, action: { finish: 'none' } }, 'by configuration')
})

t.test('what tru.ID is asked', async t => {
  const vendor = await openVendor(t, answerWell)
  const adapter = openAdapter(truid, settings(vendor), openIo(t))
  const redirectUrl = 'https://verify.example/callbacks/truid/return'
  const { state } = await adapter.start({ ...attempt, redirectUrl, device: { ip: '2001:db8::1' } })
  await adapter.start({ ...attempt, redirectUrl, device: { ip: 'nonsense' }, options: { version: 'v0.1' } })
  await adapter.start(attempt)
  await adapter.resolve({ ...attempt, state }, { code: '94dae426fg' }, noRepeat)
  const sent = { phone_number: '447700900000', reference_id: 'att_1', callback_url: attempt.callbackUrl }
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  t.match(vendor.calls[0], {
    path: '/oauth2/v1/token', text: 'grant_type=client_credentials&scope=phone_check',
    headers: { authorization: 'Basic Y2xpZW50LTE6c2VjcmV0LTE=', 'content-type': 'application/x-www-form-urlencoded' },
  })
  t.match(vendor.calls[1], { method: 'POST', path: '/phone_check/v0.2/checks', headers })
  t.strictSame(vendor.calls[1]?.body, { ...sent, phone_ip: '2001:db8::1', redirect_url: redirectUrl })
  t.strictSame(vendor.calls[2]?.body, sent, 'v0.1 knows no redirect_url, and what is no address is not sent')
  t.strictSame(vendor.calls[3]?.body, sent, 'without a redirect the chain ends in JSON')
  const asPatch = { 'content-type': 'application/json-patch+json' }
  t.match(vendor.calls[4], { method: 'PATCH', path: `/phone_check/v0.2/checks/${id}`, headers: asPatch })
  t.strictSame(vendor.calls[4]?.body, [{ op: 'add', path: '/code', value: '94dae426fg' }])
  t.equal(vendor.calls.length, 5, 'with one token')
  const early = await adapter.resolve(attempt, { callback: true }, noRepeat)
  t.match(early, { verdict: 'pending' }, 'a callback that is faster than the create answer waits')

  const elsewhere = { href: 'http://127.0.0.1:1/a' }
  vendor.answer = call => isCreate(call)
    ? { status: 201, body: check({ _links: { self: elsewhere, check_url: elsewhere } }) }
    : answerWell(vendor, call)
  t.match(await endingOf(adapter.start(attempt)), { failed: 'provider_bad_response' }, 'links elsewhere are not followed')
})

t.test('one token serves all, until a minute before its end', async t => {
  let now = 1_000_000
  let issued = 0
  const vendor = await openVendor(t, (self, call) => isToken(call)
    ? { body: { access_token: `token-${++issued}`, expires_in: 3600 } }
    : answerWell(self, call))
  const adapter = openAdapter(truid, settings(vendor), openIo(t, { now: () => now }))
  await Promise.all(Array.from({ length: 10 }, () => adapter.start(attempt)))
  t.equal(issued, 1, 'ten at once fetch one')
  now += 3539_000
  await adapter.start(attempt)
  t.equal(issued, 1)
  now += 1000
  await adapter.start(attempt)
  t.equal(issued, 2)

  const refused = (stale: string) => (call: Call) => call.headers.authorization === `Bearer ${stale}` ? { status: 401 } : null
  const well = vendor.answer
  vendor.answer = call => refused('token-2')(call) ?? well(call)
  await adapter.start(attempt)
  t.equal(issued, 3, 'one that the API refuses is replaced, and the call made again')
  vendor.answer = call => isToken(call) ? well(call) : { status: 401 }
  vendor.calls.length = 0
  t.same(await endingOf(adapter.start(attempt)), { failed: 'provider_misconfigured', retryable: false })
  t.equal(vendor.calls.filter(isCreate).length, 2, 'once')
  vendor.answer = call => isToken(call) ? { status: 503 } : well(call)
  t.same(await endingOf(adapter.start(attempt)), { failed: 'provider_error', retryable: true })
  vendor.answer = well
  t.match(await endingOf(adapter.start(attempt)), { started: {} }, 'a fetch that failed is not remembered')
})

t.test('a browser that comes back is read for its own check only', async t => {
  const vendor = await openVendor(t, answerWell)
  const adapter = openAdapter(truid, settings(vendor), openIo(t))
  const started = { ...attempt, state: (await adapter.start(attempt)).state }
  const read = (query: Record<string, string>, of = started) => adapter.readReturn?.(of, query)
  t.same(read({ check_id: id, code: '94dae426fg', reference_id: 'att_1' }), { code: '94dae426fg' })
  const failed = { check_id: id, error: 'mno_redirect_unsupported', error_description: 'MNO redirect unsupported' }
  t.same(read(failed), { error: 'carrier_unsupported' })
  t.same(read({ check_id: id, error: 'not_mobile_ip' }), { error: 'not_on_cellular' })
  t.same(read({ check_id: id, error: 'toString' }), { error: 'provider_error' })
  const others = [{ check_id: 'other', code: 'a' }, { check_id: '', code: 'a' }, { check_id: id, code: '' }, { check_id: id }]
  for (const query of others) t.equal(read(query), null)
  t.equal(read({ code: 'a' }), null)
  t.equal(read({ check_id: id, code: 'a' }, { ...attempt, state: null }), null)
  t.equal(vendor.calls.length, 2, 'without asking')
})

t.test('settings that cannot be used are named, and their values are not', async t => {
  const io = { ...openIo(t), allowInsecure: false }
  const both = { TRUID_CLIENT_ID: 'a', TRUID_CLIENT_SECRET: 'b' }
  const unusable: [string, Record<string, string>][] = [
    ['TRUID_CLIENT_SECRET', { TRUID_CLIENT_ID: 'evil' }], ['TRUID_CLIENT_ID', { TRUID_CLIENT_SECRET: 'evil' }],
    ['TRUID_API_URL', { ...both, TRUID_API_URL: 'http://evil.example' }],
    ['TRUID_API_URL', { ...both, TRUID_API_URL: 'https://evil.example/v1' }],
    ['TRUID_DATA_RESIDENCY', { ...both, TRUID_DATA_RESIDENCY: 'evil.example/' }],
    ['TRUID_API_VERSION', { ...both, TRUID_API_VERSION: 'evil' }],
  ]
  for (const [name, env] of unusable) {
    const error = t.throws(() => truid.open(env, io), { message: new RegExp(`^${name} `) }, name)
    t.notMatch(String(error), 'evil')
  }
  const hosts: string[][] = []
  const recording = { ...io, openHttp: (provider: string, allowed: string[]) => (hosts.push(allowed), io.openHttp(provider, allowed)) }
  for (const residency of ['', 'in', 'us']) truid.open({ ...both, TRUID_DATA_RESIDENCY: residency }, recording)
  t.same(hosts, [['eu.api.tru.id'], ['in.api.tru.id'], ['us.api.tru.id']])
})
