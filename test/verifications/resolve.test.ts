import t from 'tap'
import { ProviderError } from '../../src/core/errors.ts'
import { StoreUnavailable } from '../../src/store/record-store.ts'
import { pendingAttempt } from '../core/fixtures.ts'
import { goodCode, openTestbed, type SetUp, type SetUpOptions } from '../helpers/verifications.ts'

const { setUp } = await openTestbed(t)
const isFirst = { isFirst: true, isLastTry: false }
const later = { isFirst: false, isLastTry: false }

/** A verification whose code was just received and not yet looked at. */
async function receive (options?: SetUpOptions) {
  const room = setUp(options)
  const { id } = await room.create()
  const evidence = { from: 'app', value: { code: goodCode } } as const
  const { stored } = await room.transitions.apply(
    await room.transitions.load(id), { type: 'evidenceReceived', attempt: 0, evidence },
  )
  return { ...room, id, stored, wasQueried: () => wasQueried(room, id) }
}
async function wasQueried ({ read }: SetUp, id: string): Promise<boolean> {
  const attempt = pendingAttempt((await read(id)).record)
  return attempt.phase === 'resolving' && attempt.wasQueried
}
const failWith = (
  room: SetUp,
  reason: 'provider_error' | 'provider_timeout' | 'rate_limited_by_provider' | 'provider_misconfigured',
  status: number | null,
) => {
  room.toy.answers.resolve = async () => {
    throw new ProviderError('toy', 'resolve', reason, { retryable: true, status })
  }
}

t.test('the answer is applied', async t => {
  const { resolve, stored, read, id, toy } = await receive()
  const resolved = await resolve(stored, isFirst)
  t.match(resolved.event, { type: 'numberProven' })
  t.equal(resolved.stored.record.status, 'verified')
  t.strictSame((await read(id)).record, resolved.stored.record)
  t.match(toy.calls.at(-1), { call: 'resolve', evidence: { code: goodCode }, repeated: false })
  t.match(await resolve(resolved.stored, isFirst), { event: null }, 'nothing is pending any more')
  t.equal(toy.called('resolve').length, 1)
})

t.test('a query that may have been answered before is repeated', async t => {
  const { resolve, stored, toy } = await receive()
  await resolve(stored, later)
  t.match(toy.calls.at(-1), { call: 'resolve', repeated: true })
})

t.test('queryStarted is stored before the query', async t => {
  const room = await receive()
  failWith(room, 'rate_limited_by_provider', 429)
  await t.rejects(room.resolve(room.stored, isFirst), ProviderError)
  t.notOk(await room.wasQueried(), 'the provider refused explicitly: the evidence was not looked at')
  const seen: boolean[] = []
  room.toy.answers.resolve = async () => {
    seen.push(await room.wasQueried())
    return { verdict: 'incorrect' }
  }
  await room.resolve(await room.read(room.id), later)
  t.strictSame(seen, [true])
  t.match(room.toy.calls.at(-1), { repeated: false }, 'it is the first query that counts')
})

t.test('only an explicit refusal of a first query says that it was not looked at', async t => {
  for (const [reason, status, remains] of [
    ['rate_limited_by_provider', 429, false], ['provider_error', 403, false], ['provider_error', 499, false],
    ['provider_error', 500, true], ['provider_error', 503, true], ['provider_timeout', null, true],
  ] as const) {
    const room = await receive()
    failWith(room, reason, status)
    await t.rejects(room.resolve(room.stored, isFirst), ProviderError)
    t.equal(await room.wasQueried(), remains, `${reason} ${status}`)
  }
  const repeated = await receive()
  failWith(repeated, 'rate_limited_by_provider', 429)
  await t.rejects(repeated.resolve(repeated.stored, later), ProviderError)
  t.ok(await repeated.wasQueried(), 'a 429 to a repeated query says nothing about the first one')
})

t.test('an open breaker: the provider was not queried', async t => {
  const room = await receive()
  const judge = room.toy.answers.resolve
  failWith(room, 'provider_misconfigured', 401)
  for (const phoneNumber of ['+14155550102', '+14155550104']) {
    await room.gateway.check((await room.create({ phoneNumber })).id, { code: goodCode })
  }
  room.toy.answers.resolve = judge
  t.match(await room.resolve(room.stored, isFirst).catch(error => error), { reason: 'provider_unavailable' })
  const last = room.resolve(await room.read(room.id), { isFirst: false, isLastTry: true })
  t.match(await last.catch(error => error), { reason: 'provider_unavailable' }, 'nor was it the last try')
  t.equal(room.toy.called('resolve').length, 2, 'those that opened it')
  t.notOk(await room.wasQueried())
  t.notOk('isUnanswered' in pendingAttempt((await room.read(room.id)).record))
  t.equal(room.other.called('resolve').length, 0)
})

t.test('the last try ends the attempt with the reason, and starts the next one', async t => {
  const room = await receive()
  failWith(room, 'provider_error', 503)
  const { stored, event } = await room.resolve(room.stored, { isFirst: false, isLastTry: true })
  t.match(event, { type: 'attemptFailed', reason: 'provider_error' })
  t.match(stored.record.attempts, [{ status: 'failed', reason: 'provider_error' }, { phase: 'waiting' }])
  t.strictSame(room.other.called('start'), ['other.code'])
})

