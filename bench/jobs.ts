import { createHistogram } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { pino } from 'pino'
import { createQueues } from '../src/jobs/queues.ts'
import { startWorkers } from '../src/jobs/workers.ts'
import { connectRedis, untilReady } from '../src/store/redis.ts'

// Our queues and our workers, doing no work of ours, in a process of its own.

const redisUrl = process.env['REDIS_URL'] ?? ''
const onError = (error: Error): void => console.error(error.message)
const [redis, workerRedis] = [connectRedis(redisUrl, 'api', { onError }), connectRedis(redisUrl, 'worker', { onError })]
await Promise.all([untilReady(redis), untilReady(workerRedis)])
const queues = createQueues(redis, onError)
let work = async (_id: string): Promise<void> => {}
const open = () => startWorkers({
  redis: workerRedis, queues, concurrency: 200, now: Date.now, log: pino({ level: 'silent' }),
  metrics: { countLostLock: () => {}, countStalled: () => {} },
  gateway: { resolve: id => work(id), notify: async () => {}, sweep: async () => 0 },
})

/** Adds jobs by the clock; how long it took from when one was due to when it was taken up. */
async function timePickUp (ratePerSecond: number, durationMs: number): Promise<{
  p50Ms: number, p99Ms: number, jobs: number,
}> {
  const latencies = createHistogram({ lowest: 1, highest: 60_000_000, figures: 3 })
  const dueAt = new Map<string, number>()
  const total = Math.floor(ratePerSecond * durationMs / 1000)
  let taken = 0
  work = async id => {
    latencies.record(Math.max(1, Math.round((performance.now() - (dueAt.get(id) ?? 0)) * 1000)))
    taken += 1
  }
  const startedAt = performance.now()
  for (let added = 0; added < total;) {
    const wanted = Math.min(total, Math.floor((performance.now() - startedAt) * ratePerSecond / 1000))
    for (; added < wanted; added += 1) {
      const id = `${startedAt}-${added}`
      dueAt.set(id, performance.now())
      queues.resolve(id, `job-${id}`).catch(onError)
    }
    await delay(1)
  }
  for (const until = performance.now() + 20_000; taken < total && performance.now() < until;) await delay(10)
  return { p50Ms: latencies.percentile(50) / 1000, p99Ms: latencies.percentile(99) / 1000, jobs: taken }
}

/** How near a backlog of jobs that only wait comes to all hands being full all the time. */
async function timeBacklog (jobs: number, jobMs: number): Promise<number> {
  let first = 0
  let done = 0
  const over = Promise.withResolvers<number>()
  work = async () => {
    first ||= performance.now()
    await delay(jobMs)
    done += 1
    if (done === jobs) over.resolve(performance.now() - first)
  }
  const base = String(performance.now())
  for (let at = 0; at < jobs; at += 500) {
    await Promise.all(
      Array.from(
        { length: Math.min(500, jobs - at) }, (_, n) => queues.resolve(`${base}-${at + n}`, `job-${base}-${at + n}`),
      ),
    )
  }
  const workers = open()
  const tookMs = await over.promise
  await workers.close(5_000)
  return jobs * jobMs / 200 / tookMs
}

process.on('message', async (message: { job?: 'pick-up' | 'backlog', durationMs?: number, jobs?: number }) => {
  if (message.job === 'backlog') process.send?.({ efficiency: await timeBacklog(message.jobs ?? 0, 20) })
  if (message.job !== 'pick-up') return
  const workers = open()
  await timePickUp(1_000, 1_000)
  const pickUp = await timePickUp(1_000, message.durationMs ?? 0)
  await workers.close(5_000)
  process.send?.({ pickUp })
})
process.send?.({ listening: 'jobs' })
