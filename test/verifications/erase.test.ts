import t from 'tap'
import { createKeys } from '../../src/store/keys.ts'
import { errorCode, goodCode, openTestbed, phoneNumber } from '../helpers/verifications.ts'

const { setUp, redis } = await openTestbed(t)

t.test('nothing of it is left, in any state', async t => {
  for (const status of ['pending', 'verified', 'canceled']) {
    const webhook = { url: 'https://x.example', secrets: [] }
    const { create, gateway, namespace, ids, changeFeed, claimFields, countListed } = setUp({ shop: { webhook } })
    const { id } = await create({ reference: 'order-1' }, 'key-1')
    if (status === 'verified') await gateway.check(id, { code: goodCode })
    if (status === 'canceled') await gateway.cancel(id)
    t.equal((await gateway.get(id)).status, status)
    const heard = changeFeed.once(id, { timeoutMs: 5_000 })
    await gateway.erase(id)
    t.equal(await heard, 'erased', 'its listeners are notified')
    t.equal(await errorCode(gateway.get(id)), 'gone')
    t.equal(await errorCode(gateway.erase(id)), 'gone')
    t.strictSame(await redis.keys(`${namespace}:{q*}r*`), [], status)
    t.strictSame([await claimFields(), await countListed()], [[], 0], 'with its claims, and what listed it')
    t.strictSame(await redis.zrange(createKeys(namespace).due(ids.partitionOf(id) ?? -1), '0', '-1'), [])
  }
})

t.test('the provider\'s ids by which callbacks found it are released', async t => {
  const { gateway, app, toy, claimFields } = setUp()
  let sent = 0
  toy.answers.start = async () => ({
    state: null, id: `id-${sent += 1}`, action: {
      type: 'openUrlOnCellular', url: 'https://toy.example/', finish: 'code',
    },
  })
  const request = { phoneNumber, returnUrl: 'https://shop.example/', workflow: ['toy.operator', 'toy.operator'] }
  const { id } = await gateway.create({ ...app, allowedReturnUrls: [request.returnUrl] }, request, null)
  await gateway.next(id, 'abandoned')
  t.strictSame(await claimFields(), ['', '', 'live'], 'the number, and the ids of both attempts')
  await gateway.erase(id)
  t.strictSame(await claimFields(), [])
})

t.test('other verifications stay', async t => {
  const { create, gateway, app } = setUp()
  const first = await create({ reference: 'order-1' })
  await gateway.cancel(first.id)
  const second = await create({ reference: 'order-1' }, 'key-1')
  await gateway.erase(first.id)
  t.strictSame(await gateway.get(second.id), second)
  t.match(await gateway.find(app, { reference: 'order-1' }, 10), [{ id: second.id }])
  t.equal((await create({ reference: 'order-1' }, 'key-1')).id, second.id)
  t.equal(await errorCode(create()), 'verification_in_progress', 'its claim of the number is its own')
})

t.test('without related records only the verification is erased', async t => {
  const { create, erase, read, store, claimFields } = setUp()
  const { id } = await create()
  await erase((await read(id)).record)
  t.equal(await store.load(id), null)
  t.strictSame(await claimFields(), [])
})
