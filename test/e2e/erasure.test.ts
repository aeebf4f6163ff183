import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { packedLength, packId } from '../../src/store/keys.ts'
import { readTable } from '../../src/store/tables.ts'
import { webhookEventNames } from '../../src/core/vocabulary.ts'
import { startWire } from '../faults/wire.ts'
import { clientOf, startGateway, withWebhook } from '../helpers/gateway.ts'
import { startRedis, until } from '../helpers/redis.ts'
import { dump } from '../helpers/scan.ts'
import { startReceiver } from '../sandbox/receiver.ts'
import { act, numberEnding } from './end-user.ts'


const day = 86_400_000

/** Verifications that ended in every way, with their webhooks delivered. */
async function runMany (t: Test) {
  const { url: redisUrl } = await startRedis(t)
  const redis = new Redis(redisUrl)
  t.teardown(() => redis.disconnect())
  let refuses = 1
  const receiver = await startReceiver(t, () => refuses-- > 0 ? 500 : 200)
  let passed = 0
  const gateway = await startGateway(t, {
    redisUrl, apps: withWebhook(
      receiver.url, [...webhookEventNames],
    ),
    now: () => Date.now() + passed, environment: { RETENTION_SECONDS: '7200' },
  })
  const { shop, simulators, url } = gateway
  const numbers = ['02', '04', '06', '08', '10', '12'].map(numberEnding)
  const made = await Promise.all(numbers.map(async (phoneNumber, n) => {
    const method = ['otpless.otp', 'truecaller.push', 'truid.phone_check'][n % 3] ?? ''
    const { body } = await shop.create(
      { phoneNumber, workflow: [method], reference: `order-${n}`, metadata: { n: String(n) } },
      { 'idempotency-key': `key-${n}` },
    )
    if (n === 3) await shop.call('POST', `/verifications/${body['id']}/cancel`)
    else {
      if (n === 0) await shop.call('POST', `/verifications/${body['id']}/check`, { code: '000000' })
      await act(clientOf(url, body['clientSecret']), simulators, body, phoneNumber)
    }
    const { status } = await shop.waitFor(body['id'])
    return { id: String(body['id']), status }
  }))
  t.strictSame(
    made.map(({ status }) => status), ['verified', 'verified', 'verified', 'canceled', 'verified', 'verified'],
  )
  const delivered = async (): Promise<number> => (
    await shop.call('GET', '/webhooks/deliveries?status=delivered&limit=100')
  ).body['data'].length
  await until(
    async () => await delivered() >= 2 * made.length - 1, 'all webhooks but one are delivered at once',
  )
  await until(async () => receiver.received.length > await delivered(), 'one try failed')
  /**
   * Which verifications Redis still names, in whatever key or value: by what no other text has in common with their
   * ids.
   */
  const named = async (): Promise<string[]> => {
    const { text } = await dump(redis)
    return made.filter(({ id }) => text.includes(id.slice(4)) || text.includes(packId(id))).map(({ id }) => id)
  }
  return { ...gateway, redis, ids: made.map(({ id }) => id), named, pass: (ms: number) => { passed += ms } }
}

/** What is left of them besides counts, marks of what was used, the mode of the processes, and BullMQ's own keys. */
async function leftOver (redis: Redis): Promise<string[]> {
  const left: string[] = []
  for (const key of await redis.keys('*')) {
    const isTable = /^vg:\{q[0-9a-f]\}t/.test(key)
    if (isTable) left.push(...readTable(await redis.getBuffer(key), 0).map(({ field }) => field).filter(isOfRecord))
    else if (!/^vg:(\{q[0-9a-f]\}n|mode$)/.test(key) && !/^\{vg\}:(resolve|notify|sweep):/.test(key)) left.push(key)
  }
  return left
}

/** Claims of evidence and of a method have no field, or one that begins with `once`; the others are counters. */
const isOfRecord = (field: string): boolean => field === 'live' || field.length === packedLength

t.test('what is erased leaves nothing but counters', async t => {
  const { shop, ids, named, redis } = await runMany(t)
  t.strictSame(await named(), ids, 'they are there')
  const [kept = '', ...others] = ids
  for (const id of others) t.equal((await shop.call('DELETE', `/verifications/${id}`)).status, 204)
  await until(async () => (await named()).length === 1, 'running jobs end')
  t.strictSame(await named(), [kept])
  t.strictSame(
    (await shop.call('GET', '/webhooks/deliveries?limit=100')).body['data'].filter(
      (one: Record<string, unknown>) => one['verificationId'] !== kept,
    ),
    [],
  )
  await shop.call('DELETE', `/verifications/${kept}`)
  await until(async () => (await named()).length === 0, 'the last one')
  t.strictSame(await leftOver(redis), [], 'besides them only marks of what was used, and of whom was asked lately')
  for (const id of ids) t.equal((await shop.call('GET', `/verifications/${id}`)).status, 410)
  for (const n of ids.keys()) t.strictSame(
    (await shop.call('GET', `/verifications?reference=order-${n}`)).body['data'], [],
  )
})

