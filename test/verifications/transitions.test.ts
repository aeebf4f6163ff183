import t from 'tap'
import { until } from '../helpers/redis.ts'
import { ApiError, ProviderError } from '../../src/core/errors.ts'
import { createTransitions } from '../../src/verifications/transitions.ts'
import { created, step } from '../core/fixtures.ts'
import { day, errorCode, goodCode, openTestbed, type SetUpOptions } from '../helpers/verifications.ts'

const { setUp } = await openTestbed(t)
const canceled = { type: 'canceled', reason: 'app_canceled' } as const
const next = { type: 'attemptFailed', attempt: 0, reason: 'abandoned' } as const

/** A room, and a request that it can insert. */
function prepare (workflow = ['toy.code', 'other.code'], options?: SetUpOptions) {
  const room = setUp(options)
  const at = room.now()
  const request = (more = {}) => created({
    id: room.ids.newId('shop', 3), workflow: workflow.map(name => step(name)), expiresAt: at + 600_000, ...more,
  })
  const insert = async (more = {}) => {
    const inserted = await room.insert(request(more), at)
    if (!('stored' in inserted)) throw new Error('not inserted')
    return inserted
  }
  return { ...room, at, request, insert }
}
/** The same with one attempt that waits. */
async function wait (workflow?: string[], options?: SetUpOptions) {
  const room = prepare(workflow, options)
  const stored = await room.start(await room.insert())
  room.observed.length = 0
  return { ...room, stored, id: stored.record.id }
}

t.test('load: what was erased, or is past its retention, is gone', async t => {
  const { transitions, stored, id, store, pass, ids } = await wait()
  t.strictSame(await transitions.load(id), stored)
  await transitions.apply(stored, canceled)
  pass(day - 1)
  t.equal((await transitions.load(id)).record.status, 'canceled')
  pass(1)
  t.equal(await errorCode(transitions.load(id)), 'gone')
  t.not(await store.load(id), null, 'the sweeper has not erased it yet')
  t.equal(await errorCode(transitions.load(ids.newId('shop', 0))), 'gone')
})

t.test('apply: a start that needs no provider is left to the process that starts it', async t => {
  const { transitions, stored, toy } = await wait(['toy.code', 'toy.web'])
  t.match(await transitions.apply(stored, next), { effect: 'start', stored: { record: { attempts: [{}, {
    phase: 'starting', isClaimed: false,
  }] } } })
  t.strictSame(toy.called('start'), ['toy.code'])
})

t.test('a method that may start once per number', async t => {
  const { create, toy, gateway, pass } = setUp()
  const push = ['toy.push', 'toy.code']
  const first = await create({ workflow: push })
  t.match(first.attempts, [{ method: 'toy.push', phase: 'waiting' }])
  await gateway.cancel(first.id)
  const second = await create({ workflow: push })
  t.match(second.attempts, [{ status: 'skipped', reason: 'recently_tried' }, { method: 'toy.code', phase: 'waiting' }])
  await gateway.cancel(second.id)
  const third = await create({ workflow: ['toy.code', 'toy.push', 'other.code'] })
  pass(30_000)
  t.match((await gateway.next(third.id, 'abandoned')).attempts, [
    { reason: 'abandoned' }, {
      status: 'skipped', reason: 'recently_tried',
    }, { method: 'other.code', phase: 'waiting' },
  ], 'also when it is the fallback')
  t.match(
    await create({ workflow: ['toy.push'], onConflict: 'replace' }), { status: 'failed', reason: 'recently_tried' },
  )
  t.strictSame(toy.called('start'), ['toy.push', 'toy.code', 'toy.code'])
})

t.test('apply: an event that does not apply changes nothing', async t => {
  const { transitions, stored, observed, read, id } = await wait()
  const event = { type: 'codeIncorrect', attempt: 0 } as const
  t.match(await transitions.apply(stored, event), { effect: null, changed: false, isReplay: false })
  t.strictSame(observed, [])
  t.strictSame(await read(id), stored)
})

t.test('apply: the newest state decides, and each write is observed once', async t => {
  const { transitions, stored, observed, read, id, toy, pass, now } = await wait()
  pass(30_000)
  const { stored: newer } = await transitions.apply(stored, { type: 'resendRequested', attempt: 0 })
  const at = now()
  pass(5)
  const { stored: newest, changed } = await transitions.apply(stored, next, { startsHere: true, at })
  t.ok(changed)
  t.match(newest.record.attempts, [{ endedAt: at + 5 }], 'at the time of the second try')
  t.equal(newest.record.revision, newer.record.revision + 1)
  t.strictSame(await read(id), newest)
  t.strictSame(observed, [['pending', 'pending'], ['pending', 'pending']])
  t.match(await transitions.apply(stored, { type: 'promptOpened', attempt: 0 }), { changed: false }, 'a stale state')
  t.strictSame(toy.called('cancel'), ['toy.code'], 'after the write, once')
})

