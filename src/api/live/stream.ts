import type { ServerResponse } from 'node:http'
import type { FastifyReply } from 'fastify'
import { ApiError, isGone } from '../../core/errors.ts'
import { isFinal, type Verification } from '../../core/verification.ts'
import { StoreUnavailable } from '../../store/record-store.ts'
import type { Subscriber } from './fan-out.ts'

/** `frame` formats an event from the state that was sent last (null: none) and the current one. */
export type StreamOptions = { after: number | null, frame: (before: Verification | null, now: Verification) => string }

/** Output that may wait for a slow client. Beyond it the stream is cut; the client can resume it. */
const maxBufferedBytes = 64 * 1024
const headers = { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' }

/** The event stream of one response. It ends after a final state, or when `end` or `stop` is called. */
export class Stream implements Subscriber {
  /** Resolves when the response has started or ended. Rejects when an error response must be sent instead. */
  readonly started: Promise<void>
  readonly #start = Promise.withResolvers<void>()
  readonly #id: string
  readonly #reply: FastifyReply
  readonly #raw: ServerResponse
  readonly #options: StreamOptions
  readonly #onClose: () => void
  readonly #onDisconnect = (): void => this.#close('client')
  #sent: Verification | null = null
  #events = 0
  #isOpen = true

  /** `onClose` is called once, whatever closes the stream. */
  constructor (id: string, reply: FastifyReply, options: StreamOptions, onClose: () => void) {
    this.#id = id
    this.#reply = reply
    this.#raw = reply.raw
    this.#options = options
    this.#onClose = onClose
    this.started = this.#start.promise
    this.#raw.once('close', this.#onDisconnect)
  }

  next (verification: Verification): void {
    if (this.#sent === null) this.#begin(verification)
    else if (verification.revision > this.#sent.revision) {
      this.#events += 1
      this.#write(this.#options.frame(this.#sent, verification))
    }
    this.#sent = verification
    if (isFinal(verification)) this.#end('final')
  }

  error (error: unknown): void {
    if (this.#sent === null) {
      this.#start.reject(error)
      this.#close('not started')
    } else if (isGone(error)) this.#end('erased')
    else if (!(error instanceof StoreUnavailable)) {
      this.#reply.log.error({ verificationId: this.#id, err: error }, 'stream failed')
      this.#end('failed')
    }
  }

  /** A comment, so that proxies do not close an idle connection. False before the stream has started. */
  beat (): boolean {
    if (this.#sent === null) return false
    this.#write(':\n\n')
    return true
  }

  /** The process is stopping. */
  stop (): void {
    if (this.#sent !== null) return this.#end('stopping')
    this.#start.reject(new ApiError('overloaded', 'The process is stopping.', { retryAfterSeconds: 1 }))
    this.#close('stopping')
  }

  #begin (verification: Verification): void {
    const { after, frame } = this.#options
    const isNew = after === null || verification.revision > after
    if (!isNew && isFinal(verification)) {
      this.#close('up to date')
      void this.#reply.code(204).send()
      return
    }
    const first = isNew ? frame(null, verification) : ''
    this.#reply.hijack()
    for (const [name, value] of Object.entries(this.#reply.headers(headers).getHeaders())) {
      if (value !== undefined) this.#raw.setHeader(name, value)
    }
    this.#raw.writeHead(200)
    // Spreads the reconnections after a restart.
    this.#raw.write(`retry: ${1000 + Math.floor(Math.random() * 2000)}\n\n${first}`)
    if (isNew) this.#events += 1
    this.#start.resolve()
  }

  #write (text: string): void {
    if (this.#raw.writableLength <= maxBufferedBytes) {
      this.#raw.write(text)
      return
    }
    this.#close('slow')
    this.#raw.destroy()
  }

  #end (cause: string): void {
    if (!this.#isOpen) return
    this.#close(cause)
    this.#raw.end()
  }

  /** Releases everything; the caller ends the response. */
  #close (cause: string): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#raw.off('close', this.#onDisconnect)
    this.#onClose()
    this.#reply.log.info({ verificationId: this.#id, cause, events: this.#events }, 'stream ended')
    this.#start.resolve()
  }
}
