import t from 'tap'
import {
  isCallback, judgeExchange, judgeQuery, readCode, readCreated, readReturnError, readSimChange, readSimCheck,
  readState, readToken,
} from '../../../src/adapters/truid/wire.ts'

// The documented samples, word for word; `{data_residency}` is filled in.
const id = 'c69bc0e6-a429-11ea-bb37-0242ac130002'
const origin = 'https://eu.api.tru.id'
const created = JSON.parse(`{"check_id": "c69bc0e6-a429-11ea-bb37-0242ac130002","status": "ACCEPTED","charge_amount": 1,
 "charge_currency": "API","created_at": "2020-06-01T16:43:30+00:00","ttl": 60,"_links": {
 "self": {"href": "https://eu.api.tru.id/phone_check/v0.1/checks/c69bc0e6-a429-11ea-bb37-0242ac130002"},
 "check_url": {"href": "https://eu.api.tru.id/phone_check/v0.1/checks/c69bc0e6-a429-11ea-bb37-0242ac130002/redirect"}},
 "snapshot_balance": 100}`)
const completed = JSON.parse(`{"check_id": "c69bc0e6-a429-11ea-bb37-0242ac130002","status": "COMPLETED","match": true,
 "charge_amount": 1,"charge_currency": "API","created_at": "2020-06-01T16:43:30+00:00","ttl": 60,"_links": {
 "self": {"href": "https://eu.api.tru.id/phone_check/v0.1/checks/c69bc0e6-a429-11ea-bb37-0242ac130002"},
 "check_url": {"href": "https://eu.api.tru.id/phone_check/v0.1/checks/c69bc0e6-a429-11ea-bb37-0242ac130002/redirect"}
}}`)
const exchanged = JSON.parse(`{
 "check_id": "c69bc0e6-a429-11ea-bb37-0242ac130002", "status": "COMPLETED", "match": true,
 "charge_amount": 1, "charge_currency": "API", "created_at": "2020-06-01T16:43:30+00:00",
 "updated_at": "2020-06-01T16:43:30+00:00"
}`)
const reference = 'https://developer.tru.id/docs/reference/api-errors'
const problem = (type: string) => ({ type: `${reference}#${type}`, title: 'A title', detail: 'A detail' })

t.test('the documented token answers', async t => {
  const guide = `{"access_token": "2YotnFZFEjr1zCsicMWpAA","id_token": "eyJhbGciOiJSUzINiImtpZCI6InB1Ympx",
    "expires_in": 3600,"token_type": "bearer","scope": "phone_check"}`
  const spec = `{ "access_token": "2YotnFZFEjr1zCsicMWpAA", "token_type": "bearer", "expires_in": 3600,
    "scope": "phone_check coverage" }`
  for (const text of [guide, spec]) t.strictSame(
    readToken(200, JSON.parse(text)), { token: '2YotnFZFEjr1zCsicMWpAA', expiresIn: 3600 },
  )
  for (const [expires_in, expiresIn] of [['3600', 3600], [null, 300], [undefined, 300], [{}, 300], [-1, 0]] as const) {
    t.strictSame(readToken(200, { access_token: 'a', expires_in, error: null }), { token: 'a', expiresIn })
  }
  for (const other of [null, {}, { access_token: '' }, { access_token: null }, { access_token: 'a\r\nb' }]) {
    t.equal(readToken(200, other), 'provider_bad_response')
  }
})

t.test('without a token it is our credentials, or a breach of contract', async t => {
  const refusals: [number, unknown, string][] = [
    [401, { error: 'invalid_client' }, 'provider_misconfigured'], [401, undefined, 'provider_misconfigured'],
    [400, { error: 'invalid_client' }, 'provider_misconfigured'],
    [400, { error: 'invalid_scope' }, 'provider_misconfigured'],
    [200, { error: 'invalid_client', access_token: 'a' }, 'provider_misconfigured'],
    [200, { error: 'server_error', access_token: 'a' }, 'provider_bad_response'],
    [400, { error: 'invalid_request' }, 'provider_bad_response'], [400, undefined, 'provider_bad_response'],
    [404, null, 'provider_bad_response'],
  ]
  for (const [status, body, reason] of refusals) {
    t.equal(readToken(status, body), reason, `${status} ${JSON.stringify(body)}`)
  }
})