t.test('apply: it gives up after twenty conflicts', async t => {
  let saves = 0
  const { transitionsParts, stored, observed } = await wait()
  const transitions = createTransitions({
    ...transitionsParts,
    async write () {
      saves += 1
      return { type: 'version', holder: null }
    },
  })
  await t.rejects(transitions.apply(stored, canceled), new ApiError(
    'overloaded', 'Too many changes to this verification at the same time.', { retryAfterSeconds: 1 },
  ))
  t.strictSame([saves, observed.length], [20, 0])
})

t.test('apply: evidence of another attempt is a replay', async t => {
  const { transitions, create, read, observed } = setUp()
  const [first, second] = [await create({ workflow: ['toy.token'] }), await create({
    phoneNumber: '+14155550102', workflow: ['toy.token'],
  })]
  const evidence = { from: 'app', value: { token: 'one' } } as const
  const event = { type: 'evidenceReceived', attempt: 0, evidence } as const
  t.match(await transitions.apply(await read(first.id), event), { changed: true, isReplay: false })
  const stored = await read(second.id)
  t.match(await transitions.apply(stored, event), { effect: null, changed: false, isReplay: true })
  t.strictSame(await read(second.id), stored)
  t.equal(observed.length, 1)
})

t.test('apply: the attempt that ends is canceled at the provider', async t => {
  for (const [event, ms] of [[canceled, 0], [next, 0], [{ type: 'timeElapsed' }, 60_000]] as const) {
    const { transitions, stored, toy, pass } = await wait()
    pass(ms)
    await transitions.apply(stored, event)
    t.match(toy.calls.at(-1), { call: 'cancel', attempt: { method: 'toy.code', state: { sent: 1 } } }, event.type)
  }
  const starting = prepare()
  await starting.transitions.apply((await starting.insert()).stored, canceled)
  t.strictSame(starting.toy.called('cancel'), [], 'nothing was started')
  const verified = await wait()
  await verified.gateway.check(verified.id, { code: goodCode })
  t.strictSame(verified.toy.called('cancel'), [], 'a verified attempt is over at the provider, too')
  const pending = await wait()
  pending.pass(30_000)
  t.match(await pending.transitions.apply(pending.stored, { type: 'resendRequested', attempt: 0 }), { changed: true })
  t.strictSame(pending.toy.called('cancel'), [], 'it goes on')
})

t.test('apply: a provider that cannot cancel does not undo the change', async t => {
  const { transitions, stored, toy, lines, observed, id, read } = await wait()
  toy.answers.cancel = async () => { throw new ProviderError('toy', 'cancel', 'provider_error') }
  t.match(await transitions.apply(stored, canceled), { changed: true })
  t.equal((await read(id)).record.status, 'canceled')
  t.match(lines.at(-1), { verificationId: id, reason: 'provider_error', msg: 'attempt not canceled at the provider' })
  t.strictSame(observed, [['pending', 'canceled']])
})

t.test('the change is announced with its revision', async t => {
  const { transitions, stored, changeFeed, id } = await wait()
  const heard: (string | null)[] = []
  const unsubscribe = changeFeed.subscribe(id, text => { heard.push(text) })
  const { stored: { record } } = await transitions.apply(stored, canceled)
  await until(() => heard.includes(String(record.revision)), 'the revision is announced')
  unsubscribe()
  t.equal(heard.at(-1), String(record.revision))
})

t.test('webhook events are written with the change', async t => {
  const shop = {
    webhook: {
      url: 'https://x.example', secrets: [],
      events: ['verification.created' as const, 'verification.canceled' as const],
    },
  }
  const { create, transitions, read, deliveryStore, ids } = setUp({ shop })
  const { id } = await create()
  const { stored: { record } } = await transitions.apply(await read(id), canceled)
  for (const [revision, type] of [[1, 'verification.created'], [record.revision, 'verification.canceled']] as const) {
    t.match(
      await deliveryStore.load(ids.deliveryId(id, revision)),
      { record: { type, verificationId: id, status: 'pending' } },
    )
  }
  const silent = await create({ phoneNumber: '+14155550102' })
  t.equal(await deliveryStore.load(ids.deliveryId(silent.id, silent.revision)), null, 'no event, no delivery')
})
