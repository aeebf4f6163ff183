import { Queue } from 'bullmq'
import type { RedisClient } from '../store/redis.ts'

/**
 * BullMQ is a timer and a retry loop, not the source of truth: a job contains only an id, and the record says what to
 * do.
 */
export const queueNames = { resolve: 'resolve', notify: 'notify', sweep: 'sweep' } as const
export type QueueName = keyof typeof queueNames

/** One hash tag for all queues, because a script of BullMQ uses several keys, also on Cluster. */
export const queuePrefix = '{vg}'

/** Tries of one `resolve` job. With the backoff they last longer than the longest-lived evidence, ten minutes. */
export const resolveTries = 21

/** The id of a verification, or for `notify` of a delivery. */
export type JobData = { id: string }

/** `oldestAt`: since when the job that has waited longest could run; ms since the epoch, null when none waits. */
export type QueueState = {
  queue: string, jobs: { waiting: number, active: number, delayed: number }, oldestAt: number | null,
}

/** How many of the jobs that have waited longest `stats` reads. */
const maxInspected = 10

export type Queues = {
  /** Adds a `resolve` job. While a job with this name exists, does nothing. */
  resolve (id: string, name: string, delayMs?: number): Promise<void>
  /** Adds a `notify` job. While a job with this name exists, does nothing. */
  notify (id: string, name: string): Promise<void>
  /** Adds the sweep of this second, unless another process added it. */
  sweep (now: number): Promise<void>
  /** How many jobs of the queue wait for a worker. */
  waiting (queue: QueueName): Promise<number>
  /** The state of each queue. The cost does not depend on the number of jobs. */
  stats (): Promise<QueueState[]>
  /** All queues, for the queue dashboard. */
  opened: readonly Queue[]
  close (): Promise<void>
}

/** Opens the producers on a connection that fails fast, and does not close the connection. */
export function createQueues (
  redis: RedisClient, onError: (error: Error) => void, now: () => number = Date.now,
): Queues {
  const options = { connection: redis, prefix: queuePrefix, skipVersionCheck: true, skipWaitingForReady: true }
  const defaults = { removeOnComplete: true, removeOnFail: true, stackTraceLimit: 0 }
  const queues = {
    resolve: new Queue<JobData>(
      queueNames.resolve,
      { ...options, defaultJobOptions: { ...defaults, attempts: resolveTries, backoff: { type: 'custom' } } },
    ),
    // The record of the delivery has the schedule of its retries, over days.
    notify: new Queue<JobData>(queueNames.notify, { ...options, defaultJobOptions: defaults }),
    sweep: new Queue<Record<string, never>>(
      queueNames.sweep, { ...options, defaultJobOptions: { ...defaults, removeOnComplete: { age: 10, count: 30 } } },
    ),
  }
  for (const queue of Object.values(queues)) queue.on('error', onError)
  return {
    resolve: async (id, name, delay = 0) => {
      await queues.resolve.add('resolve', { id }, { jobId: name, delay, timestamp: now() })
    },
    notify: async (id, name) => { await queues.notify.add('notify', { id }, { jobId: name, timestamp: now() }) },
    sweep: async at => {
      await queues.sweep.add('sweep', {}, { jobId: `sweep-${Math.floor(at / 1000)}`, timestamp: at })
    },
    waiting: queue => queues[queue].getWaitingCount(),
    stats: () => Promise.all(Object.values(queues).map(async queue => {
      const [{ waiting = 0, active = 0, delayed = 0 }, oldest] = await Promise.all(
        [queue.getJobCounts('waiting', 'active', 'delayed'), queue.getWaiting(0, maxInspected - 1)],
      )
      // It is unknown since when a job waits that was tried before, but it waits longer than the jobs behind it.
      const times = oldest.filter(({ attemptsMade }) => attemptsMade === 0).map(
        ({ timestamp, opts: { delay = 0 } }) => timestamp + delay,
      )
      return {
        queue: queue.name, jobs: { waiting, active, delayed }, oldestAt: times.length === 0 ? null : Math.min(...times),
      }
    })),
    opened: Object.values(queues),
    close: async () => { await Promise.allSettled(Object.values(queues).map(queue => queue.close())) },
  }
}
