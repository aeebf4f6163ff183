import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { Queue, Worker } from 'bullmq'
import t, { type Test } from 'tap'
import { ProviderError } from '../../src/core/errors.ts'
import { createQueues, queuePrefix, resolveTries } from '../../src/jobs/queues.ts'
import { backoffStrategy } from '../../src/jobs/workers.ts'
import { connectTo, startRedis, until } from '../helpers/redis.ts'
import { start } from './start-workers.ts'

t.jobs = 4
t.setTimeout(120_000)

const isEmpty = async (queue: Queue): Promise<boolean> =>
  Object.values(
    await queue.getJobCounts('wait', 'active', 'delayed', 'completed', 'failed'),
  ).every(count => count === 0)

const outage = (retryAfterMs: number | null = null): ProviderError =>
  new ProviderError('truid', 'read check', 'provider_error', { retryable: true, retryAfterMs })

t.test('a job runs once, is removed afterwards, and its name may be used again', { buffered: true }, async t => {
  const { queues, queue, runs, workers } = await start(t)
  t.ok(workers.isAlive())
  for (let round = 1; round <= 2; round += 1) {
    await queues.resolve('ver_a', 'ver_a.1')
    await until(async () => runs.length === round && await isEmpty(queue), 'it has run')
    t.match(runs.at(-1), { id: 'ver_a', isLastTry: false, job: 'ver_a.1' })
  }
})

t.test('retries back off, and wait as long as the provider asks', { buffered: true }, async t => {
  const { queues, queue, runs } = await start(t, {
    resolve: async () => {
      if (runs.length <= 2) throw outage()
      if (runs.length === 3) throw outage(3_500)
    },
  })
  await queues.resolve('ver_a', 'ver_a.1')
  await until(async () => runs.length === 4 && await isEmpty(queue), 'it succeeds')
  const pauses = runs.slice(1).map(({ at }, n) => at - (runs[n]?.at ?? 0))
  for (const [n, least] of [375, 750, 3_500].entries()) {
    t.ok((pauses[n] ?? 0) >= least, `pause ${n + 1} was ${Math.round(pauses[n] ?? 0)} ms`)
  }
})

t.test('a call that the circuit breaker refused does not count as a try', { buffered: true }, async t => {
  const { queue, runs, lostLocks } = await start(t, {
    pauseMs: 40,
    resolve: async () => {
      if (runs.length <= 10) throw new ProviderError('truid', 'read check', 'provider_unavailable', { retryable: true })
    },
  })
  await queue.add(
    'resolve', { id: 'ver_a' },
    { attempts: 2, backoff: { type: 'custom' }, removeOnComplete: true, removeOnFail: true },
  )
  await until(async () => runs.length === 11 && await isEmpty(queue), 'it settles')
  t.ok(runs.every(({ isLastTry }) => !isLastTry))
  t.equal(lostLocks(), 0)
})

t.test('the tries of a job last longer than evidence lives, and a Retry-After of hours does not stop them', async t => {
  const shortest = Array.from({ length: resolveTries - 1 }, (_, n) => backoffStrategy(n + 1))
  t.ok(shortest.reduce((sum, ms) => sum + ms, 0) > 600_000)
  const asking = (retryAfterMs: number) =>
    new ProviderError('truid', 'read check', 'rate_limited_by_provider', { retryable: true, retryAfterMs })
  t.equal(backoffStrategy(1, 'custom', asking(200_000)), 200_000)
  t.equal(backoffStrategy(1, 'custom', asking(9_000_000)), 300_000)
})

t.test('the last try is marked', { buffered: true }, async t => {
  const { queue, runs } = await start(t, { resolve: async ({ isLastTry }) => { if (!isLastTry) throw outage() } })
  await queue.add(
    'resolve', { id: 'ver_a' },
    { attempts: 3, backoff: { type: 'custom' }, removeOnComplete: true, removeOnFail: true },
  )
  await until(async () => runs.length === 3 && await isEmpty(queue), 'it settles')
  t.same(runs.map(({ isLastTry }) => isLastTry), [false, false, true])
})

t.test('of an unexpected error Redis gets only the class', { buffered: true }, async t => {
  const { queues, redis, runs, logs } = await start(t, {
    resolve: async () => { if (runs.length === 1) throw new RangeError('secret-words') },
  })
  await queues.resolve('ver_a', 'ver_a.1')
  await until(async () => await redis.hget(`${queuePrefix}:resolve:ver_a.1`, 'failedReason') !== null, 'it failed')
  const job = await redis.hgetall(`${queuePrefix}:resolve:ver_a.1`)
  t.equal(job['failedReason'], 'RangeError')
  t.notMatch(
    JSON.stringify([job, await redis.xrange(`${queuePrefix}:resolve:events`, '-', '+')]), /secret-words|test\.ts/,
  )
  t.ok(logs.some(line => /"job failed"/.test(line) && /ver_a/.test(line)), 'the log names the job')
  await until(() => runs.length === 2, 'it is tried again')
})

