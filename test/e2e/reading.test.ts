import t, { type Test } from 'tap'
import { clientOf, keys, startGateway, testApps, type Client, type TestGateway } from '../helpers/gateway.ts'
import { hashKey, type App } from '../../src/apps/apps.ts'
import { until } from '../helpers/redis.ts'
import { numberEnding } from './end-user.ts'

const operatorKey = 'vgk_test_operator'
const operatorEntry: App['keys'][number] = { sha256: hashKey(operatorKey), scopes: ['operations:read'] }
const otp = (extra: object = {}) => ({ phoneNumber: numberEnding('02'), workflow: ['otpless.otp'], ...extra })
const timed = async <T>(work: Promise<T>): Promise<[T, number]> => {
  const from = performance.now()
  return [await work, performance.now() - from]
}

t.test('reading verifications', async t => {
  // Delivery receipts would be changes that this test does not cause.
  const gateway = await startGateway(t, {
    environment: { OTPLESS_WEBHOOK_SECRET: '' },
    apps: [...testApps, { id: 'us', name: 'Us', keys: [operatorEntry] }],
  })
  await t.test('lists', t => testLists(t, gateway))
  await t.test('long polls', t => testLongPolls(t, gateway))
})

async function testLists (t: Test, { shop, bank, url, logs }: TestGateway) {
  const [own, operator] = [keys.reader, operatorKey].map(key => clientOf(url, key)) as [Client, Client]
  const phoneNumber = numberEnding('02')
  const ids: string[] = []
  const reference = 'order-1'
  for (
    const request of [{ reference }, { reference, phoneNumber }, { phoneNumber, onConflict: 'replace' }, { reference }]
  ) {
    ids.push((await shop.create(otp(request))).body['id'])
    // Verifications of the same millisecond have no order.
    const at = Date.now()
    await until(() => Date.now() > at, 'the clock advances')
  }
  const e = (await bank.create(otp({ reference: 'order-1', phoneNumber }))).body['id']
  const [a, b, c, d] = ids
  const list = async (client: Client, query: Record<string, string>) => {
    const { status, body } = await client.call('GET', `/verifications?${new URLSearchParams(query)}`)
    return status === 200 ? body['data'].map(({ id }: { id: string }) => id) : status
  }
  t.strictSame(await list(own, { reference: 'order-1' }), [d, b, a])
  t.strictSame(await list(own, { reference: 'order-1', limit: '2' }), [d, b])
  t.strictSame(await list(own, { phoneNumber }), [c, b])
  t.strictSame(await list(own, { reference: 'order' }), [])
  t.strictSame(await list(shop, { phoneNumber }), [c, b], 'a key with every scope is one of its app')

  t.strictSame(await list(operator, { reference: 'order-1' }), [e, d, b, a], 'an operator searches over all apps')
  t.strictSame(await list(operator, { phoneNumber, limit: '2' }), [e, c])
  const { body } = await operator.call('GET', `/verifications?${new URLSearchParams({ phoneNumber })}`)
  t.strictSame(body['data'].map((one: Record<string, any>) => one['appId']), ['bank', 'shop', 'shop'])
  t.match(logs.findLast(line => line.includes('"audit"')), /"action":"verifications_searched","app":"us"/)
  t.notMatch(logs.join(''), new RegExp(phoneNumber.slice(1)))
  t.equal((await operator.call('GET', `/verifications/${a}`)).status, 403, 'and reads nothing else')
  await shop.call('DELETE', `/verifications/${b}`)
  t.strictSame(
    [await list(operator, { reference: 'order-1' }), await list(operator, { phoneNumber })], [[e, d, a], [e, c]],
    'an erased verification is not found',
  )
  const queries: Record<string, string>[] = [
    {}, { phoneNumber, reference: 'r' }, { reference: 'r', limit: '0' }, {
      reference: 'r', limit: '101',
    }, { reference: 'r', more: '1' },
  ]
  for (const query of queries) t.equal(await list(shop, query), 400, JSON.stringify(Object.keys(query)))
  t.equal(await list(shop, { phoneNumber: '4155550100' }), 422)
}

async function testLongPolls (t: Test, { shop }: TestGateway) {
  const { body: { id, revision } } = await shop.create(otp())
  const poll = (query: string) => timed(shop.call('GET', `/verifications/${id}?${query}`))
  const [behind, behindMs] = await poll(`wait=10&revision=${revision - 1}`)
  t.equal(behind.body['revision'], revision)
  t.ok(behindMs < 1000, `a newer revision is returned immediately: ${behindMs} ms`)
  const [idle, idleMs] = await poll('wait=1')
  t.equal(idle.body['revision'], revision)
  t.ok(idleMs >= 990 && idleMs < 2500, `times out: ${idleMs} ms`)

  const polls = Array.from({ length: 20 }, () => poll(`wait=10&revision=${revision}`))
  const from = performance.now()
  await shop.call('POST', `/verifications/${id}/cancel`)
  const woken = await Promise.all(polls)
  t.ok(performance.now() - from < 1000, `all respond ${performance.now() - from} ms after the change`)
  for (const [{ body }] of woken) t.hasStrict(body, { status: 'canceled', revision: revision + 1 })
  t.ok((await poll(`wait=10&revision=${revision + 1}`))[1] < 1000, 'a final verification does not wait')

  const { body: other } = await shop.create(otp())
  const erased = timed(shop.call('GET', `/verifications/${other['id']}?wait=10`))
  await shop.call('DELETE', `/verifications/${other['id']}`)
  const [gone, goneMs] = await erased
  t.equal(gone.status, 410)
  t.ok(goneMs < 2000)
  for (
    const query of ['wait=31', 'wait=-1', 'wait=x', 'revision=-1', 'unknown=1']
  ) t.equal((await poll(query))[0].status, 400, query)
}
