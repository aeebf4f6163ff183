import t from 'tap'
import { StoreUnavailable } from '../../src/store/record-store.ts'
import { errorCode, goodCode, openTestbed } from '../helpers/verifications.ts'

const { setUp } = await openTestbed(t)

/** A room whose replicas are behind from when the test says so. */
function prepare () {
  const replicas = { areBehind: false, asked: [] as string[] }
  const room = setUp({
    wrapStore: store => ({
      ...store, waitsForReplicas: true,
      async untilReplicated (id) {
        replicas.asked.push(id)
        if (replicas.areBehind) throw new StoreUnavailable('UNREPLICATED')
      },
    }),
  })
  return { ...room, replicas }
}
const behind = { code: 'UNREPLICATED' }

t.test('what changes a verification is answered when enough replicas have it', async t => {
  const { create, gateway, replicas, pass, read, toy } = prepare()
  const { id } = await create({ workflow: ['toy.code', 'toy.silent'] })
  t.strictSame(replicas.asked, [id])
  pass(30_000)
  replicas.areBehind = true
  await t.rejects(gateway.resend(id), behind)
  await t.rejects(gateway.next(id, 'abandoned'), behind)
  t.match((await read(id)).record.attempts, [{ reason: 'abandoned' }, { phase: 'waiting' }], 'it is written')
  await t.rejects(gateway.cancel(id), behind)
  await t.rejects(create(), behind)
  t.equal(toy.called('resend').length, 1)
  t.match(await gateway.get(id), { status: 'canceled' }, 'a read does not wait')
})

t.test('so is a wrong code, which has used up a try; a refused one is not waited for', async t => {
  const { create, gateway, replicas, toy } = prepare()
  const { id } = await create()
  const judge = toy.answers.resolve
  toy.answers.resolve = async (...args) => {
    replicas.areBehind = true
    return judge(...args)
  }
  await t.rejects(gateway.check(id, { code: '000000' }), behind)
  const before = replicas.asked.length
  t.equal(await errorCode(gateway.check(id, { code: 'none' })), 'invalid_request')
  t.equal(replicas.asked.length, before)
  replicas.areBehind = false
  toy.answers.resolve = judge
  t.match(await gateway.check(id, { code: goodCode }), { verification: { status: 'verified' } })
})