t.test('the documented create answer', async t => {
  const self = `${origin}/phone_check/v0.1/checks/${id}`
  const read = {
    checkId: id, self, checkUrl: `${self}/redirect`, ttlSeconds: 60, cost: { amount: 1, currency: 'API' },
    balance: { amount: 100, currency: 'API' },
  }
  t.strictSame(readCreated(201, created, origin), read)
  const otherwise = { ...created, charge_amount: '1', snapshot_balance: '100', ttl: '60', error_code: null, type: null }
  t.strictSame(readCreated(201, otherwise, origin), read, 'numbers as texts')
  const { ttl: _ttl, charge_amount: _amount, snapshot_balance: _balance, ...less } = created
  const nothing = { ...read, ttlSeconds: null, cost: null, balance: null }
  t.strictSame(readCreated(201, less, origin), nothing)
  const empty = { ttl: null, charge_amount: null, charge_currency: null, snapshot_balance: null }
  t.strictSame(readCreated(201, { ...created, ...empty }, origin), nothing)
  for (const charge_currency of ['', 'api', 'API credits', 5, {}]) {
    const read = readCreated(201, { ...created, charge_currency }, origin)
    t.match(read, { checkId: id, cost: null, balance: null }, `an amount of ${charge_currency}`)
  }
  t.match(readCreated(201, { ...created, check_id: 5 }, origin), { checkId: '5' })
})

t.test('an error in a create answer is an error, whatever the status', async t => {
  t.equal(readCreated(201, { ...created, status: 'ERROR' }, origin), 'provider_error')
  t.equal(readCreated(201, { ...created, error_code: 'mno_not_supported' }, origin), 'carrier_unsupported')
  t.equal(readCreated(200, problem('not_mobile_ip'), origin), 'not_on_cellular')
  t.equal(readCreated(200, { ...created, ...problem('new') }, origin), 'provider_bad_response')
})

t.test('links off the API\'s own origin are refused', async t => {
  const links = (self: string, checkUrl: string) => (
    { ...created, _links: { self: { href: self }, check_url: { href: checkUrl } } }
  )
  t.match(readCreated(201, links(`${origin}/a`, `${origin}/b`), origin), { checkId: id })
  for (const link of [
    'http://eu.api.tru.id/a', 'https://us.api.tru.id/a', 'https://eu.api.tru.id.evil.example/a',
    'https://eu.api.tru.id@evil.example/a',
    'https://u@eu.api.tru.id/a', 'https://eu.api.tru.id:8443/a', 'https://eu.api.tru.id./a',
    'https://eu.api.tru.id\\@evil.example/a',
    'https://eu.api.tru.id', 'https://eu.api.tru.id/a#b', 'HTTPS://eu.api.tru.id/a', '//eu.api.tru.id/a', '/a',
    'https://eu.api.tru.id/a b', 'https://eu.api.tru.id/a\n', 'https://eu.api.tru.id/a/../b', 'javascript:alert(1)', '',
    'https://eu.api.tru.id:443/a', 'https://eu-api.tru.id/a', 'https://xeu.api.tru.id/a', 'https://tru.id/a',
    'https://u:p@eu.api.tru.id/a', 'https://@eu.api.tru.id/a',
    'https://evil.example/https://eu.api.tru.id/a', 'https://evil.example?https://eu.api.tru.id/a',
    'https://eu.api.tru.id%2eevil.example/a', 'https://eu.api.tru.id%40evil.example/a',
    'https://eu.api.tru.id。/a', 'https://eu.аpi.tru.id/a', 'https://eu.api.\ttru.id/a', 'https:\\\\eu.api.tru.id\\a',
    'https:/eu.api.tru.id/a', 'https:eu.api.tru.id/a', ' https://eu.api.tru.id/a', 'https://eu.api.tru.id/a ',
    'https://127.0.0.1/a', 'https://2130706433/a', 'https://0x7f.1/a', 'https://[::1]/a', 'https://[::ffff:7f00:1]/a',
    'javascript://eu.api.tru.id/%0aalert(1)', 'data:text/html,https://eu.api.tru.id/a',
  ]) {
    t.equal(readCreated(201, links(link, `${origin}/b`), origin), 'provider_bad_response', `self ${link}`)
    t.equal(readCreated(201, links(`${origin}/a`, link), origin), 'provider_bad_response', `check_url ${link}`)
  }
  for (
    const other of [
      null, {}, { ...created, check_id: null }, { ...created, _links: {} }, { ...created, _links: { self: origin } },
    ]
  ) {
    t.equal(readCreated(201, other, origin), 'provider_bad_response')
  }
})

