import t from 'tap'
import { ask } from '../receiver.ts'
import { bearerFor, bring, build, create, fragment, patch, walk } from '../truid-client.ts'

t.test('the traces of a check, for seven days', async t => {
  let now = Date.now()
  const started = await build(t, { now: () => now })
  const { json: { check_id: id } } = await create(started, 'v0.2', { phone_number: '447700900000' })
  const path = `${started.simulators.url}/phone_check/v0.2/checks/${id}/traces`
  const traces = async (bearer = started.bearer) => ask(path, 'GET', bearer)
  const created = await traces()
  t.match(created.type, /^application\/hal\+json/)
  t.match(created.json, {
    _embedded: {
      traces: [{ trace_id: /^[0-9a-f]{16}$/, logs: [{}, { attributes: { amount: 1, currency: 'API' } }, {}] }],
    },
    _links: { self: { href: path } },
  })
  await patch(started, id, bring((await walk(started, id)).end.json['code']))
  const { json: { _embedded } } = await traces()
  const [first, second] = (_embedded as { traces: { trace_id: string, logs: object[] }[] }).traces
  t.match(second, { logs: [{ message: 'Check balance: confirmed' }] })
  t.strictSame((await ask(`${path}/${first?.trace_id}`, 'GET', started.bearer)).json, first)
  t.equal(fragment(await ask(`${path}/other`, 'GET', started.bearer)), 'trace_not_found')
  t.equal(fragment(await ask(path.replace(String(id), 'x'), 'GET', started.bearer)), 'check_not_found')
  t.equal((await traces({})).status, 401)

  now += 7 * 86_400_000
  const later = await traces(await bearerFor(started, 'phone_check'))
  t.equal(later.status, 410)
  t.equal(fragment(later), 'trace_gone')
})
