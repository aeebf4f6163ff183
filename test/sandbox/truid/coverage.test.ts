import t from 'tap'
import { request } from 'undici'
import { ask } from '../receiver.ts'
import { build, create, fragment, type Started } from '../truid-client.ts'

const scope = 'coverage'
const read = ({ simulators, bearer }: Started, path: string) => ask(`${simulators.url}${path}`, 'GET', bearer)

t.test('a country, by its code and by its dialling code', async t => {
  const started = await build(t, { scope })
  for (const code of ['GB', '44']) {
    const answer = await read(started, `/coverage/v0.1/countries/${code}`)
    t.equal(answer.status, 200)
    t.match(answer.type, /^application\/hal\+json/)
    t.equal(answer.headers.get('access-control-allow-origin'), '*')
    t.match(answer.json, {
      country_code: 'GB', dialing_code: 44,
      products: [{ product_id: 'pck', coverage: 'FULL', networks: [{ network_id: '23410', prices: [{}] }] }, {}, {}],
    })
  }
  const products = async (code: string) => {
    const { json } = await read(started, `/coverage/v0.1/countries/${code}`)
    return JSON.stringify(json['products'])
  }
  t.match(await products('NZ'), 'COMING_SOON')
  t.match(await products('61'), 'PARTIAL')
  t.notMatch(await products('IS'), /pck|suk/)
  for (const code of ['FJ', '679', 'ZZ', '999', 'gb', '0', 'constructor']) {
    const answer = await read(started, `/coverage/v0.1/countries/${code}`)
    t.equal(answer.status, 404, code)
    t.equal(fragment(answer), 'not_found')
  }
})

t.test('an address', async t => {
  const started = await build(t, { scope })
  const of = (ip: string) => read(started, `/coverage/v0.1/device_ips/${ip}`)
  for (const ip of ['192.0.2.1', '2001:db8::1', '192.0.2.191']) {
    t.match(await of(ip), { status: 200, json: { network_id: '23410', mobile_data_ip: ip, products: [{}, {}, {}] } })
  }
  for (const ip of ['192.0.2.91', '2001:db8::91']) {
    t.match([fragment(await of(ip)), (await of(ip)).status], ['mno_not_supported', 400])
  }
  for (const ip of ['192.0.2.81', '2001:db8::81']) {
    t.match([fragment(await of(ip)), (await of(ip)).status], ['not_mobile_ip', 412])
  }
  t.equal(fragment(await of('here')), 'bad_request')
})

t.test('the address of the device that asks, from any page', async t => {
  const started = await build(t, { scope })
  const { url } = started.simulators
  const path = '/coverage/v0.1/device_ip'
  t.match(await read(started, path), { status: 200, json: { mobile_data_ip: '127.0.0.1' } })
  t.equal((await read({ ...started, bearer: {} }, path)).status, 401)
  t.match(await ask(`${url}/public${path}`, 'GET'), { status: 200, json: { mobile_data_ip: '127.0.0.1' } })
  const { headers } = await request(`${url}${path}`, { method: 'OPTIONS', headers: { origin: 'https://a.example' } })
  t.match(headers, { 'access-control-allow-origin': '*', 'access-control-allow-headers': 'authorization' })
})

t.test('only the scope coverage opens it, and it opens nothing else', async t => {
  const started = await build(t, { scope })
  t.equal(fragment(await create(started, 'v0.2', { phone_number: '447700900000' })), 'forbidden')
  const other = await build(t)
  for (const path of ['countries/GB', 'device_ips/192.0.2.1', 'device_ip']) {
    t.equal(fragment(await read(other, `/coverage/v0.1/${path}`)), 'forbidden', path)
  }
})

t.test('a create in a country without any network, and from a known address', async t => {
  const started = await build(t)
  const answer = await create(started, 'v0.2', { phone_number: '6797012345' })
  t.equal(answer.status, 400)
  t.match(answer.type, /^application\/problem\+json/)
  t.strictSame(Object.keys(answer.json), ['title', 'detail'], 'documented without a type')
  const phone_number = '447700900000'
  t.equal(fragment(await create(started, 'v0.2', { phone_number, phone_ip: '192.0.2.81' })), 'not_mobile_ip')
  t.equal((await create(started, 'v0.2', { phone_number, phone_ip: '192.0.2.91' })).status, 201, 'not documented')
})
