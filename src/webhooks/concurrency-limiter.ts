/** So many at once for each name; who comes when they are all at it waits for his turn, but not for those that are slow. */
export type ConcurrencyLimiter = {
  /** Resolves with what ends the turn; null: it does not come soon, or, without patience, not at once. */
  acquire (name: string, options: { isPatient: boolean }): Promise<(() => void) | null>
}

type Crowd = {
  /** When each turn under way began, the longest under way first. */
  begun: Set<{ at: number }>
  waiting: Set<(end: (() => void) | null) => void>
}

/** `patienceMs`: how long a turn is waited for, and how long those under way may take before nobody waits for them. */
export function createConcurrencyLimiter ({ max, patienceMs, now }: { max: number, patienceMs: number, now: () => number }): ConcurrencyLimiter {
  const crowds = new Map<string, Crowd>()

  const wait = ({ waiting }: Crowd): ReturnType<ConcurrencyLimiter['acquire']> => new Promise(resolve => {
    const settle = (end: (() => void) | null): void => {
      clearTimeout(timer)
      waiting.delete(settle)
      resolve(end)
    }
    const timer = setTimeout(settle, patienceMs, null)
    waiting.add(settle)
  })

  function begin (name: string, crowd: Crowd): () => void {
    const turn = { at: now() }
    crowd.begun.add(turn)
    return () => {
      crowd.begun.delete(turn)
      const [next] = crowd.waiting
      if (next !== undefined) next(begin(name, crowd))
      else if (crowd.begun.size === 0) crowds.delete(name)
    }
  }

  return {
    async acquire (name, { isPatient }) {
      const crowd = crowds.get(name) ?? { begun: new Set(), waiting: new Set() }
      crowds.set(name, crowd)
      if (crowd.begun.size < max) return begin(name, crowd)
      const [oldest] = crowd.begun
      const isSlow = oldest !== undefined && now() - oldest.at > patienceMs
      return isPatient && !isSlow ? wait(crowd) : null
    },
  }
}
