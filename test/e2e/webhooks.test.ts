import { Redis } from 'ioredis'
import { Webhook } from 'standardwebhooks'
import t from 'tap'
import { isGone } from '../../src/core/errors.ts'
import { startGateway, webhookSecret, withWebhook, type TestGateway } from '../helpers/gateway.ts'
import { startRedis, until } from '../helpers/redis.ts'
import { startReceiver, type Received } from '../sandbox/receiver.ts'
import { codeFor, numberEnding, readMetric } from './end-user.ts'
import { webhookEventNames } from '../../src/core/vocabulary.ts'

/** As a receiver does it: throws unless the signature is valid. */
const open = ({ headers, text }: Received): Record<string, any> =>
  Object(
    new Webhook(webhookSecret).verify(
      text, Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)])),
    ),
  )
const typeOf = (received: Received): string => String(open(received)['type'])

async function verify (
  { shop }: Pick<TestGateway, 'shop'>, phoneNumber = numberEnding('02'), workflow: unknown[] = ['otpless.otp'],
): Promise<string> {
  const { body: { id } } = await shop.create({ phoneNumber, workflow, reference: 'order-1', metadata: { plan: 'pro' } })
  await shop.call('POST', `/verifications/${id}/check`, { code: codeFor(phoneNumber) })
  return id
}
const deliveriesOf = async ({ shop }: Pick<TestGateway, 'shop'>): Promise<Record<string, any>[]> => (
  await shop.call('GET', '/webhooks/deliveries')
).body['data']

/** Every key and every value. */
async function readAll (redis: Redis): Promise<string> {
  const read = async (name: string): Promise<unknown> => {
    switch (await redis.type(name)) {
      case 'string': return (await redis.getBuffer(name))?.toString('latin1')
      case 'hash': return redis.hgetall(name)
      case 'zset': return redis.zrange(name, '0', '-1')
      case 'list': return redis.lrange(name, 0, -1)
      case 'set': return redis.smembers(name)
      case 'stream': return redis.xrange(name, '-', '+')
      default: return null
    }
  }
  const names = await redis.keys('*')
  return (await Promise.all(names.map(async name => `${name} ${JSON.stringify(await read(name))}`))).join('\n')
}

t.test('an app that chooses no events receives the outcome, once', async t => {
  const receiver = await startReceiver(t)
  const gateway = await startGateway(t, { apps: withWebhook(receiver.url) })
  const id = await verify(gateway)
  const canceled = (
    await gateway.shop.create({ phoneNumber: numberEnding('02'), workflow: ['otpless.otp'] })
  ).body['id']
  await gateway.shop.call('POST', `/verifications/${canceled}/cancel`)
  await receiver.first(2)
  await until(
    async () => (await deliveriesOf(gateway)).every(({ status }) => status === 'delivered'), 'both are recorded',
  )

  const received = receiver.received.find(one => open(one)['data'].id === id)
  if (received === undefined) throw new Error('not received')
  const { data, type, timestamp } = open(received)
  t.strictSame(
    data, (await gateway.shop.call('GET', `/verifications/${id}`)).body, 'the verification as the API shows it',
  )
  t.match({ type, timestamp }, { type: 'verification.verified', timestamp: data['updatedAt'] })
  t.equal(received.headers['webhook-id'], `msg_${id.slice(4)}_${data['revision']}`)
  t.match(receiver.received.map(typeOf).toSorted(), ['verification.canceled', 'verification.verified'])

  await gateway.app.gateway.sweep()
  for (const { id } of await deliveriesOf(gateway)) await gateway.app.gateway.notify(id)
  t.equal(receiver.received.length, 2, 'a sweep or a job of a finished delivery sends nothing')
  t.equal(await readMetric(gateway.url, 'verigate_webhook_tries_total{result="delivered"}'), 2)
  t.equal(await readMetric(gateway.url, 'verigate_webhook_try_seconds_count'), 2)
  t.equal(
    (await gateway.bank.create({ phoneNumber: numberEnding('02'), workflow: ['otpless.otp'] })).status, 201,
    'an app without a webhook',
  )
})

