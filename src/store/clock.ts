import type { RedisClient } from './redis.ts'

/** Milliseconds since the epoch on the clock of Redis: the same in all processes, whatever their own clocks show. */
export type Clock = {
  now (): number
  /**
   * Reads the time of Redis now and every second. In between, and while Redis is unavailable, the clock counts on with
   * the monotonic clock of the process.
   */
  follow (redis: Pick<RedisClient, 'time'>): Promise<void>
  close (): void
}

const syncEveryMs = 1_000

/**
 * A clock that shows the time of the process until it follows Redis. Keys expire by the clock of Redis, so deadlines
 * that follow another clock would disagree with them.
 */
export function createClock (): Clock {
  /** How far the clock is ahead of the monotonic clock of the process. */
  let aheadMs = Date.now() - performance.now()
  let timer: NodeJS.Timeout | undefined

  return {
    now: () => Math.floor(performance.now() + aheadMs),
    async follow (redis) {
      aheadMs = (await measure(redis)).aheadMs
      timer = setInterval(async () => {
        const measured = await measure(redis).catch(() => null)
        if (measured === null) return
        // A difference within the error of the measurement proves nothing, so only the rest is corrected.
        const differenceMs = measured.aheadMs - aheadMs
        aheadMs += Math.sign(differenceMs) * Math.max(0, Math.abs(differenceMs) - measured.errorMs)
      }, syncEveryMs)
      timer.unref()
    },
    close: () => clearInterval(timer),
  }
}

/** How far Redis's clock is ahead of ours, and the error of that: Redis read it at some moment before the reply. */
async function measure (redis: Pick<RedisClient, 'time'>): Promise<{ aheadMs: number, errorMs: number }> {
  const sentAt = performance.now()
  const [seconds, microseconds] = await redis.time()
  const errorMs = (performance.now() - sentAt) / 2
  return { aheadMs: Number(seconds) * 1_000 + Number(microseconds) / 1_000 - sentAt - errorMs, errorMs }
}
