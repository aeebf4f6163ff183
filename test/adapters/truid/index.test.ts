import t from 'tap'
import { Compile } from 'typebox/compile'
import { truid } from '../../../src/adapters/truid/index.ts'
import type { Received, Refused } from '../../../src/adapters/adapter.ts'
import type { Json } from '../../../src/core/vocabulary.ts'
import {
  callbackKey, contract, endingOf, openAdapter, openIo, openVendor, type Answer, type Call, type Contract,
} from '../../../src/conformance/index.ts'
import { createSigner } from './signer.ts'
import {
  answerWell, attempt, check, code, denied, id, isCheck, isCreate, isKeys, isToken, noRepeat, phoneNumber,
  problem, say, secrets, selfAt, settings, signer, token,
} from './vendor.ts'
import { jumpWith } from '../../helpers/monotonic-clock.ts'

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
const configured = (status: number) => [401, 402, 403].includes(status)
  ? { failed: 'provider_misconfigured', retryable: false }
  : null
const judged: Contract['bad'] = [
  { name: 'match false', vendor: say({ match: false }), ends: denied('number_mismatch') },
  { name: 'no match', vendor: say({}), ends: { failed: 'provider_bad_response' } },
  { name: 'match of another type', vendor: say({ match: 'true' }), ends: { failed: 'provider_bad_response' } },
  { name: 'another check', vendor: say({ match: true, check_id: 'other' }), ends: { failed: 'provider_bad_response' } },
  { name: 'expired', vendor: say({ status: 'EXPIRED' }), ends: denied('evidence_expired') },
  { name: 'Wi-Fi', vendor: say({ status: 'ERROR', error_code: 'not_mobile_ip' }), ends: denied('not_on_cellular') },
  {
    name: 'operator', vendor: say({ status: 'ERROR', error_code: 'mno_not_supported' }),
    ends: denied('carrier_unsupported'),
  },
  {
    name: 'operator\'s timeout',
    vendor: say({ status: 'ERROR', error_code: 'mno_timeout' }),
    ends: { failed: 'provider_timeout', retryable: false },
  },
  {
    name: 'error', vendor: say({ status: 'ERROR', match: false }), ends: { failed: 'provider_error', retryable: false },
  },
  { name: 'unfinished', vendor: say({ status: 'PENDING' }), ends: { verdict: 'pending', retryAfterMs: 1000 } },
]
const evidence = { key: callbackKey, type: 'evidence', evidence: { callback: true } } as const
const refused = (cause: Refused['cause']): Refused => ({ type: 'refused', cause })
const said = check({ match: true })
const callbacks: Contract['callbacks'] = [
  { callback: signer.sign(said), received: evidence },
  { callback: signer.sign(said, { encoding: 'hex' }), received: evidence },
  { callback: signer.sign(said, { headers: { 'x-tru-callback': 'subscriber_check' } }), received: evidence },
  { callback: { ...signer.sign(said), key: null }, received: null },
  { callback: { ...signer.sign(said), key: 'short' }, received: null },
  { callback: signer.sign({ check_id: id }), received: null },
  { callback: { ...signer.sign(said), headers: {} }, received: refused('signature_missing') },
  { callback: signer.sign(said, { algorithm: 'hs2019' }), received: evidence },
  { callback: signer.sign(said, { algorithm: 'hmac-sha256' }), received: refused('signature_invalid') },
  { callback: signer.sign(said, { components: '(request-target) host date' }), received: refused('signature_invalid') },
  { callback: signer.sign(said, { digest: 'SHA-256=bm8=' }), received: refused('digest_mismatch') },
  { callback: signer.sign(said, { at: Date.now() - 3_600_000 }), received: refused('date_skewed') },
  {
    callback: { ...signer.sign(said), url: 'https://verify.example/callbacks/acme/another' },
    received: refused('signature_invalid'),
  },
  { callback: createSigner('key-1').sign(said), received: refused('signature_invalid') },
  { callback: createSigner('key-2').sign(said), received: refused('key_unknown') },
]

