import { type JsonWebKey, createHash, createPublicKey, verify } from 'node:crypto'
import t from 'tap'
import { createTruid } from '../../../src/sandbox/truid/index.ts'
import { type Answer, type Received, ask, until } from '../receiver.ts'
import {
  type Started, bearerFor, bring, build, create, fragment, get, patch, patchJson, walk,
} from '../truid-client.ts'

t.test('create: HAL with links to follow', async t => {
  const started = await build(t)
  for (const version of ['v0.1', 'v0.2'] as const) {
    const body = { phone_number: '447700900000', reference_id: 'my_internal_reference', phone_ip: '192.0.2.1' }
    const answer = await create(started, version, body)
    t.equal(answer.status, 201)
    t.match(answer.type, /^application\/hal\+json/)
    const self = `${started.simulators.url}/phone_check/${version}/checks/${answer.json['check_id']}`
    t.match(answer.json, {
      check_id: /^[0-9a-f-]{36}$/, status: 'ACCEPTED', charge_amount: 1, charge_currency: 'API', ttl: 120,
      snapshot_balance: Number,
      created_at: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/, reference_id: 'my_internal_reference',
      _links: { self: { href: self }, check_url: { href: `${self}/redirect` } },
    })
    t.notOk('match' in answer.json)
    t.equal(answer.headers.get('access-control-allow-origin'), version === 'v0.1' ? '*' : null)
    for (const name of ['limit', 'remaining', 'reset']) t.match(answer.headers.get(`x-ratelimit-${name}`), /^\d+$/)
  }
})

t.test('create: what strays is refused', async t => {
  const started = await build(t)
  t.equal((await create(started, 'v0.2', { phone_number: '+447700900000' })).status, 201, 'the vendor\'s pages send +')
  const notE164 = [
    '++447700900000', '0447700900000', '00447700900000', '44 7700 900000', '', '12345', 447700900000, null,
  ]
  for (const phone_number of notE164) {
    const answer = await create(started, 'v0.2', { phone_number })
    t.equal(answer.status, 400)
    t.match(answer.type, /^application\/problem\+json/)
    t.strictSame(answer.json, {
      type: 'https://developer.tru.id/docs/reference/api-errors#phone_format_invalid',
      title: 'Bad Request',
      detail: 'Phone Number Validation Error',
    })
  }
  const phone_number = '447700900000'
  for (const body of [
    {}, [], '{', { phoneNumber: phone_number }, { phone_number, extra: 1 }, { phone_number, phone_ip: 'here' },
    { phone_number, callback_url: 'no url' }, {
      phone_number, callback_url: 'ftp://example.com/',
    }, { phone_number, redirect_url: '/path' },
  ]) {
    const answer = await create(started, 'v0.2', body)
    t.equal(answer.status, 400, JSON.stringify(body))
    t.strictSame(answer.json, {
      type: 'https://developer.tru.id/docs/reference/api-errors#bad_request', title: 'Bad Request',
      detail: 'The request body is invalid',
    })
  }
  t.equal(
    (await create(started, 'v0.1', { phone_number, redirect_url: 'https://example.com/' })).status, 400,
    'redirect_url is of v0.2',
  )
  t.equal(
    (await create(started, 'v0.2', 'phone_number=1', { 'content-type': 'application/x-www-form-urlencoded' })).status,
    415,
  )
  t.equal((await create(started, 'v0.2', { phone_number }, patchJson)).status, 415)
})

t.test('every call but the device\'s needs a token of an hour with the scope phone_check', async t => {
  let now = Date.now()
  const started = await build(t, { now: () => now })
  const without = { ...started, bearer: {} }
  const coverage = { ...started, bearer: await bearerFor(started, 'coverage') }
  for (const call of [
    (as: Started) => create(as, 'v0.1', { phone_number: '447700900000' }),
    (as: Started) => create(as, 'v0.2', { phone_number: '447700900000' }),
    (as: Started) => get(as, 'v0.1', 'x'),
    (as: Started) => get(as, 'v0.2', 'x'),
    (as: Started) => patch(as, 'x', bring('y')),
  ]) {
    t.equal((await call(without)).status, 401)
    t.equal((await call({ ...started, bearer: { authorization: 'Bearer unknown' } })).status, 401)
    const forbidden = await call(coverage)
    t.equal(forbidden.status, 403)
    t.equal(fragment(forbidden), 'forbidden')
  }
  now += 3_600_000 - 1
  t.equal((await get(started, 'v0.2', 'x')).status, 404)
  now += 1
  const late = await get(started, 'v0.2', 'x')
  t.equal(late.status, 401)
  t.equal(late.headers.get('x-ratelimit-remaining'), '999999', 'a new hour has begun')
})

