import { Redis, type RedisOptions } from 'ioredis'
import { CommandTimeout } from './command-timeout.ts'

/** With fewer unanswered commands there is nothing to gain. */
const minPendingCommands = 8

/**
 * A client that sends the commands of one turn of the event loop in one write while it is busy, because socket writes
 * cost most. Every command still succeeds or fails by itself. With ioredis's own auto-pipelining whole batches fail
 * together, and garbage collection pauses are long.
 */
export class CorkedRedis extends Redis {
  #isCorked = false
  readonly #timeout: CommandTimeout | null

  /** `timeoutMs`: of each command, from when it is written; null: none. */
  constructor (options: RedisOptions & { replyMapping?: 'legacy' }, timeoutMs: number | null) {
    super(options)
    this.#timeout = timeoutMs === null ? null : new CommandTimeout(timeoutMs)
  }

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
    this.#timeout?.watch(args[0])
    return super.sendCommand(...args)
  }
}