t.test('an error that is not the provider\'s is thrown, also on the last try', async t => {
  const room = await receive()
  room.toy.answers.resolve = async () => { throw new RangeError('a fault of the adapter') }
  await t.rejects(room.resolve(room.stored, { isFirst: false, isLastTry: true }), RangeError)
  t.equal((await room.read(room.id)).record.attempts.length, 1)
})

t.test('the answer survives a short outage of the store', async t => {
  let failures = 0
  const { resolve, stored, toy, observed } = await receive({
    wrapStore: store => ({
      ...store,
      async save (id, version, record, options) {
        if (record.status !== 'verified' || failures > 0) return store.save(id, version, record, options)
        failures += 1
        throw new StoreUnavailable('TIMEOUT')
      },
    }),
  })
  t.equal((await resolve(stored, isFirst)).stored.record.status, 'verified')
  t.strictSame([failures, toy.called('resolve').length], [1, 1], 'the provider is queried once')
  t.strictSame(observed.at(-1), ['pending', 'verified'])
})

t.test('the answer survives a write of another process', async t => {
  const { resolve, stored, toy, transitions, read, id } = await receive()
  toy.answers.resolve = async () => {
    const delivery = { status: 'read', channel: 'sms', at: 1 } as const
    await transitions.apply(await read(id), { type: 'deliveryReported', attempt: 0, delivery })
    return { verdict: 'proven', phoneNumber: '+14155550100' }
  }
  t.match((await resolve(stored, isFirst)).stored.record, {
    status: 'verified', attempts: [{ status: 'verified', receipts: [{ status: 'read' }] }],
  })
})

t.test('a query without evidence is not marked', async t => {
  const { create, resolve, transitions, read, toy } = setUp()
  const { id } = await create({ workflow: ['toy.silent'] })
  const evidence = { from: 'poll', value: {} } as const
  const { stored } = await transitions.apply(await read(id), { type: 'evidenceReceived', attempt: 0, evidence })
  t.match(await resolve(stored, isFirst), { event: { type: 'stillPending', from: 'poll' } })
  t.match((await read(id)).record.attempts, [{ wasQueried: false }])
  await resolve(await read(id), later)
  t.match(toy.calls.at(-1), { repeated: false })
})

t.test('a query that was not answered is noted until one is', async t => {
  const room = await receive()
  const isUnanswered = async () => {
    const attempt = (await room.read(room.id)).record.attempts.at(-1)
    return attempt !== undefined && 'isUnanswered' in attempt && attempt.isUnanswered === true
  }
  failWith(room, 'provider_error', 503)
  await t.rejects(room.resolve(room.stored, isFirst), ProviderError)
  t.ok(await isUnanswered())
  await t.rejects(room.resolve(await room.read(room.id), later), ProviderError)
  room.toy.answers.resolve = async () => ({ verdict: 'pending', retryAfterMs: 1_000 })
  await room.resolve(await room.read(room.id), later)
  t.notOk(await isUnanswered())
})

t.test('the provider\'s error is reported, also when Redis is away meanwhile', async t => {
  let isAway = false
  const room = await receive({
    wrapStore: store => ({
      ...store,
      save: (...args) => isAway ? Promise.reject(new StoreUnavailable('TIMEOUT')) : store.save(...args),
    }),
  })
  failWith(room, 'provider_error', 503)
  isAway = true
  await t.rejects(room.resolve(room.stored, isFirst), { name: 'ProviderError' })
})

t.test('a query that is repeated is not the probe of an open breaker', async t => {
  const room = await receive()
  const { stored: unanswered } = await room.transitions.apply(room.stored, { type: 'queryFailed', attempt: 0 })
  const judge = room.toy.answers.resolve
  failWith(room, 'provider_misconfigured', 401)
  for (const phoneNumber of ['+14155550102', '+14155550104']) {
    await room.gateway.check((await room.create({ phoneNumber })).id, { code: goodCode })
  }
  room.toy.answers.resolve = judge
  room.pass(5_000)
  t.match(await room.resolve(unanswered, later).catch(error => error), { reason: 'provider_unavailable' })
  const { id } = await room.create({ phoneNumber: '+14155550106' })
  t.match(await room.gateway.check(id, { code: goodCode }), { verification: { status: 'verified' } }, 'a first one is')
  t.match(await room.resolve(unanswered, later), { event: { type: 'numberProven' } }, 'and closes it for the others')
})

t.test('the user\'s evidence is on enough replicas before the provider gets it', async t => {
  let isBehind = false
  const room = await receive({
    wrapStore: store => ({
      ...store,
      async untilReplicated () { if (isBehind) throw new StoreUnavailable('UNREPLICATED') },
    }),
  })
  isBehind = true
  await t.rejects(room.resolve(room.stored, isFirst), { code: 'UNREPLICATED' })
  t.strictSame(room.toy.called('resolve'), [])
})
