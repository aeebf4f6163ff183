import t from 'tap'
import { ProviderError } from '../../src/core/errors.ts'
import { StoreUnavailable } from '../../src/store/record-store.ts'
import { jobText, retryWhileStoreIsDown } from '../../src/verifications/dispatch.ts'
import { until } from '../helpers/redis.ts'
import { goodCode, openTestbed, type SetUp, type SetUpOptions } from '../helpers/verifications.ts'

const { setUp } = await openTestbed(t)
const callback = {
  type: 'evidenceReceived', attempt: 0, evidence: { from: 'provider', value: { code: goodCode } },
} as const
const next = { type: 'attemptFailed', attempt: 0, reason: 'abandoned' } as const

/** A verification whose first attempt waits. */
async function wait (options?: SetUpOptions) {
  const room = setUp(options)
  const { id } = await room.create()
  return { ...room, id, stored: await room.read(id) }
}
const isVerified = ({ read }: SetUp, id: string) => async () => (await read(id)).record.status === 'verified'

t.test('a process that works no jobs enqueues the effect, under the name of its revision', async t => {
  const { dispatch, stored, id, jobsOf, sealer, toy } = await wait()
  const { stored: { record }, effect } = await dispatch.apply(stored, callback)
  t.equal(effect, 'resolve')
  t.strictSame(await jobsOf(id), [{ name: sealer.keyedHash('job', jobText(record)), delay: 0 }])
  t.notMatch((await jobsOf(id))[0]?.name, id, 'BullMQ keeps names')
  t.strictSame(toy.called('resolve'), [])
  t.equal(jobText({ id: 'ver_x', revision: 3, attempts: [] }), 'ver_x 3')
})

t.test('the effect that the caller runs itself is not enqueued', async t => {
  const { dispatch, stored, id, jobsOf, toy } = await wait({ maxInFlight: 5 })
  const resolving = await dispatch.apply(stored, callback, { runsHere: 'resolve' })
  t.equal(resolving.effect, 'resolve')
  const started = await dispatch.apply(resolving.stored, next, { runsHere: 'start' })
  t.match(started.stored.record.attempts[1], { phase: 'starting', isClaimed: true }, 'claimed in the same write')
  t.strictSame(await jobsOf(id), [])
  t.strictSame(toy.called('resolve'), [])
})

t.test('another effect than the caller runs is enqueued', async t => {
  const { dispatch, stored, id, jobsOf, pass } = await wait()
  pass(60_000)
  const late = await dispatch.apply(stored, callback, { runsHere: 'resolve' })
  t.equal(late.effect, 'start')
  t.match(late.stored.record.attempts[1], { isClaimed: false })
  t.equal((await jobsOf(id)).length, 1)
})

t.test('evidence is resolved inline while a slot is free', async t => {
  const room = await wait({ maxInFlight: 1 })
  const { dispatch, stored, id, jobsOf, toy } = room
  await dispatch.apply(stored, callback)
  await until(isVerified(room, id), 'it is verified')
  t.match(toy.calls.at(-1), { call: 'resolve', repeated: false })
  t.strictSame(await jobsOf(id), [])
})

t.test('a full executor: nothing is dropped, a job does it', async t => {
  const { dispatch, stored, id, jobsOf, executor, toy } = await wait({ maxInFlight: 1 })
  const blocked = Promise.withResolvers<void>()
  t.ok(executor?.tryRun(() => blocked.promise))
  await dispatch.apply(stored, callback)
  t.equal((await jobsOf(id)).length, 1)
  t.strictSame(toy.called('resolve'), [])
  blocked.resolve()
})

t.test('a start, and what the sweeper finds undone, go to a job', async t => {
  const { dispatch, stored, id, jobsOf, other, pass, toy } = await wait({ maxInFlight: 5 })
  const { stored: starting } = await dispatch.apply(stored, next)
  t.equal((await jobsOf(id)).length, 1)
  t.strictSame(other.called('start'), [])
  pass(8_000)
  t.equal((await dispatch.apply(starting, { type: 'timeElapsed' })).effect, 'start')
  t.equal((await jobsOf(id)).length, 1, 'the same revision is the same job')

  const late = await wait({ maxInFlight: 5 })
  const resolving = await late.dispatch.apply(late.stored, callback, { runsHere: 'resolve' })
  late.pass(8_000)
  t.equal((await late.dispatch.apply(resolving.stored, { type: 'timeElapsed' })).effect, 'resolve')
  t.equal((await late.jobsOf(late.id)).length, 1)
  t.strictSame([...late.toy.called('resolve'), ...toy.called('resolve')], [])
})

t.test('inline work that the provider fails is tried again by a job', async t => {
  const { dispatch, stored, id, jobsOf, toy, lines } = await wait({ maxInFlight: 1 })
  toy.answers.resolve = async () => { throw new ProviderError('toy', 'resolve', 'provider_error', { retryable: true }) }
  await dispatch.apply(stored, callback)
  await until(async () => (await jobsOf(id)).length === 1, 'a job is enqueued')
  t.match(await jobsOf(id), [{ delay: 500 }])
  t.notMatch(lines, [{ msg: /inline work failed/ }])
})