t.test('so does what was kept long enough', async t => {
  const { shop, ids, named, pass, redis } = await runMany(t)
  pass(7_000_000)
  t.equal((await shop.call('GET', `/verifications/${ids[0]}`)).status, 200)
  pass(201_000)
  for (const id of ids) t.equal(
    (await shop.call('GET', `/verifications/${id}`)).status, 410, 'gone for everybody, swept or not',
  )
  await until(
    async () => (await shop.call('GET', '/webhooks/deliveries?status=pending')).body['data'].length === 0,
    'no webhook is pending',
  )
  // Before their claims and listings expire, too, which Redis does by a clock that this test cannot set.
  await until(async () => (await redis.keys('*}rver_*')).length === 0, 'the sweeper erases them')
  pass(2 * day)
  await until(async () => (await named()).length === 0, 'and their webhooks')
  t.strictSame(await leftOver(redis), [])
})

t.test('a retention that was made longer leaves the sweeper nothing to do', async t => {
  const { url: redisUrl } = await startRedis(t)
  let passed = 0
  const run = (retention: string, environment: Record<string, string> = {}) =>
    startGateway(
      t, { redisUrl, now: () => Date.now() + passed, environment: { ...environment, RETENTION_SECONDS: retention } },
    )
  const before = await run('60')
  const { id } = (await before.shop.create({ phoneNumber: numberEnding('02'), workflow: ['otpless.otp'] })).body
  t.equal((await before.shop.call('POST', `/verifications/${id}/cancel`)).status, 200)
  await before.app.close()

  const { SEAL_KEYS = '' } = before.environment
  const { app, shop } = await run('3600', { SEAL_KEYS })
  passed = 61_000
  t.equal((await shop.call('GET', `/verifications/${id}`)).status, 200)
  await app.gateway.sweep()
  await until(async () => await app.gateway.sweep() === 0, 'nothing stays due, and in the way of what is')
  passed = 3_601_000
  await until(async () => await app.gateway.sweep() === 0, 'and then it is erased')
  t.equal((await shop.call('GET', `/verifications/${id}`)).status, 410)
})

t.test('an erased verification blocks no other one', async t => {
  const { url: redisUrl } = await startRedis(t)
  const redis = new Redis(redisUrl)
  t.teardown(() => redis.disconnect())
  const { shop, simulators, logs } = await startGateway(t, { redisUrl, simulatorOptions: { slowMs: 600 } })
  const body = { phoneNumber: numberEnding('93'), workflow: ['otpless.otp'] }
  const first = String((await shop.create(body)).body['id'])
  const asked = (): number => simulators.requests.filter(({ path }) => path === '/auth/v1/verify/otp').length
  simulators.fail({ provider: 'otpless', path: '/auth/v1/verify/otp', answer: 500 })
  t.equal((await shop.call('POST', `/verifications/${first}/check`, { code: '000000' })).status, 202)
  await until(() => asked() === 2, 'a job asks')
  t.equal((await shop.call('DELETE', `/verifications/${first}`)).status, 204)
  await until(() => logs.some(line => /"call":"resolve".*"result":"ok"/.test(line)), 'and the answer has no effect')

  // As if it were erased after it was seen to be in the way.
  const second = String((await shop.create(body)).body['id'])
  const [key = ''] = await redis.keys(`*}r${second}`)
  t.equal(await redis.del(key), 1)
  t.hasStrict(await shop.create({ ...body, onConflict: 'replace' }), { status: 201, body: { status: 'pending' } })
  t.strictSame(logs.filter(line => line.includes('"level":50')), [], 'no fault of ours')
})

t.test('a webhook that waits for a slot is not sent once its verification is erased', async t => {
  const held = Promise.withResolvers<number>()
  const receiver = await startReceiver(t, () => held.promise)
  const { shop } = await startGateway(
    t, { apps: withWebhook(receiver.url, ['verification.created']), webhooks: { timeoutMs: 60_000 } },
  )
  const made = await Promise.all(
    Array.from({ length: 26 }, () => shop.create({ phoneNumber: numberEnding('02'), workflow: ['otpless.otp'] })),
  )
  await receiver.first(25)
  const sent = (id: unknown): boolean => receiver.received.some(({ text }) => text.includes(String(id)))
  const [waiting] = made.map(({ body }) => body['id']).filter(id => !sent(id))
  const next = (await shop.create({ phoneNumber: numberEnding('02'), workflow: ['otpless.otp'] })).body['id']
  t.equal((await shop.call('DELETE', `/verifications/${waiting}`)).status, 204)
  held.resolve(204)
  await until(() => sent(next), 'the next one is sent')
  t.notOk(sent(waiting))
})

t.test('a callback about what is being erased is heard as one about an unknown id', async t => {
  const { url: redisUrl, port } = await startRedis(t)
  const redis = new Redis(redisUrl)
  t.teardown(() => redis.disconnect())
  const wire = await startWire(t, port)
  const { app, shop } = await startGateway(t, { redisUrl: wire.url })
  const { id, nextAction } = (await shop.create({ workflow: ['truecaller.web'] })).body
  const body = { requestId: new URL(nextAction.url).searchParams.get('requestNonce'), accessToken: 'token' }
  const writing = wire.hold(
    'request', ([name = '', , , ...keys]) => /^eval/i.test(name) && keys.some(key => key.endsWith(id)),
  )
  const receiving = app.gateway.receive(
    'truecaller', { key: null, headers: {}, rawBody: Buffer.from(JSON.stringify(body)), body },
  )
  await writing.caught
  const [key = ''] = await redis.keys(`*}r${id}`)
  t.equal(await redis.del(key), 1)
  writing.release()
  t.match(await receiving, { result: 'unknown' })
})
