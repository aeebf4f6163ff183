import t from 'tap'
import { readProducts, readReachability } from '../../../src/adapters/truid/coverage.ts'
import { truid } from '../../../src/adapters/truid/index.ts'
import { ProviderError } from '../../../src/core/errors.ts'
import type { Reason } from '../../../src/core/reasons.ts'
import {
  type Answer, askEligibility, type Call, openAdapter, openIo, openVendor,
} from '../../../src/conformance/index.ts'
import { answerWell, attempt, isCountry, isCreate, isDevice, isToken, problem, products, settings } from './vendor.ts'
import { jumpWith } from '../../helpers/monotonic-clock.ts'

const mobileIp = '82.132.1.1'
const british = '+447400123456'
const list = (...ids: unknown[]) => ({ products: ids.map(product_id => ({ product_id })) })

t.test('the products of an answer', async t => {
  const served: [unknown, string[] | null][] = [
    [{ country_code: 'GB', dialing_code: 44, products }, ['pck', 'suk']],
    [list('PCK', 'Sck'), ['pck', 'sck']], [{ products: [] }, []], [list('pck', null, 5), ['pck']],
    [{ products: [{ product_id: 'pck', coverage: 'COMING_SOON' }, { product_id: 'suk' }] }, ['suk']],
    [{ products: [{ product_id: 'pck', coverage: 'coming_soon' }] }, []],
    [{ products: [{ product_id: 'pck', coverage: 'A_NEW_WORD' }] }, ['pck']],
    [{ products: [{ product_id: 'pck', coverage: null, networks: null, more: {} }, null, 'x'] }, ['pck']],
    [{ products: [{ product_name: 'PhoneCheck' }, null] }, null], [list(null), null],
    [{ products: null }, null], [{}, null], [null, null], [undefined, null], ['x', null], [[], null],
    [{ products: 'pck' }, null], [{ ...list('pck'), ...problem(200, 'server_error').body }, null],
  ]
  for (const [body, ids] of served) {
    const read = readProducts(body)
    t.strictSame(read === null ? null : [...read], ids, JSON.stringify(body))
  }
})

t.test('what is said of an address', async t => {
  const read = (status: number, body: unknown) => {
    const said = readReachability(status, body)
    return typeof said === 'object' && said !== null ? [...said] : said
  }
  t.strictSame(read(200, list('PCK')), ['pck'])
  t.equal(read(400, problem(400, 'mno_not_supported').body), 'carrier_unsupported')
  t.equal(read(412, problem(412, 'not_mobile_ip').body), 'not_on_cellular')
  t.equal(read(200, problem(200, 'mno_not_supported').body), 'carrier_unsupported', 'whatever the status')
  t.equal(read(412, undefined), 'not_on_cellular')
  for (const [status, body] of [
    [400, problem(400, 'bad_request').body], [400, undefined], [404, problem(404, 'not_found').body],
    [409, problem(409, 'ip_msisdn_mismatch').body], [200, undefined], [200, {}], [200, { network_id: '23410' }],
    [200, problem(200, 'constructor').body],
  ] as const) t.equal(read(status, body), null, `${status} ${JSON.stringify(body)}`)
})

/** An adapter, and a way to ask it. `asked`: the paths of the Coverage API that were asked since the last time. */
async function open (t: Parameters<typeof openVendor>[0], ioOptions: Parameters<typeof openIo>[1] = {}) {
  const vendor = await openVendor(t, answerWell)
  const adapter = openAdapter(truid, settings(vendor), openIo(t, ioOptions))
  return {
    vendor, adapter,
    /** The answer of one route; the others answer normally. */
    by (isMeant: (call: Call) => boolean, answer: Answer): void {
      vendor.answer = call => isMeant(call) ? answer : answerWell(vendor, call)
    },
    asked: (): string[] => vendor.calls.splice(0).filter(call => !isToken(call)).map(({ path }) => path),
    ask: async (phoneNumber = british, ip?: string, method = 'truid.phone_check'): Promise<Reason | null> =>
      askEligibility(adapter, { method, phoneNumber, device: ip === undefined ? {} : { ip } }),
  }
}

