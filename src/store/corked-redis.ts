import { Redis } from 'ioredis'

/** With fewer unanswered commands there is nothing to gain. */
const minPendingCommands = 8

/**
 * A client that sends the commands of one turn of the event loop in one write while it is busy, because socket writes
 * cost most. Every command still succeeds or fails by itself. With ioredis's own auto-pipelining whole batches fail
 * together, and garbage collection pauses are long.
 */
export class CorkedRedis extends Redis {
  #isCorked = false

  override sendCommand (...args: Parameters<Redis['sendCommand']>): unknown {
    if (this.status === 'ready' && !this.#isCorked && this.commandQueue.length >= minPendingCommands) {
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
