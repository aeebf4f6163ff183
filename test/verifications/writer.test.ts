import t from 'tap'
import type { NewVerification } from '../../src/core/verification.ts'
import { packId } from '../../src/store/keys.ts'
import { StoreUnavailable, type Counter } from '../../src/store/record-store.ts'
import { writeKeyClaim } from '../../src/verifications/key-claim.ts'
import { created, step } from '../core/fixtures.ts'
import { day, errorCode, openTestbed, phoneNumber, type SetUpOptions } from '../helpers/verifications.ts'

const { setUp } = await openTestbed(t)
const refused = (work: Promise<unknown>): Promise<any> => work.then(() => null, error => error)
const causeOf = async (work: Promise<unknown>): Promise<string> => (await refused(work)).extra.refusal.cause

/** A room in which each number may get so many messages an hour. */
const limited = (perHour: number, options: SetUpOptions = {}) =>
  setUp({ messagesPerNumber: { perHour, perDay: 15 }, ...options })

/** A room that can insert verifications. */
function prepare (workflow = ['toy.code', 'other.code']) {
  const room = setUp()
  const at = room.now()
  const tryInsert = (more: Partial<NewVerification> = {}, counters: Counter[] = []) => room.insert(created({
    id: room.ids.newId('shop', 3), workflow: workflow.map(name => step(name)), expiresAt: at + 600_000, ...more,
  }), at, counters)
  const insert = async (more: Partial<NewVerification> = {}) => {
    const inserted = await tryInsert(more)
    if (!('stored' in inserted)) throw new Error('not inserted')
    return inserted
  }
  return { ...room, at, tryInsert, insert }
}

t.test('a new verification: one write, one observation; the caller starts the attempt', async t => {
  const { insert, observed, read, toy, now } = prepare()
  const inserted = await insert()
  t.match(inserted, { effect: 'start', at: now(), stored: { record: { revision: 1 } } })
  t.strictSame(await read(inserted.stored.record.id), inserted.stored)
  t.strictSame(observed, [[null, 'pending']])
  t.strictSame(toy.calls, [])
})

t.test('a new verification: a start that needs no provider is in the same write', async t => {
  const { insert, observed } = prepare(['toy.web'])
  t.match(await insert({ phoneNumber: null }), {
    effect: null, stored: {
      record: { revision: 2, attempts: [{ phase: 'waiting', action: { type: 'openDeepLink' } }] },
    },
  })
  t.strictSame(observed, [[null, 'pending']])
})

t.test('a new verification: methods that cannot start are skipped', async t => {
  const { insert } = prepare()
  const workflow = [step('absent.code'), step('toy.operator', { isUnfit: true }), step('toy.code')]
  t.match((await insert({ workflow })).stored.record.attempts, [
    { status: 'skipped', reason: null }, { status: 'skipped', reason: null }, { method: 'toy.code', phase: 'starting' },
  ])
})

t.test('a new verification: what prevents it', async t => {
  const { insert, tryInsert, observed, at } = prepare()
  const { stored: { record } } = await insert()
  t.match(await tryInsert(), { type: 'live', holder: { value: packId(record.id) } })
  t.strictSame(await tryInsert({ id: record.id }), { type: 'id', holder: null })
  const idempotency = { names: ['bmFtZQ'], hash: 'aGFz', at }
  const first = await insert({ phoneNumber: null, idempotency, workflow: [step('toy.token')] })
  t.match(await tryInsert({ idempotency, phoneNumber: null, workflow: [step('toy.token')] }), {
    type: 'idempotency', holder: { value: writeKeyClaim({ id: first.stored.record.id, ...idempotency }) },
  })
  const full = { name: 'x', field: 'creates', add: 1, below: 0, expiresAt: at + day }
  t.equal(await errorCode(tryInsert({ phoneNumber: null }, [full])), 'rate_limited')
  t.equal(observed.length, 2, 'only what was written is observed')
})

t.test('a create of which limits let nothing start is refused, and writes nothing', async t => {
  const { create, gateway, toy, other, lines, pass, count } = limited(1)
  await gateway.cancel((await create()).id)
  pass(600_000)
  const error = await refused(create({}, 'key-1'))
  t.match(error, { apiCode: 'rate_limited', extra: { refusal: { cause: 'message_limit' } } })
  t.ok(error.extra.retryAfterSeconds > 2_990 && error.extra.retryAfterSeconds <= 3_600, 'the rest of the hour')
  t.strictSame([toy.called('start'), other.called('start')], [['toy.code'], []])
  t.strictSame(lines.filter(({ audit }) => audit === 'refused'), [], 'the error handler logs a refusal')
  t.equal(await count('verigate_refused_requests_total'), 0)
  t.equal((await create({ phoneNumber: '+14155550102' }, 'key-1').catch(error => error)).apiCode, undefined)
})

