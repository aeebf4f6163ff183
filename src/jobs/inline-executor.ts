import { AsyncLocalStorage } from 'node:async_hooks'
import { StoreUnavailable } from '../store/record-store.ts'
import type { Logger } from '../telemetry/logger.ts'

/**
 * Runs work in this process, at once and without a job, while a slot is free. If a crash interrupts the work, the
 * sweeper repeats it when its record is due.
 */
export type InlineExecutor = {
  /** Starts the work and returns at once. False: no slot is free, and the work is not started. */
  tryRun (work: () => Promise<void>): boolean
  /** Accepts no more work, and waits for the running work, at most `deadlineMs`. */
  close (deadlineMs: number): Promise<void>
}

export function createInlineExecutor (
  { maxInFlight, log }: { maxInFlight: number, log: Pick<Logger, 'warn' | 'error'> },
): InlineExecutor {
  const running = new Set<Promise<void>>()
  let isClosing = false
  // As with a job, the work does not belong to the span of its caller.
  const outside = AsyncLocalStorage.snapshot()

  async function run (work: () => Promise<void>): Promise<void> {
    const message = 'inline work failed; the sweeper will retry it'
    try {
      await work()
    } catch (error) {
      if (isClosing || error instanceof StoreUnavailable) {
        log.warn({ cause: error instanceof Error ? error.name : 'unknown' }, message)
      } else {
        log.error({ err: error }, message)
      }
    }
  }

  return {
    tryRun (work) {
      if (isClosing || running.size >= maxInFlight) return false
      const done = outside(run, work)
      running.add(done)
      void done.then(() => running.delete(done))
      return true
    },
    async close (deadlineMs) {
      isClosing = true
      let timer: NodeJS.Timeout | undefined
      const deadline = new Promise<void>(resolve => { timer = setTimeout(resolve, deadlineMs) })
      await Promise.race([Promise.all(running), deadline])
      clearTimeout(timer)
    },
  }
}