t.test('truid.phone_check v0.2', async t => {
  const bySecond = (patch: Answer, get: Answer) => (call: Call) => isCheck(call)
    ? (call.method === 'PATCH' ? patch : get)
    : null
  const matched = { body: check({ match: true }) }
  const notFound = problem(404, 'check_not_found')
  await contract(t, {
    provider: truid,
    method: 'truid.phone_check',
    settings,
    secrets,
    attempt: { phoneNumber },
    vendor: answerWell,
    action: vendor => ({ type: 'openUrlOnCellular', url: `${selfAt(vendor, 'v0.2')}/redirect`, finish: 'code' }),
    good: { evidence: { code }, proven: { phoneNumber } },
    assurance: { possession: 'sim', binding: 'session', restricted: false },
    singleUse: code,
    bad: [
      ...judged,
      { name: 'wrong code', vendor: bySecond(notFound, matched), ends: denied('evidence_invalid') },
      {
        name: 'wrong or used, when we ask again: that the check is finished says nothing of the code', repeated: true,
        vendor: bySecond(notFound, matched), ends: denied('evidence_invalid'),
      },
      {
        name: 'forbidden', repeated: true, vendor: bySecond({ status: 403 }, matched),
        ends: { failed: 'provider_misconfigured' },
      },
      { name: 'no code', evidence: {}, ends: { verdict: 'pending' } },
      { name: 'callback', evidence: { callback: true }, ends: { verdict: 'pending' } },
      {
        name: 'callback, no match', evidence: { callback: true }, vendor: say({ match: false }),
        ends: denied('number_mismatch'),
      },
      { name: 'a code too long', evidence: { code: 'x'.repeat(257) }, ends: denied('evidence_invalid') },
    ],
    refusals: [
      ...refusals,
      { call: isCheck, phase: 'resolve', ends: status => configured(status) ?? denied('evidence_invalid') },
    ],
    callbacks,
    sign: signer.sign,
    unsigned: /algorithm(?==)/g,
  })
})

t.test('truid.phone_check v0.1, with the option signals', async t => {
  await contract(t, {
    provider: truid,
    method: 'truid.phone_check',
    settings: vendor => ({ ...settings(vendor), TRUID_API_VERSION: 'v0.2,v0.1' }),
    secrets,
    attempt: { phoneNumber, options: { version: 'v0.1', signals: ['simChange'] } },
    vendor: answerWell,
    action: vendor => ({ type: 'openUrlOnCellular', url: `${selfAt(vendor, 'v0.1')}/redirect`, finish: 'none' }),
    good: { evidence: {}, proven: { phoneNumber, signals: { simChangedWithin: 43201 } } },
    assurance: { possession: 'sim', binding: 'none', restricted: false },
    singleUse: null,
    bad: [
      ...judged,
      {
        name: 'the callback alone', evidence: { callback: true }, vendor: say({ status: 'ACCEPTED' }),
        ends: { verdict: 'pending' },
      },
    ],
    refusals: [...refusals, { call: isCheck, phase: 'resolve', ends: configured }],
    callbacks,
    sign: signer.sign,
    unsigned: /algorithm(?==)/g,
  })
})

t.test('truid.subscriber_check', async t => {
  await contract(t, {
    provider: truid,
    method: 'truid.subscriber_check',
    settings,
    secrets,
    attempt: { phoneNumber },
    vendor: answerWell,
    action: vendor => ({
      type: 'openUrlOnCellular', url: `${selfAt(vendor, 'v0.2', 'subscriber_check')}/redirect`, finish: 'code',
    }),
    good: { evidence: { code }, proven: { phoneNumber, signals: { simChangedWithin: 525601 } } },
    assurance: { possession: 'sim', binding: 'session', restricted: false },
    singleUse: code,
    bad: [
      ...judged,
      { name: 'no code', evidence: {}, ends: { verdict: 'pending' } },
      { name: 'callback', evidence: { callback: true }, ends: { verdict: 'pending' } },
    ],
    refusals: [
      ...refusals,
      { call: isCheck, phase: 'resolve', ends: status => configured(status) ?? denied('evidence_invalid') },
    ],
  })
})

t.test('the versions that the operator lists', async t => {
  const vendor = await openVendor(t, answerWell)
  for (const [listed, byDefault, offered] of [
    ['', 'v0.2', ['v0.2']], ['v0.1', 'v0.1', ['v0.1']], ['v0.2,v0.1', 'v0.2', ['v0.2', 'v0.1']],
    ['v0.1, v0.2', 'v0.1', ['v0.1', 'v0.2']],
  ] as const) {
    const adapter = openAdapter(truid, { ...settings(vendor), TRUID_API_VERSION: listed }, openIo(t))
    for (const { options } of Object.values(adapter.methods)) {
      t.match(options.properties['version'], { enum: [...offered] }, listed)
    }
    t.match(await adapter.start(attempt), { state: { version: byDefault } }, listed)
    for (const version of ['v0.1', 'v0.2'] as const) {
      const used = offered.some(one => one === version) ? version : byDefault
      const started = await adapter.start({ ...attempt, options: { version } })
      t.match(started, { state: { version: used }, action: { finish: used === 'v0.2' ? 'code' : 'none' } })
    }
  }
})

