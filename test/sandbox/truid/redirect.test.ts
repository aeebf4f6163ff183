import t from 'tap'
import { build, create, fragment, get, json, patch, bring, walk } from '../truid-client.ts'
import { ask } from '../receiver.ts'

t.test('a silent operator keeps a browser waiting for a while, and says nothing about the check', async t => {
  let now = Date.now()
  const started = await build(t, { silenceMs: 50, now: () => now })
  const callback_url = `${started.gateway.url}/hook`
  const redirect_url = 'https://app.example/back'
  for (const [version, more] of [['v0.1', {}], ['v0.2', {}], ['v0.2', { redirect_url }]] as const) {
    for (const phone_number of ['447700900092', '447700900090']) {
      const { json: { check_id: id } } = await create(started, version, { phone_number, callback_url, ...more })
      const { end } = await walk(started, id, version)
      t.equal(end.status, 504)
      t.match(end.type, /^text\/html/)
      t.match((await get(started, version, id)).json, { status: 'PENDING' })
      if (version === 'v0.2') t.equal((await patch(started, id, bring('any'))).status, 404)
      now += 120_000
      t.match((await get(started, version, id)).json, { status: 'EXPIRED' })
    }
  }
  t.equal(started.gateway.received.length, 0)
})

t.test('an operator without redirects', async t => {
  const started = await build(t, { handsetDelayMs: 5000 })
  const phone_number = '447700983091'
  for (const version of ['v0.1', 'v0.2'] as const) {
    const { json: { check_id: id } } = await create(started, version, { phone_number })
    const { end } = await walk(started, id, version)
    t.equal(end.status, 501)
    t.equal(fragment(end), 'mno_redirect_unsupported')
    t.match((await get(started, version, id)).json, { status: 'ERROR', error_code: 'mno_not_supported' })
  }
  const redirect_url = 'https://app.example/back'
  const { json: { check_id: id } } = await create(started, 'v0.2', { phone_number, redirect_url })
  const { searchParams } = new URL((await walk(started, id)).end.headers.get('location') ?? '')
  t.equal(searchParams.get('error'), 'mno_redirect_unsupported')
})

t.test('every documented error of an operator', async t => {
  const started = await build(t)
  for (const [phone_number, error] of [
    ['447700985091', 'mno_user_not_found'], ['447700986091', 'mno_no_data_available'], ['447700987091', 'ip_mismatch'],
    ['447700985099', 'mno_timeout'], ['447700986099', 'mno_response_error'],
  ] as const) {
    const { json: { check_id: id } } = await create(started, 'v0.2', { phone_number })
    t.match((await walk(started, id)).end.json, { check_id: id, error, error_description: String })
    t.match((await get(started, 'v0.2', id)).json, { status: 'ERROR', error_code: error })
  }
})

t.test('v0.1: a person who decides by hand opens the URL', async t => {
  const started = await build(t)
  const phone_number = '+447700900000'
  await ask(`${started.simulators.url}/handset/mode`, 'PUT', json, { phoneNumber: phone_number, manual: true })
  const { json: { check_id: id } } = await create(started, 'v0.1', { phone_number })
  const callback_url = `${started.gateway.url}/hook`
  await create(started, 'v0.1', { phone_number: '447700900002', callback_url })
  await started.gateway.first(1)
  t.match((await get(started, 'v0.1', id)).json, { status: 'ACCEPTED' }, 'the other phone has long been there')
  await walk(started, id, 'v0.1')
  // The operator's answer may have arrived already.
  t.match((await get(started, 'v0.1', id)).json, { status: /^(PENDING|COMPLETED)$/ })
})
