import { DelayedError, Worker, type Job } from 'bullmq'
import { ProviderError } from '../core/errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { RedisClient } from '../store/redis.ts'
import { queueNames, queuePrefix, type JobData, type QueueName, type Queues } from './queues.ts'

export type Workers = {
  /** Whether jobs are being taken up. */
  isAlive (): boolean
  /** Whether jobs wait that no worker takes, however often it was replaced. */
  isStuck (): boolean
  /** Lets the jobs in hand finish, for at most this long. Never hangs, also when Redis is away. */
  close (deadlineMs: number): Promise<void>
}

/** What the jobs do; the verifications room has it. */
export type JobProcessors = {
  /**
   * Does what the verification owes: starts its attempt, or resolves its evidence. With the name of a job: only what it
   * owed
   * when the job was made. Throws a retryable `ProviderError` unless it is the last try.
   */
  resolve (id: string, isLastTry: boolean, job?: string): Promise<void>
  /** Tries a webhook delivery. */
  notify (deliveryId: string): Promise<void>
  /** Applies the passing of time to everything that is due. Returns how many records there were. */
  sweep (): Promise<number>
}

export type WorkersParts = {
  redis: RedisClient
  queues: Queues
  processors: JobProcessors
  metrics: Pick<Metrics, 'countLostLock' | 'countStalled'>
  log: Logger
  now: () => number
  concurrency?: number
  watchEveryMs?: number
  /** How long a job waits whose provider is not called for the time being. */
  pauseMs?: number
}

const sweepEveryMs = 1_000
/** A sweep that waited longer than this was overtaken by the next ones. */
const staleSweepMs = 2_500
const maxReplacements = 3
const connectionRetryMs = 1_000
const maxBackoffMs = 60_000
/**
 * A job is run again about five seconds after its process died: seconds, since somebody is waiting in front of a
 * screen.
 */
const lock = { lockDuration: 5_000, stalledInterval: 1_500, maxStalledCount: 5 }

/** A worker and what it is seen to do. */
type Watched = {
  queue: QueueName
  worker: Worker
  concurrency: number
  running: number
  taken: number
  /** At the last look: how many it had taken, if jobs were waiting that it could have taken. */
  before: number | null
  /** How many before it, one after the other, were replaced in vain. */
  replaced: number
}

export function startWorkers (
  {
    redis, queues, processors, metrics, log, now, concurrency = 50, watchEveryMs = 5_000, pauseMs = 5_000,
  }: WorkersParts,
): Workers {
  // BullMQ must know the server's version: for an unknown one it rounds every delay up to whole seconds.
  const options = { connection: redis, prefix: queuePrefix, runRetryDelay: connectionRetryMs, ...lock }
  const opened: Worker[] = []
  let running: Watched[] = [open('resolve'), open('notify'), open('sweep')]
  let isClosing = false

  function open (queue: QueueName, replaced = 0): Watched {
    const most = queue === 'sweep' ? 1 : concurrency
    const work = async (job: Job, token?: string): Promise<void> => {
      watched.taken += 1
      watched.running += 1
      try {
        await perform(queue, job, token)
      } finally {
        watched.running -= 1
      }
    }
    const worker = new Worker(queueNames[queue], work, { ...options, concurrency: most, settings: { backoffStrategy } })
    worker.on('error', error => {
      if (/missing (lock|key) for job|lock mismatch/i.test(error.message)) metrics.countLostLock()
      else log.warn({ queue, cause: error.name }, 'worker error')
    })
    worker.on('stalled', () => metrics.countStalled(queueNames[queue]))
    opened.push(worker)
    const watched: Watched = { queue, worker, concurrency: most, running: 0, taken: 0, before: null, replaced }
    return watched
  }

  async function perform (queue: QueueName, job: Job<JobData>, token?: string): Promise<void> {
    switch (queue) {
      case 'resolve': return guard(
        job, token, () => processors.resolve(job.data.id, job.attemptsMade + 1 >= (job.opts.attempts ?? 1), job.id),
      )
      case 'notify': return guard(job, token, () => processors.notify(job.data.id))
      case 'sweep': if (now() - job.timestamp < staleSweepMs) await processors.sweep()
    }
  }

  async function guard (job: Job<JobData>, token: string | undefined, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (error instanceof ProviderError && error.reason === 'provider_unavailable') {
        // Our own breaker refused: that was no try, and the next one must not come later for it.
        await job.moveToDelayed(Date.now() + pauseMs * (0.75 + Math.random() / 2), token)
        throw new DelayedError()
      }
      if (error instanceof ProviderError) throw error
      log.error({ id: job.data.id, err: error }, 'job failed')
      // BullMQ keeps the message in Redis: only words of ours may go there.
      throw new Error(error instanceof Error ? error.name : 'unknown')
    }
  }

  const sweeper = setInterval(() => {
    queues.sweep(now()).catch(
      error => log.warn({ cause: error instanceof Error ? error.name : 'unknown' }, 'sweep not queued')
    )
  }, sweepEveryMs)

  /** Whether jobs waited all the time since the last look, and it had hands free and took none. */
  async function isStuck (watched: Watched): Promise<boolean> {
    const isIdle = watched.running < watched.concurrency && await queues.waiting(watched.queue).then(
      count => count > 0, () => false,
    )
    const stuck = isIdle && watched.before === watched.taken
    watched.before = isIdle ? watched.taken : null
    if (!isIdle || watched.taken > 0) watched.replaced = 0
    return stuck
  }

  // A connection can be parked for ever by a failover or a network that drops silently (bullmq #3088, #4585): jobs
  // wait, nobody takes them.
  const watchdog = setInterval(async () => {
    const judged = await Promise.all(running.map(async watched => ({ watched, stuck: await isStuck(watched) })))
    if (isClosing || !judged.some(({ stuck }) => stuck)) return
    redis.disconnect(true)
    running = judged.map(({ watched, stuck }) => {
      if (!stuck) return watched
      log.error({ queue: watched.queue }, 'worker takes no jobs, replaced')
      watched.worker.close(true).catch(() => {})
      return open(watched.queue, watched.replaced + 1)
    })
  }, watchEveryMs)

  return {
    isAlive: () => running.every(({ worker }) => worker.isRunning()),
    isStuck: () => running.some(({ replaced }) => replaced >= maxReplacements),
    async close (deadlineMs) {
      isClosing = true
      clearInterval(sweeper)
      clearInterval(watchdog)
      let timer: NodeJS.Timeout | undefined
      const deadline = new Promise<void>(resolve => { timer = setTimeout(resolve, deadlineMs) })
      // Without Redis no job can tell that it finished, and a close that waits for it never comes back (bullmq #4656).
      const isAway = redis.status !== 'ready'
      await Promise.race([Promise.allSettled(opened.map(worker => worker.close(isAway))), deadline])
      clearTimeout(timer)
    },
  }
}

/** Half a second, doubled each time up to a minute, ± 25 %; a provider's Retry-After is honoured. */
function backoffStrategy (attemptsMade: number, _type?: string, error?: Error): number {
  const delayMs = Math.min(500 * 2 ** (attemptsMade - 1), maxBackoffMs) * (0.75 + Math.random() / 2)
  const askedMs = error instanceof ProviderError ? error.retryAfterMs ?? 0 : 0
  return Math.max(delayMs, Math.min(askedMs, maxBackoffMs * 5))
}
