import t from 'tap'
import { ApiError, ProviderError } from '../../src/core/errors.ts'
import { createKeys, unpackId } from '../../src/store/keys.ts'
import { StoreUnavailable } from '../../src/store/record-store.ts'
import { jobText } from '../../src/verifications/dispatch.ts'
import {
  errorCode, goodCode, day, openTestbed, phoneNumber, type SetUp, type SetUpOptions,
} from '../helpers/verifications.ts'

const { setUp, redis } = await openTestbed(t)
const next = { type: 'attemptFailed', attempt: 0, reason: 'abandoned' } as const
const callback = {
  type: 'evidenceReceived', attempt: 0, evidence: { from: 'provider', value: { code: goodCode } },
} as const

async function wait (options?: SetUpOptions) {
  const room = setUp(options)
  const { id } = await room.create()
  return { ...room, id, stored: await room.read(id) }
}
/** The due times of a room, by id. */
async function dueTimes ({ namespace, ids }: SetUp, id: string): Promise<Record<string, number>> {
  const list = await redis.zrangeBuffer(createKeys(namespace).due(ids.partitionOf(id) ?? -1), '0', '-1', 'WITHSCORES')
  return Object.fromEntries(
    list.flatMap((each, n) => n % 2 === 0 ? [[unpackId(each.toString('latin1')), Number(list[n + 1])]] : []),
  )
}

t.test('a job starts an unclaimed attempt, once', async t => {
  const { dispatch, stored, id, gateway, other, read } = await wait()
  await dispatch.apply(stored, next)
  await Promise.all([1, 2, 3].map(() => gateway.resolve(id, false)))
  t.strictSame(other.called('start'), ['other.code'], 'one message, however many jobs')
  t.match((await read(id)).record.attempts[1], { phase: 'waiting' })
  await gateway.resolve(id, false)
  t.equal(other.calls.length, 1)
})

t.test('a start that another process has claimed is not made again', async t => {
  const { transitions, stored, id, gateway, other, read } = await wait()
  const { stored: starting } = await transitions.apply(stored, next)
  const { stored: claimed } = await transitions.apply(starting, { type: 'startClaimed', attempt: 1 })
  await gateway.resolve(id, false)
  t.strictSame(other.calls, [])
  t.strictSame(await read(id), claimed)
})

t.test('a job repeats a query whose answer may be lost', async t => {
  const { id, gateway, toy, read } = await wait()
  const resolve = toy.answers.resolve
  toy.answers.resolve = async () => {
    throw new ProviderError('toy', 'resolve', 'provider_error', { retryable: true, status: 503 })
  }
  t.match(await gateway.check(id, { code: goodCode }), { settled: false })
  toy.answers.resolve = resolve
  await gateway.resolve(id, false)
  t.strictSame(toy.calls.flatMap(({ repeated }) => repeated ?? []), [false, true])
  t.equal((await read(id)).record.status, 'verified')
})

t.test('a job resolves evidence, once', async t => {
  const { dispatch, stored, id, gateway, toy, read } = await wait()
  await dispatch.apply(stored, callback)
  await gateway.resolve(id, false)
  t.equal((await read(id)).record.status, 'verified')
  await gateway.resolve(id, false)
  t.equal(toy.called('resolve').length, 1, 'a second run finds nothing to do')
})

t.test('a job is for one revision', async t => {
  const { dispatch, stored, id, gateway, toy, sealer } = await wait()
  const { stored: { record } } = await dispatch.apply(stored, callback)
  const jobOf = (revision: number) => sealer.keyedHash('job', jobText({ id, revision, attempts: [] }))
  await gateway.resolve(id, false, jobOf(record.revision - 1))
  t.strictSame(toy.called('resolve'), [], 'a newer revision has its own job')
  await gateway.resolve(id, false, jobOf(record.revision))
  t.strictSame(toy.called('resolve'), ['toy.code'])
})

t.test('a job stays the one of its effect when a step or a delivery changes the revision', async t => {
  const { dispatch, stored, id, gateway, toy, sealer, read } = await wait()
  const { stored: { record } } = await dispatch.apply(stored, callback)
  const job = sealer.keyedHash('job', jobText(record))
  const delivery = { status: 'delivered', channel: 'sms', at: 5 } as const
  const answers = { type: 'answerCall' } as const
  await dispatch.apply(await read(id), { type: 'deliveryReported', attempt: 0, delivery })
  await dispatch.apply(await read(id), { type: 'stepChanged', attempt: 0, state: null, action: answers })
  t.equal((await read(id)).record.revision, record.revision + 2)
  await gateway.resolve(id, false, job)
  t.strictSame(toy.called('resolve'), ['toy.code'])
  t.equal((await read(id)).record.status, 'verified')
})

