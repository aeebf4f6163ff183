const maxPauseMs = 15_000

/** Resolves after `ms`, when the network comes back, or when `signal` is aborted. */
export function pause (ms: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) return resolve()
    const end = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      removeEventListener('online', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    signal.addEventListener('abort', end)
    addEventListener('online', end)
  })
}

/** How long to wait after this many failures: longer each time, and at random, so that clients do not come together. */
export const backoffMs = (failures: number): number =>
  Math.min(maxPauseMs, 500 * 2 ** failures) * (0.5 + Math.random() / 2)

/** Calls `run` after `ms`, unless `signal` is aborted before. */
export function after (ms: number, signal: AbortSignal, run: () => void): void {
  const timer = setTimeout(run, ms)
  signal.addEventListener('abort', () => clearTimeout(timer))
}