t.test('where http and ports are permitted, still only the one origin is', async t => {
  const local = 'http://127.0.0.1:4001'
  const links = (link: string) => ({ ...created, _links: { self: { href: `${local}/a` }, check_url: { href: link } } })
  t.match(readCreated(201, links(`${local}/b`), local), { checkId: id })
  for (const host of [
    '2130706433:4001', '0x7f000001:4001', '0177.0.0.1:4001', '127.1:4001', '127.0.0.1.:4001', '[::1]:4001',
    '[::ffff:127.0.0.1]:4001', 'localhost:4001', '127.0.0.1', '127.0.0.1:4002',
    '127.0.0.1:04001', '127.0.0.1:4001@evil.example', 'u@127.0.0.1:4001', '169.254.169.254', '0.0.0.0:4001',
  ]) t.equal(readCreated(201, links(`http://${host}/b`), local), 'provider_bad_response', host)
  for (
    const link of ['https://127.0.0.1:4001/b', 'HTTP://127.0.0.1:4001/b', 'ws://127.0.0.1:4001/b', '//127.0.0.1:4001/b']
  ) t.equal(readCreated(201, links(link), local), 'provider_bad_response', link)
})

const judgeCheck = (body: unknown, of = id) => judgeQuery(200, body, of)

t.test('what a check says', async t => {
  t.equal(judgeCheck(completed), 'match')
  t.equal(judgeCheck({ ...completed, network_id: '23599' }), 'match', 'with the member of the reference')
  t.equal(judgeExchange(200, exchanged, id), 'match')
  t.equal(judgeCheck({ ...completed, match: false }), 'number_mismatch')
  const nulls = { error_code: null, network_id: null, reference_id: null, ttl: null, _links: null, type: null }
  t.equal(judgeCheck({ ...completed, ...nulls }), 'match', 'a member that is null is absent')
  t.equal(judgeCheck({ ...completed, error_code: '', more: {} }), 'match')
  t.equal(judgeCheck({ ...completed, check_id: 5 }, '5'), 'match')
  t.equal(judgeCheck(created), 'pending')
  t.equal(judgeCheck({ ...created, status: 'PENDING' }), 'pending')
  t.equal(judgeCheck({ ...created, status: 'EXPIRED' }), 'evidence_expired')
  const { match: _match, ...unmatched } = completed
  t.equal(judgeCheck(unmatched), 'provider_bad_response', 'an absent match is neither true nor false')
  for (const match of [null, 'true', 1]) t.equal(
    judgeCheck({ ...completed, match }), 'provider_bad_response', `match ${match}`,
  )
  t.equal(judgeCheck({ ...completed, status: 'completed' }), 'provider_bad_response')
  t.equal(judgeCheck({ ...created, status: 'PENDING', match: true }), 'pending', 'a match before the end is none')
  t.equal(judgeCheck({ ...completed, status: 'EXPIRED' }), 'evidence_expired', 'nor one after')
  t.equal(judgeCheck(completed, 'another-check'), 'provider_bad_response')
  for (const other of [undefined, null, [], {}, { check_id: id }, { status: 'COMPLETED', match: true }]) {
    t.equal(judgeCheck(other), 'provider_bad_response')
  }
})