t.test('an app that chooses all events can order them by revision', async t => {
  const receiver = await startReceiver(t)
  const gateway = await startGateway(t, { apps: withWebhook(receiver.url, [...webhookEventNames]) })
  const { shop } = gateway
  const { body: { id } } = await shop.create(
    { phoneNumber: numberEnding('02'), workflow: ['truid.phone_check', 'otpless.otp'] },
  )
  await receiver.first(1)
  await shop.call('POST', `/verifications/${id}/next`, { reason: 'not_on_cellular' })
  await receiver.first(2)
  await shop.call('POST', `/verifications/${id}/cancel`)
  const events = (await receiver.first(3)).map(open)
  t.strictSame(
    events.map(({ type }) => type), ['verification.created', 'verification.action_required', 'verification.canceled'],
  )
  t.match(
    events,
    [
      { data: { nextAction: {} } }, { data: { nextAction: { type: 'submitCode' } } },
      { data: { nextAction: null, status: 'canceled' } },
    ],
  )
  const revisions = events.map(({ data }) => data['revision'])
  t.strictSame(revisions, revisions.toSorted((a, b) => a - b))
  t.equal(new Set(revisions).size, 3, 'each has its own revision')
  t.equal(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size, 3)
})

t.test('an app that chooses one type receives only that', async t => {
  const receiver = await startReceiver(t)
  const gateway = await startGateway(t, { apps: withWebhook(receiver.url, ['verification.failed']) })
  await verify(gateway)
  const { body: { id } } = await gateway.shop.create(
    { phoneNumber: numberEnding('02'), workflow: ['truid.phone_check'] },
  )
  await gateway.shop.call('POST', `/verifications/${id}/next`, { reason: 'user_rejected' })
  await receiver.first(1)
  await until(async () => (await deliveriesOf(gateway))[0]?.['status'] === 'delivered', 'it is recorded')
  t.strictSame(receiver.received.map(typeOf), ['verification.failed'])
  t.equal((await deliveriesOf(gateway)).length, 1)
})

t.test('a receiver that fails twice, hangs once, and then succeeds', async t => {
  let ahead = 0
  const now = (): number => Date.now() + ahead
  const answers = [500, 500, undefined, 200]
  const receiver = await startReceiver(t, () => answers[receiver.received.length - 1])
  const { url: redisUrl } = await startRedis(t)
  const gateway = await startGateway(
    t, { redisUrl, now, apps: withWebhook(`${receiver.url}/hooks?token=of-the-shop`), webhooks: { timeoutMs: 500 } },
  )
  const phoneNumber = numberEnding('02')
  const id = await verify(gateway, phoneNumber)
  for (const tried of [1, 2, 3]) {
    await until(async () => (await deliveriesOf(gateway))[0]?.['tries'].length === tried, `try ${tried} is recorded`)
    const [{ status, nextTryAt } = {}] = await deliveriesOf(gateway)
    t.equal(status, 'pending')
    ahead += Math.max(0, Date.parse(nextTryAt) - now())
    await gateway.app.gateway.sweep()
  }
  await until(async () => (await deliveriesOf(gateway))[0]?.['status'] === 'delivered', 'it is delivered at last')
  t.match(await deliveriesOf(gateway), [{
    verificationId: id, tries: [
      { statusCode: 500 }, { statusCode: 500 }, { statusCode: null, error: 'timeout' },
      { statusCode: 200, error: null },
    ], nextTryAt: null,
  }])
  t.equal(receiver.received.length, 4)
  t.strictSame(
    new Set(receiver.received.map(({ headers }) => headers['webhook-id'])),
    new Set([receiver.received[0]?.headers['webhook-id']]), 'the same webhook-id',
  )
  t.equal(new Set(receiver.received.map(({ text }) => text)).size, 1, 'the same body')
  t.strictSame(
    await Promise.all(
      ['retry', 'delivered', 'failed'].map(
        result => readMetric(gateway.url, `verigate_webhook_tries_total{result="${result}"}`),
      ),
    ),
    [3, 1, 0],
  )

  const logs = gateway.logs.join('')
  const lines = gateway.logs.map(line => JSON.parse(line)).filter(({ msg }) => msg === 'webhook')
  t.match(
    lines.map(({ status, statusCode, error, tries }) => [status, statusCode, error, tries]),
    [
      ['pending', 500, null, 1], ['pending', 500, null, 2], ['pending', null, 'timeout', 3],
      ['delivered', 200, null, 4],
    ],
  )
  const redis = new Redis(redisUrl)
  t.teardown(() => redis.disconnect())
  const stored = await readAll(redis)
  t.match(stored, /"notify"/, 'the streams of the queue are included')
  for (
    const secret of [
      phoneNumber.slice(2), webhookSecret.slice(6), 'of-the-shop', '/hooks', 'order-1', new URL(receiver.url).host,
    ]
  ) {
    t.notOk(logs.includes(secret), `${secret} in the logs`)
    t.notOk(stored.includes(secret), `${secret} in Redis`)
  }
})

