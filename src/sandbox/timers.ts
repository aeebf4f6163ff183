export type Timers = ReturnType<typeof createTimers>

/** Timers that stop together: after `stop()` no timer fires and none can be started. */
export function createTimers () {
  const live = new Set<NodeJS.Timeout>()
  let stopped = false

  function after (delayMs: number, action: () => void): void {
    if (stopped) return
    const timer = setTimeout(() => {
      live.delete(timer)
      action()
    }, delayMs)
    live.add(timer)
  }

  function every (intervalMs: number, action: () => void): void {
    after(intervalMs, () => {
      action()
      every(intervalMs, action)
    })
  }

  /** Resolves after `delayMs`; never, if the timers are stopped before. */
  function sleep (delayMs: number): Promise<void> {
    return new Promise(resolve => after(delayMs, resolve))
  }

  function stop (): void {
    stopped = true
    for (const timer of live) clearTimeout(timer)
    live.clear()
  }

  return { after, every, sleep, stop }
}
