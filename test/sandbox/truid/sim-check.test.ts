import t from 'tap'
import { ask } from '../receiver.ts'
import { build, fragment, json, type Started } from '../truid-client.ts'

const scope = 'sim_check'
const create = ({ simulators, bearer }: Started, body: unknown) =>
  ask(`${simulators.url}/sim_check/v0.1/checks`, 'POST', { ...json, ...bearer }, body)

t.test('the answer is there at once, and can be read again', async t => {
  const started = await build(t, { scope })
  const created = await create(started, { phone_number: '+447700900000', reference_id: 'ours' })
  t.equal(created.status, 201)
  t.equal(created.headers.get('access-control-allow-origin'), '*')
  const { check_id: id } = created.json
  const self = `${started.simulators.url}/sim_check/v0.1/checks/${id}`
  t.strictSame(created.json, {
    check_id: id, reference_id: 'ours', status: 'COMPLETED', no_sim_change: true, sim_change_within: 525_601,
    no_sim_change_period: 10_080, network_id: '23599', charge_amount: 1, charge_currency: 'API',
    created_at: created.json['created_at'], _links: { self: { href: self } },
  })
  t.strictSame((await ask(self, 'GET', started.bearer)).json, created.json)
  t.equal(fragment(await ask(`${self}0`, 'GET', started.bearer)), 'check_not_found')
})

t.test('by the digits of the number and the period', async t => {
  const started = await build(t, { scope })
  const sim = async (phone_number: string, more: object = {}) => (await create(started, { phone_number, ...more })).json
  t.match(await sim('447700981088'), { no_sim_change: false, sim_change_within: 1440 })
  t.match(await sim('447700981088', { period: 60 }), { no_sim_change: true, no_sim_change_period: 60 })
  t.match(await sim('447700982088'), { no_sim_change: false, sim_change_within: 43_201 })
  t.match(await sim('447700900001'), { no_sim_change: false }, 'odd, as in the vendor\'s sandbox')
  for (const [phone_number, error_code] of [
    ['447700983088', 'mno_no_data_available'], ['447700900099', 'mno_server_error'],
    ['447700900091', 'mno_not_supported'], ['447700985099', 'mno_timeout'],
  ] as const) {
    const answer = await sim(phone_number)
    t.match(answer, { status: 'ERROR', error_code, charge_amount: 0 })
    t.notOk('no_sim_change' in answer)
  }
  t.match(await sim('447700981091'), { status: 'COMPLETED' }, 'where the device is does not matter')
  t.notOk('check_id' in await sim('447700900098'))
})

t.test('what strays is refused', async t => {
  const started = await build(t, { scope })
  const phone_number = '447700900000'
  for (const body of [{}, { phone_number, callback_url: 'https://a.example' }, { phone_number, period: 59 }]) {
    t.equal(fragment(await create(started, body)), 'bad_request')
  }
  t.equal(fragment(await create(started, { phone_number: '0' })), 'phone_format_invalid')
  t.match(await create(started, { phone_number, phone_ip: '192.0.2.81' }), { status: 412 })
  t.match(await create(started, { phone_number: '447700984088' }), { status: 500 }, 'only this product fails')
  t.match(await create(started, { phone_number: '447700981096' }), { status: 429 })
  t.match(await create({ ...started, bearer: {} }, { phone_number }), { status: 401 })
  const other = await build(t)
  t.equal(fragment(await create(other, { phone_number })), 'forbidden', 'the scope phone_check is not enough')
})

t.test('a check costs what it says', async t => {
  const started = await build(t, { scope: 'sim_check phone_check' })
  const { url } = started.simulators
  await ask(`${url}/control/truid/balance`, 'POST', json, { balance: 100 })
  await create(started, { phone_number: '447700900000' })
  await create(started, { phone_number: '447700900099' })
  const phoneCheck = await ask(
    `${url}/phone_check/v0.2/checks`, 'POST', { ...json, ...started.bearer }, { phone_number: '447700900000' },
  )
  t.match(phoneCheck.json, { snapshot_balance: 98 })
})