t.test('a provider error is thrown until the last try', async t => {
  const { dispatch, stored, id, gateway, toy, read } = await wait()
  toy.answers.resolve = async () => { throw new ProviderError('toy', 'resolve', 'provider_error', { retryable: true }) }
  await dispatch.apply(stored, callback)
  await t.rejects(gateway.resolve(id, false), ProviderError)
  t.equal((await read(id)).record.attempts.length, 1)
  await gateway.resolve(id, true)
  t.match((await read(id)).record.attempts, [{ reason: 'provider_error' }, { method: 'other.code', phase: 'waiting' }])
})

t.test('a verification that is gone is no failure', async t => {
  const { dispatch, stored, id, gateway, toy, store, ids } = await wait()
  await gateway.resolve(ids.newId('shop', 0), false)
  await dispatch.apply(stored, callback)
  toy.answers.resolve = async () => {
    await store.erase(id, { publish: 'erased' })
    return { verdict: 'proven', phoneNumber }
  }
  await gateway.resolve(id, false)
  t.equal(await store.load(id), null)
})

t.test('sweep: everything that is due is done when it returns', async t => {
  const { create, gateway, read, pass, jobsOf, count, now } = setUp()
  const made = []
  for (let n = 0; n < 6; n += 1) made.push(await create({ phoneNumber: `+1415555010${n}` }))
  t.equal(await gateway.sweep(), 0, 'nothing is due')
  pass(60_000)
  t.equal(await gateway.sweep(), 6)
  for (const { id } of made) {
    t.match((await read(id)).record.attempts, [{ reason: 'attempt_timeout' }, { phase: 'starting', isClaimed: false }])
    t.equal((await jobsOf(id)).length, 1)
  }
  t.equal(await gateway.sweep(), 0, 'their next due time is later')
  t.equal(await count('verigate_sweep_last_success_timestamp_seconds'), now() / 1000)
  pass(540_000)
  t.equal(await gateway.sweep(), 6)
  for (const { id } of made) t.match((await read(id)).record, { status: 'expired', reason: 'deadline' })
})

t.test('sweep: what a dead process left behind', async t => {
  const { transitions, stored, id, gateway, pass, jobsOf, other, read } = await wait()
  await transitions.apply(stored, next)
  pass(8_000)
  await gateway.sweep()
  t.equal((await jobsOf(id)).length, 1, 'the unclaimed start')
  await gateway.resolve(id, false)
  t.strictSame(other.called('start'), ['other.code'])
  await transitions.apply(await read(id), { ...callback, attempt: 1 })
  pass(8_000)
  await gateway.sweep()
  t.equal((await jobsOf(id)).length, 2, 'the unresolved evidence')
})

t.test('sweep: a method that polls is queried again and again, without the app', async t => {
  const { create, gateway, pass, toy, read, now } = setUp()
  const { id } = await create({ workflow: ['toy.poll'] })
  for (const waitMs of [2_000, 1_000, 1_000]) {
    pass(waitMs - 1)
    t.equal(await gateway.sweep(), 0)
    pass(1)
    t.equal(await gateway.sweep(), 1)
    await gateway.resolve(id, false)
    t.match((await read(id)).record.attempts, [{ phase: 'resolving', leaseUntil: now() + 1_000 }])
  }
  t.equal(toy.called('resolve').length, 3)
})

t.test('a sweep is due with its first record; otherwise it counts as done', async t => {
  const { gateway, pass, now, count } = await wait()
  const done = () => count('verigate_sweep_last_success_timestamp_seconds')
  pass(59_999)
  t.equal(await gateway.isSweepDue(), false)
  t.equal(await done(), now() / 1000)
  pass(1)
  t.equal(await gateway.isSweepDue(), true)
  t.equal(await done(), (now() - 1) / 1000, 'the sweep itself is to be made')
  await gateway.sweep()
  t.equal(await done(), now() / 1000)
})

t.test('sweep: erases after the retention, counted from the end', async t => {
  const room = await wait()
  const { gateway, id, pass, store, claimFields, app } = room
  pass(500_000)
  await gateway.cancel(id)
  pass(day - 1)
  t.equal(await gateway.sweep(), 0)
  t.not(await store.load(id), null)
  pass(1)
  t.equal(await gateway.sweep(), 1)
  t.equal(await store.load(id), null)
  t.strictSame([await claimFields(), await dueTimes(room, id)], [[], {}])
  t.equal(await room.countListed(), 0, 'with what listed it')
  t.strictSame(await gateway.find(app, { phoneNumber }, 10), [])
})

