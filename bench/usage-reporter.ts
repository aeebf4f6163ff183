import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

// Loaded by `--import` before the unchanged program of a measured process. It reports CPU and memory to the benchmark
// over IPC, and ends the process when the benchmark ends.

/** `collect`: garbage is collected first. */
export type UsageRequest = { ask: 'usage', number: number, collect: boolean }

/** CPU and memory of a process. */
export type Usage = { cpuMicros: number, rss: number, heapUsed: number }

export type UsageResponse = { number: number, usage: Usage }

setFlagsFromString('--expose-gc')
const collectGarbage: unknown = runInNewContext('gc')

process.on('message', (request: Partial<UsageRequest>) => {
  if (request.ask !== 'usage' || request.number === undefined) return
  if (request.collect === true && typeof collectGarbage === 'function') collectGarbage()
  const { user, system } = process.cpuUsage()
  const { rss, heapUsed } = process.memoryUsage()
  const response: UsageResponse = { number: request.number, usage: { cpuMicros: user + system, rss, heapUsed } }
  process.send?.(response)
})
// The benchmark has ended.
process.on('disconnect', () => process.exit(1))
process.channel?.unref()
