import { DelayedError, Worker, type Job } from 'bullmq'
import { ProviderError } from '../core/errors.ts'
import type { RedisClient } from '../store/redis.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { queueNames, queuePrefix, type JobData, type QueueName, type Queues } from './queues.ts'

export type Workers = {
  /** Whether all workers run. */
  isAlive (): boolean
  /** Whether jobs wait that no worker takes, although the worker was replaced several times. */
  isStuck (): boolean
  /** Waits for running jobs, at most `deadlineMs`, also when Redis is unavailable. */
  close (deadlineMs: number): Promise<void>
}

/** What the jobs do; implemented by the verifications room. */
export type JobProcessors = {
  /**
   * Runs the effect that the verification is due for: starts its attempt, or resolves its evidence. `job`: a job runs
   * only the effect that it was enqueued for. Throws a retryable `ProviderError` unless this is the last try.
   */
  resolve (id: string, isLastTry: boolean, job?: string): Promise<void>
  /** Makes one try of a webhook delivery. */
  notify (deliveryId: string): Promise<void>
  /** Whether a record is due. If none is, that counts as a sweep. */
  isSweepDue (): Promise<boolean>
  /** Processes every record that is due. Returns how many there were. */
  sweep (): Promise<number>
}

export type WorkersParts = {
  redis: RedisClient
  queues: Queues
  processors: JobProcessors
  metrics: Pick<Metrics, 'countLostLock' | 'countStalled'>
  log: Logger
  /** Ms since the epoch. */
  now: () => number
  /** Jobs that run at once, for each of `resolve` and `notify`. */
  concurrency?: number
  watchEveryMs?: number
  /** Delay of a job whose provider is not called because its circuit breaker is open. */
  pauseMs?: number
}

const sweepEveryMs = 1_000
/** Later sweeps have done the work of one that waited longer than this. */
const staleSweepMs = 2_500
const maxReplacements = 3
const connectionRetryMs = 1_000
const maxBackoffMs = 60_000
/** A job runs again about five seconds after its process died, because a user waits for it. */
const lockOptions = { lockDuration: 5_000, stalledInterval: 1_500, maxStalledCount: 5 }
/** When a sweep of a dead process counts as stalled: no caller waits for it, and another one follows in a second. */
const sweepStalledInterval = 30_000
/** How long a worker without jobs blocks its connection for the next one, in seconds; less than the socket timeout. */
const drainDelay = 10

export function startWorkers (parts: WorkersParts): Workers {
  const { redis, queues, processors, log, now, watchEveryMs = 5_000 } = parts
  const opened: OpenWorker[] = []
  const open = (queue: QueueName, replacements = 0): OpenWorker => {
    const worker = openWorker(queue, parts, replacements)
    opened.push(worker)
    return worker
  }
  let current = [open('resolve'), open('notify'), open('sweep')]
  let isClosing = false

  async function requestSweep (): Promise<void> {
    try {
      if (await processors.isSweepDue()) await queues.sweep(now())
    } catch (error) {
      log.warn({ cause: error instanceof Error ? error.name : 'unknown' }, 'sweep not enqueued')
    }
  }
  const sweeper = setInterval(requestSweep, sweepEveryMs)

  // A failover or a network that drops packets can block a connection for ever (bullmq #3088, #4585): jobs wait, and no
  // worker takes them.
  const watchdog = setInterval(async () => {
    const stuck = await findStuck(current, queues)
    if (isClosing || stuck.size === 0) return
    redis.disconnect(true)
    current = current.map(worker => {
      if (!stuck.has(worker)) return worker
      log.error({ queue: worker.queue }, 'worker stuck; replaced')
      worker.bullmq.close(true).catch(() => {})
      return open(worker.queue, worker.replacements + 1)
    })
  }, watchEveryMs)

  return {
    isAlive: () => current.every(({ bullmq }) => bullmq.isRunning()),
    isStuck: () => current.some(({ replacements }) => replacements >= maxReplacements),
    async close (deadlineMs) {
      isClosing = true
      clearInterval(sweeper)
      clearInterval(watchdog)
      let timer: NodeJS.Timeout | undefined
      const deadline = new Promise<void>(resolve => { timer = setTimeout(resolve, deadlineMs) })
      // Without Redis a job cannot be marked as finished, and a close that waits for it never ends (bullmq #4656).
      const isForced = redis.status !== 'ready'
      await Promise.race([Promise.allSettled(opened.map(({ bullmq }) => bullmq.close(isForced))), deadline])
      clearTimeout(timer)
    },
  }
}

