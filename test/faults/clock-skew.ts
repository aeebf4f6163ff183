import { openSync, readSync } from 'node:fs'
import { Redis } from 'ioredis'

// A preload (`node --import`): shifts all clocks of the process by the milliseconds that CLOCK_FILE holds, including
// the time that Redis reports. Processes that share the file share the clock.
const file = openSync(process.env['CLOCK_FILE'] ?? '', 'r')
const bytes = Buffer.alloc(8)
const readAheadMs = (): number => {
  readSync(file, bytes, 0, 8, 0)
  return bytes.readDoubleLE()
}
const { now } = Date
Date.now = () => now() + readAheadMs()
const monotonic = performance.now.bind(performance)
performance.now = () => monotonic() + readAheadMs()
const { time } = Redis.prototype
Redis.prototype.time = async function () {
  const [seconds, microseconds] = await time.call(this)
  const ms = Number(seconds) * 1_000 + readAheadMs()
  return [Math.floor(ms / 1_000), Number(microseconds) + Math.round(ms % 1_000 * 1_000)]
}
