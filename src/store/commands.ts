import { Command, Redis, type RedisOptions } from 'ioredis'
import { StoreUnavailable, unavailableCodeOf, type UnavailableCode } from './unavailable.ts'

// How and when commands are written, how long Redis may take for them, and how long it took.

/**
 * How long after its timeout a command still waits for its reply. Timers run before sockets are read, and what holds up
 * this process, such as a busy machine, may hold up Redis as well.
 */
const graceMs = 40

/**
 * Fails commands that Redis has not answered `timeoutMs` after they were written, and at most a little later. The
 * timeout of ioredis starts before a command is written, which is at the end of the event loop iteration, and ends
 * before replies that have arrived are read: it counts the delays of this process as delays of Redis.
 */
export class CommandTimeout {
  readonly #timeoutMs: number
  /** The commands of each iteration that has one without a reply, the oldest first. */
  readonly #written: { at: number, commands: Command[] }[] = []
  #unwritten: Command[] = []
  #isArmed = false

  constructor (timeoutMs: number) {
    this.#timeoutMs = timeoutMs
  }

  watch (command: Command): void {
    if (this.#unwritten.length === 0) setImmediate(() => this.#endIteration())
    this.#unwritten.push(command)
  }

  #endIteration (): void {
    this.#dropSettled()
    this.#written.push({ at: performance.now(), commands: this.#unwritten })
    this.#unwritten = []
    if (!this.#isArmed) this.#arm()
  }

  #arm (): void {
    const [oldest] = this.#written
    this.#isArmed = oldest !== undefined
    if (oldest === undefined) return
    const expire = (): void => {
      // Not those that become due meanwhile, because a delay of this process would count as one of Redis.
      const writtenBefore = performance.now() - this.#timeoutMs
      setTimeout(() => this.#expire(writtenBefore), graceMs).unref()
    }
    setTimeout(expire, Math.max(1, oldest.at + this.#timeoutMs - performance.now())).unref()
  }

  #expire (writtenBefore: number): void {
    this.#dropSettled()
    while ((this.#written[0]?.at ?? Infinity) <= writtenBefore) {
      for (const command of this.#written.shift()?.commands ?? []) {
        if (!command.isSettled) command.reject(new Error('Command timed out'))
      }
    }
    this.#arm()
  }

  #dropSettled (): void {
    while (this.#written[0]?.commands.every(({ isSettled }) => isSettled) === true) this.#written.shift()
  }
}

const encodeText = Command.prototype.toWritable

/** Bytes as characters, and a text as the characters of its UTF-8. */
function toLatin1 (argument: unknown): string {
  if (Buffer.isBuffer(argument)) return argument.toString('latin1')
  const text = String(argument)
  return Buffer.byteLength(text) === text.length ? text : Buffer.from(text).toString('latin1')
}

/**
 * The RESP of a command. With bytes among its arguments it is built as one text and converted once: ioredis copies each
 * argument, length and line end separately, about 140 pieces for a create, which takes three times as long.
 */
export function encodeCommand (command: Command, socket: object): string | Buffer {
  const { name, args } = command
  if (!args.some(argument => Buffer.isBuffer(argument))) return encodeText.call(command, socket)
  let text = `*${args.length + 1}\r\n$${name.length}\r\n${name}\r\n`
  for (const argument of args) {
    const characters = toLatin1(argument)
    text += `$${characters.length}\r\n${characters}\r\n`
  }
  return Buffer.from(text, 'latin1')
}

// On the prototype, because the class that ioredis makes for a script calls it there.
Command.prototype.toWritable = function (socket) { return encodeCommand(this, socket) }

/** With fewer unanswered commands there is nothing to gain. */
const minPendingCommands = 8

/**
 * A client that, while it is busy, sends the commands of one event loop iteration in one write, because socket writes
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

/** Awaits a reply of Redis. */
export type Timed = <T>(reply: Promise<T>) => Promise<T>

/** Reports the duration in ms and the code of every reply. An error becomes `StoreUnavailable`. */
export const createTimed = (report: (durationMs: number, code: UnavailableCode | null) => void): Timed =>
  async reply => {
    const sentAt = performance.now()
    try {
      const value = await reply
      report(performance.now() - sentAt, null)
      return value
    } catch (error) {
      const code = unavailableCodeOf(error)
      report(performance.now() - sentAt, code)
      throw new StoreUnavailable(code)
    }
  }