t.test('erasing a verification erases its pending deliveries', async t => {
  const receiver = await startReceiver(t, () => 500)
  const { url: redisUrl } = await startRedis(t)
  const gateway = await startGateway(t, { redisUrl, apps: withWebhook(receiver.url, [...webhookEventNames]) })
  const id = await verify(gateway)
  await until(
    async () => (await deliveriesOf(gateway)).filter(({ tries }) => tries.length === 1).length === 2,
    'created and verified were tried',
  )
  const deliveries = await deliveriesOf(gateway)
  t.equal((await gateway.shop.call('DELETE', `/verifications/${id}`)).status, 204)
  t.strictSame(await deliveriesOf(gateway), [])
  for (const delivery of deliveries) t.equal(
    (await gateway.shop.call('POST', `/webhooks/deliveries/${delivery['id']}/replay`)).status, 404,
  )
  const redis = new Redis(redisUrl)
  t.teardown(() => redis.disconnect())
  t.strictSame((await redis.keys('*')).filter(name => name.includes(id.slice(4))), [], 'no record is left')
  await until(
    async () => (
      await Promise.all((await redis.keys('vg:{q*}due')).map(name => redis.zrange(name, '0', '-1')))
    ).flat().length === 0,
    'no due time is left',
  )
})

for (const ROLE of ['api', 'all']) {
  t.test(`erased while an event of it is being written, role ${ROLE}`, async t => {
    const receiver = await startReceiver(t)
    const { url: redisUrl } = await startRedis(t)
    const { shop, app: { gateway } } = await startGateway(
      t, { redisUrl, apps: withWebhook(receiver.url), environment: { ROLE } },
    )
    const redis = new Redis(redisUrl)
    t.teardown(() => redis.disconnect())
    let canceled = 0
    const cancel = (id: string): Promise<void> =>
      gateway.cancel(id).then(() => { canceled += 1 }, error => { t.ok(isGone(error)) })
    for (let delay = -5; delay < 40; delay += 1) {
      const { body: { id } } = await shop.create({ phoneNumber: numberEnding('02'), workflow: ['otpless.otp'] })
      const [first, last] = delay % 2 === 0 ? [cancel, gateway.erase] : [gateway.erase, cancel]
      const started = first(id)
      for (let turn = 0; turn < delay / 3; turn += 1) await new Promise(resolve => setImmediate(resolve))
      await Promise.all([started, last(id)])
      t.strictSame((await redis.keys('*')).filter(name => name.includes(id.slice(4))), [], 'no key is left')
    }
    t.ok(canceled > 0 && canceled < 45, `${canceled} were canceled before the erasure`)
  })
}
