import t from 'tap'
import { truid } from '../../../src/adapters/truid/index.ts'
import type { Adapter, AttemptContext, Outcome } from '../../../src/adapters/adapter.ts'
import type { Json } from '../../../src/core/vocabulary.ts'
import { openAdapter, openIo, openVendor, type Answer, type Call, type Vendor } from '../../../src/conformance/index.ts'
import {
  answerWell, attempt, code, isCheck, isSimCheck, isToken, noRepeat, phoneNumber, problem, say, settings, simCheck,
} from './vendor.ts'

// The SIMCheck that the option `signals` of `truid.phone_check` adds.

const wanting = { ...attempt, options: { signals: ['simChange'] } }

/** An adapter, and a way to resolve an attempt of its own. `simChecks`: how many were made. */
async function open (t: Parameters<typeof openVendor>[0], ioOptions: Parameters<typeof openIo>[1] = {}) {
  const vendor = await openVendor(t, answerWell)
  const adapter = openAdapter(truid, { ...settings(vendor), TRUID_API_VERSION: 'v0.2,v0.1' }, openIo(t, ioOptions))
  let serial = 0
  async function start (more: Partial<AttemptContext> = {}): Promise<AttemptContext> {
    const own = { ...wanting, id: `att_${serial += 1}`, ...more }
    return { ...own, state: (await adapter.start(own)).state }
  }
  return {
    vendor, adapter, start,
    simChecks: (): Call[] => vendor.calls.filter(isSimCheck),
    resolve: async (more: Partial<AttemptContext> = {}, evidence: Json = { code }): Promise<Outcome> =>
      adapter.resolve(await start(more), evidence, noRepeat),
  }
}
const proven = { verdict: 'proven', phoneNumber, assurance: { possession: 'sim', binding: 'session' } }
const by = (vendor: Vendor, isMeant: (call: Call) => boolean, answer: Answer) => {
  vendor.answer = call => isMeant(call) ? answer : answerWell(vendor, call)
}

t.test('after a match, one SIMCheck with a token of its own', async t => {
  const { vendor, simChecks, resolve } = await open(t)
  vendor.answer = call => isToken(call)
    ? { body: { access_token: `for-${new URLSearchParams(call.text).get('scope')}`, expires_in: 3600 } }
    : answerWell(vendor, call)
  for (const ip of ['82.132.1.1', undefined]) {
    vendor.calls.length = 0
    t.match(
      await resolve({ device: ip === undefined ? {} : { ip } }), { ...proven, signals: { simChangedWithin: 43201 } },
    )
    t.match(simChecks(), [{
      method: 'POST', headers: { authorization: 'Bearer for-sim_check', 'content-type': 'application/json' },
    }])
    const [asked] = simChecks()
    const reference_id = ip === undefined ? 'att_2' : 'att_1'
    t.strictSame(
      asked?.body, { phone_number: '447700900000', reference_id, ...ip === undefined ? {} : { phone_ip: ip } },
    )
    t.equal(vendor.calls.at(-1), asked, 'the last request')
  }
})

t.test('no SIMCheck without the option, and none before a match', async t => {
  const { vendor, simChecks, resolve } = await open(t)
  t.notOk('signals' in await resolve({ options: {} }))
  t.notOk('signals' in await resolve({ options: { signals: [] } }))
  t.match(await resolve({}, {}), { verdict: 'pending' }, 'v0.2, without a code: anybody can have opened the URL')
  t.match(await resolve({}, { callback: true }), { verdict: 'pending' })
  for (const more of [{ match: false }, { status: 'PENDING' }, { status: 'EXPIRED' }, { status: 'ERROR' }, {}]) {
    vendor.answer = call => say(more)(call) ?? answerWell(vendor, call)
    await resolve().catch(() => {})
    await resolve({ options: { version: 'v0.1', signals: ['simChange'] } }, {}).catch(() => {})
  }
  by(vendor, isCheck, problem(404, 'check_not_found'))
  await resolve()
  t.strictSame(simChecks(), [])
})

t.test('an attempt has one SIMCheck, however often it is resolved', async t => {
  const { adapter, simChecks, start } = await open(t)
  const attempt = await start({ options: { version: 'v0.1', signals: ['simChange'] } })
  const signals = { simChangedWithin: 43201 }
  for (const repeated of [false, true]) t.match(await adapter.resolve(attempt, {}, { repeated }), { signals })
  const both = await Promise.all([attempt, attempt].map(one => adapter.resolve(one, { callback: true }, noRepeat)))
  t.match(both, [{ signals }, { signals }])
  t.equal(simChecks().length, 1)
  t.match(await adapter.resolve(await start(), { code }, noRepeat), { signals })
  t.equal(simChecks().length, 2, 'another attempt has its own')
})

