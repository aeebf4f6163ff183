import t from 'tap'
import { errorCode, openTestbed } from '../helpers/verifications.ts'

const { setUp } = await openTestbed(t)

t.test('a live verification', async t => {
  const { create, gateway, toy, read, claimFields } = setUp()
  const { id, revision } = await create()
  const canceled = await gateway.cancel(id)
  t.match(canceled, {
    status: 'canceled', reason: 'app_canceled', revision: revision + 1, attempts: [{ status: 'canceled' }],
  })
  t.strictSame((await read(id)).record, canceled)
  t.strictSame(toy.called('cancel'), ['toy.code'], 'also at the provider')
  t.strictSame(await claimFields(), [], 'its number is free')
})

t.test('one that has ended', async t => {
  const { create, gateway, toy, read } = setUp()
  const { id } = await create()
  await gateway.cancel(id)
  const before = await read(id)
  const error = await gateway.cancel(id).catch(error => error)
  t.match(error, { apiCode: 'invalid_state', extra: { verificationStatus: 'canceled' } })
  t.strictSame(await read(id), before)
  t.equal(toy.called('cancel').length, 1)
  await gateway.erase(id)
  t.equal(await errorCode(gateway.cancel(id)), 'gone')
})
