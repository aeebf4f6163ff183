import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { Queue, Worker } from 'bullmq'
import t, { type Test } from 'tap'
import { ProviderError } from '../../src/core/errors.ts'
import { createQueues, queuePrefix } from '../../src/jobs/queues.ts'
import { startWorkers, type Workers, type WorkersParts } from '../../src/jobs/workers.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { connectTo, startRedis, until } from '../helpers/redis.ts'

t.jobs = 4
t.setTimeout(120_000)

type Run = { id: string, isLastTry: boolean, at: number }
/**
 * Workers on a Redis of their own; `resolve` and `sweep` are what jobs come to. `workerUrl`: another way to the same
 * Redis.
 */
async function start (t: Test, { resolve = async () => {}, sweep = async () => 0, now = Date.now, concurrency, watchEveryMs, pauseMs, waiting = async count => count, server, workerUrl }: {
  resolve?: (run: Run) =>
    Promise<void>, sweep?: () =>
      Promise<number>, now?: () =>
        number, concurrency?: number, watchEveryMs?: number, pauseMs?: number, waiting?: (count: number) =>
          Promise<number>
  server?: Awaited<ReturnType<typeof startRedis>>, workerUrl?: string
} = {}) {
  server ??= await startRedis(t)
  const redis = await connectTo(t, server.url)
  const queues = createQueues(redis, () => {})
  const queue = new Queue('resolve', { connection: redis, prefix: queuePrefix }).on('error', () => {})
  const runs: Run[] = []
  const logs: string[] = []
  let lostLocks = 0
  const stalled: string[] = []
  const parts: WorkersParts = {
    now, queues: { ...queues, waiting: async name => waiting(await queues.waiting(name)) },
    redis: await connectTo(t, workerUrl ?? server.url, 'worker'),
    log: createLogger('debug', { write: line => { logs.push(line) } }),
    metrics: { countLostLock: () => { lostLocks += 1 }, countStalled: queue => { stalled.push(queue) } },
    gateway: {
      sweep,
      notify: async () => {},
      resolve: async (id, isLastTry) => {
        const run = { id, isLastTry, at: performance.now() }
        runs.push(run)
        await resolve(run)
      },
    },
    ...(concurrency === undefined ? {} : { concurrency }), ...(
      watchEveryMs === undefined ? {} : { watchEveryMs }
    ), ...(pauseMs === undefined ? {} : { pauseMs }),
  }
  const workers = startWorkers(parts)
  t.teardown(async () => {
    await workers.close(2_000)
    await Promise.all([queue.close(), queues.close()])
  })
  return { server, redis, queues, queue, runs, logs, parts, workers, stalled, lostLocks: () => lostLocks }
}

const isEmpty = async (queue: Queue): Promise<boolean> =>
  Object.values(
    await queue.getJobCounts('wait', 'active', 'delayed', 'completed', 'failed'),
  ).every(count => count === 0)

const outage = (retryAfterMs: number | null = null): ProviderError =>
  new ProviderError('truid', 'read check', 'provider_error', { retryable: true, retryAfterMs })

t.test('a job runs once, is gone afterwards, and may come again', { buffered: true }, async t => {
  const { queues, queue, runs, workers } = await start(t)
  t.ok(workers.isAlive())
  for (let round = 1; round <= 2; round += 1) {
    await queues.resolve('ver_a', 'ver_a.1')
    await until(async () => runs.length === round && await isEmpty(queue), 'it has run')
    t.match(runs.at(-1), { id: 'ver_a', isLastTry: false })
  }
})

t.test('what may succeed later is tried again, each time later, and as late as the provider asks', {
  buffered: true,
}, async t => {
  const { queues, queue, runs } = await start(t, {
    resolve: async () => {
      if (runs.length <= 2) throw outage()
      if (runs.length === 3) throw outage(3_500)
    },
  })
  await queues.resolve('ver_a', 'ver_a.1')
  await until(async () => runs.length === 4 && await isEmpty(queue), 'it succeeds')
  const pauses = runs.slice(1).map(({ at }, n) => at - (runs[n]?.at ?? 0))
  for (const [n, [least, most]] of ([[375, 1_400], [750, 2_000], [3_500, 4_500]] as const).entries()) {
    t.ok((pauses[n] ?? 0) >= least && (pauses[n] ?? 0) <= most, `pause ${n + 1} was ${Math.round(pauses[n] ?? 0)} ms`)
  }
})

