import { constants, PerformanceObserver } from 'node:perf_hooks'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

// Loaded by `--import` before the unchanged program of a measured process. It reports CPU and memory to the benchmark
// over IPC, and ends the process when the benchmark ends.

/** `collect`: garbage is collected first. */
export type UsageRequest = { ask: 'usage', number: number, collect: boolean }

/** CPU and memory of a process, and the garbage collector pauses since the previous request. */
export type Usage = {
  cpuMicros: number, rss: number, heapUsed: number, pauses: { count: number, longestMs: number, totalMs: number },
}

export type UsageResponse = { number: number, usage: Usage }

let pauses = { count: 0, longestMs: 0, totalMs: 0 }
const observer = new PerformanceObserver(list => {
  for (const entry of list.getEntries()) {
    const { duration } = entry
    const detail: unknown = 'detail' in entry ? entry.detail : null
    // Most of an incremental collection runs concurrently with the program.
    if (
      typeof detail === 'object' && detail !== null
        && 'kind' in detail && detail.kind === constants.NODE_PERFORMANCE_GC_INCREMENTAL
    ) continue
    pauses = {
      count: pauses.count + 1, longestMs: Math.max(pauses.longestMs, duration), totalMs: pauses.totalMs + duration,
    }
  }
})
observer.observe({ entryTypes: ['gc'] })

setFlagsFromString('--expose-gc')
const collectGarbage: unknown = runInNewContext('gc')

process.on('message', (request: Partial<UsageRequest>) => {
  if (request.ask !== 'usage' || request.number === undefined) return
  if (request.collect === true && typeof collectGarbage === 'function') collectGarbage()
  const { user, system } = process.cpuUsage()
  const { rss, heapUsed } = process.memoryUsage()
  const response: UsageResponse = { number: request.number, usage: { cpuMicros: user + system, rss, heapUsed, pauses } }
  pauses = { count: 0, longestMs: 0, totalMs: 0 }
  process.send?.(response)
})
// The benchmark has ended.
process.on('disconnect', () => process.exit(1))
process.channel?.unref()
