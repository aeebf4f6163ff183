import t, { type Test } from 'tap'
import { startGateway, type Answer, type TestGateway } from '../helpers/gateway.ts'
import { act, codeFor, numberEnding, walk } from './end-user.ts'

type Verification = Answer['body']

let serial = 20
/** A number of its own with the digits that choose another outcome of the suffix. */
const variantNumber = (digits: string, suffix: string): string => `+1415${serial += 1}${digits}1${suffix}`

const methods = ['truid.phone_check', 'truid.subscriber_check'] as const
const productOf = (method: string): string => method.replace('truid.', '/')
const asked = ({ simulators }: TestGateway, method: string, path: string): number =>
  simulators.requests.filter(request => request.method === method && request.path.startsWith(path)).length

/** The verification by one item, which the phone with this number has done. */
async function run (
  { shop, simulators }: TestGateway, item: string | object, phoneNumber: string, more: object = {},
): Promise<Verification> {
  const { body } = await shop.create({ workflow: [item], phoneNumber, ...more })
  await act(shop, simulators, body, phoneNumber)
  return shop.waitFor(body['id'])
}

t.test('the products of tru.ID', async t => {
  const gateway = await startGateway(t)
  await t.test('when the SIM was changed', t => testSim(t, gateway))
  await t.test('a SIM that nothing is known of costs nobody the verification', t => testUnknownSim(t, gateway))
  await t.test('one code, fifty times and for another check', t => testCodes(t, gateway))
  await t.test('every documented error has its reason', t => testErrors(t, gateway))
  await t.test('a method that cannot serve the device is skipped before it costs anything', t => testSkip(t, gateway))
  await t.test('who asks is told the same before', t => testEligibility(t, gateway))
  await t.test('v0.1 of SubscriberCheck ends by the callback alone', t => testCallback(t, gateway))
})

async function testSim (t: Test, gateway: TestGateway) {
  const items = [{ method: 'truid.phone_check', options: { signals: ['simChange'] } }, 'truid.subscriber_check']
  for (const item of items) {
    for (const [phoneNumber, simChangedWithin] of [
      [numberEnding('02'), 525_601], [variantNumber('81', '88'), 1440], [variantNumber('82', '88'), 43_201],
    ] as const) {
      const verification = await run(gateway, item, phoneNumber)
      t.match(verification, {
        status: 'verified', result: { assurance: { level: 3 }, signals: { simChangedWithin } },
      }, `${JSON.stringify(item)} ${phoneNumber}`)
    }
  }
  t.equal(asked(gateway, 'POST', '/sim_check'), 3, 'SubscriberCheck has it already')
  const plain = await run(gateway, 'truid.phone_check', variantNumber('81', '88'))
  t.strictSame([plain['status'], plain['result'].signals ?? {}], ['verified', {}], 'only who asks for it')
  t.equal(asked(gateway, 'POST', '/sim_check'), 3)
}

async function testUnknownSim (t: Test, gateway: TestGateway) {
  const item = { method: 'truid.phone_check', options: { signals: ['simChange'] } }
  for (const digits of ['83', '84']) {
    const verification = await run(gateway, item, variantNumber(digits, '88'))
    t.equal(verification['status'], 'verified', digits)
    t.notOk('simChangedWithin' in (verification['result'].signals ?? {}))
  }
  const verification = await run(gateway, 'truid.subscriber_check', variantNumber('83', '88'))
  t.equal(verification['status'], 'verified')
  t.notOk('simChangedWithin' in (verification['result'].signals ?? {}))
  const { simulators } = gateway
  for (const answer of ['hang', 'reset', 429, 500] as const) {
    simulators.fail({ provider: 'truid', answer, path: '/sim_check' })
    t.match(await run(gateway, item, numberEnding('02')), { status: 'verified' }, String(answer))
  }
}

async function testCodes (t: Test, gateway: TestGateway) {
  const { shop } = gateway
  const begin = async (method: string) => {
    const { body } = await shop.create({ workflow: [method], phoneNumber: numberEnding('02') })
    const code = String((await walk(body['nextAction'].url))?.body['code'])
    const path = `/verifications/${body['id']}`
    return { id: String(body['id']), code, check: (code: string) => shop.call('POST', `${path}/check`, { code }) }
  }
  for (const method of methods) {
    const before = asked(gateway, 'PATCH', productOf(method))
    const one = await begin(method)
    const answers = await Promise.all(Array.from({ length: 50 }, () => one.check(one.code)))
    t.ok(answers.every(({ status }) => [200, 202, 409].includes(status)), method)
    t.match(await shop.waitFor(one.id), { status: 'verified' })
    t.equal(asked(gateway, 'PATCH', productOf(method)) - before, 1, 'exchanged once')

    const [first, second] = [await begin(method), await begin(method)]
    const raced = await Promise.all([first.check(first.code), second.check(first.code)])
    t.strictSame(raced.filter(({ body }) => body['status'] === 'verified').length, 1, 'at most one verification')
    t.not((await shop.call('GET', `/verifications/${second.id}`)).body['status'], 'verified')
  }
}

