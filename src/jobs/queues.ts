import { Queue } from 'bullmq'
import type { RedisClient } from '../store/redis.ts'

/** BullMQ is a timer and a retry loop, never the record of truth: a job is the id of a verification, and what to do is in the record. */
export const queueNames = { resolve: 'resolve', sweep: 'sweep' } as const
export type QueueName = keyof typeof queueNames

/** One hash tag for all queues: BullMQ's scripts touch several keys at once, also on Cluster. */
export const queuePrefix = '{vg}'

/** Tries of one `resolve`; with the backoff they outlast the ten minutes that the longest-lived evidence is good for. */
export const resolveTries = 16

export type ResolveData = { id: string }

export type Queues = {
  /** Adds a `resolve` job; the same name twice, while the first is there, is one job. */
  resolve (id: string, name: string, delayMs?: number): Promise<void>
  /** Adds the sweep of this second, unless another process did. */
  sweep (now: number): Promise<void>
  /** How many jobs of the queue nobody has taken up yet. */
  waiting (queue: QueueName): Promise<number>
  close (): Promise<void>
}

/** Opens the producers on a connection that fails fast; the connection stays its owner's. */
export function openQueues (redis: RedisClient, onError: (error: Error) => void): Queues {
  const options = { connection: redis, prefix: queuePrefix, skipVersionCheck: true, skipWaitingForReady: true }
  const defaults = { removeOnComplete: true, removeOnFail: true, stackTraceLimit: 0 }
  const resolveQueue = new Queue<ResolveData>(queueNames.resolve, {
    ...options, defaultJobOptions: { ...defaults, attempts: resolveTries, backoff: { type: 'custom' } },
  })
  const sweepQueue = new Queue<Record<string, never>>(queueNames.sweep, { ...options, defaultJobOptions: { ...defaults, removeOnComplete: { age: 10, count: 30 } } })
  for (const queue of [resolveQueue, sweepQueue]) queue.on('error', onError)
  return {
    resolve: async (id, name, delay = 0) => { await resolveQueue.add('resolve', { id }, { jobId: name, delay }) },
    sweep: async now => { await sweepQueue.add('sweep', {}, { jobId: `sweep-${Math.floor(now / 1000)}`, timestamp: now }) },
    waiting: queue => (queue === 'resolve' ? resolveQueue : sweepQueue).getWaitingCount(),
    close: async () => { await Promise.allSettled([resolveQueue.close(), sweepQueue.close()]) },
  }
}
