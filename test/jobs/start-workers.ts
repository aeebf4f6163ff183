import { Queue } from 'bullmq'
import type { Test } from 'tap'
import { createQueues, queuePrefix } from '../../src/jobs/queues.ts'
import { startWorkers, type WorkersParts } from '../../src/jobs/workers.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { connectTo, startRedis } from '../helpers/redis.ts'

export type Run = { id: string, isLastTry: boolean, at: number, job: string | undefined }
type Options = {
  resolve?: (run: Run) => Promise<void>
  isSweepDue?: () => Promise<boolean>
  sweep?: () => Promise<number>
  now?: () => number
  /** Replaces the number of waiting jobs that the watchdog reads. */
  waiting?: (count: number) => Promise<number>
  server?: Awaited<ReturnType<typeof startRedis>>
  /** Another way to the same Redis. */
  workerUrl?: string
} & Pick<WorkersParts, 'concurrency' | 'watchEveryMs' | 'pauseMs'>

/** Workers on their own Redis. `resolve` and `sweep` are the processors of the jobs. */
export async function start (t: Test, options: Options = {}) {
  const { resolve = async () => {}, sweep = async () => 0, now = Date.now, workerUrl, ...settings } = options
  const { waiting = async count => count, isSweepDue = async () => true, ...others } = settings
  const { server = await startRedis(t), ...numbers } = others
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
    processors: {
      isSweepDue,
      sweep,
      notify: async () => {},
      resolve: async (id, isLastTry, job) => {
        const run = { id, isLastTry, at: performance.now(), job }
        runs.push(run)
        await resolve(run)
      },
    },
    ...numbers,
  }
  const workers = startWorkers(parts)
  t.teardown(async () => {
    await workers.close(2_000)
    await Promise.all([queue.close(), queues.close()])
  })
  return { server, redis, queues, queue, runs, logs, parts, workers, stalled, lostLocks: () => lostLocks }
}
