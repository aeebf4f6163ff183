import { openSync, readSync } from 'node:fs'
import { Redis } from 'ioredis'

// Loaded before a process's own code (`node --import`): all its clocks are ahead by what the file holds, always by the
// same as everybody's who reads that file;
// also what Redis tells it of the time.
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
