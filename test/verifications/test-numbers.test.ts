import t from 'tap'
import { findTestNumber, standIn } from '../../src/verifications/test-numbers.ts'
import { dump } from '../helpers/scan.ts'
import { errorCode, openTestbed, phoneNumber, type SetUpOptions } from '../helpers/verifications.ts'

const { setUp, redis } = await openTestbed(t)

const code = '748291'
const hourMs = 3_600_000
const testNumbers = (expiresAt = Date.now() + hourMs) =>
  ({ [phoneNumber]: { code, expiresAt: new Date(expiresAt).toISOString() } })
const setUpTest = (more: SetUpOptions['shop'] = {}, options: SetUpOptions = {}) =>
  setUp({ ...options, shop: { testNumbers: testNumbers(), ...more } })
const workflow = ['toy.silent', 'toy.code', 'other.code']

t.test('the first method with a typed code takes the fixed code; nothing reaches a provider', async t => {
  const { gateway, create, toy, other, lines, budgeted, count, now } = setUpTest()
  const created = await create({ workflow })
  t.match(created, {
    status: 'pending', attempts: [
      { method: 'toy.silent', status: 'skipped', reason: null },
      { method: 'toy.code', phase: 'waiting', attemptsRemaining: 3, action: { type: 'submitCode', length: 6 } },
    ],
  })
  const { verification, settled } = await gateway.check(created.id, { code: ' 748-291' })
  t.ok(settled)
  t.match(verification, {
    status: 'verified', phoneNumber, result: {
      phoneNumber, method: 'toy.code', verifiedAt: now(), profile: null, signals: { testNumber: true },
      assurance: { binding: 'none', restricted: true },
    },
  })
  t.strictSame([toy.calls, toy.questions, other.calls], [[], [], []])
  t.strictSame(budgeted, [], 'no budget')
  t.equal(await count('verigate_provider_calls_total'), 0)
  await gateway.cancel((await create({ phoneNumber: '+14155550101', workflow })).id)
  for (const [name, ordinary] of [
    ['verifications_created_total', 1], ['verifications_ended_total', 1], ['attempts_total', 1],
    ['verification_seconds_count', 0],
  ] as const) t.equal(await count(`verigate_${name}`), ordinary, `${name}: the ordinary verification only`)
  t.match(lines.filter(({ audit }) => audit === 'test_number'), [
    { msg: 'audit', app: 'shop', verificationId: created.id, status: 'pending', numberTag: /./ },
    { msg: 'audit', app: 'shop', verificationId: created.id, status: 'verified', numberTag: /./ },
  ])
  t.notMatch(JSON.stringify(lines), new RegExp(`${code}|${phoneNumber.slice(1)}`), 'neither code nor number in the log')
  t.notMatch((await dump(redis)).text, new RegExp(code), 'nor in Redis')
  t.equal((await gateway.check((await create({ workflow })).id, { code })).verification.status, 'verified', 'again')
})

t.test('wrong codes count as with a provider', async t => {
  const { gateway, create, read, toy } = setUpTest({ limits: { wrongCodesPerNumberPerHour: 4 } })
  const wrong = async (id: string) => gateway.check(id, { code: '000000' }).catch(error => error)
  const { id } = await create({ workflow })
  t.match(await wrong(id), { apiCode: 'code_incorrect', extra: { attemptsRemaining: 2 } })
  t.notMatch(JSON.stringify(await wrong(id)), code)
  t.match(await wrong(id), { apiCode: 'code_incorrect', extra: { attemptsRemaining: 0 } })
  t.match((await read(id)).record, { status: 'failed', reason: 'code_attempts_exhausted' })
  const second = await create({ workflow })
  t.match(await wrong(second.id), { apiCode: 'code_incorrect' })
  t.equal(await errorCode(gateway.check(second.id, { code })), 'rate_limited', 'also the right one')
  t.strictSame(toy.calls, [])
})

