import { constants, PerformanceObserver } from 'node:perf_hooks'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

// Loaded by `--import` before a server that knows nothing of it: it answers the benchmark over IPC, and ends the
// process with it.

/** What is asked of a process; `collect`: garbage is collected first. */
export type Question = { ask: 'usage', number: number, collect: boolean }

/** CPU and memory of a process; the pauses of its garbage collector are those since it was asked before. */
export type Usage = {
  cpuMicros: number, rss: number, heapUsed: number, pauses: { count: number, longestMs: number, totalMs: number },
}

/** What a server of the benchmark's own tells when it listens. */
export type Listening = { listening: string }
export type Answered = { number: number, usage: Usage }

let pauses = { count: 0, longestMs: 0, totalMs: 0 }
const notes = new PerformanceObserver(list => {
  for (const entry of list.getEntries()) {
    const { duration } = entry
    const detail: unknown = 'detail' in entry ? entry.detail : null
    // Most of an incremental collection happens beside the program.
    if (
      typeof detail === 'object' && detail !== null
        && 'kind' in detail && detail.kind === constants.NODE_PERFORMANCE_GC_INCREMENTAL
    ) continue
    pauses = {
      count: pauses.count + 1, longestMs: Math.max(pauses.longestMs, duration), totalMs: pauses.totalMs + duration,
    }
  }
})
notes.observe({ entryTypes: ['gc'] })

setFlagsFromString('--expose-gc')
const collectGarbage: unknown = runInNewContext('gc')

process.on('message', (question: Partial<Question>) => {
  if (question.ask !== 'usage' || question.number === undefined) return
  if (question.collect === true && typeof collectGarbage === 'function') collectGarbage()
  const { user, system } = process.cpuUsage()
  const { rss, heapUsed } = process.memoryUsage()
  const answer: Answered = { number: question.number, usage: { cpuMicros: user + system, rss, heapUsed, pauses } }
  pauses = { count: 0, longestMs: 0, totalMs: 0 }
  process.send?.(answer)
})
// Whoever measures is gone.
process.on('disconnect', () => process.exit(1))
process.channel?.unref()