t.test('a country is asked about once an hour, with a token for coverage only', async t => {
  let now = 1_000_000
  jumpWith(t, () => now)
  const { vendor, by, ask, asked } = await open(t)
  t.strictSame(await Promise.all(Array.from({ length: 20 }, () => ask())), Array(20).fill(null))
  const [asToken, asCountry, ...more] = vendor.calls
  t.equal(asToken?.text, 'grant_type=client_credentials&scope=coverage')
  t.match(asCountry, { method: 'GET', path: '/coverage/v0.1/countries/GB' })
  t.match(asCountry?.headers.authorization, /^Bearer /)
  t.strictSame(more, [], 'twenty at once')
  asked()
  by(isCountry, { body: { products: [{ product_id: 'PCK', coverage: 'COMING_SOON' }, { product_id: 'suk' }] } })
  now += 3_590_000
  t.equal(await ask(), null)
  t.strictSame(asked(), [])
  t.equal(await ask('+4915112345678'), 'carrier_unsupported')
  t.equal(await ask('+4915112345678', undefined, 'truid.subscriber_check'), null)
  t.strictSame(asked(), ['/coverage/v0.1/countries/DE'])
  now += 10_000
  t.equal(await ask(), 'carrier_unsupported')
  t.strictSame(asked(), ['/coverage/v0.1/countries/GB'])
  for (const shared of ['+447700900000', '+447700900001']) t.equal(await ask(shared), 'carrier_unsupported')
  t.strictSame(asked(), ['/coverage/v0.1/countries/44'], 'by the calling code, where the number has no country')
})

t.test('the address of a device', async t => {
  const { by, ask, asked } = await open(t)
  const asksFor = async (ip: string, answer: Answer): Promise<Reason | null> => {
    by(isDevice, answer)
    return ask(british, ip)
  }
  t.equal(await asksFor(mobileIp, { body: list('PCK') }), null)
  t.equal(await asksFor(mobileIp, { body: list('suk') }), 'carrier_unsupported')
  t.equal(await asksFor('2a02:8084::1', problem(412, 'not_mobile_ip')), 'not_on_cellular')
  t.equal(await asksFor(mobileIp, problem(400, 'mno_not_supported')), 'carrier_unsupported')
  t.equal(await asksFor(mobileIp, { body: '<html>' }), null)
  t.strictSame(asked().filter(path => !path.includes('countries')), [
    mobileIp, mobileIp, '2a02:8084::1', mobileIp, mobileIp,
  ].map(ip => `/coverage/v0.1/device_ips/${ip}`))
  const others = [
    '127.0.0.1', '10.1.2.3', '192.168.0.1', '100.64.0.1', '169.254.1.1', '203.0.113.7', '198.51.100.1', '0.0.0.0',
    '::1', 'fe80::1', 'fd00::1', '2001:db8::1', 'nonsense', '',
  ]
  for (const ip of others) t.equal(await asksFor(ip, problem(412, 'not_mobile_ip')), null, ip)
  t.strictSame(asked(), [], 'no phone on mobile data has one of these')
})

t.test('an account without these routes is not asked at each start', async t => {
  let now = 1_000_000
  jumpWith(t, () => now)
  const absent: [string, (call: Call) => boolean, Answer][] = [
    ['no such route', ({ path }) => path.startsWith('/coverage/'), { status: 404 }],
    ['no such route, as tru.ID says it', ({ path }) => path.startsWith('/coverage/'), problem(404, 'not_found')],
    ['no access', ({ path }) => path.startsWith('/coverage/'), problem(403, 'forbidden')],
    ['the token is refused', ({ path }) => path.startsWith('/coverage/'), { status: 401 }],
    ['no such scope', ({ text }) => text.includes('coverage'), { status: 400, body: { error: 'invalid_scope' } }],
    ['no token', ({ text }) => text.includes('coverage'), { status: 403 }],
  ]
  for (const [name, isMeant, answer] of absent) {
    const { vendor, adapter, by, ask } = await open(t)
    by(isMeant, answer)
    for (const number of ['+4915112345678', '+14155550100']) t.equal(await ask(number, mobileIp), null, name)
    const calls = vendor.calls.splice(0).length
    t.ok(calls > 0 && calls <= 8, `${name}: ${calls} requests`)
    for (const phoneNumber of ['+4915112345678', '+14155550100', '+33612345678']) {
      const question = { method: 'truid.phone_check', phoneNumber, country: null, device: { ip: mobileIp } }
      t.equal(adapter.canServe?.(question), null, `${name}: the answer is known without a call`)
    }
    t.strictSame(vendor.calls, [], name)
    now += 600_000
    vendor.answer = call => answerWell(vendor, call)
    by(isDevice, problem(412, 'not_mobile_ip'))
    t.equal(await ask('+4915112345678', mobileIp), 'not_on_cellular', `${name}: it is asked again`)
  }
})