t.test('a SIMCheck that fails leaves the verdict as it is, and is not repeated', async t => {
  const failures: [string, (call: Call) => boolean, Answer][] = [
    ['status 500', isSimCheck, { status: 500 }], ['too many requests', isSimCheck, problem(429, 'too_many_requests')],
    ['no access', isSimCheck, problem(403, 'forbidden')], ['no such route', isSimCheck, { status: 404 }],
    ['no credit', isSimCheck, { status: 402 }], ['no JSON', isSimCheck, { status: 201, body: '<html>' }],
    ['an error', isSimCheck, { status: 201, body: { ...simCheck, status: 'ERROR', error_code: 'mno_timeout' } }],
    ['an error code beside a result', isSimCheck, { status: 201, body: { ...simCheck, error_code: 'mno_timeout' } }],
    ['a token that is refused', isSimCheck, { status: 401 }],
    ['no scope', ({ text }) => text.includes('scope=sim_check'), { status: 400, body: { error: 'invalid_scope' } }],
    ['no token', ({ text }) => text.includes('scope=sim_check'), { status: 503 }],
  ]
  for (const [name, isMeant, answer] of failures) {
    const { vendor, adapter, simChecks, start } = await open(t)
    by(vendor, isMeant, answer)
    const attempt = await start({ options: { version: 'v0.1', signals: ['simChange'] } })
    const outcomes = [await adapter.resolve(attempt, {}, noRepeat), await adapter.resolve(attempt, {}, noRepeat)]
    for (const outcome of outcomes) {
      t.match(outcome, { verdict: 'proven', phoneNumber }, name)
      t.notOk('signals' in outcome, name)
    }
    t.ok(simChecks().length <= (name === 'a token that is refused' ? 2 : 1), name)
  }
})

/** Without the adapter's own deadlines a request would hang as long as the test. */
const patient = { timeoutMs: 600_000, ownDeadlines: true }

t.test('a SIMCheck gets what is left of the time for the verdict', async t => {
  let now = 1_000_000
  const { vendor, adapter, simChecks, start } = await open(t, { ...patient, now: () => now })
  const resolveAfter = async (elapsedMs: number): Promise<Outcome> => {
    const attempt = await start()
    vendor.answer = call => {
      if (isCheck(call)) now += elapsedMs
      return isSimCheck(call) ? 'hang' : answerWell(vendor, call)
    }
    return adapter.resolve(attempt, { code }, noRepeat)
  }
  t.notOk('signals' in await resolveAfter(4_900))
  t.equal(simChecks().length, 1)
  t.notOk('signals' in await resolveAfter(5_100))
  t.equal(simChecks().length, 1, 'without time it is not made, so it costs nothing')
})

t.test('a token for the SIMCheck that is not issued costs little time', async t => {
  const { vendor, resolve } = await open(t, patient)
  by(vendor, ({ text }) => text.includes('scope=sim_check'), 'hang')
  t.match(await resolve(), { verdict: 'proven' })
})

t.test('a SubscriberCheck says it by itself', async t => {
  const { vendor, adapter, simChecks, start } = await open(t)
  const attempt: AttemptContext = await start({ method: 'truid.subscriber_check', options: {} })
  const outcomeOf = async (by: Adapter, more: object): Promise<Outcome> => {
    vendor.answer = call => say({ match: true, ...more })(call) ?? answerWell(vendor, call)
    return by.resolve(attempt, { code }, noRepeat)
  }
  t.match(await outcomeOf(adapter, { sim_change_within: 60 }), { signals: { simChangedWithin: 60 } })
  t.match(await outcomeOf(adapter, { no_sim_change: false }), { signals: { simChangedWithin: 10080 } })
  for (const more of [{}, { no_sim_change: true }, { sim_change_within: null }]) {
    t.notOk('signals' in await outcomeOf(adapter, more), JSON.stringify(more))
  }
  t.match(await outcomeOf(adapter, { match: false, sim_change_within: 60 }), { verdict: 'denied' })
  t.strictSame(simChecks(), [])
})