type OpenWorker = {
  queue: QueueName
  bullmq: Worker
  concurrency: number
  /** Jobs that run now, and jobs taken since the start. */
  running: number
  taken: number
  /** `taken` at the last check; null when the worker had no job to take then. */
  takenAtLastCheck: number | null
  /** How many workers in a row were replaced before this one took a job. */
  replacements: number
}

function openWorker (queue: QueueName, parts: WorkersParts, replacements: number): OpenWorker {
  const { redis, metrics, log } = parts
  const concurrency = queue === 'sweep' ? 1 : parts.concurrency ?? 50
  const perform = createPerform(parts)
  async function run (job: Job<JobData>, token?: string): Promise<void> {
    worker.taken += 1
    worker.running += 1
    try {
      await perform(queue, job, token)
    } finally {
      worker.running -= 1
    }
  }
  // BullMQ must read the version of the server: if it does not know it, it rounds every delay up to whole seconds.
  const bullmq = new Worker(queueNames[queue], run, {
    connection: redis, prefix: queuePrefix, runRetryDelay: connectionRetryMs, ...lockOptions, concurrency, drainDelay,
    ...queue === 'sweep' ? { stalledInterval: sweepStalledInterval } : {},
    settings: { backoffStrategy },
  })
  bullmq.on('error', error => {
    if (/missing (lock|key) for job|lock mismatch/i.test(error.message)) metrics.countLostLock()
    else log.warn({ queue, cause: error.name }, 'worker error')
  })
  bullmq.on('stalled', () => metrics.countStalled(queueNames[queue]))
  const worker: OpenWorker = { queue, bullmq, concurrency, running: 0, taken: 0, takenAtLastCheck: null, replacements }
  return worker
}

type Perform = (queue: QueueName, job: Job<JobData>, token?: string) => Promise<void>

function createPerform ({ processors, log, now, pauseMs = 5_000 }: WorkersParts): Perform {
  async function guard (job: Job<JobData>, token: string | undefined, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (error instanceof ProviderError && error.reason === 'provider_unavailable') {
        // The circuit breaker refused the call. That is not a try, and must not lengthen the backoff.
        await job.moveToDelayed(Date.now() + pauseMs * jitterFactor(), token)
        throw new DelayedError()
      }
      if (error instanceof ProviderError) throw error
      log.error({ id: job.data.id, err: error }, 'job failed')
      // BullMQ stores the message in Redis, so it gets only the class of the error.
      throw new Error(error instanceof Error ? error.name : 'unknown')
    }
  }

  return async (queue, job, token) => {
    const isLastTry = job.attemptsMade + 1 >= (job.opts.attempts ?? 1)
    switch (queue) {
      case 'resolve': return guard(job, token, () => processors.resolve(job.data.id, isLastTry, job.id))
      case 'notify': return guard(job, token, () => processors.notify(job.data.id))
      case 'sweep': if (now() - job.timestamp < staleSweepMs) await processors.sweep()
    }
  }
}

async function findStuck (workers: readonly OpenWorker[], queues: Queues): Promise<Set<OpenWorker>> {
  const checked = await Promise.all(workers.map(async worker => await isStuck(worker, queues) ? worker : null))
  return new Set(checked.filter(worker => worker !== null))
}

/** Whether jobs waited at both of the last two checks, and the worker took none although it had capacity. */
async function isStuck (worker: OpenWorker, queues: Queues): Promise<boolean> {
  const hasCapacity = worker.running < worker.concurrency
  const isIdle = hasCapacity && await queues.waiting(worker.queue).then(count => count > 0, () => false)
  const stuck = isIdle && worker.takenAtLastCheck === worker.taken
  worker.takenAtLastCheck = isIdle ? worker.taken : null
  if (!isIdle || worker.taken > 0) worker.replacements = 0
  return stuck
}

/** ± 25 %. */
const jitterFactor = (): number => 0.75 + Math.random() / 2

/** 500 ms, doubled each time up to a minute, ± 25 %; or the provider's Retry-After, if that is longer. */
export function backoffStrategy (attemptsMade: number, _type?: string, error?: Error): number {
  const delayMs = Math.min(500 * 2 ** (attemptsMade - 1), maxBackoffMs) * jitterFactor()
  const retryAfterMs = error instanceof ProviderError ? error.retryAfterMs ?? 0 : 0
  return Math.max(delayMs, Math.min(retryAfterMs, maxBackoffMs * 5))
}