t.test('a country that tru.ID does not reach', async t => {
  const { vendor, ask, asked } = await open(t)
  vendor.answer = call => isCountry(call) && !call.path.endsWith('/GB')
    ? { status: 404, body: { title: 'No Reach' } }
    : answerWell(vendor, call)
  for (const method of ['truid.phone_check', 'truid.subscriber_check']) {
    t.equal(await ask('+4915112345678', undefined, method), 'carrier_unsupported')
    t.equal(await ask('+33612345678', undefined, method), 'carrier_unsupported')
    t.equal(await ask(british, undefined, method), null)
  }
  const once = (...names: string[]) => names.map(country => `/coverage/v0.1/countries/${country}`)
  t.strictSame(asked(), once('DE', 'GB', 'FR'), 'each once')
  t.equal(await ask('+447700900000'), null, 'a calling code may be unknown although its countries are reached')
  t.equal(await ask('+447700900000'), null)
  t.strictSame(asked(), once('44'))
  vendor.answer = call => isCountry(call) && !call.path.endsWith('/US') ? { status: 404 } : answerWell(vendor, call)
  const fresh = openAdapter(truid, settings(vendor), openIo(t))
  const askFresh = (phoneNumber: string) =>
    askEligibility(fresh, { method: 'truid.phone_check', phoneNumber, device: {} })
  t.equal(await askFresh('+14155550100'), null)
  t.equal(await askFresh('+447400123456'), 'carrier_unsupported', 'any country shows that the route exists')
  t.strictSame(asked(), once('US', 'GB'))
})

t.test('a route that fails says nothing, and rests', async t => {
  let now = 1_000_000
  jumpWith(t, () => now)
  const failures: [Answer, string, number][] = [
    [{ status: 500 }, 'provider_error', 60_000], [{ status: 302 }, 'provider_bad_response', 60_000],
    [{ status: 429, headers: { 'retry-after': '7' } }, 'rate_limited_by_provider', 7_000],
    ['hang', 'provider_timeout', 60_000],
  ]
  for (const [answer, reason, restMs] of failures) {
    for (const isMeant of [isCountry, isDevice]) {
      const { by, ask, asked } = await open(t, { timeoutMs: 300 })
      by(isMeant, answer)
      const first = await ask(british, mobileIp).catch((error: unknown) => error)
      t.ok(first instanceof ProviderError && first.reason === reason, `${reason}, ${isMeant.name}`)
      t.equal(asked().length, 2)
      now += restMs - 4_000
      t.equal(await ask('+4915112345678', mobileIp), null)
      t.equal(asked().filter(path => isMeant({ path } as Call)).length, 0)
      now += 4_000
      by(isMeant, isMeant === isDevice ? problem(412, 'not_mobile_ip') : { body: list('suk') })
      t.equal(await ask('+4915112345678', mobileIp), isMeant === isDevice ? 'not_on_cellular' : 'carrier_unsupported')
    }
  }
})

t.test('what one route says counts, although the other fails', async t => {
  const { vendor, ask } = await open(t)
  vendor.answer = call => isCountry(call)
    ? { status: 500 }
    : isDevice(call) ? problem(412, 'not_mobile_ip') : answerWell(vendor, call)
  t.equal(await ask(british, mobileIp), 'not_on_cellular')
})

t.test('a start does not wait for an answer as long as other requests do', async t => {
  for (const isMeant of [isCountry, ({ text }: Call) => text.includes('scope=coverage')]) {
    const { by, ask } = await open(t, { timeoutMs: 600_000, ownDeadlines: true })
    by(isMeant, 'hang')
    t.match(await ask().catch((error: unknown) => error), { reason: 'provider_timeout' })
  }
})

t.test('the coverage has no part in a check', async t => {
  const { vendor, adapter, by, ask } = await open(t)
  by(({ path, text }) => path.startsWith('/coverage/') || text.includes('coverage'), { status: 500 })
  await ask(british, mobileIp).catch(() => {})
  vendor.calls.length = 0
  await adapter.start(attempt)
  t.strictSame(vendor.calls.map(call => isToken(call) ? call.text : isCreate(call)), [
    'grant_type=client_credentials&scope=phone_check', true,
  ])
})
