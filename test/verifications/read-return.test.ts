import t from 'tap'
import { openTestbed } from '../helpers/verifications.ts'

const { setUp } = await openTestbed(t)
const returnUrl = 'https://shop.example/done?cart=1'

async function wait (workflow = ['toy.code', 'other.code'], withReturnUrl = true) {
  const room = setUp({ shop: { allowedReturnUrls: ['https://shop.example/'] } })
  const { id } = await room.create({ workflow, ...withReturnUrl ? { returnUrl } : {} })
  const keyOf = (attempt = 0) => room.ids.callbackKey(id, attempt, 'redirect')
  return { ...room, id, keyOf, read: room.gateway.readReturn, current: async () => (await room.read(id)).record }
}

t.test('the browser returns to the app with the code, which is not consumed', async t => {
  const { read, keyOf, id, current } = await wait()
  const before = await current()
  t.equal(await read('toy', keyOf(), { code: 'a b' }), `${returnUrl}&code=a+b&verification=${id}`)
  t.equal(await read('toy', keyOf(), { code: 'a b' }), `${returnUrl}&code=a+b&verification=${id}`, 'a second time')
  t.strictSame(await current(), before)
})

t.test('a query that the adapter does not understand', async t => {
  const { read, keyOf, id } = await wait()
  t.equal(await read('toy', keyOf(), {}), `${returnUrl}&error=evidence_invalid&verification=${id}`)
})

t.test('an attempt that has ended', async t => {
  const { read, keyOf, id, gateway, pass } = await wait()
  pass(30_000)
  await gateway.next(id, 'abandoned')
  t.equal(await read('toy', keyOf(), { code: 'x' }), `${returnUrl}&error=evidence_expired&verification=${id}`)
  t.equal(await read('other', keyOf(1), { code: 'x' }), `${returnUrl}&code=x&verification=${id}`, 'the next one')
})

t.test('a code in the fragment, which only the browser knows: nothing is added that would replace it', async t => {
  const { read, keyOf, id, adapters, gateway, pass } = await wait()
  const toy = adapters.get('toy')
  if (toy !== undefined) toy.readReturn = () => ({ isInFragment: true })
  t.equal(await read('toy', keyOf(), {}), `${returnUrl}&verification=${id}`)
  pass(30_000)
  await gateway.next(id, 'abandoned')
  t.equal(await read('toy', keyOf(), {}), `${returnUrl}&error=evidence_expired&verification=${id}`, 'too late')
})

t.test('a fixed redirect URI: the key is in the query', async t => {
  const { read, keyOf, id } = await wait(['toy.operator'])
  t.equal(await read('toy', null, { code: 'x', state: keyOf() }), `${returnUrl}&code=x&verification=${id}`)
  t.equal(await read('toy', null, { code: 'x' }), null)
  t.equal(await read('toy', keyOf(), { code: 'x', state: 'other' }), `${returnUrl}&code=x&verification=${id}`)
})

t.test('no place to return to', async t => {
  const { read, keyOf, id, ids, store, adapters } = await wait()
  t.equal(await read('toy', 'invented', { code: 'x' }), null)
  t.equal(await read('toy', ids.callbackKey(id, 0, 'callback'), { code: 'x' }), null, 'a key of the server callback')
  t.equal(await read('other', keyOf(), { code: 'x' }), null, 'another provider')
  t.equal(await read('absent', keyOf(), { code: 'x' }), null)
  t.equal(await read('toy', keyOf(7), { code: 'x' }), null, 'no such step')
  const toy = adapters.get('toy')
  if (toy !== undefined) delete toy.readReturn
  t.equal(await read('toy', keyOf(), { code: 'x' }), null, 'a provider without redirects')
  const without = await wait(undefined, false)
  t.equal(await without.read('toy', without.keyOf(), { code: 'x' }), null, 'the app gave no URL')
  await store.erase(id, { publish: 'erased' })
  t.equal(await read('other', keyOf(1), { code: 'x' }), null)
})