t.test('a job whose process died runs again within seconds', { buffered: true }, async t => {
  const server = await startRedis(t)
  const connection = await connectTo(t, server.url, 'worker')
  const queues = createQueues(await connectTo(t, server.url), () => {})
  await queues.resolve('ver_a', 'ver_a.1')
  await queues.close()
  // This worker takes the job for five seconds, as ours do, and then does nothing.
  const dead = new Worker(
    'resolve', null, { connection, prefix: queuePrefix, lockDuration: 5_000, skipVersionCheck: true },
  )
  t.equal((await dead.getNextJob('token'))?.id, 'ver_a.1')
  await dead.close(true)

  const from = performance.now()
  const { queue, runs, stalled } = await start(t, { server })
  await until(async () => runs.length === 1 && await isEmpty(queue), 'it runs again')
  t.strictSame(stalled, ['resolve'], 'and is counted')
  const seconds = ((runs[0]?.at ?? 0) - from) / 1000
  t.ok(seconds > 2, `after ${seconds.toFixed(1)} s, when the lock has expired`)
})

t.test('a lost lock is counted, and is not logged', { buffered: true }, async t => {
  let finish = (): void => {}
  const { queues, redis, runs, logs, lostLocks } = await start(
    t, { resolve: () => new Promise(resolve => { finish = resolve }) },
  )
  await queues.resolve('ver_a', 'ver_a.1')
  await until(() => runs.length === 1, 'it runs')
  await redis.del(`${queuePrefix}:resolve:ver_a.1:lock`)
  finish()
  await until(() => lostLocks() > 0, 'it is counted')
  t.notMatch(logs.join(), /worker error/)
})

t.test('all processes together sweep once a second', { buffered: true }, async t => {
  const sweeps: number[] = []
  // Another day: only how long a sweep waited matters, and not the time.
  const now = (): number => Date.now() + 86_400_000
  const sweep = async (): Promise<number> => sweeps.push(performance.now())
  const { server } = await start(t, { sweep, now })
  await start(t, { sweep, now, server })
  await until(() => sweeps.length >= 4, 'four sweeps')
  t.ok((sweeps[3] ?? 0) - (sweeps[0] ?? 0) > 2_000, 'at most once a second')
})

t.test('no sweep is enqueued while no record is due', { buffered: true }, async t => {
  const answers = [false, false, true]
  const checks: boolean[] = []
  let sweeps = 0
  const isSweepDue = async (): Promise<boolean> => {
    const isDue = answers[checks.length] ?? false
    checks.push(isDue)
    return isDue
  }
  const { queues } = await start(t, { isSweepDue, sweep: async () => { sweeps += 1; return 0 } })
  await until(() => checks.length === 2, 'two checks')
  t.strictSame([sweeps, await queues.waiting('sweep')], [0, 0])
  await until(() => checks.length >= 5, 'more checks')
  t.equal(sweeps, 1)
})

t.test('a sweep that waited too long is skipped', { buffered: true }, async t => {
  const server = await startRedis(t)
  const queues = createQueues(await connectTo(t, server.url), () => {})
  let sweeps = 0
  const now = Date.now()
  for (let n = 3; n < 60; n += 1) await queues.sweep(now - n * 1_000)
  t.equal(await queues.waiting('sweep'), 57)
  const sweep = async (): Promise<number> => { sweeps += 1; return 0 }
  await start(t, { server, sweep })
  await until(async () => await queues.waiting('sweep') === 0, 'the old sweeps are taken')
  // One that is due now, and one for each second until the others are taken.
  t.ok(sweeps < 15, `${sweeps} sweeps`)
  await queues.close()
})