t.test('messages are counted over all apps, and whatever sends them', async t => {
  const { create, gateway, apps, app, pass } = limited(3)
  const bank = apps.byId('bank') ?? app
  const first = await create({ workflow: ['toy.code', 'other.code'] })
  pass(30_000)
  await gateway.next(first.id, 'abandoned')
  pass(30_000)
  await gateway.resend(first.id)
  pass(30_000)
  t.match(
    await refused(gateway.resend(first.id)), { apiCode: 'rate_limited', message: 'Too many messages to this number.' },
  )
  t.match((await gateway.get(first.id)), { status: 'pending', attempts: [{}, { resend: { left: 1 } }] })
  t.equal(await causeOf(gateway.create(bank, { phoneNumber, workflow: ['toy.code'] }, null)), 'message_limit')
  t.equal(await errorCode(gateway.create(bank, { phoneNumber, workflow: ['toy.silent'] }, null)), 'none')
})

t.test('messages of a day', async t => {
  const { create, gateway } = setUp({ messagesPerNumber: { perHour: 10, perDay: 2 } })
  for (const _ of [1, 2]) await gateway.cancel((await create()).id)
  const error = await refused(create())
  t.match(error, { extra: { refusal: { cause: 'message_limit' } } })
  t.ok(error.extra.retryAfterSeconds > 86_000)
})

t.test('a silent method starts although the number may get no message', async t => {
  const { create, gateway, lines, count } = limited(1)
  await gateway.cancel((await create()).id)
  const silent = await create({ workflow: ['toy.code', 'other.code', 'toy.silent'] })
  t.match(silent.attempts, [
    { status: 'skipped', reason: null }, { status: 'skipped', reason: null }, {
      method: 'toy.silent', phase: 'waiting',
    },
  ])
  t.match(lines.filter(({ audit }) => audit === 'refused'), [
    { msg: 'audit', cause: 'message_limit', app: 'shop', verificationId: silent.id, numberTag: String },
  ])
  t.equal(await count('verigate_refused_requests_total', { cause: 'message_limit' }), 1)
})

t.test('silent verifications and those with messages are counted apart: neither closes the other', async t => {
  const { create, gateway } = setUp({ shop: { limits: { createsPerNumberPerHour: 2, createsPerPrefixPerHour: 2 } } })
  const silent = { workflow: ['toy.silent', 'toy.code'] }
  for (let n = 0; n < 2; n += 1) await gateway.cancel((await create(silent)).id)
  t.equal(await errorCode(create({ workflow: ['toy.silent'] })), 'rate_limited', 'a third one costs nothing')
  for (let n = 0; n < 2; n += 1) {
    const { id, attempts } = await create(silent)
    t.match(attempts, [{ status: 'skipped', reason: 'recently_tried' }, { method: 'toy.code', phase: 'waiting' }])
    await gateway.cancel(id)
  }
  t.equal(await errorCode(create(silent)), 'rate_limited')
  const phoneNumber = '+14155660199'
  for (let n = 0; n < 2; n += 1) await gateway.cancel((await create({ phoneNumber, workflow: ['toy.code'] })).id)
  t.match((await create({ phoneNumber, ...silent })).attempts, [{ method: 'toy.silent', phase: 'waiting' }])
})

t.test('a fallback that may not be sent ends the verification with the reason of what was started', async t => {
  const { create, gateway } = limited(1)
  await gateway.cancel((await create()).id)
  const { id } = await create({ workflow: ['toy.silent', 'toy.code'] })
  t.match(await gateway.next(id, 'not_on_cellular'), {
    status: 'failed', reason: 'not_on_cellular', attempts: [{}, { status: 'skipped', reason: null }],
  })
})

t.test('wrong codes close methods that take codes, and leave the others', async t => {
  const { create, gateway } = setUp({ shop: { limits: { wrongCodesPerNumberPerDay: 1 } } })
  const { id } = await create()
  t.equal(await errorCode(gateway.check(id, { code: '000000' })), 'code_incorrect')
  t.equal(await causeOf(gateway.check(id, { code: '000001' })), 'code_limit')
  await gateway.cancel(id)
  t.equal(await causeOf(create()), 'code_limit')
  t.match((await create({ workflow: ['toy.code', 'toy.push'] })).attempts, [
    { status: 'skipped', reason: 'code_attempts_exhausted' }, { method: 'toy.push', phase: 'waiting' },
  ])
})

