import { Queue } from 'bullmq'
import type { RedisClient } from '../store/redis.ts'

/**
 * BullMQ is a timer and a retry loop, never the record of truth: a job is the id of a verification, and what to do is
 * in the record.
 */
export const queueNames = { resolve: 'resolve', notify: 'notify', sweep: 'sweep' } as const
export type QueueName = keyof typeof queueNames

/** One hash tag for all queues: BullMQ's scripts touch several keys at once, also on Cluster. */
export const queuePrefix = '{vg}'

/**
 * Tries of one `resolve`; with the backoff they outlast the ten minutes that the longest-lived evidence is good for.
 */
export const resolveTries = 16

/** Of a verification, or (to notify) of a delivery. */
export type JobData = { id: string }

/**
 * `oldestAt`: since when the job that has waited longest could have been taken up; ms since the epoch, null when none
 * waits.
 */
export type QueueState = {
  queue: string, jobs: { waiting: number, active: number, delayed: number }, oldestAt: number | null,
}

/** Of the jobs that have waited longest, how many are looked at. */
const maxInspected = 10

export type Queues = {
  /** Adds a `resolve` job; the same name twice, while the first is there, is one job. */
  resolve (id: string, name: string, delayMs?: number): Promise<void>
  /** Adds a `notify` job, likewise. */
  notify (id: string, name: string): Promise<void>
  /** Adds the sweep of this second, unless another process did. */
  sweep (now: number): Promise<void>
  /** How many jobs of the queue nobody has taken up yet. */
  waiting (queue: QueueName): Promise<number>
  /** How full each queue is. Asks for so many things, however many jobs there are. */
  stats (): Promise<QueueState[]>
  /** All of them, to be looked at. */
  opened: readonly Queue[]
  close (): Promise<void>
}

/** Opens the producers on a connection that fails fast; the connection stays its owner's. */
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
    // Its retries are in the record of the delivery, over days.
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
      const [{ waiting = 0, active = 0, delayed = 0 }, first] = await Promise.all(
        [queue.getJobCounts('waiting', 'active', 'delayed'), queue.getWaiting(0, maxInspected - 1)],
      )
      // Nobody knows since when one waits that was tried before; but it waits longer than those behind it.
      const times = first.filter(({ attemptsMade }) => attemptsMade === 0).map(
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
