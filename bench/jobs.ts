import { createHistogram } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { pino } from 'pino'
import { createQueues } from '../src/jobs/queues.ts'
import { startWorkers } from '../src/jobs/workers.ts'
import { connectRedis, untilReady } from '../src/store/redis.ts'

// The queues and workers of the gateway, with jobs that do nothing, in a separate process.

const redisUrl = process.env['REDIS_URL'] ?? ''
const onError = (error: Error): void => console.error(error.message)
const [redis, workerRedis] = [connectRedis(redisUrl, 'api', { onError }), connectRedis(redisUrl, 'worker', { onError })]
await Promise.all([untilReady(redis), untilReady(workerRedis)])
const queues = createQueues(redis, onError)
let work = async (_id: string): Promise<void> => {}
const start = () => startWorkers({
  redis: workerRedis, queues, concurrency: 200, now: Date.now, log: pino({ level: 'silent' }),
  metrics: { countLostLock: () => {}, countStalled: () => {} },
  processors: {
    resolve: id => work(id), notify: async () => {}, isSweepDue: async () => false, sweep: async () => 0,
  },
})

/** Adds jobs at a fixed rate, and measures from the time at which a job was due until a worker picked it up. */
async function timePickUp (ratePerSecond: number, durationMs: number): Promise<{
  p50Ms: number, p99Ms: number, jobs: number,
}> {
  const latencies = createHistogram({ lowest: 1, highest: 60_000_000, figures: 3 })
  const dueAt = new Map<string, number>()
  const total = Math.floor(ratePerSecond * durationMs / 1000)
  let pickedUp = 0
  work = async id => {
    latencies.record(Math.max(1, Math.round((performance.now() - (dueAt.get(id) ?? 0)) * 1000)))
    pickedUp += 1
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
  for (const until = performance.now() + 20_000; pickedUp < total && performance.now() < until;) await delay(10)
  return { p50Ms: latencies.percentile(50) / 1000, p99Ms: latencies.percentile(99) / 1000, jobs: pickedUp }
}

process.on('message', async (message: { durationMs?: number }) => {
  if (message.durationMs === undefined) return
  const workers = start()
  await timePickUp(1_000, 1_000)
  const pickUp = await timePickUp(1_000, message.durationMs)
  await workers.close(5_000)
  process.send?.(pickUp)
})
process.send?.({ listening: 'jobs' })
