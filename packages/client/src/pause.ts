/** Resolves after this time, or rejects with the reason of the signal. */
export const pause = (ms: number, signal: AbortSignal | undefined): Promise<void> => new Promise((resolve, reject) => {
  if (signal?.aborted === true) return reject(signal.reason)
  const stop = (): void => {
    clearTimeout(timer)
    reject(signal?.reason)
  }
  const timer = setTimeout(() => {
    signal?.removeEventListener('abort', stop)
    resolve()
  }, ms)
  signal?.addEventListener('abort', stop, { once: true })
})

const firstDelayMs = 500
const maxDelayMs = 10_000

/** The time before the next try after this many failures: doubled each time, with jitter. */
export const backoffMs = (failures: number): number =>
  Math.min(firstDelayMs * 2 ** (failures - 1), maxDelayMs) * (0.5 + Math.random() / 2)
