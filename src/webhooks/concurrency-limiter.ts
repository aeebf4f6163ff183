/** At most `max` tasks at once per key. Callers wait up to `patienceMs` for a slot, unless a running task is slow. */
export type ConcurrencyLimiter = {
  /** Resolves with the function that releases the slot. Null: no slot was free at once or, with `wait`, in time. */
  acquire (key: string, options: { wait: boolean }): Promise<(() => void) | null>
}

type Slot = { since: number }
type Queue = {
  /** In the order of acquisition: the longest-running task comes first. */
  running: Set<Slot>
  /** In the order of arrival. */
  waiting: Set<(release: (() => void) | null) => void>
}

/** `patienceMs`: how long a caller waits, and how long a task may run before it counts as slow. */
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