t.test('sweep: a retention that is longer now', async t => {
  const room = await wait({ retentionMs: day })
  const { gateway, id, pass, store, now } = room
  await gateway.cancel(id)
  const ended = now()
  await store.reschedule(id, now() + 1_000)
  pass(1_000)
  t.equal(await gateway.sweep(), 1)
  t.strictSame(await dueTimes(room, id), { [id]: ended + day })
  t.not(await store.load(id), null)
})

t.test('sweep: a record that is gone loses its due time', async t => {
  const room = await wait()
  const { namespace, ids, id, pass, gateway } = room
  await redis.del(createKeys(namespace).record(ids.partitionOf(id) ?? -1, id))
  pass(600_000)
  t.equal(await gateway.sweep(), 1)
  t.strictSame(await dueTimes(room, id), {})
})

t.test('sweep: a record that cannot be read delays no other, and is tried again in a minute', async t => {
  const room = setUp()
  const { create, gateway, namespace, ids, pass, count, lines, read, now } = room
  const [broken, sound] = [await create(), await create({ onConflict: 'replace', phoneNumber, reference: 'r' })]
  const key = createKeys(namespace).record(ids.partitionOf(broken.id) ?? -1, broken.id)
  const bytes = await redis.getBuffer(key)
  bytes?.writeUInt8((bytes.at(-1) ?? 0) ^ 1, bytes.length - 1)
  await redis.set(key, bytes ?? '', 'KEEPTTL')
  pass(2 * day)
  t.equal(await gateway.sweep(), 2)
  t.equal((await dueTimes(room, broken.id))[broken.id], now() + 60_000)
  t.match((await read(sound.id)).record, { status: 'expired' })
  t.equal(await count('verigate_records_unreadable_total'), 1)
  t.match(lines.filter(({ msg }) => /^sweep failed for one record/.test(String(msg))), [{ verificationId: broken.id }])
  t.equal(await gateway.sweep(), 0)
})

t.test('sweep: another fault in one record is logged, and is not counted as unreadable', async t => {
  let isFaulty = false
  const room = await wait({
    wrapStore: store => ({
      ...store, save: async (...args) => {
        if (isFaulty) throw new RangeError('a fault')
        return store.save(...args)
      },
    }),
  })
  const { gateway, pass, count, lines, id, now } = room
  isFaulty = true
  pass(60_000)
  t.equal(await gateway.sweep(), 1)
  t.equal(await count('verigate_records_unreadable_total'), 0)
  t.match(lines.at(-1), { verificationId: id, err: { message: 'a fault' } })
  t.strictSame(await dueTimes(room, id), { [id]: now() + 60_000 })
})

t.test('sweep: without Redis it fails as a whole', async t => {
  const down = new StoreUnavailable('TIMEOUT')
  let isDown = false
  const { gateway, pass, count } = await wait({
    wrapStore: store => ({
      ...store, load: async id => {
        if (isDown) throw down
        return store.load(id)
      },
    }),
  })
  isDown = true
  pass(600_000)
  await t.rejects(gateway.sweep(), down)
  t.equal(await count('verigate_sweep_last_success_timestamp_seconds'), 0)
})

t.test('sweep: a record that was erased meanwhile is no failure', async t => {
  let isGone = false
  const { gateway, pass, lines } = await wait({
    wrapStore: store => ({
      ...store, save: async (...args) => {
        if (isGone) throw new ApiError('gone', 'erased')
        return store.save(...args)
      },
    }),
  })
  isGone = true
  pass(60_000)
  t.equal(await gateway.sweep(), 1)
  t.notOk(lines.some(({ msg }) => /sweep failed/.test(String(msg))))
})

t.test('a delivery that is due goes to its own queue', async t => {
  const shop = { webhook: { url: 'https://x.example', secrets: [] } }
  const room = await wait({ shop })
  const { gateway, id, pass, now, ids } = room
  const { revision } = await gateway.cancel(id)
  const deliveryId = ids.deliveryId(id, revision)
  pass(5_000)
  t.equal(await gateway.sweep(), 1)
  t.equal((await dueTimes(room, id))[deliveryId], now() + 20_000)
  t.equal(await errorCode(gateway.get(id)), 'none')
})
