import { setTimeout as delay } from 'node:timers/promises'

/**
 * Runs `work` at most once in `intervalMs`, however often it is asked for. A call that comes too soon waits for the
 * next run, so that its result is not older than the call; calls during a wait or a run share its result.
 */
export function atMostEvery<T> (intervalMs: number, work: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | null = null
  let startedAt = -Infinity

  async function run (): Promise<T> {
    const waitMs = startedAt + intervalMs - performance.now()
    if (waitMs > 0) await delay(waitMs)
    startedAt = performance.now()
    return work()
  }

  return () => {
    running ??= run().finally(() => { running = null })
    return running
  }
}