t.test('v0.2: the phone brings a code back, which completes the check', async t => {
  const started = await build(t)
  const { json: { check_id: id } } = await create(
    started, 'v0.2', { phone_number: '447700900000', reference_id: 'ours' },
  )
  t.equal(fragment(await patch(started, id, bring('early'))), 'check_not_found', 'before the visit')
  const { hops, end } = await walk(started, id)
  t.equal(hops.length, 3)
  t.ok(hops.every(({ status, headers }) => status === 302 && headers.get('set-cookie') !== null))
  t.equal(end.status, 200)
  t.match(end.json, { check_id: id, code: /^\w{8,}$/, reference_id: 'ours' })
  t.match((await get(started, 'v0.2', id)).json, { status: 'PENDING' })
  const wrong = await patch(started, id, bring('wrong'))
  t.equal(wrong.status, 400)
  t.equal(fragment(wrong), 'bad_request')
  const right = await patch(started, id, bring(end.json['code']))
  t.equal(right.status, 200)
  t.match(right.type, /^application\/hal\+json/)
  const members = [
    'check_id', 'reference_id', 'status', 'match', 'charge_amount', 'charge_currency', 'created_at', 'updated_at',
  ]
  t.strictSame(Object.keys(right.json), members)
  t.match(right.json, { check_id: id, status: 'COMPLETED', match: true })
  t.equal((await patch(started, id, bring(end.json['code']))).status, 404, 'a used code')
  t.match((await get(started, 'v0.2', id)).json, { status: 'COMPLETED', match: true, network_id: '23599', ttl: 120 })
  t.equal((await get(started, 'v0.1', id)).status, 404, 'of the other version')
  t.equal(fragment((await walk(started, id)).end), 'check_not_found', 'it is over')
})

t.test('v0.2: the redirect URL gets the result in its query', async t => {
  const started = await build(t)
  const redirect_url = 'https://app.example/back?session=1'
  const good = await create(started, 'v0.2', { phone_number: '447700900000', reference_id: 'ours', redirect_url })
  const { end } = await walk(started, good.json['check_id'])
  t.equal(end.status, 302)
  const location = new URL(end.headers.get('location') ?? '')
  t.equal(location.origin + location.pathname, 'https://app.example/back')
  const query = Object.fromEntries(location.searchParams)
  t.match(query, { session: '1', check_id: good.json['check_id'], code: String, reference_id: 'ours' })
  t.match(await patch(started, query['check_id'], bring(query['code'])), { status: 200, json: { match: true } })

  const bad = await create(started, 'v0.2', { phone_number: '447700900091', redirect_url })
  const refused = await walk(started, bad.json['check_id'])
  t.match(Object.fromEntries(new URL(refused.end.headers.get('location') ?? '').searchParams), {
    check_id: bad.json['check_id'], error: 'mno_not_supported',
    error_description: 'Mobile Network Operator Not Supported',
  })
})

t.test('v0.2: PATCH takes one documented form', async t => {
  const started = await build(t)
  const { json: { check_id: id } } = await create(started, 'v0.2', { phone_number: '447700900000' })
  const { end: { json: { code } } } = await walk(started, id)
  const item = { op: 'add', path: '/code', value: code }
  for (const body of [item, [], [item, item], [
    { ...item, op: 'replace' },
  ], [{ ...item, path: 'code' }], [{ ...item, value: 5 }],
    [{ ...item, value: '' }], [{ ...item, from: '/x' }], [{ op: 'add', path: '/code' }], '[', null]) {
    const answer = await patch(started, id, body)
    t.equal(answer.status, 400, JSON.stringify(body))
    t.equal(fragment(answer), 'bad_request')
  }
  for (const type of ['application/json', 'application/merge-patch+json']) {
    t.equal((await patch(started, id, [item], { 'content-type': type })).status, 415)
  }
  t.equal((await patch(started, id, [item])).status, 200)
  t.equal((await patch(started, 'unknown', [item])).status, 404)
})

