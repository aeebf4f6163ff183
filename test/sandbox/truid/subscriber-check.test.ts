import t from 'tap'
import { type Answer, ask } from '../receiver.ts'
import { bring, build, create, fragment, get, patch, type Started, walk } from '../truid-client.ts'

const product = 'subscriber_check'
const scope = 'subscriber_check'

/** One whole check of v0.2: the create, and what the code brought. */
async function check (started: Started, body: object): Promise<{ created: Answer, id: unknown, patched: Answer }> {
  const created = await create(started, 'v0.2', body, {}, product)
  const id = created.json['check_id']
  const { end } = await walk(started, id, 'v0.2', product)
  return { created, id, patched: await patch(started, id, bring(end.json['code']), undefined, product) }
}

t.test('the flow of PhoneCheck, with what the operator says about the SIM', async t => {
  const started = await build(t, { scope })
  const { created, id, patched } = await check(started, { phone_number: '447700900000', reference_id: 'ours' })
  t.equal(created.status, 201)
  const self = `${started.simulators.url}/subscriber_check/v0.2/checks/${id}`
  t.match(created.json, {
    status: 'ACCEPTED', ttl: 120, snapshot_balance: Number,
    _links: { self: { href: self }, check_url: { href: `${self}/redirect` } },
  })
  t.strictSame(Object.keys(patched.json), [
    'check_id', 'reference_id', 'status', 'match', 'no_sim_change', 'sim_change_within', 'charge_amount',
    'charge_currency', 'created_at', 'updated_at',
  ])
  t.match(patched.json, { status: 'COMPLETED', match: true, no_sim_change: true, sim_change_within: 525_601 })
  t.match((await get(started, 'v0.2', id, product)).json, {
    status: 'COMPLETED', match: true, no_sim_change: true, no_sim_change_period: 10_080, network_id: '23599',
  })
  t.equal((await get(started, 'v0.2', id, 'phone_check')).status, 403, 'another product needs another scope')
})

t.test('a check belongs to one product', async t => {
  const started = await build(t, { scope: 'phone_check subscriber_check' })
  const { json: { check_id: id } } = await create(started, 'v0.2', { phone_number: '447700900000' })
  t.equal(fragment(await get(started, 'v0.2', id, product)), 'check_not_found')
  t.equal((await walk(started, id, 'v0.2', product)).end.status, 404)
  t.equal((await create(started, 'v0.2', { phone_number: '447700900000', period: 60 })).status, 400, 'no period')
})

t.test('the SIM, by the digits of the number and by the period', async t => {
  const started = await build(t, { scope })
  const sim = async (phone_number: string, more: object = {}) => {
    const { patched: { json } } = await check(started, { phone_number, ...more })
    return [json['match'], json['no_sim_change'], json['sim_change_within']]
  }
  t.strictSame(await sim('447700981088'), [true, false, 1440])
  t.strictSame(await sim('447700981088', { period: 60 }), [true, true, 1440], 'changed before that')
  t.strictSame(await sim('447700982088'), [true, false, 43_201], 'the example of the vendor')
  t.strictSame(await sim('447700983088'), [true, undefined, undefined])
  t.strictSame(await sim('447700900001'), [false, false, 4320], 'odd, as in the vendor\'s sandbox')
  for (const period of [59, 540_001, 60.5, '60']) {
    const { json } = await create(started, 'v0.2', { phone_number: '447700900000', period }, {}, product)
    t.match(json, { title: 'Bad Request' }, String(period))
  }
})

t.test('v0.1, and the callback', async t => {
  const started = await build(t, { scope })
  const callback_url = `${started.gateway.url}/hook`
  await create(started, 'v0.1', { phone_number: '447700981088', callback_url }, {}, product)
  const [callback] = await started.gateway.first(1)
  t.equal(callback?.headers['x-tru-callback'], 'subscriber_check')
  t.match(callback?.body, {
    status: 'COMPLETED', match: true, no_sim_change: false, sim_change_within: 1440, no_sim_change_period: 10_080,
    network_id: '23599',
  })
})

t.test('refusals: the create does not look at the address, the redirect has no 409', async t => {
  const started = await build(t, { scope, handsetDelayMs: 5000 })
  for (const [digits, error, status] of [['81', 'not_mobile_ip', 412], ['82', 'ip_msisdn_mismatch', 200]] as const) {
    const body = { phone_number: `4477009${digits}091`, phone_ip: '192.0.2.1' }
    const { status: created, json: { check_id: id } } = await create(started, 'v0.2', body, {}, product)
    t.equal(created, 201)
    const { end } = await walk(started, id, 'v0.2', product)
    t.equal(end.status, status)
    if (status === 200) t.match(end.json, { check_id: id, error })
    t.match((await get(started, 'v0.2', id, product)).json, { status: 'ERROR', error_code: error })
  }
})

t.test('the callback and the origin header are those of the version', async t => {
  const started = await build(t, { scope })
  const origin = async (version: 'v0.1' | 'v0.2') =>
    (await create(started, version, { phone_number: '447700900000' }, {}, product)).headers.get(
      'access-control-allow-origin',
    )
  t.equal(await origin('v0.1'), '*')
  t.equal(await origin('v0.2'), null)
  t.equal((await ask(`${started.simulators.url}/subscriber_check/v0.2/checks`, 'POST')).status, 401)
})
