import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { until } from '../helpers/redis.ts'
import type { Received } from '../sandbox/receiver.ts'
import { isLong, startDeployment } from './deployment.ts'

// Most of the time passes until the leases of the killed process expire.
t.jobs = 4

let serial = 55_100
/** `answer` tells the status of the receiver's answer to the `n`th webhook; nothing leaves it unanswered. */
async function startScene (t: Test, answer: (n: number) => number | undefined = () => 204) {
  let arrived = 0
  const deployment = await startDeployment(t, { answer: () => answer(arrived += 1) })
  const { redisUrl, shop, oracle } = deployment
  const redis = new Redis(redisUrl)
  t.teardown(() => redis.disconnect())
  return {
    ...deployment, redis,
    /** Creates and cancels a verification, which has one webhook. */
    async cancel (): Promise<string> {
      const { body: { id } } = await shop.create({ phoneNumber: `+1415${serial += 1}02`, workflow: ['otpless.otp'] })
      const { status } = await shop.call('POST', `/verifications/${id}/cancel`)
      if (status !== 200) throw new Error(`cancel answered ${status}`)
      oracle.accept(id, 'canceled/app_canceled')
      return id
    },
    deliveries: async (): Promise<Record<string, any>[]> => (
      await shop.call('GET', '/webhooks/deliveries?limit=100')
    ).body['data'],
  }
}
const idOf = ({ body }: Received): string => String(Object(body['data'])['id'])
const isSame = (received: Received[]): boolean =>
  new Set(received.map(({ text, headers }) => `${String(headers['webhook-id'])} ${text}`)).size === 1

if (isLong) t.test('killed between two tries', { buffered: true }, async t => {
  const {
    receiver, api, worker, cancel, deliveries, start, launch, oracle,
  } = await startScene(t, n => n === 1 ? 500 : 200)
  await start(api)
  const first = await start(worker)
  await cancel()
  await until(async () => (await deliveries())[0]?.['tries'].length === 1, 'the first try is recorded')
  await first.kill()
  launch(worker)
  await until(async () => (await deliveries())[0]?.['status'] === 'delivered', 'it is delivered')
  t.match(await deliveries(), [{ tries: [{ statusCode: 500 }, { statusCode: 200 }] }])
  t.equal(receiver.received.length, 2)
  t.ok(isSame(receiver.received))
  await oracle.judge('worker SIGKILLed between two tries of a webhook')
})

t.test('killed when the receiver has it and nothing is recorded', { buffered: true }, async t => {
  const {
    receiver, api, worker, cancel, deliveries, start, launch, oracle,
  } = await startScene(t, n => n === 1 ? undefined : 200)
  await start(api)
  const first = await start(worker)
  await cancel()
  await receiver.first(1)
  await first.kill()
  t.match(await deliveries(), [{ status: 'pending', tries: [] }])
  launch(worker)
  await until(async () => (await deliveries())[0]?.['status'] === 'delivered', 'it is delivered')
  t.equal(receiver.received.length, 2)
  t.ok(isSame(receiver.received), 'the receiver can recognize the duplicate')
  await oracle.judge('worker SIGKILLed when the receiver has a webhook and nothing is recorded')
})

t.test('killed between the write and the enqueue', { buffered: true }, async t => {
  const { receiver, redis, api, worker, cancel, deliveries, start, launch, oracle } = await startScene(t)
  const first = await start(api)
  // The queue refuses every job: only the write happens.
  const obstacle = '{vg}:notify:id'
  await redis.set(obstacle, 'an obstacle')
  const id = await cancel()
  await until(
    () => first.logs.some(line => line.includes('enqueue failed')), 'the failed enqueue is logged',
  )
  await first.kill()
  await redis.del(obstacle)
  t.strictSame(await redis.keys('{vg}:notify:*.*'), [], 'and no job is')
  launch(worker)
  await start(api)
  t.strictSame((await receiver.first(1)).map(idOf), [id])
  await until(async () => (await deliveries())[0]?.['status'] === 'delivered', 'it is recorded')
  t.equal(receiver.received.length, 1)
  await oracle.judge('api SIGKILLed between the change of state and the queue of webhooks')
})

if (isLong) t.test('killed at random moments', { buffered: true }, async t => {
  const { receiver, api, worker, cancel, deliveries, start, oracle } = await startScene(t)
  await start(api)
  let isOver = false
  const killing = (async () => {
    const crew = [start(worker), start(worker)]
    for (let count = 0; count < 6; count += 1) {
      const victim = await crew.shift()
      crew.push(start(worker))
      await delay(Math.random() * 200)
      await victim?.kill()
    }
    await Promise.all(crew)
    isOver = true
  })()
  const due: string[] = []
  while (!isOver) {
    due.push(await cancel())
    await delay(20)
  }
  await killing
  const missing = (): string[] => due.filter(id => !receiver.received.some(one => idOf(one) === id))
  await until(() => missing().length === 0, 'every webhook is received')
  await until(async () => (await deliveries()).every(({ status }) => status === 'delivered'), 'and recorded')
  const repeated = Map.groupBy(receiver.received, idOf)
  t.ok(repeated.values().every(isSame))
  t.comment(`${due.length} due, ${receiver.received.length} sent`)
  await oracle.judge('worker SIGKILLed six times at random while webhooks go out')
})