/** A proxy to Redis. After `silence` its connections stay open and carry nothing; new connections work. */
async function startWire (t: Test, port: number): Promise<{ url: string, silence (): number }> {
  let pairs: [Socket, Socket][] = []
  const server = createServer(inner => {
    const outer = connect(port, '127.0.0.1')
    pairs.push([inner, outer])
    inner.pipe(outer).pipe(inner)
    for (const socket of [inner, outer]) socket.on('error', () => {})
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const all: Socket[] = []
  t.teardown(() => {
    server.close()
    for (const socket of [...all, ...pairs.flat()]) socket.destroy()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    url: `redis://127.0.0.1:${address.port}`,
    silence () {
      const silenced = pairs
      pairs = []
      for (const [inner, outer] of silenced) {
        inner.unpipe().pause()
        outer.unpipe().pause()
        all.push(inner, outer)
      }
      return silenced.length
    },
  }
}

t.test('workers on silent connections are replaced', { buffered: true }, async t => {
  const server = await startRedis(t)
  const wire = await startWire(t, server.port)
  let sweeps = 0
  const { queues, runs, logs, workers } = await start(
    t, { server, workerUrl: wire.url, sweep: async () => { sweeps += 1; return 0 } },
  )
  await queues.resolve('ver_a', 'ver_a.1')
  await until(() => runs.length === 1 && sweeps > 0, 'they work')
  t.equal(wire.silence(), 4)
  const [from, before] = [performance.now(), sweeps]
  await queues.resolve('ver_b', 'ver_b.1')
  await until(() => runs.length === 2 && sweeps > before + 1, 'they work again', 60_000)
  t.comment(`silent connections: jobs and sweeps continue after ${((performance.now() - from) / 1000).toFixed(1)} s`)
  t.ok(logs.some(line => /worker stuck; replaced/.test(line)), 'it is logged')
  t.ok(workers.isAlive())
})

t.test('workers that stay stuck are reported until one takes a job', { buffered: true }, async t => {
  let hasPhantomJobs = false
  // The watchdog sees jobs that no worker can take.
  const { queues, runs, logs, workers } = await start(
    t, { watchEveryMs: 1_000, waiting: async count => hasPhantomJobs ? 1 : count },
  )
  await queues.resolve('ver_a', 'ver_a.1')
  await until(() => runs.length === 1, 'they work')
  t.equal(workers.isStuck(), false)
  hasPhantomJobs = true
  await until(() => workers.isStuck(), 'they are reported as stuck', 60_000)
  t.ok(
    logs.filter(line => /worker stuck; replaced/.test(line)).length >= 3, 'only after three replacements',
  )
  hasPhantomJobs = false
  await queues.resolve('ver_b', 'ver_b.1')
  await until(() => runs.length === 2 && !workers.isStuck(), 'they are no longer stuck', 60_000)
})

t.test('busy workers are not replaced', { buffered: true }, async t => {
  let checks = 0
  const { promise: blocked, resolve: finish } = Promise.withResolvers<void>()
  const { queues, runs, logs } = await start(t, {
    concurrency: 2, watchEveryMs: 200, resolve: () => blocked,
    // The watchdog reads this for the idle queues at each check.
    waiting: async count => { checks += 1; return count },
  })
  for (let n = 0; n < 4; n += 1) await queues.resolve(`ver_${n}`, `ver_${n}.1`)
  await until(() => runs.length === 2, 'both slots are used')
  checks = 0
  await until(() => checks >= 8, 'the watchdog has checked at least three times', 60_000)
  t.equal(runs.length, 2, 'no more than the concurrency')
  t.notMatch(logs.join(), /replaced/)
  finish()
  await until(() => runs.length === 4, 'the others run')
})

t.test('close waits for running jobs, and takes no more', { buffered: true }, async t => {
  let finish = (): void => {}
  const { queues, queue, runs, workers } = await start(
    t, { concurrency: 1, resolve: () => new Promise(resolve => { finish = resolve }) },
  )
  await queues.resolve('ver_a', 'ver_a.1')
  await queues.resolve('ver_b', 'ver_b.1')
  await until(() => runs.length === 1, 'the first runs')
  const closing = workers.close(60_000)
  setImmediate(() => finish())
  await closing
  t.match(await queue.getJobCounts('wait', 'active'), { wait: 1, active: 0 })
})

t.test('close ends at its deadline', { buffered: true }, async t => {
  for (const what of ['a job that does not end', 'Redis frozen', 'Redis gone']) {
    let end = (): void => {}
    const { queues, server, runs, parts, workers } = await start(
      t, { resolve: () => new Promise(resolve => { end = resolve }) },
    )
    await queues.resolve('ver_a', 'ver_a.1')
    await until(() => runs.length === 1, 'it runs')
    if (what === 'Redis frozen') server.pause()
    if (what === 'Redis gone') {
      await server.stop()
      await until(() => parts.redis.status !== 'ready', 'the client notices')
    }
    await workers.close(1_000)
    t.pass(what)
    end()
    // The connections that are still closing end, and with them this process.
    if (what === 'Redis frozen') server.resume()
  }
})
