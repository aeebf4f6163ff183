import type { RedisClient } from './redis.ts'

/**
 * Milliseconds since the epoch as Redis counts them, the same for all processes whatever the clocks of their machines
 * say.
 */
export type Clock = {
  now (): number
  close (): void
}

const askEveryMs = 1_000

/**
 * Asks Redis what time it is, now and every second. In between, and while Redis is away, it counts on by a clock that
 * nobody sets.
 * Redis, too, drops by its own clock what has expired: with two clocks one of them would be wrong.
 */
export async function startClock (redis: Pick<RedisClient, 'time'>): Promise<Clock> {
  /**
   * What Redis's clock shows beyond ours, and how far that may be off: it was read at some moment before the answer
   * came.
   */
  async function ask (): Promise<{ aheadMs: number, doubtMs: number }> {
    const askedAt = performance.now()
    const [seconds, microseconds] = await redis.time()
    const doubtMs = (performance.now() - askedAt) / 2
    return { aheadMs: Number(seconds) * 1_000 + Number(microseconds) / 1_000 - askedAt - doubtMs, doubtMs }
  }

  let { aheadMs } = await ask()
  const asking = setInterval(async () => {
    const answer = await ask().catch(() => null)
    if (answer === null) return
    // No further than the answer proves: a slow one proves little.
    const offMs = answer.aheadMs - aheadMs
    aheadMs += Math.sign(offMs) * Math.max(0, Math.abs(offMs) - answer.doubtMs)
  }, askEveryMs)
  asking.unref()
  return {
    now: () => Math.floor(performance.now() + aheadMs),
    close: () => clearInterval(asking),
  }
}
