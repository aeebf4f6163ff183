import type { Command } from 'ioredis'

/**
 * Fails commands that Redis has not answered `timeoutMs` after they were written. The timeout of ioredis starts before
 * a command is written, which is at the end of the event loop iteration, and ends before replies that have arrived are
 * read: it counts the delays of this process as delays of Redis.
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
    // Timers run before sockets are read, so the replies get one more iteration.
    const expire = (): void => { setImmediate(() => this.#expire()) }
    setTimeout(expire, Math.max(1, oldest.at + this.#timeoutMs - performance.now())).unref()
  }

  #expire (): void {
    const writtenBefore = performance.now() - this.#timeoutMs
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