t.test('a verification that is erased meanwhile is no failure; a fault is logged', async t => {
  const { dispatch, stored, id, store, toy, executor, lines } = await wait({ maxInFlight: 1 })
  toy.answers.resolve = async () => {
    await store.erase(id, { publish: 'erased' })
    return { verdict: 'proven', phoneNumber: '+14155550100' }
  }
  await dispatch.apply(stored, callback)
  await executor?.close(5_000)
  const failures = () => lines.filter(({ msg }) => msg === 'inline work failed; the sweeper will retry it')
  t.equal(await store.load(id), null)
  t.strictSame(failures(), [])

  const faulty = await wait({ maxInFlight: 1 })
  faulty.toy.answers.resolve = async () => { throw new RangeError('a fault of the adapter') }
  await faulty.dispatch.apply(faulty.stored, callback)
  await faulty.executor?.close(5_000)
  t.match(faulty.lines.at(-1), { msg: 'inline work failed; the sweeper will retry it' })
})

t.test('a queue that fails does not fail the change', async t => {
  const { dispatch, stored, lines, id } = await wait({ queues: { async resolve () { throw new RangeError('x') } } })
  t.match(await dispatch.apply(stored, callback), { changed: true })
  t.match(lines.at(-1), { verificationId: id, cause: 'RangeError', msg: 'enqueue failed; the sweeper will retry it' })
})

t.test('retryLater: after the time that the provider asks for, at most five minutes', async t => {
  for (const [retryAfterMs, delay] of [[null, 500], [9_000, 9_000], [900_000, 300_000]] as const) {
    const { dispatch, stored, id, jobsOf } = await wait()
    await dispatch.retryLater(stored.record, new ProviderError('toy', 'resolve', 'provider_error', { retryAfterMs }))
    t.match(await jobsOf(id), [{ delay }])
  }
})

t.test('an event that does not apply has no effect', async t => {
  const { dispatch, stored, id, jobsOf } = await wait()
  t.match(await dispatch.apply(stored, { ...callback, attempt: 1 }), { changed: false, effect: null })
  t.strictSame(await jobsOf(id), [])
})

t.test('an event that must persist is written again for four seconds', async t => {
  let failures = 0
  const room = await wait({
    wrapStore: store => ({
      ...store,
      async save (...args) {
        if (failures === 0) return store.save(...args)
        failures -= 1
        room.pass(3_000)
        throw new StoreUnavailable('DISCONNECTED')
      },
    }),
  })
  failures = 1
  await t.rejects(room.dispatch.apply(room.stored, callback), StoreUnavailable, 'any other event is not')
  failures = 2
  await t.rejects(room.dispatch.persist(room.stored, callback, { at: room.now() }), StoreUnavailable)
  failures = 1
  t.match(await room.dispatch.persist(room.stored, callback), { changed: true, effect: 'resolve' })
})

t.test('retryWhileStoreIsDown', async t => {
  let time = 0
  let tries = 0
  const write = (error: Error, failures: number) => async () => {
    tries += 1
    time += 100
    if (tries <= failures) throw error
    return tries
  }
  const down = new StoreUnavailable('TIMEOUT')
  const startedAt = performance.now()
  t.equal(await retryWhileStoreIsDown(write(down, 1), 1_000, () => time), 2)
  t.ok(performance.now() - startedAt >= 190, 'after a pause')
  tries = 0
  await t.rejects(retryWhileStoreIsDown(write(down, 9), time + 100, () => time), down, 'no longer than `until`')
  t.equal(tries, 1)
  tries = 0
  await t.rejects(retryWhileStoreIsDown(write(new RangeError('x'), 9), Infinity, () => time), RangeError)
  t.equal(tries, 1, 'another error is not waited out')
})

t.test('a change beside a query leaves the name of its job', async t => {
  const { dispatch, stored } = await wait()
  const resolving = await dispatch.apply(stored, callback, { runsHere: 'resolve' })
  const { record } = resolving.stored
  const delivery = { status: 'read', channel: 'sms', at: 1 } as const
  const reported = await dispatch.apply(resolving.stored, { type: 'deliveryReported', attempt: 0, delivery })
  t.equal(reported.stored.record.revision, record.revision + 1)
  t.equal(jobText(reported.stored.record), jobText(record))
})

t.test('a change is answered when its job is in the queue', async t => {
  const queued = Promise.withResolvers<void>()
  const { dispatch, stored, read, id } = await wait({ queues: { resolve: () => queued.promise } })
  let isAnswered = false
  const applied = dispatch.apply(stored, callback).finally(() => { isAnswered = true })
  await until(async () => (await read(id)).record.attempts.some(attempt => 'evidence' in attempt), 'it is written')
  t.notOk(isAnswered)
  queued.resolve()
  t.match(await applied, { changed: true })
})
