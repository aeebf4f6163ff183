import { Redis } from 'ioredis'

/** From so many commands on the way, the next ones wait for each other: below that there is nothing to be gained. */
const batchFrom = 8

/**
 * A client whose commands of one turn of the event loop leave in one write, when it is busy: writing to sockets is what
 * costs most. Every command
 * still succeeds or fails by itself. ioredis's own auto-pipelining makes batches that fail together, and long pauses of
 * the garbage collector.
 */
export class CorkedRedis extends Redis {
  #isCorked = false

  override sendCommand (...args: Parameters<Redis['sendCommand']>): unknown {
    if (this.status === 'ready' && !this.#isCorked && this.commandQueue.length >= batchFrom) {
      const { stream } = this
      this.#isCorked = true
      stream.cork()
      setImmediate(() => {
        this.#isCorked = false
        stream.uncork()
      })
    }
    return super.sendCommand(...args)
  }
}
