import t from 'tap'
import { callbackProblems, hasTruidContract, responseProblems } from '../../helpers/truid-contract.ts'
import { type Answer, ask } from '../receiver.ts'
import { bring, build, create, get, json, patch, type Product, type Version, walk } from '../truid-client.ts'

const skip = hasTruidContract ? false : 'tru.ID\'s official description is absent'
const scope = 'phone_check subscriber_check sim_check coverage'

/** What differs from the official description. */
function differences (
  document: 'products' | 'utils' | 'basics', method: string, path: string, { status, type, headers, json }: Answer,
): string[] {
  return responseProblems({ document, method, path }, { status, type, headers, body: json })
}

t.test('PhoneCheck and SubscriberCheck answer as described', { skip }, async t => {
  const started = await build(t, { scope, handsetDelayMs: 5000 })
  for (const product of ['phone_check', 'subscriber_check'] as Product[]) {
    for (const version of ['v0.1', 'v0.2'] as Version[]) {
      const path = `/${product}/${version}/checks`
      const same = (method: string, suffix: string, answer: Answer) =>
        t.strictSame(differences('products', method, `${path}${suffix}`, answer), [], `${method} ${path}${suffix}`)
      for (const digits of ['900000', '900001', '900091', '900099', '981091', '983091', '983088']) {
        const body = { phone_number: `447700${digits}`, reference_id: 'ours' }
        const created = await create(started, version, body, {}, product)
        same('post', '', created)
        const { check_id: id } = created.json
        const { hops: [first], end } = await walk(started, id, version, product)
        if (first !== undefined) t.equal(first.status, 302)
        else same('get', '/{check_id}/redirect', end)
        if (version === 'v0.2' && end.json['code'] !== undefined) {
          same('patch', '/{check_id}', await patch(started, id, bring(end.json['code']), undefined, product))
        }
        same('get', '/{check_id}', await get(started, version, id, product))
        same('get', '/{check_id}', await get(started, version, id, product))
        same('get', '/{check_id}/traces', await ask(
          `${started.simulators.url}${path}/${id}/traces`, 'GET', started.bearer,
        ))
      }
      same('post', '', await create(started, version, { phone_number: '0' }, {}, product))
      same('post', '', await create(started, version, { phone_number: '6797012345' }, {}, product))
      same('get', '/{check_id}', await get(started, version, 'unknown', product))
    }
  }
  for (const digits of ['981091', '982091']) {
    const body = { phone_number: `447700${digits}`, phone_ip: '192.0.2.1' }
    const refused = await create(started, 'v0.2', body)
    t.strictSame(differences('products', 'post', '/phone_check/v0.2/checks', refused), [])
  }
})

t.test('callbacks are as described', { skip }, async t => {
  const started = await build(t, { scope })
  const callback_url = `${started.gateway.url}/hook`
  for (const product of ['phone_check', 'subscriber_check'] as Product[]) {
    for (const digits of ['900000', '900099']) {
      await create(started, 'v0.1', { phone_number: `447700${digits}`, callback_url }, {}, product)
    }
  }
  for (const { headers, body } of await started.gateway.first(4)) {
    const path = `/${headers['x-tru-callback']}/v0.1/checks`
    t.strictSame(callbackProblems({ document: 'products', method: 'post', path }, body), [], path)
  }
})

t.test('SIMCheck and Coverage answer as described', { skip }, async t => {
  const started = await build(t, { scope })
  const { simulators: { url }, bearer } = started
  const path = '/sim_check/v0.1/checks'
  const simCheck = (body: object) => ask(`${url}${path}`, 'POST', { ...json, ...bearer }, body)
  for (const phone_number of ['447700900000', '447700900099', '447700982088', '0', '447700981096']) {
    t.strictSame(differences('products', 'post', path, await simCheck({ phone_number })), [], phone_number)
  }
  const onWifi = await simCheck({ phone_number: '447700900000', phone_ip: '192.0.2.81' })
  t.strictSame(differences('products', 'post', path, onWifi), [])
  const { json: { check_id: id } } = await simCheck({ phone_number: '447700900000' })
  for (const one of [id, 'unknown']) {
    const answer = await ask(`${url}${path}/${one}`, 'GET', bearer)
    t.strictSame(differences('products', 'get', `${path}/{check_id}`, answer), [])
  }
  for (const [template, value] of [
    ['/countries/{code}', 'GB'], ['/countries/{code}', 'NZ'], ['/countries/{code}', 'FJ'],
    ['/device_ips/{ip}', '192.0.2.1'], ['/device_ips/{ip}', '192.0.2.81'], ['/device_ips/{ip}', '192.0.2.91'],
    ['/device_ip', ''],
  ] as const) {
    const answer = await ask(`${url}/coverage/v0.1${template.replace(/\{\w+\}/, value)}`, 'GET', bearer)
    t.strictSame(differences('utils', 'get', `/coverage/v0.1${template}`, answer), [], `${template} ${value}`)
  }
})

t.test('what the description does not have is found', { skip }, async t => {
  const started = await build(t)
  const answer = await create(started, 'v0.2', { phone_number: '447700900000' })
  const path = '/phone_check/v0.2/checks'
  const changed = (change: object) => differences('products', 'post', path, { ...answer, ...change })
  const { check_id: _id, ...rest } = answer.json
  t.strictSame(changed({}), [])
  t.match(changed({ json: rest }), [/check_id/])
  t.match(changed({ json: { ...answer.json, phone_number: '1' } }), ['/phone_number is not documented'])
  t.match(changed({ json: { ...answer.json, charge_amount: '1' } }), [/charge_amount/])
  const found = await get(started, 'v0.2', answer.json['check_id'])
  const json = { ...found.json, _links: { self: { href: 'x', rel: 'x' } } }
  t.strictSame(
    differences('products', 'get', `${path}/{check_id}`, { ...found, json }), ['/_links/self/rel is not documented'],
  )
  t.strictSame(changed({ headers: new Headers() }).length, 3)
  t.match(changed({ status: 200 }), ['the status 200 is not documented'])
  t.match(changed({ type: 'application/json' }), ['not documented'])
})
