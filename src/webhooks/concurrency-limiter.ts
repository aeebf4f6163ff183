/**
 * At most `max` concurrent tasks for each key. Callers wait up to `patienceMs` for a slot, unless the running tasks are
 * slow.
 */
export type ConcurrencyLimiter = {
  /** Resolves with the function that frees the slot. Null: none is free, soon or, without `wait`, at once. */
  acquire (key: string, options: { wait: boolean }): Promise<(() => void) | null>
}

type Slot = { since: number }
type Queue = {
  /** In the order in which they were taken: the longest-running task comes first. */
  running: Set<Slot>
  waiting: Set<(release: (() => void) | null) => void>
}

/** `patienceMs`: how long a caller waits, and how long a task may run before nobody waits for it. `max`: per key. */
export function createConcurrencyLimiter (
  { max, patienceMs, now }: { max: number, patienceMs: number, now: () => number },
): ConcurrencyLimiter {
  const queues = new Map<string, Queue>()

  const waitForSlot = ({ waiting }: Queue): ReturnType<ConcurrencyLimiter['acquire']> => new Promise(resolve => {
    const settle = (release: (() => void) | null): void => {
      clearTimeout(timer)
      waiting.delete(settle)
      resolve(release)
    }
    const timer = setTimeout(settle, patienceMs, null)
    waiting.add(settle)
  })

  function take (key: string, queue: Queue): () => void {
    const slot = { since: now() }
    queue.running.add(slot)
    return () => {
      queue.running.delete(slot)
      const [next] = queue.waiting
      if (next !== undefined) next(take(key, queue))
      else if (queue.running.size === 0) queues.delete(key)
    }
  }

  return {
    async acquire (key, { wait }) {
      const queue = queues.get(key) ?? { running: new Set(), waiting: new Set() }
      queues.set(key, queue)
      if (queue.running.size < max) return take(key, queue)
      const [oldest] = queue.running
      const isSlow = oldest !== undefined && now() - oldest.since > patienceMs
      return wait && !isSlow ? waitForSlot(queue) : null
    },
  }
}