t.test('every documented error code has a reason', async t => {
  const reasons = {
    not_mobile_ip: 'not_on_cellular', mno_not_supported: 'carrier_unsupported', mno_timeout: 'provider_timeout',
    mno_user_not_found: 'carrier_unsupported', mno_response_error: 'provider_error', mno_server_error: 'provider_error',
    mno_no_data_available: 'carrier_unsupported', ip_mismatch: 'device_mismatch', ip_msisdn_mismatch: 'device_mismatch',
  }
  for (const [code, reason] of Object.entries(reasons)) {
    t.equal(judgeCheck({ ...created, status: 'ERROR', error_code: code }), reason, code)
    t.equal(readReturnError(code), reason)
  }
  t.equal(judgeCheck({ ...created, status: 'ERROR', error_code: 'new' }), 'provider_error')
  t.equal(judgeCheck({ ...created, status: 'ERROR', match: false }), 'provider_error', 'as the sandbox says it')
  t.equal(judgeCheck({ ...created, status: 'ERROR', error_code: 'constructor' }), 'provider_error')
})

t.test('an error beside a match is an error, whatever the status', async t => {
  t.equal(judgeCheck({ ...completed, error_code: 'mno_timeout' }), 'provider_timeout')
  t.equal(judgeCheck({ ...completed, ...problem('too_many_requests') }), 'rate_limited_by_provider')
  t.equal(judgeCheck(problem('check_not_found')), 'provider_bad_response')
  t.equal(judgeExchange(200, problem('check_not_found'), id), 'evidence_invalid')
  t.equal(judgeExchange(200, { ...exchanged, ...problem('ip_mismatch') }, id), 'device_mismatch')
})

t.test('every documented problem has a reason, by its type and never by its text', async t => {
  const problems: [number, string, string, string, string][] = [
    // status, type, at create, at the exchange, at reading
    [400, 'phone_format_invalid', 'carrier_unsupported', 'carrier_unsupported', 'carrier_unsupported'],
    [400, 'bad_request', 'provider_bad_response', 'evidence_invalid', 'provider_bad_response'],
    [400, 'mno_not_supported', 'carrier_unsupported', 'carrier_unsupported', 'carrier_unsupported'],
    [404, 'check_not_found', 'provider_bad_response', 'evidence_invalid', 'provider_bad_response'],
    [409, 'ip_msisdn_mismatch', 'device_mismatch', 'device_mismatch', 'device_mismatch'],
    [412, 'not_mobile_ip', 'not_on_cellular', 'not_on_cellular', 'not_on_cellular'],
    [403, 'forbidden', 'provider_misconfigured', 'provider_misconfigured', 'provider_misconfigured'],
  ]
  for (const [status, type, atCreate, atExchange, atRead] of problems) {
    t.equal(readCreated(status, problem(type), origin), atCreate, `create ${type}`)
    t.equal(judgeExchange(status, problem(type), id), atExchange, `exchange ${type}`)
    t.equal(judgeQuery(status, problem(type), id), atRead, `read ${type}`)
  }
  t.equal(
    readCreated(400, { type: null, title: 'Bad Request', detail: 'Country not supported' }, origin),
    'carrier_unsupported', 'an untyped 400',
  )
  t.equal(readCreated(409, undefined, origin), 'device_mismatch')
  t.equal(readCreated(412, undefined, origin), 'not_on_cellular')
  for (const status of [402, 403]) {
    for (const read of [readCreated, judgeExchange, judgeQuery]) {
      t.equal(read(status, undefined, id), 'provider_misconfigured')
    }
  }
  t.equal(readCreated(404, problem('constructor'), origin), 'provider_bad_response')
  t.equal(readReturnError('mno_redirect_unsupported'), 'carrier_unsupported')
  t.equal(readReturnError('__proto__'), 'provider_error')
})

