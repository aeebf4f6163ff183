import t from 'tap'
import { ProviderError } from '../../src/core/errors.ts'
import { StoreUnavailable } from '../../src/store/record-store.ts'
import { created, step } from '../core/fixtures.ts'
import { errorCode, openTestbed, type SetUpOptions } from '../helpers/verifications.ts'

const { setUp } = await openTestbed(t)

/** A verification whose first start the caller has claimed. */
async function insert (options?: SetUpOptions, workflow = ['toy.code', 'other.code', 'toy.silent']) {
  const room = setUp(options)
  const id = room.ids.newId('shop', 0)
  const at = room.now()
  const request = { ...created({ id, workflow: workflow.map(name => step(name)), expiresAt: at + 600_000 }) }
  const inserted = await room.insert(request, at)
  if (!('stored' in inserted)) throw new Error('not inserted')
  return { ...room, id, inserted }
}
const fail = (reason: 'provider_error' | 'provider_misconfigured' = 'provider_error') => async () => {
  throw new ProviderError('toy', 'start', reason)
}

t.test('the attempt that the caller claimed', async t => {
  const { start, inserted, toy, read, id, jobsOf } = await insert()
  t.match(inserted, { effect: 'start', stored: { record: { attempts: [{ phase: 'starting', isClaimed: true }] } } })
  const stored = await start(inserted)
  t.match(stored.record.attempts, [{ phase: 'waiting', state: { sent: 1 } }])
  t.strictSame(await read(id), stored)
  t.strictSame(toy.called('start'), ['toy.code'])
  t.strictSame(await jobsOf(id), [])
  t.equal(await start({ ...inserted, stored, effect: null }), stored, 'no effect, no start')
  t.equal(await start({ ...inserted, stored, effect: 'resolve' }), stored)
  t.equal(toy.calls.length, 1)
})

t.test('the next attempts, while they fail', async t => {
  const { start, inserted, toy, other } = await insert()
  toy.answers.start = fail()
  other.answers.start = async () => { throw new ProviderError('other', 'start', 'carrier_unsupported') }
  t.match((await start(inserted)).record, {
    status: 'failed', reason: 'provider_unavailable',
    attempts: [{ reason: 'provider_error' }, { reason: 'carrier_unsupported' }, { reason: 'provider_error' }],
  })
  t.strictSame([toy.called('start'), other.called('start')], [['toy.code', 'toy.silent'], ['other.code']])
})

t.test('a breaker that opens in between: the start is skipped, not failed', async t => {
  const { start, inserted, toy, create } = await insert()
  toy.answers.start = fail('provider_misconfigured')
  for (const phoneNumber of ['+14155550102', '+14155550104']) await create({ phoneNumber, workflow: ['toy.code'] })
  t.match((await start(inserted)).record.attempts, [
    { status: 'skipped', reason: 'provider_unavailable' }, { method: 'other.code', phase: 'waiting' },
  ])
  t.strictSame(toy.called('start'), ['toy.code', 'toy.code'])
})

t.test('a method that cannot serve the number is skipped, and has claimed and spent nothing', async t => {
  const { create, gateway, toy, other, budgeted, claimFields } = setUp({
    messagesPerNumber: { perHour: 1, perDay: 1 },
    shop: { limits: { createsPerNumberPerHour: 1, createsPerPrefixPerHour: 1, createsPerCountryPerHour: 1 } },
  })
  toy.answers.canServe = async () => 'carrier_unsupported'
  t.match(await create({ workflow: ['toy.push', 'toy.silent'] }), {
    status: 'failed', reason: 'carrier_unsupported', attempts: [{ status: 'skipped' }, { status: 'skipped' }],
  })
  t.strictSame(await claimFields(), [])
  t.strictSame(budgeted, ['shop US created', 'shop US created taken back'])
  const created = await create({ workflow: ['toy.push', 'toy.code', 'other.code'] })
  t.match(created.attempts, [
    {
      status: 'skipped', reason: 'carrier_unsupported',
    }, { status: 'skipped' }, { method: 'other.code', phase: 'waiting' },
  ], 'what the first two had counted is left for the third one')
  t.strictSame([toy.called('start'), other.called('start')], [[], ['other.code']])
  await gateway.cancel(created.id)
  toy.answers.canServe = async () => null
  t.equal(await errorCode(create({ workflow: ['toy.code'] })), 'rate_limited', 'the third one was counted, once')
  t.match(await create({ workflow: ['toy.silent'] }), { status: 'pending' })
  const counts = budgeted.map(entry => entry.endsWith('back') ? -1 : 1)
  t.equal(counts.reduce((sum, one) => sum + one, 0), 1)
})

t.test('the time budget of a request: a job starts the rest', async t => {
  for (const [waitedMs, tookMs, isHere] of [[0, 3_999, true], [0, 4_000, false], [3_000, 1_000, false]] as const) {
    const { start, inserted, toy, other, pass, jobsOf, id } = await insert()
    pass(waitedMs)
    toy.answers.start = async () => {
      pass(tookMs)
      throw new ProviderError('toy', 'start', 'provider_timeout')
    }
    const { record } = await start(inserted)
    t.match(record.attempts[1], isHere ? { phase: 'waiting' } : { phase: 'starting', isClaimed: false })
    t.strictSame(other.called('start'), isHere ? ['other.code'] : [])
    t.equal((await jobsOf(id)).length, isHere ? 0 : 1)
  }
})

t.test('a provider id that belongs to another attempt', async t => {
  const room = await insert()
  const { start, inserted, toy, create } = room
  toy.answers.start = async () => ({ state: null, action: { type: 'answerCall' }, id: 'one' })
  await start(inserted)
  t.match(await create({ phoneNumber: '+14155550102' }), {
    attempts: [{ status: 'failed', reason: 'provider_bad_response' }, { method: 'other.code', phase: 'waiting' }],
  })
})

t.test('an optional provider id that belongs to another attempt is left out', async t => {
  const { start, inserted, toy, create } = await insert()
  toy.answers.start = async () => ({
    state: null, action: { type: 'answerCall' }, id: 'shared', isIdOptional: true,
  })
  await start(inserted)
  t.match(await create({ phoneNumber: '+14155550102' }), { attempts: [{ method: 'toy.code', phase: 'waiting' }] })
})

t.test('the answer survives a short outage of the store', async t => {
  let failures = 0
  const { start, inserted, toy } = await insert({
    wrapStore: store => ({
      ...store,
      async save (...args) {
        failures += 1
        if (failures === 1) throw new StoreUnavailable('DISCONNECTED')
        return store.save(...args)
      },
    }),
  })
  t.match((await start(inserted)).record.attempts, [{ phase: 'waiting' }])
  t.equal(toy.calls.length, 1, 'no second message')
})