t.test('v0.2: only the phone opens the URL; a second walk brings a new code', async t => {
  const started = await build(t)
  const { json: { check_id: id } } = await create(started, 'v0.2', { phone_number: '447700900000' })
  await create(started, 'v0.1', { phone_number: '447700900000', callback_url: `${started.gateway.url}/hook` })
  await started.gateway.first(1)
  t.match(
    (await get(started, 'v0.2', id)).json, { status: 'ACCEPTED' }, 'while the handset of v0.1 has long been there',
  )
  const first = (await walk(started, id)).end.json['code']
  const second = (await walk(started, id)).end.json['code']
  t.not(first, second)
  t.equal((await patch(started, id, bring(first))).status, 400)
  t.equal((await patch(started, id, bring(second))).status, 200)
})

t.test('v0.1: the handset goes by itself, the first result is PENDING, then COMPLETED', async t => {
  const started = await build(t, { handsetDelayMs: 200 })
  const { json: { check_id: id } } = await create(started, 'v0.1', { phone_number: '447700900000' })
  t.match((await get(started, 'v0.1', id)).json, { status: 'ACCEPTED' })
  let last: Answer | undefined
  const seen = new Set<unknown>()
  await until(async () => {
    last = await get(started, 'v0.1', id)
    return seen.add(last.json['status']).has('COMPLETED')
  })
  t.strictSame([...seen], ['ACCEPTED', 'PENDING', 'COMPLETED'])
  t.match(last?.json, { match: true, network_id: '23599', _links: { self: {}, check_url: {} } })
})

t.test('v0.1: a phone may be faster, and the first result after its walk is still PENDING', async t => {
  const started = await build(t, { handsetDelayMs: 1000 })
  const { json: { check_id: id } } = await create(started, 'v0.1', { phone_number: '447700900001' })
  const { hops, end } = await walk(started, id, 'v0.1')
  t.equal(hops.length, 3)
  t.equal(hops[0]?.headers.get('access-control-allow-origin'), null, 'documented for the check only')
  t.match(end, { status: 200, text: '' }, 'no code in v0.1')
  const first = await get(started, 'v0.1', id)
  t.match(first.json, { status: 'PENDING' })
  t.notOk('match' in first.json)
  t.match((await get(started, 'v0.1', id)).json, { status: 'COMPLETED', match: false })
})

t.test('v0.1: the handset leaves alone what a phone has already done', async t => {
  const started = await build(t, { handsetDelayMs: 100 })
  const body = { phone_number: '447700900000', callback_url: `${started.gateway.url}/hook` }
  const { json: { check_id: id } } = await create(started, 'v0.1', body)
  await walk(started, id, 'v0.1')
  t.match((await get(started, 'v0.1', id)).json, { status: 'PENDING' })
  await create(started, 'v0.1', body)
  await started.gateway.first(2)
  t.match((await get(started, 'v0.1', id)).json, { status: 'COMPLETED' })
  t.equal(started.gateway.received.filter(callback => callback.body['check_id'] === id).length, 1, 'and says so once')
})

t.test('v0.1: it completes by itself when no request reads it', async t => {
  const started = await build(t)
  await create(started, 'v0.1', { phone_number: '447700900000', callback_url: `${started.gateway.url}/hook` })
  t.match((await started.gateway.first(1))[0]?.body, { status: 'COMPLETED', match: true })
})

function readSignature ({ headers, path }: Received) {
  const [, keyId, algorithm, names, signature] =
    /^Signature keyId="(.*)",algorithm="(.*)",headers="(.*)",signature="(.*)"$/.exec(
      String(headers['authorization']),
    ) ?? []
  const lines = (names ?? '').split(' ').map(
    name => `${name}: ${name === '(request-target)' ? `post ${path}` : headers[name]}`,
  )
  return {
    keyId, algorithm, names, signed: Buffer.from(lines.join('\n')), signature: Buffer.from(signature ?? '', 'base64'),
  }
}