t.test('the options of each method', async t => {
  const vendor = await openVendor(t, answerWell)
  const { methods } = openAdapter(truid, settings(vendor), openIo(t))
  const [phoneCheck, subscriberCheck] = [
    'truid.phone_check', 'truid.subscriber_check',
  ].map(name => methods[name]?.options)
  if (phoneCheck === undefined || subscriberCheck === undefined) throw new Error('no method')
  for (const [options, isOfPhoneCheck, isOfSubscriberCheck] of [
    [{}, true, true], [{ version: 'v0.2' }, true, true], [{ version: 'v0.1' }, false, false],
    [{ signals: ['simChange'] }, true, false], [{ signals: [] }, true, false], [{ signals: ['other'] }, false, false],
    [{ signals: ['simChange', 'simChange'] }, false, false], [{ signals: 'simChange' }, false, false],
    [{ period: 60 }, false, false],
  ] as const) {
    t.equal(Compile(phoneCheck).Check(options), isOfPhoneCheck, JSON.stringify(options))
    t.equal(Compile(subscriberCheck).Check(options), isOfSubscriberCheck, JSON.stringify(options))
  }
})

t.test('what a check costs, and when it ends', async t => {
  const now = 1_000_000
  let more: object = {}
  const vendor = await openVendor(t, (self, call) => {
    const answer = answerWell(self, call)
    return isCreate(call) && answer !== 'hang' ? { status: 201, body: { ...answer.body as object, ...more } } : answer
  })
  const adapter = openAdapter(truid, settings(vendor), openIo(t, { now: () => now }))
  for (const method of Object.keys(adapter.methods)) {
    more = { charge_amount: '1.5', charge_currency: 'EUR', snapshot_balance: 98.5, ttl: '120' }
    t.match(await adapter.start({ ...attempt, method }), {
      cost: { amount: 1.5, currency: 'EUR' }, balance: { amount: 98.5, currency: 'EUR' }, expiresInMs: 120_000,
    }, method)
    for (const ttl of [null, 0, -1, 'soon', undefined]) {
      more = { charge_amount: null, charge_currency: null, snapshot_balance: null, ttl }
      const started = await adapter.start({ ...attempt, method })
      for (const name of ['cost', 'balance', 'expiresInMs']) t.notOk(name in started, `${name} with ttl ${ttl}`)
    }
  }
})

t.test('an error says whether it is that of a carrier, of the evidence, or of tru.ID', async t => {
  const vendor = await openVendor(t, answerWell)
  const adapter = openAdapter(truid, settings(vendor), openIo(t))
  const { state } = await adapter.start(attempt)
  const errorOf = (answer: Answer, evidence: Json = { code }) => {
    vendor.answer = call => isCheck(call) ? answer : answerWell(vendor, call)
    return adapter.resolve({ ...attempt, state }, evidence, noRepeat).catch((error: unknown) => error)
  }
  for (const evidence of [{ code }, { callback: true }]) {
    for (const code of ['mno_timeout', 'mno_response_error', 'mno_server_error']) {
      t.match(await errorOf({ body: check({ status: 'ERROR', error_code: code }) }, evidence), { isCarrierFault: true })
      const problem = { status: 400, body: { type: `https://developer.tru.id/docs/api/errors#${code}` } }
      t.match(await errorOf(problem, evidence), { isCarrierFault: true, status: 400 })
    }
    t.match(await errorOf({ body: check({ status: 'ERROR' }) }, evidence), { isCarrierFault: false })
    t.match(await errorOf({ body: check({ match: null }) }, evidence), { reason: 'provider_bad_response', status: 200 })
    t.match(await errorOf({ status: 403, body: {} }, evidence), { reason: 'provider_misconfigured', status: 403 })
    t.match(
      await errorOf({ body: '<html>' }, evidence), { reason: 'provider_bad_response', status: null },
      'an answer that cannot be read',
    )
  }
})

