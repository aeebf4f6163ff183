import { Queue } from 'bullmq'
import t, { type Test } from 'tap'
import { createQueues, queuePrefix, resolveTries } from '../../src/jobs/queues.ts'
import { connectTo, startRedis } from '../helpers/redis.ts'

async function open (t: Test) {
  const server = await startRedis(t)
  const redis = await connectTo(t, server.url)
  const queues = createQueues(redis, () => {})
  t.teardown(() => queues.close())
  const openQueue = (name: string): Queue => {
    const queue = new Queue(name, { connection: redis, prefix: queuePrefix })
    t.teardown(() => queue.close())
    return queue
  }
  return { server, redis, queues, openQueue }
}

t.test('a name is one job while that job exists', async t => {
  const { queues, openQueue } = await open(t)
  await queues.resolve('ver_a', 'ver_a.3')
  await queues.resolve('ver_a', 'ver_a.3')
  t.equal(await queues.waiting('resolve'), 1)
  await queues.resolve('ver_a', 'ver_a.4')
  await queues.resolve('ver_b', 'ver_b.3')
  t.equal(await queues.waiting('resolve'), 3)
  const jobs = await openQueue('resolve').getJobs('waiting')
  t.same(jobs.map(({ id }) => id).sort(), ['ver_a.3', 'ver_a.4', 'ver_b.3'])
  await openQueue('resolve').remove('ver_a.3')
  await queues.resolve('ver_a', 'ver_a.3')
  t.equal(await queues.waiting('resolve'), 3, 'the name is free again when the job is gone')
})

t.test('a job contains an id and nothing else', async t => {
  const { queues, redis } = await open(t)
  await queues.resolve('ver_a', 'ver_a.3')
  const { data, opts, ...rest } = await redis.hgetall(`${queuePrefix}:resolve:ver_a.3`)
  t.equal(data, '{"id":"ver_a"}')
  t.match(
    JSON.parse(opts ?? ''),
    { attempts: resolveTries, backoff: { type: 'custom' }, removeOnComplete: true, removeOnFail: true },
  )
  t.same(Object.keys(rest).sort(), ['delay', 'name', 'priority', 'timestamp'])
  await queues.sweep(1_000)
  t.equal(await redis.hget(`${queuePrefix}:sweep:sweep-1`, 'data'), '{}')
  for (const key of await redis.keys('*')) t.ok(key.startsWith(`${queuePrefix}:`), 'all keys share a hash tag')
})

t.test('one sweep job a second, with the time of the given clock', async t => {
  const { queues, openQueue } = await open(t)
  for (const now of [10_000, 10_400, 10_999, 11_000]) await queues.sweep(now)
  const jobs = await openQueue('sweep').getJobs('waiting', 0, -1, true)
  t.same(jobs.map(({ id, timestamp }) => [id, timestamp]), [['sweep-10', 10_000], ['sweep-11', 11_000]])
  t.equal(await queues.waiting('sweep'), 2)
  t.equal(await queues.waiting('resolve'), 0)
})

t.test('stats: the jobs of each queue, and since when the first could run', async t => {
  const { queues, openQueue, redis } = await open(t)
  const none = { waiting: 0, active: 0, delayed: 0 }
  t.strictSame(
    await queues.stats(), ['resolve', 'notify', 'sweep'].map(queue => ({ queue, jobs: none, oldestAt: null })),
  )

  const from = Date.now()
  for (let n = 0; n < 15; n += 1) await queues.notify(`ver_${n}`, `ver_${n}.1`)
  await queues.resolve('ver_a', 'ver_a.1', 60_000)
  await queues.sweep(5_000)
  const [resolve, notify, sweep] = await queues.stats()
  t.strictSame(
    resolve, { queue: 'resolve', jobs: { ...none, delayed: 1 }, oldestAt: null },
    'a delayed job does not wait',
  )
  t.match(notify, { queue: 'notify', jobs: { ...none, waiting: 15 } })
  const { oldestAt = null } = notify ?? {}
  t.ok(oldestAt !== null && oldestAt >= from && oldestAt <= Date.now())
  t.strictSame(sweep, { queue: 'sweep', jobs: { ...none, waiting: 1 }, oldestAt: 5_000 })

  await openQueue('resolve').getJob('ver_a.1').then(job => job?.promote())
  t.match((await queues.stats())[0], { jobs: { waiting: 1, delayed: 0 }, oldestAt: Number })
  t.ok(Number((await queues.stats())[0]?.oldestAt) >= from + 60_000, 'the requested delay does not count')
  await redis.hset(`${queuePrefix}:notify:ver_0.1`, 'timestamp', '1000', 'atm', '1')
  t.not(
    (await queues.stats())[1]?.oldestAt, 1_000, 'jobs that were tried before are ignored',
  )
})

t.test('fails fast while Redis is unavailable, and does not close the connection', async t => {
  const { server, redis, queues } = await open(t)
  await queues.resolve('ver_a', 'ver_a.1')
  server.pause()
  await Promise.all(
    [t.rejects(queues.resolve('ver_a', 'ver_a.2')), t.rejects(queues.sweep(1)), t.rejects(queues.waiting('resolve'))],
  )
  server.resume()
  await queues.close()
  t.equal(await redis.ping(), 'PONG')
})
