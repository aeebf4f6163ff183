import t from 'tap'
import { leaseMs } from '../../src/core/verification.ts'
import { StoreUnavailable, type UnavailableCode } from '../../src/store/record-store.ts'
import { createStartIfWritten, isReplyLost } from '../../src/verifications/lost-reply.ts'
import { created, step } from '../core/fixtures.ts'
import { errorCode, openTestbed } from '../helpers/verifications.ts'

const { setUp } = await openTestbed(t)

/** A gateway whose first insert is written, or not, and whose reply is lost; so are those of the next loads. */
function setUpLoss ({ isWritten = true, lostLoads = 0 } = {}) {
  let left = { inserts: 1, loads: lostLoads }
  const loses = (what: keyof typeof left): boolean => (left = { ...left, [what]: left[what] - 1 })[what] >= 0
  return setUp({
    wrapStore: store => ({
      ...store,
      async insert (...args) {
        const isLost = loses('inserts')
        const inserted = isLost && !isWritten ? null : await store.insert(...args)
        if (inserted === null || isLost) throw new StoreUnavailable('TIMEOUT')
        return inserted
      },
      async load (id) {
        if (left.inserts < 1 && loses('loads')) throw new StoreUnavailable('DISCONNECTED')
        return store.load(id)
      },
    }),
  })
}

for (const lostLoads of [0, 1]) {
  t.test(`a create whose reply is lost, and ${lostLoads} more: the start is made, once`, async t => {
    const { create, toy, jobsOf } = setUpLoss({ lostLoads })
    await t.rejects(create({}, 'key-1'), { code: 'TIMEOUT' })
    const again = await create({}, 'key-1')
    t.match(again.attempts, [{ method: 'toy.code', phase: 'waiting', state: { sent: 1 } }])
    t.strictSame(toy.called('start'), ['toy.code'])
    t.strictSame(await jobsOf(again.id), [])
    t.equal(await errorCode(create()), 'verification_in_progress')
  })
}

t.test('a create that was not written is not made afterwards', async t => {
  const { create, toy, claimFields } = setUpLoss({ isWritten: false })
  await t.rejects(create({}, 'key-1'), { code: 'TIMEOUT' })
  t.strictSame([await claimFields(), toy.called('start')], [[], []])
  t.match((await create({}, 'key-1')).attempts, [{ phase: 'waiting' }])
  t.strictSame(toy.called('start'), ['toy.code'])
})

t.test('what Redis refuses was not written', async t => {
  const codes: UnavailableCode[] = ['TIMEOUT', 'DISCONNECTED', 'OOM', 'READONLY', 'UNREPLICATED', 'ERROR']
  t.strictSame(codes.filter(code => isReplyLost(new StoreUnavailable(code))), ['TIMEOUT', 'DISCONNECTED'])
  t.notOk(isReplyLost(new Error('TIMEOUT')))
})

/** A verification whose start is claimed by the create at `claimedAt`, and what starts it. */
async function insert () {
  const room = setUp()
  const [id, claimedAt] = [room.ids.newId('shop', 0), room.now()]
  const request = created({ id, workflow: [step('toy.code')], expiresAt: claimedAt + 600_000 })
  const inserted = await room.insert(request, claimedAt)
  if (!('stored' in inserted)) throw new Error('not inserted')
  const { store, dispatch, start, now } = room
  return { ...room, ...inserted, id, claimedAt, startIfWritten: createStartIfWritten({ store, dispatch, start, now }) }
}

t.test('the lease is that of the create, however much later the start is made', async t => {
  const { startIfWritten, id, claimedAt, pass, toy, read } = await insert()
  pass(7_000)
  await startIfWritten(id, claimedAt)
  t.strictSame(toy.called('start'), ['toy.code'])
  t.match((await read(id)).record.attempts, [{ phase: 'waiting' }])
})

t.test('a start that another process has claimed meanwhile is not made again', async t => {
  const { startIfWritten, id, claimedAt, stored, dispatch, pass, toy, read } = await insert()
  pass(1)
  const ownLeaseUntil = claimedAt + leaseMs.start
  t.match(await dispatch.apply(stored, { type: 'startClaimed', attempt: 0, ownLeaseUntil }), { changed: true })
  await startIfWritten(id, claimedAt)
  t.strictSame(toy.called('start'), [])
  t.match((await read(id)).record.attempts, [{ phase: 'starting', leaseUntil: claimedAt + 1 + leaseMs.start }])
})