t.test('the callback is signed, and verifies with the published key alone', async t => {
  const started = await build(t)
  const callback_url = `${started.gateway.url}/callbacks/truid?of=1`
  const { json: { check_id: id } } = await create(
    started, 'v0.2', { phone_number: '447700900000', reference_id: 'ours', callback_url },
  )
  await patch(started, id, bring((await walk(started, id)).end.json['code']))
  const [callback] = await started.gateway.first(1)
  if (callback === undefined) throw new Error('no callback')
  t.equal(callback.path, '/callbacks/truid?of=1')
  t.equal(callback.headers['x-tru-callback'], 'phone_check')
  t.ok(Math.abs(Date.parse(String(callback.headers['date'])) - Date.now()) < 5000)
  t.equal(callback.headers['digest'], `SHA-256=${createHash('sha256').update(callback.text).digest('base64')}`)
  t.match(callback.body, {
    check_id: id, reference_id: 'ours', status: 'COMPLETED', match: true, charge_amount: 1, charge_currency: 'API',
    network_id: '23599',
  })
  t.notOk('_links' in callback.body)

  const { keyId, algorithm, names, signed, signature } = readSignature(callback)
  t.equal(algorithm, 'rsa-sha256')
  t.equal(names, '(request-target) host date x-tru-callback digest')
  const { json: { keys } } = await ask(`${started.simulators.url}/.well-known/jwks.json`, 'GET')
  const jwk = [keys].flat().find(
    (one): one is JsonWebKey => typeof one === 'object' && one !== null && 'kid' in one && one.kid === keyId,
  )
  const key = createPublicKey({ key: jwk ?? {}, format: 'jwk' })
  t.ok(verify('RSA-SHA256', signed, key, signature))
  t.notOk(verify('RSA-SHA256', Buffer.concat([signed, Buffer.from(' ')]), key, signature))
})

t.test('charge, balance and time of life', async t => {
  const started = await build(t, { simulators: [createTruid({ ttlSeconds: 60 })] })
  const { url } = started.simulators
  const json = { 'content-type': 'application/json' }
  t.equal((await ask(`${url}/control/truid/balance`, 'POST', json, { balance: 100 })).status, 204)
  const balance = async (phone_number: string) => {
    const { json } = await create(started, 'v0.2', { phone_number })
    t.match(json, { charge_amount: 1, charge_currency: 'API', ttl: 60 })
    return { id: json['check_id'], left: json['snapshot_balance'] }
  }
  const first = await balance('447700900000')
  t.equal(first.left, 99, 'with the charge of this check taken into account')
  await patch(started, first.id, bring((await walk(started, first.id)).end.json['code']))
  t.match((await get(started, 'v0.2', first.id)).json, { status: 'COMPLETED', charge_amount: 1 })
  const failing = await balance('447700900099')
  t.equal(failing.left, 98)
  await walk(started, failing.id)
  t.match((await get(started, 'v0.2', failing.id)).json, { status: 'ERROR', charge_amount: 0 })
  t.equal((await balance('447700900000')).left, 98, 'a check that does not complete costs nothing')
})

t.test('unknown routes answer as the vendor does, without the query', async t => {
  const started = await build(t)
  const paths = ['/phone_check/v0.3/checks', '/oauth2/v1/tokens', '/coverage/v0.1/devices', '/sim_check/v0.1/x']
  for (const path of paths) {
    for (const method of ['GET', 'POST', 'DELETE']) {
      const answer = await ask(`${started.simulators.url}${path}?client_secret=hunter2`, method)
      t.match(answer, { status: 404, type: /^application\/problem\+json/ }, `${method} ${path}`)
      t.equal(fragment(answer), 'not_found')
      t.notMatch(answer.text, /hunter2|client_secret/)
    }
  }
})