async function testErrors (t: Test, gateway: TestGateway) {
  const { shop } = gateway
  // So many faults at once would stop the calls to a provider that did nothing else.
  await Promise.all(Array.from({ length: 20 }, () =>
    shop.create({ workflow: ['truid.phone_check'], phoneNumber: numberEnding('02') })))
  for (const [digits, suffix, reason] of [
    ['83', '91', 'carrier_unsupported'], ['85', '91', 'carrier_unsupported'], ['86', '91', 'carrier_unsupported'],
    ['87', '91', 'device_mismatch'], ['81', '91', 'not_on_cellular'], ['82', '91', 'device_mismatch'],
  ] as const) {
    for (const method of methods) {
      const verification = await run(gateway, method, variantNumber(digits, suffix))
      t.match(verification, { status: 'failed', reason }, `${method} ${digits}·${suffix}`)
    }
  }
  for (const [digits, reason] of [['85', 'provider_timeout'], ['86', 'provider_error']] as const) {
    const verification = await run(gateway, 'truid.subscriber_check', variantNumber(digits, '99'))
    t.match(verification, { reason: 'provider_unavailable', attempts: [{ reason }] }, `${digits}·99`)
  }
}

/** Public addresses by their last part: on Wi-Fi, of an operator that does not take part, on mobile data. */
const addresses = { wifi: '8.8.4.81', unsupported: '8.8.4.91', mobile: '8.8.4.4' }
const fiji = '+6797012302'

async function testSkip (t: Test, gateway: TestGateway) {
  const { shop, simulators } = gateway
  for (const [number, ip, reason] of [
    [numberEnding('02'), addresses.wifi, 'not_on_cellular'],
    [numberEnding('02'), addresses.unsupported, 'carrier_unsupported'], [fiji, addresses.mobile, 'carrier_unsupported'],
  ] as const) {
    for (const method of methods) {
      const before = asked(gateway, 'POST', productOf(method))
      const phoneNumber = number === fiji ? fiji : numberEnding('02')
      const { body } = await shop.create({
        workflow: [method, 'otpless.otp'], phoneNumber, device: { ip }, onConflict: 'replace',
      })
      const attempts = [{ method, status: 'skipped', reason }, { method: 'otpless.otp' }]
      t.match(body['attempts'], attempts, `${method} ${reason}`)
      t.equal(asked(gateway, 'POST', productOf(method)), before, 'no check was made')
      const ended = await shop.call('POST', `/verifications/${body['id']}/check`, { code: codeFor(phoneNumber) })
      t.match(ended.body, { status: 'verified', result: { method: 'otpless.otp' } })
    }
  }
  const verification = await run(gateway, methods[0], numberEnding('02'), { device: { ip: addresses.mobile } })
  t.match(verification, { status: 'verified' })
  simulators.fail({ provider: 'truid', answer: 'hang', path: '/coverage' })
  const during = await run(gateway, methods[0], numberEnding('02'), { device: { ip: addresses.wifi } })
  const refused = { status: 'failed', reason: 'not_on_cellular' }
  t.match(during['attempts'], [refused], 'who cannot be asked says nothing against a start, which tru.ID then refuses')
}

async function testEligibility (t: Test, { shop }: TestGateway) {
  const of = async (phoneNumber: string, ip?: string) => {
    const { status, body } = await shop.call('POST', '/eligibility', { phoneNumber, ...ip && { device: { ip } } })
    t.equal(status, 200)
    const rows = body['data'] as { method: string, eligible: boolean, reason: string | null }[]
    return rows.filter(({ method }) => method.startsWith('truid.')).map(({ eligible, reason }) => [eligible, reason])
  }
  const both = (eligible: boolean, reason: string | null) => [[eligible, reason], [eligible, reason]]
  t.strictSame(await of(numberEnding('02')), both(true, null))
  t.strictSame(await of(numberEnding('02'), '10.0.0.81'), both(true, null), 'a private address says nothing')
  t.strictSame(await of(fiji), both(false, 'carrier_unsupported'))
  t.strictSame(await of('+64211234502'), both(false, 'carrier_unsupported'), 'announced, not there yet')
  t.strictSame(await of('+3546112302'), both(false, 'carrier_unsupported'), 'another product only')
  t.strictSame(await of('+61412345602'), both(true, null), 'in part')
}

async function testCallback (t: Test, { shop }: TestGateway) {
  const { body } = await shop.create({
    workflow: [{ method: 'truid.subscriber_check', options: { version: 'v0.1' } }],
    phoneNumber: variantNumber('81', '88'),
  })
  t.match(await shop.waitFor(body['id']), {
    status: 'verified', result: { assurance: { level: 1, binding: 'none' }, signals: { simChangedWithin: 1440 } },
  })
}