t.test('resend sends nothing, next ends the attempt, and no limit of messages counts them', async t => {
  const shop = { limits: { createsPerNumberPerHour: 1, messagesPerAppPerHour: 1 } }
  const { gateway, create, toy, pass } = setUpTest(shop, { messagesPerNumber: { perHour: 1, perDay: 1 } })
  const { id } = await create({ workflow })
  t.equal(await errorCode(gateway.resend(id)), 'rate_limited', 'too early, as in production')
  pass(30_000)
  t.match(await gateway.resend(id), { status: 'pending', attempts: [{}, { resend: { left: 1 } }] })
  pass(30_000)
  t.match(await gateway.resend(id), { status: 'pending', attempts: [{}, { resend: { left: 0 } }] })
  pass(30_000)
  t.match(await gateway.next(id, 'abandoned'), {
    status: 'failed', reason: 'abandoned', attempts: [
      {}, { status: 'failed' }, { method: 'other.code', status: 'skipped' },
    ],
  })
  t.match(await create({ workflow }), { status: 'pending' })
  t.strictSame(toy.calls, [])
})

t.test('the app\'s countries and number types do not matter; a workflow without a typed code is refused', async t => {
  const tollFree = '+18005550123'
  const { gateway, app, create } = setUpTest({
    deniedCountries: ['US'], testNumbers: { ...testNumbers(), [tollFree]: { code, expiresAt: '2999-01-01T00:00:00Z' } },
  })
  t.match(await create({ phoneNumber: tollFree }), { attempts: [{ method: 'toy.code', status: 'pending' }] })
  const refused = await create({ workflow: ['toy.silent', 'toy.push'] }).catch(error => error)
  t.match(
    refused, { apiCode: 'no_eligible_method', extra: { errors: [{ field: 'phoneNumber', message: /typed code/ }] } },
  )
  t.match(await gateway.create(app, { phoneNumber }, null), { workflow: [{ method: 'toy.code' }] })
})

t.test('it proves nothing: a higher level is refused', async t => {
  const { create } = setUpTest({ minAssurance: 2 })
  const refused = await create({ workflow }).catch(error => error)
  t.match(refused, { apiCode: 'no_eligible_method', extra: { errors: [{ field: 'minAssurance' }] } })
  t.match(await create({ workflow, minAssurance: 1 }), { status: 'pending' })
})

t.test('an entry that has expired, and another app, have an ordinary number', async t => {
  const { gateway, apps, create, toy, pass } = setUpTest()
  const bank = apps.byId('bank')
  if (bank === null) throw new Error('no app')
  await gateway.create(bank, { phoneNumber, workflow: ['toy.code'] }, null)
  t.strictSame(toy.called('start'), ['toy.code'])
  pass(hourMs)
  t.notOk('testNumber' in await create({ workflow: ['toy.code'] }))
  t.strictSame(toy.called('start'), ['toy.code', 'toy.code'])
  const entry = { code, expiresAt: '2026-01-01T00:00:00Z' }
  const app = { id: 'x', name: 'X', keys: [], testNumbers: { '+14155550100': entry } }
  const at = Date.parse(entry.expiresAt)
  t.equal(findTestNumber(app, '+14155550100', at - 1), entry)
  t.equal(findTestNumber(app, '+14155550100', at), null)
  t.equal(findTestNumber(app, 'constructor', at - 1), null)
})

t.test('eligibility asks no provider', async t => {
  const { gateway, app, toy } = setUpTest({ deniedCountries: ['US'] })
  const items = await gateway.eligibility(app, { phoneNumber })
  t.strictSame(
    items.filter(({ eligible }) => eligible).map(({ method }) => method),
    ['toy.code', 'toy.local', 'other.code', 'other.local'],
  )
  t.ok(items.every(({ eligible, reason }) => eligible || reason === 'test_number'))
  t.strictSame(toy.questions, [])
})

t.test('no provider is asked to cancel it', async t => {
  const { gateway, create, toy } = setUpTest()
  await gateway.cancel((await create({ workflow: ['toy.code'] })).id)
  t.strictSame(toy.calls, [])
})

t.test('a method whose provider counts the wrong codes accepts five', async t => {
  const { sealer, methods } = setUp()
  const { codeAttempts: _counted, ...method } = methods.get('toy.code') ?? t.fail('no method') as never
  t.equal(standIn(sealer, 'ver_x', { codeHash: '', codeLength: 6 }, method).method.codeAttempts, 5)
})