t.test('pushes: once in five minutes for everybody, and a few a day for each app', async t => {
  const { create, gateway, apps, app, pass, toy, methods } = setUp()
  const bank = apps.byId('bank') ?? app
  const push = (as = app) => gateway.create(as, { phoneNumber, workflow: ['toy.push', 'toy.silent'] }, null)
  const methodOf = async (work: ReturnType<typeof push>) => {
    const { id, attempts } = await work
    await gateway.cancel(id)
    return attempts.map(({ method, ...attempt }) => 'reason' in attempt ? `${method} ${attempt.reason}` : method)
  }
  t.strictSame(await methodOf(push()), ['toy.push'])
  t.strictSame(await methodOf(push()), ['toy.push recently_tried', 'toy.silent'])
  t.strictSame(
    await methodOf(push(bank)), ['toy.push provider_unavailable', 'toy.silent'], 'what another app did is not shown',
  )
  const passFiveMinutes = () => pass(300_000)
  const { maxPerNumberPerDay = 0 } = methods.get('toy.push') ?? {}
  for (let n = 1; n < maxPerNumberPerDay; n += 1) {
    passFiveMinutes()
    t.strictSame(await methodOf(push()), ['toy.push'])
  }
  passFiveMinutes()
  t.strictSame(await methodOf(push()), ['toy.push recently_tried', 'toy.silent'], 'the cap of the day')
  t.strictSame(await methodOf(push(bank)), ['toy.push'], 'another app has its own')
  t.equal(toy.called('start').filter(method => method === 'toy.push').length, maxPerNumberPerDay + 1)
  passFiveMinutes()
  t.equal(await causeOf(create({ workflow: ['toy.push'] })), 'number_limit')
})

t.test('the unverified budget: a create is refused, a fallback is skipped, nothing silent is touched', async t => {
  const { create, gateway, budgeted, usedShares } = setUp()
  const begun = await create({ workflow: ['toy.silent', 'toy.code'] })
  usedShares['US'] = 1
  t.equal(await causeOf(create({ phoneNumber: '+14155550102' })), 'unverified_budget')
  t.match(await gateway.next(begun.id, 'abandoned'), { status: 'failed', reason: 'abandoned' })
  t.strictSame(budgeted, [])
  t.equal(await errorCode(create({ workflow: ['toy.silent'] })), 'none')
  t.equal(await errorCode(create({ phoneNumber: '+33612345678' })), 'none', 'another country')
  t.strictSame(budgeted, ['shop FR created'])
})

t.test('a verification counts against its budget once, with its first message', async t => {
  const { create, gateway, budgeted, pass } = setUp()
  const { id } = await create()
  t.strictSame(budgeted, ['shop US created'])
  t.equal(await errorCode(create()), 'verification_in_progress')
  t.strictSame(budgeted.splice(1), ['shop US created', 'shop US created taken back'])
  pass(30_000)
  await gateway.resend(id)
  pass(30_000)
  await gateway.next(id, 'abandoned')
  t.strictSame(budgeted, ['shop US created'])
  t.match(await gateway.check(id, { code: '123456' }), { verification: { status: 'verified' } })
  t.strictSame(budgeted, ['shop US created', 'shop US verified'])
})

t.test('while it is unknown whether the message is sent, it counts', async t => {
  const { create, budgeted } = setUp({
    wrapStore: store => ({ ...store, insert: async () => { throw new StoreUnavailable('TIMEOUT') } }),
  })
  await t.rejects(create(), StoreUnavailable)
  t.strictSame(budgeted, ['shop US created'])
})

t.test('a repeated request is not refused', async t => {
  const { create, usedShares } = setUp()
  const first = await create({}, 'key-1')
  usedShares['US'] = 1
  t.equal((await create({}, 'key-1')).id, first.id)
  t.equal(await causeOf(create({}, 'key-2')), 'unverified_budget')
})

t.test('an erased verification leaves its counts, and the mark of its push', async t => {
  const { create, gateway, apps, app } = limited(2)
  const bank = apps.byId('bank') ?? app
  const push = (as = app) => gateway.create(as, { phoneNumber, workflow: ['toy.push', 'toy.silent'] }, null)
  await gateway.erase((await push()).id)
  const again = await push()
  t.match(again.attempts, [{ status: 'skipped', reason: 'recently_tried' }, { method: 'toy.silent' }])
  t.match((await push(bank)).attempts, [{ status: 'skipped', reason: 'provider_unavailable' }, {}])
  await gateway.erase(again.id)
  await gateway.erase((await create()).id)
  t.equal(await causeOf(create()), 'message_limit')
})

t.test('a create that is refused for its address counts nothing against the budget', async t => {
  const { create, budgeted } = setUp({ shop: { limits: { createsPerIpPerHour: 1 } } })
  const from = (phoneNumber: string) => create({ phoneNumber, device: { ip: '192.0.2.7' } })
  await from('+14155550102')
  t.equal(await causeOf(from('+14155550104')), 'ip_limit')
  t.strictSame(budgeted, ['shop US created', 'shop US created', 'shop US created taken back'])
})

t.test('of several limits the refusal names the one that allows a retry first', async t => {
  const { create, gateway, pass } = setUp({
    shop: { limits: { wrongCodesPerNumberPerDay: 1, createsPerNumberPerHour: 1 } },
  })
  const { id } = await create()
  t.equal(await errorCode(gateway.check(id, { code: '000000' })), 'code_incorrect')
  await gateway.cancel(id)
  pass(3_600_000)
  await gateway.cancel((await create({ workflow: ['toy.silent'] })).id)
  const error = await refused(create({ workflow: ['toy.code', 'toy.silent'] }))
  t.match(error.extra, { refusal: { cause: 'number_limit' }, retryAfterSeconds: 3_600 })
})
