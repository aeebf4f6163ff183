const tickMs = 1_000
const maxLateMs = 1_000

/**
 * Watches the event loop with a timer of a second. The returned function says whether the last tick was more than a
 * second late: a busy process is far from that, one that swaps or collects garbage all the time is not.
 */
export function watchEventLoop (): () => boolean {
  let tickedAt = performance.now()
  let isSlow = false
  setInterval(() => {
    const at = performance.now()
    isSlow = at - tickedAt > tickMs + maxLateMs
    tickedAt = at
  }, tickMs).unref()
  return () => isSlow
}