t.test('not on mobile data, and the phone of another number', async t => {
  const started = await build(t, { handsetDelayMs: 5000 })
  const callback_url = `${started.gateway.url}/hook`
  for (const [digits, problem, status] of [['81', 'not_mobile_ip', 412], ['82', 'ip_msisdn_mismatch', 409]] as const) {
    const phone_number = `4477009${digits}091`
    for (const version of ['v0.1', 'v0.2'] as const) {
      const early = await create(started, version, { phone_number, phone_ip: '192.0.2.1' })
      t.equal(early.status, status, 'an address that is announced is looked at')
      t.equal(fragment(early), problem)
      const { json: { check_id: id } } = await create(started, version, { phone_number, callback_url })
      const { hops, end } = await walk(started, id, version)
      t.equal(hops.length, 0, 'the operator is never reached')
      t.equal(end.status, status)
      t.equal(fragment(end), problem)
      t.match((await get(started, version, id)).json, { status: 'ERROR', error_code: problem, charge_amount: 0 })
    }
    const redirect_url = 'https://app.example/back'
    const { json: { check_id: id } } = await create(started, 'v0.2', { phone_number, redirect_url })
    const location = new URL((await walk(started, id)).end.headers.get('location') ?? '')
    t.match(Object.fromEntries(location.searchParams), { check_id: id, error: problem, error_description: String })
  }
  const errors = (await started.gateway.first(4)).map(({ body }) => body['error_code'])
  t.strictSame(errors.sort(), ['ip_msisdn_mismatch', 'ip_msisdn_mismatch', 'not_mobile_ip', 'not_mobile_ip'])
})

t.test('other answers of the create', async t => {
  const started = await build(t)
  const limited = await create(started, 'v0.2', { phone_number: '447700981096' })
  t.equal(limited.status, 429)
  t.match(limited.headers.get('retry-after'), /^\d+$/)
  t.equal(fragment(limited), 'too_many_requests')
  const refused = await create(started, 'v0.2', { phone_number: '447700982096' })
  t.equal(refused.status, 403)
  t.equal(fragment(refused), 'forbidden')
  const hanging = new AbortController()
  const unanswered = fetch(`${started.simulators.url}/phone_check/v0.2/checks`, {
    method: 'POST', headers: { ...started.bearer, 'content-type': 'application/json' },
    body: JSON.stringify({ phone_number: '447700983096' }), signal: hanging.signal,
  }).then(({ status }) => status, () => 'none')
  await until(() => started.simulators.requests.length === 4)
  t.equal((await create(started, 'v0.2', { phone_number: '447700900000' })).status, 201, 'others are answered')
  hanging.abort()
  t.equal(await unanswered, 'none')
})

t.test('a code that is not accepted, and a check that expired', async t => {
  const started = await build(t, { handsetDelayMs: 5000 })
  const invalid = (await create(started, 'v0.2', { phone_number: '447700981099' })).json['check_id']
  const { end: { json: { code } } } = await walk(started, invalid)
  t.match(code, /^\w{8,}$/)
  t.equal(fragment(await patch(started, invalid, bring(code))), 'check_not_found')
  t.match((await get(started, 'v0.2', invalid)).json, { status: 'PENDING' })
  const plain = (await create(started, 'v0.1', { phone_number: '447700981099' })).json['check_id']
  await walk(started, plain, 'v0.1')
  t.match((await get(started, 'v0.1', plain)).json, { status: 'ERROR' }, 'v0.1 has no code')
  for (const version of ['v0.1', 'v0.2'] as const) {
    const { json: { check_id: id } } = await create(started, version, { phone_number: '447700982099' })
    await walk(started, id, version)
    t.match((await get(started, version, id)).json, { status: 'EXPIRED', charge_amount: 0 })
  }
})

t.test('unusual: null instead of nothing, numbers as strings, and the same result', async t => {
  const started = await build(t)
  const body = { phone_number: '447700981098', callback_url: `${started.gateway.url}/hook` }
  const created = await create(started, 'v0.2', body)
  t.match(created.json, {
    status: 'ACCEPTED', ttl: '120', charge_amount: '1', reference_id: null, match: null, error_code: null,
    network_id: null, updated_at: null,
  })
  const { json: { check_id: id } } = created
  const finished = await patch(started, id, bring((await walk(started, id)).end.json['code']))
  const end = { status: 'COMPLETED', match: true, error_code: null, reference_id: null }
  t.match(finished, { status: 200, json: end })
  t.match((await started.gateway.first(1))[0]?.body, end)
})
