import { Worker, type Job } from 'bullmq'
import { ProviderError } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import type { Logger } from '../logger.ts'
import type { Metrics } from '../metrics.ts'
import type { RedisClient } from '../store/redis.ts'
import { queueNames, queuePrefix, type Queues, type ResolveData } from './queues.ts'

export type Workers = {
  /** Whether jobs are being taken up. */
  isAlive (): boolean
  /** Lets the jobs in hand finish, for at most this long. Never hangs, also when Redis is away. */
  close (deadlineMs: number): Promise<void>
}

export type WorkersParts = {
  redis: RedisClient
  queues: Queues
  gateway: Pick<Gateway, 'resolve' | 'sweep'>
  metrics: Pick<Metrics, 'countLostLock'>
  log: Logger
  now: () => number
  concurrency?: number
}

const sweepEveryMs = 1_000
/** A sweep that waited longer than this was overtaken by the next ones. */
const staleSweepMs = 2_500
const watchEveryMs = 5_000
const longestBackoffMs = 60_000
/** A job is run again about five seconds after its process died: seconds, since somebody is waiting in front of a screen. */
const lock = { lockDuration: 5_000, stalledInterval: 2_000, maxStalledCount: 5 }

export function startWorkers ({ redis, queues, gateway, metrics, log, now, concurrency = 50 }: WorkersParts): Workers {
  let finished = 0
  let running = new Set<Worker>()
  const opened: Worker[] = []

  function open (): void {
    const options = { connection: redis, prefix: queuePrefix, skipVersionCheck: true, ...lock }
    const resolve = new Worker<ResolveData>(queueNames.resolve, runResolve, { ...options, concurrency, settings: { backoffStrategy } })
    const sweep = new Worker(queueNames.sweep, runSweep, options)
    running = new Set<Worker>([resolve, sweep])
    for (const worker of running) {
      opened.push(worker)
      worker.on('completed', () => { finished += 1 })
      worker.on('failed', () => { finished += 1 })
      worker.on('error', error => {
        if (/missing lock|lock mismatch/i.test(error.message)) metrics.countLostLock()
        else log.warn({ queue: worker.name, cause: error.name }, 'worker error')
      })
    }
  }

  async function runResolve (job: Job<ResolveData>): Promise<void> {
    try {
      await gateway.resolve(job.data.id, job.attemptsMade + 1 >= (job.opts.attempts ?? 1))
    } catch (error) {
      if (error instanceof ProviderError) throw error
      log.error({ verificationId: job.data.id, err: error }, 'job failed')
      // BullMQ keeps the message in Redis: only words of ours may go there.
      throw new Error(error instanceof Error ? error.name : 'unknown')
    }
  }

  async function runSweep (job: Job): Promise<void> {
    if (now() - job.timestamp < staleSweepMs) await gateway.sweep()
  }

  open()
  const sweeper = setInterval(() => {
    queues.sweep(now()).catch(error => log.warn({ cause: error instanceof Error ? error.name : 'unknown' }, 'sweep not queued'))
  }, sweepEveryMs)

  // A blocking connection can be parked for ever by a failover (bullmq #3088, #4585): jobs wait, and nobody takes them up.
  let before = { finished: -1, wasWaiting: false }
  const watchdog = setInterval(async () => {
    const isWaiting = await queues.waiting().then(count => count > 0, () => false)
    const isStuck = isWaiting && before.wasWaiting && finished === before.finished
    before = { finished, wasWaiting: isWaiting && !isStuck }
    if (!isStuck) return
    log.error('workers take no jobs, replaced')
    for (const worker of running) worker.close(true).catch(() => {})
    open()
  }, watchEveryMs)

  return {
    isAlive: () => [...running].every(worker => worker.isRunning()),
    async close (deadlineMs) {
      clearInterval(sweeper)
      clearInterval(watchdog)
      let timer: NodeJS.Timeout | undefined
      const deadline = new Promise<void>(resolve => { timer = setTimeout(resolve, deadlineMs) })
      // `Worker.close()` never comes back while Redis is away (bullmq #4656).
      await Promise.race([Promise.allSettled(opened.map(worker => worker.close())), deadline])
      clearTimeout(timer)
      for (const worker of opened) worker.close(true).catch(() => {})
    },
  }
}

/** Half a second, doubled each time up to a minute, ± 25 %; a provider's Retry-After is honoured. */
function backoffStrategy (attemptsMade: number, _type?: string, error?: Error): number {
  const delayMs = Math.min(500 * 2 ** (attemptsMade - 1), longestBackoffMs) * (0.75 + Math.random() / 2)
  const askedMs = error instanceof ProviderError ? error.retryAfterMs ?? 0 : 0
  return Math.max(delayMs, Math.min(askedMs, longestBackoffMs * 5))
}