t.test('what tru.ID is asked', async t => {
  const vendor = await openVendor(t, answerWell)
  const adapter = openAdapter(truid, { ...settings(vendor), TRUID_API_VERSION: 'v0.2,v0.1' }, openIo(t))
  const redirectUrl = 'https://verify.example/callbacks/truid/return'
  const { state } = await adapter.start({ ...attempt, redirectUrl, device: { ip: '2001:db8::1' } })
  await adapter.start({ ...attempt, redirectUrl, device: { ip: 'nonsense' }, options: { version: 'v0.1' } })
  await adapter.start(attempt)
  await adapter.resolve({ ...attempt, state }, { code }, noRepeat)
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
  t.strictSame(vendor.calls[4]?.body, [{ op: 'add', path: '/code', value: code }])
  t.equal(vendor.calls.length, 5, 'with one token')
  const early = await adapter.resolve(attempt, { callback: true }, noRepeat)
  t.match(early, { verdict: 'pending' }, 'a callback that is faster than the create answer waits')

  const elsewhere = { href: 'http://127.0.0.1:1/a' }
  vendor.answer = call => isCreate(call)
    ? { status: 201, body: check({ _links: { self: elsewhere, check_url: elsewhere } }) }
    : answerWell(vendor, call)
  t.match(
    await endingOf(adapter.start(attempt)), { failed: 'provider_bad_response' }, 'links elsewhere are not followed',
  )
})

t.test('each product has its own path and its own token', async t => {
  const vendor = await openVendor(t, (self, call) => isToken(call)
    ? { body: { access_token: `for-${new URLSearchParams(call.text).get('scope')}`, expires_in: 3600 } }
    : answerWell(self, call))
  const adapter = openAdapter(truid, { ...settings(vendor), TRUID_API_VERSION: 'v0.2,v0.1' }, openIo(t))
  const methods = ['truid.phone_check', 'truid.subscriber_check']
  t.strictSame(Object.keys(adapter.methods), methods)
  for (const method of methods) {
    const product = method.slice('truid.'.length)
    for (const version of ['v0.1', 'v0.2']) {
      vendor.calls.length = 0
      const given = { ...attempt, method, options: { version } }
      const { state } = await adapter.start(given)
      for (const evidence of [{}, { code }]) await adapter.resolve({ ...given, state }, evidence, noRepeat)
      const asked = vendor.calls.filter(call => !isToken(call))
      t.match(asked.map(call => `${call.method} ${call.path}`), [
        `POST /${product}/${version}/checks`, `GET /${product}/${version}/checks/${id}`,
        `${version === 'v0.2' ? 'PATCH' : 'GET'} /${product}/${version}/checks/${id}`,
      ])
      for (const { headers } of asked) t.equal(headers.authorization, `Bearer for-${product}`)
    }
  }
  await t.rejects(async () => adapter.start({ ...attempt, method: 'truid.sim_check' }), /not a method/)
})