t.test('when the SIM was changed', async t => {
  const said: [unknown, number | null][] = [
    [{ no_sim_change: false, sim_change_within: 43201, no_sim_change_period: 10080 }, 43201],
    [{ no_sim_change: true, sim_change_within: 525601 }, 525601], [{ sim_change_within: '60' }, 60],
    [{ sim_change_within: 0 }, 0], [{ sim_change_within: 7, no_sim_change: null }, 7],
    [{ no_sim_change: false, no_sim_change_period: 60 }, 60],
    [{ no_sim_change: false, sim_change_within: null }, 10080],
    [{ no_sim_change: false, no_sim_change_period: 'a week' }, 10080], [{ no_sim_change: true }, null],
    [{ no_sim_change: 'false' }, null], [{ no_sim_change_period: 10080 }, null], [{ sim_change_within: -1 }, null],
    [{ sim_change_within: 'soon' }, null], [{ sim_change_within: [60] }, null], [{}, null], [null, null],
    [undefined, null], ['x', null],
  ]
  for (const [body, minutes] of said) t.equal(readSimChange(body), minutes, JSON.stringify(body))
})

t.test('the documented SIMCheck', async t => {
  const sample = JSON.parse(`{ "check_id": "c69bc0e6-a429-11ea-bb37-0242ac130002", "status": "COMPLETED",
    "no_sim_change": false, "sim_change_within": 43201, "no_sim_change_period": 10080, "charge_amount": 1,
    "charge_currency": "API", "created_at": "2020-06-01T16:43:30+00:00", "network_id": "23599",
    "_links": { "self": { "href": "https://eu.api.tru.id/sim_check/v0.1/checks/c69bc0e6" } } }`)
  t.equal(readSimCheck(201, sample), 43201)
  t.equal(readSimCheck(201, { ...sample, error_code: null, type: null, snapshot_balance: null }), 43201)
  const nothing: [number, unknown][] = [
    [201, { ...sample, status: 'ERROR' }], [201, { ...sample, status: null }], [201, { ...sample, status: 'ACCEPTED' }],
    [201, { ...sample, error_code: 'mno_timeout' }], [201, { ...sample, ...problem('mno_not_supported') }],
    [400, sample], [404, problem('check_not_found')], [201, undefined], [201, null], [201, {}],
  ]
  for (const [status, body] of nothing) t.equal(readSimCheck(status, body), null, `${status} ${JSON.stringify(body)}`)
})

t.test('evidence, state and callbacks', async t => {
  t.equal(readCode({ code: '94dae426fg' }), '94dae426fg')
  t.equal(readCode({}), undefined)
  t.equal(readCode({ callback: true }), undefined)
  for (const code of ['', 5, null, 'x'.repeat(257)]) t.equal(readCode({ code }), null, `code ${code}`)
  t.ok(readState({ checkId: id, self: origin, version: 'v0.2' }))
  for (const other of [null, {}, { checkId: id, self: origin, version: 'v0.3' }]) t.equal(readState(other), null)
  t.ok(isCallback({ check_id: id, reference_id: 'r', status: 'COMPLETED', match: true, network_id: '23599' }))
  t.ok(isCallback({ check_id: 5, reference_id: null, status: 'COMPLETED', match: null, error_code: null }))
  for (
    const other of [
      null, 'x', {}, { check_id: id }, { check_id: null, status: 'COMPLETED' },
      { check_id: 'x'.repeat(129), status: 'a' },
    ]
  ) {
    t.notOk(isCallback(other))
  }
})