t.test('a call that was not made is no try', { buffered: true }, async t => {
  const { queue, runs } = await start(t, {
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
  const longest = Math.max(...runs.slice(1).map(({ at }, n) => at - (runs[n]?.at ?? 0)))
  t.ok(longest < 2_000, `no pause was longer than ${Math.round(longest)} ms`)
})

t.test('the last try is told that it is', { buffered: true }, async t => {
  const { queue, runs } = await start(t, { resolve: async ({ isLastTry }) => { if (!isLastTry) throw outage() } })
  await queue.add(
    'resolve', { id: 'ver_a' },
    { attempts: 3, backoff: { type: 'custom' }, removeOnComplete: true, removeOnFail: true },
  )
  await until(async () => runs.length === 3 && await isEmpty(queue), 'it settles')
  t.same(runs.map(({ isLastTry }) => isLastTry), [false, false, true])
})

t.test('of an unexpected error only its class gets into Redis', { buffered: true }, async t => {
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
  t.ok(logs.some(line => /"job failed"/.test(line) && /ver_a/.test(line)), 'the operator sees which job')
  await until(() => runs.length === 2, 'it is tried again')
})

t.test('a job whose process died runs again within seconds', { buffered: true }, async t => {
  const server = await startRedis(t)
  const connection = await connectTo(t, server.url, 'worker')
  const queues = createQueues(await connectTo(t, server.url), () => {})
  await queues.resolve('ver_a', 'ver_a.1')
  await queues.close()
  // It takes the job for five seconds, as ours do, and is never heard of again.
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
  t.ok(seconds > 2 && seconds < 9, `after ${seconds.toFixed(1)} s`)
})

t.test('a lost lock is counted, and is no warning', { buffered: true }, async t => {
  let goOn = (): void => {}
  const { queues, redis, runs, logs, lostLocks } = await start(
    t, { resolve: () => new Promise(resolve => { goOn = resolve }) },
  )
  await queues.resolve('ver_a', 'ver_a.1')
  await until(() => runs.length === 1, 'it runs')
  await redis.del(`${queuePrefix}:resolve:ver_a.1:lock`)
  goOn()
  await until(() => lostLocks() > 0, 'it is counted')
  t.notMatch(logs.join(), /worker error/)
})

t.test('every second one sweep, however many processes', { buffered: true }, async t => {
  const sweeps: number[] = []
  // A clock of another day: what counts is how long a sweep waited, not what time it is.
  const now = (): number => Date.now() + 86_400_000
  const sweep = async (): Promise<number> => sweeps.push(performance.now())
  const { server } = await start(t, { sweep, now })
  await start(t, { sweep, now, server })
  await until(() => sweeps.length >= 4, 'four sweeps')
  t.ok((sweeps[3] ?? 0) - (sweeps[0] ?? 0) > 2_000, 'not twice a second')
})

t.test('a sweep that waited too long is left to the next one', { buffered: true }, async t => {
  const server = await startRedis(t)
  const queues = createQueues(await connectTo(t, server.url), () => {})
  let sweeps = 0
  const now = Date.now()
  for (let n = 3; n < 60; n += 1) await queues.sweep(now - n * 1_000)
  t.equal(await queues.waiting('sweep'), 57)
  const sweep = async (): Promise<number> => { sweeps += 1; return 0 }
  await start(t, { server, sweep })
  await until(async () => await queues.waiting('sweep') === 0, 'the old ones are gone')
  t.ok(sweeps <= 2, `${sweeps} sweeps`)
  await queues.close()
})

/** A wire to Redis that can fall silent: connections stay, and carry nothing any more. New ones work. */
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

t.test('workers whose connections fell silent are replaced', { buffered: true }, async t => {
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
  await until(() => runs.length === 2 && sweeps > before + 1, 'they work again', 25_000)
  t.comment(`silent connections: jobs and sweeps go on after ${((performance.now() - from) / 1000).toFixed(1)} s`)
  t.ok(logs.some(line => /takes no jobs, replaced/.test(line)), 'the operator hears of it')
  t.ok(workers.isAlive())
})

t.test('workers that no replacement mends are beyond repair, until they take a job', { buffered: true }, async t => {
  let isBlind = false
  // As if jobs waited that it never gets to see.
  const { queues, runs, logs, workers } = await start(
    t, { watchEveryMs: 1_000, waiting: async count => isBlind ? 1 : count },
  )
  await queues.resolve('ver_a', 'ver_a.1')
  await until(() => runs.length === 1, 'they work')
  t.equal(workers.isStuck(), false)
  isBlind = true
  await until(() => workers.isStuck(), 'they are given up', 20_000)
  t.ok(
    logs.filter(line => /takes no jobs, replaced/.test(line)).length >= 3, 'not before each was replaced three times',
  )
  isBlind = false
  await queues.resolve('ver_b', 'ver_b.1')
  await until(() => runs.length === 2 && !workers.isStuck(), 'they are found to work again', 20_000)
})

t.test('workers that are busy are left alone', { buffered: true }, async t => {
  let goOn = (): void => {}
  const blocked = new Promise<void>(resolve => { goOn = resolve })
  const { queues, runs, logs } = await start(t, { concurrency: 2, resolve: () => blocked })
  for (let n = 0; n < 4; n += 1) await queues.resolve(`ver_${n}`, `ver_${n}.1`)
  const from = performance.now()
  await until(() => performance.now() - from > 11_000, 'the watchdog has looked twice', 12_000)
  t.equal(runs.length, 2, 'no more than may run at once')
  t.notMatch(logs.join(), /replaced/)
  goOn()
  await until(() => runs.length === 4, 'the others follow')
})

/** Tells how long it took. */
async function timeClose (workers: Workers, deadlineMs: number): Promise<number> {
  const from = performance.now()
  await workers.close(deadlineMs)
  return performance.now() - from
}

t.test('close lets jobs in hand finish, and takes no more', { buffered: true }, async t => {
  let goOn = (): void => {}
  const { queues, queue, runs, workers } = await start(
    t, { concurrency: 1, resolve: () => new Promise(resolve => { goOn = resolve }) },
  )
  await queues.resolve('ver_a', 'ver_a.1')
  await queues.resolve('ver_b', 'ver_b.1')
  await until(() => runs.length === 1, 'the first runs')
  const closing = timeClose(workers, 5_000)
  setImmediate(() => goOn())
  t.ok(await closing < 2_000)
  t.match(await queue.getJobCounts('wait', 'active'), { wait: 1, active: 0 })
})

t.test('close comes back in time', { buffered: true }, async t => {
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
      await until(() => parts.redis.status !== 'ready', 'it is noticed')
    }
    const ms = await timeClose(workers, 1_000)
    t.ok(ms < 1_300, `${what}: ${Math.round(ms)} ms`)
    end()
    // What is still closing has an end then, and with it this process.
    if (what === 'Redis frozen') server.resume()
  }
})
