import t from 'tap'
import { day, discovered, errorCode, openTestbed, phoneNumber } from '../helpers/verifications.ts'

const { setUp } = await openTestbed(t)

t.test('by reference and by number, newest first', async t => {
  const { create, gateway, app, pass } = setUp()
  const ids: string[] = []
  for (const reference of ['a', 'b', 'a']) {
    ids.unshift((await create({ reference, onConflict: 'replace', phoneNumber })).id)
    await gateway.cancel(ids[0] ?? '')
    pass(1)
  }
  const find = async (by: { reference: string } | { phoneNumber: string }, limit = 10) =>
    (await gateway.find(app, by, limit)).map(({ id }) => id)
  t.strictSame(await find({ phoneNumber }), ids)
  t.strictSame(await find({ phoneNumber }, 2), ids.slice(0, 2))
  t.strictSame(await find({ reference: 'a' }), [ids[0], ids[2]])
  t.strictSame(await find({ reference: 'c' }), [])
  t.strictSame(await find({ phoneNumber: '+14155550102' }), [])
  t.equal(await errorCode(find({ phoneNumber: 'x' })), 'invalid_phone_number')
})

t.test('another app\'s verifications are not found', async t => {
  const { create, gateway, apps, app, pass } = setUp()
  await create({ reference: 'a' })
  const bank = apps.byId('bank') ?? app
  t.strictSame(await gateway.find(bank, { reference: 'a' }, 10), [])
  t.strictSame(await gateway.find(bank, { phoneNumber }, 10), [])
  const many = Array.from({ length: 60 }, (_, n) => ({ id: `other-${n}` }))
  for (const place of [0, 24, 25, 60]) {
    const found = await gateway.find(many.toSpliced(place, 0, app), { phoneNumber }, 10)
    t.match(found.map(({ reference }) => reference), ['a'], `over many apps, at place ${place}`)
  }
  pass(1)
  const { id } = await gateway.create(bank, { phoneNumber, workflow: ['toy.code'] }, null)
  t.strictSame((await gateway.find([app, ...many, bank], { phoneNumber }, 1)).map(each => each.id), [id], 'the newest')
})

t.test('a number that was discovered is found', async t => {
  const { create, gateway, app } = setUp()
  const { phoneNumber: _none, ...request } = { phoneNumber, workflow: ['toy.token'], reference: 'a' }
  const { id } = await gateway.create(app, request, null)
  t.strictSame(await gateway.find(app, { phoneNumber: discovered }, 10), [])
  await gateway.check(id, { token: 'x' })
  t.match(
    await gateway.find(app, { phoneNumber: discovered }, 10), [{ id, phoneNumber: discovered, status: 'verified' }],
  )
  t.match(await gateway.find(app, { reference: 'a' }, 10), [{ id }])
  t.match(await create(), { status: 'pending' })
})

t.test('what is past its retention, or erased, is not found', async t => {
  const { create, gateway, app, pass } = setUp()
  const { id } = await create({ reference: 'a' })
  await gateway.cancel(id)
  pass(day - 1)
  t.match(await gateway.find(app, { reference: 'a' }, 10), [{ id }])
  pass(1)
  t.strictSame(await gateway.find(app, { reference: 'a' }, 10), [])
  const second = await create({ reference: 'b' })
  await gateway.erase(second.id)
  t.strictSame(await gateway.find(app, { reference: 'b' }, 10), [])
})
