export type Cached<T> = {
  /** The fresh value, fetched if necessary. Throws what the fetch throws. */
  get (): Promise<T>
  /**
   * Fetches the value although it may be fresh. Callers that come during a fetch, or during the cool-down after it, get
   * the result of that fetch.
   */
  refresh (): Promise<T>
  /** The last value that was fetched, also when it has expired; null when there is none. */
  peek (): { value: T, isFresh: boolean } | null
  /** Drops the value, unless another one has replaced it. */
  forget (value: T): void
}

export type CachedOptions<T> = {
  /** `ttlMs` counts from the start of the fetch. */
  fetch: () => Promise<{ value: T, ttlMs: number }>
  /** Time from the start of one fetch to the next; 0 by default, so that a failed fetch can be repeated at once. */
  coolDownMs?: number
  /** Milliseconds; default: the monotonic clock of the process, which no correction of the time moves. */
  now?: (() => number) | undefined
}

/** One value that a provider issues for a limited time, such as an access token or a key set. One fetch at a time. */
export function createCached<T> (
  { fetch, coolDownMs = 0, now = () => performance.now() }: CachedOptions<T>,
): Cached<T> {
  let entry: { value: T, expiresAt: number } | null = null
  let last: { startedAt: number, isRunning: boolean, result: Promise<T> } | null = null

  async function load (startedAt: number): Promise<T> {
    const { value, ttlMs } = await fetch()
    entry = { value, expiresAt: startedAt + ttlMs }
    return value
  }

  function refresh (): Promise<T> {
    const at = now()
    if (last !== null && (last.isRunning || at < last.startedAt + coolDownMs)) return last.result
    const started = { startedAt: at, isRunning: true, result: load(at).finally(() => { started.isRunning = false }) }
    last = started
    return started.result
  }

  return {
    get: async () => entry !== null && now() < entry.expiresAt ? entry.value : refresh(),
    refresh,
    peek: () => entry === null ? null : { value: entry.value, isFresh: now() < entry.expiresAt },
    forget: value => { if (entry?.value === value) entry = null },
  }
}
