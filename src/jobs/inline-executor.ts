import { AsyncLocalStorage } from 'node:async_hooks'
import type { Logger } from '../telemetry/logger.ts'
import { StoreUnavailable } from '../store/record-store.ts'

/**
 * The hands of a process that works: what comes up in it is done in it, at once, as long as one is free; a queue has the rest, and all that comes
 * later. What is cut off by a crash, the due time of its record brings back.
 */
export type InlineExecutor = {
  /** Does the work, and is not waited for. False: it is not done, since no hand is free. */
  tryRun (work: () => Promise<void>): boolean
  /** Takes nothing more, and waits for what is in hand, at most so long. */
  close (deadlineMs: number): Promise<void>
}

export function createInlineExecutor ({ maxInFlight, log }: { maxInFlight: number, log: Logger }): InlineExecutor {
  const running = new Set<Promise<void>>()
  let isClosing = false
  // As with a job, whose span is in hand where it comes up is not asked.
  const outside = AsyncLocalStorage.snapshot()

  async function perform (work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (isClosing || error instanceof StoreUnavailable) log.warn({ cause: error instanceof Error ? error.name : 'unknown' }, 'not done at once, left to the sweeper')
      else log.error({ err: error }, 'not done at once, left to the sweeper')
    }
  }

  return {
    tryRun (work) {
      if (isClosing || running.size >= maxInFlight) return false
      const done = outside(perform, work)
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