t.test('one token serves all, until a minute before its end', async t => {
  let now = 1_000_000
  jumpWith(t, () => now)
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

  const refused = (stale: string) => (call: Call) => call.headers.authorization === `Bearer ${stale}`
    ? { status: 401 }
    : null
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

t.test('the keys of callbacks', async t => {
  let now = Date.now()
  jumpWith(t, () => now)
  let keys: Answer = { body: { keys: [signer.jwk] } }
  const vendor = await openVendor(t, (_vendor, call) => isKeys(call) ? keys : { status: 404 })
  const adapter = openAdapter(truid, settings(vendor), openIo(t, { now: () => now }))
  const [second, third, stranger] = ['key-2', 'key-3', 'made-up'].map(keyId => createSigner(keyId))
  if (second === undefined || third === undefined || stranger === undefined) throw new Error('no signer')
  const receive = async (by = signer, wishes = {}): Promise<Received | Refused | null> =>
    await adapter.receive?.(by.sign(said, { at: now, ...wishes })) ?? null
  const fetched = async (work: () => Promise<unknown>): Promise<number> => {
    vendor.calls.length = 0
    await work()
    t.ok(vendor.calls.every(isKeys), 'nothing else is asked')
    return vendor.calls.length
  }

  await t.test('a callback that can be judged without a key sends no request', async t => {
    t.equal(await fetched(async () => {
      for (
        const wishes of [
          { algorithm: 'none' }, { components: 'date' }, { digest: 'SHA-256=' }, { at: 0 }, { keyId: '' },
        ]
      ) {
        t.match(await receive(signer, wishes), { type: 'refused' })
      }
      await adapter.receive?.({ ...signer.sign(said), headers: {} })
    }), 0)
  })
  await t.test('fifty at once fetch them once, and then they are kept', async t => {
    t.equal(await fetched(async () => {
      for (
        const received of await Promise.all(Array.from({ length: 50 }, () => receive()))
      ) t.strictSame(received, evidence)
      t.strictSame(await receive(), evidence)
    }), 1)
    t.match(vendor.calls, [{ method: 'GET', headers: { authorization: undefined } }], 'as anybody may')
  })
  await t.test('made-up key ids fetch once in thirty seconds', async t => {
    now += 30_000
    const ask = () =>
      Promise.all(Array.from({ length: 20 }, (_, place) => receive(stranger, { keyId: `made-up-${place}` })))
    t.equal(await fetched(async () => {
      for (const received of [...await ask(), ...await ask()]) t.strictSame(received, refused('key_unknown'))
    }), 1)
    now += 25_000
    t.equal(await fetched(ask), 0)
    now += 5_000
    t.equal(await fetched(ask), 1)
  })
  await t.test('a new key is found, and the old one stays good beside it', async t => {
    keys = { body: { keys: [signer.jwk, second.jwk] } }
    t.strictSame(await receive(second), refused('key_unknown'), 'not before the time is over')
    now += 30_000
    t.equal(await fetched(async () => {
      t.strictSame(await receive(second), evidence)
      t.strictSame(await receive(), evidence)
    }), 1)
  })
  await t.test('keys that cannot be fetched take nothing from those we have', async t => {
    for (
      const answer of [
        { status: 503 }, { status: 404 }, { body: '<html>' }, { body: { keys: 'none' } },
        { status: 302, headers: { location: '/' } },
      ]
    ) {
      keys = answer
      now += 600_000
      t.equal(await fetched(async () => {
        t.strictSame(await receive(third), refused('keys_unavailable'))
        t.strictSame(await receive(second), evidence)
      }), 1, JSON.stringify(answer))
    }
    keys = 'hang'
    now += 600_000
    const impatient = openAdapter(truid, settings(vendor), openIo(t, { now: () => now, timeoutMs: 100 }))
    t.strictSame(
      await impatient.receive?.(signer.sign(said, { at: now })), refused('keys_unavailable'), 'nor may they hang',
    )
  })
  await t.test('a key that was withdrawn is believed ten minutes more', async t => {
    keys = { body: { keys: [third.jwk] } }
    t.strictSame(await receive(third), evidence)
    t.strictSame(await receive(second), refused('key_unknown'))
    keys = { body: { keys: [second.jwk] } }
    now += 590_000
    t.strictSame(await receive(third), evidence)
    now += 10_000
    t.strictSame(await receive(third), refused('key_unknown'))
    t.strictSame(await receive(second), evidence)
  })
})

t.test('a browser that comes back is read for its own check only', async t => {
  const vendor = await openVendor(t, answerWell)
  const adapter = openAdapter(truid, settings(vendor), openIo(t))
  const started = { ...attempt, state: (await adapter.start(attempt)).state }
  const read = (query: Record<string, string>, of = started) => adapter.readReturn?.(of, query)
  t.same(read({ check_id: id, code, reference_id: 'att_1' }), { code })
  const failed = { check_id: id, error: 'mno_redirect_unsupported', error_description: 'MNO redirect unsupported' }
  t.same(read(failed), { error: 'carrier_unsupported' })
  t.same(read({ check_id: id, error: 'not_mobile_ip' }), { error: 'not_on_cellular' })
  t.same(read({ check_id: id, error: 'toString' }), { error: 'provider_error' })
  const others = [
    { check_id: 'other', code: 'a' }, { check_id: '', code: 'a' }, { check_id: id, code: '' }, { check_id: id },
  ]
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
    ...['evil', 'v0.2,evil', 'v0.2,v0.2', 'v0.2,', ','].map(
      (value): [string, Record<string, string>] => ['TRUID_API_VERSION', { ...both, TRUID_API_VERSION: value }],
    ),
  ]
  for (const [name, env] of unusable) {
    const error = t.throws(() => truid.open(env, io, 'truid'), { message: new RegExp(`^${name} `) }, name)
    t.notMatch(String(error), 'evil')
  }
  const hosts: string[][] = []
  const recording = {
    ...io, openHttp: (provider: string, allowed: string[]) => (hosts.push(allowed), io.openHttp(provider, allowed)),
  }
  for (const residency of ['', 'in', 'us']) truid.open({ ...both, TRUID_DATA_RESIDENCY: residency }, recording, 'truid')
  t.same(hosts, [['eu.api.tru.id'], ['in.api.tru.id'], ['us.api.tru.id']])
})
