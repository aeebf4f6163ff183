import type { FastifyInstance, FastifyReply } from 'fastify'
import { ApiError } from '../../core/errors.ts'
import { createFanOut, type Subscriber, type Subscription } from './fan-out.ts'
import type { Gateway } from '../../verifications/gateway.ts'
import { StoreUnavailable } from '../../store/record-store.ts'
import { isFinal, type Verification } from '../../core/verification.ts'

export type Live = {
  /**
   * The verification at once, or, with `wait` (seconds), when its revision passes `revision` (absent: the present one),
   * when it is final,
   * or when the time is over.
   */
  read (id: string, wish: { wait?: number, revision?: number }, reply: FastifyReply): Promise<Verification>
  /**
   * Answers with an event stream: the present state unless its revision is not above `after`, then each change, until
   * nothing can change
   * any more or the verification is erased. When there is nothing to tell and never will be, the answer is 204, which
   * ends the reconnecting
   * of an `EventSource`. `frame` writes an event: what became of the state that was told before (null: none was) by the
   * present one.
   * Throws `ApiError` while nothing is sent yet: gone, rate_limited, overloaded.
   */
  stream (id: string, wish: StreamWish, reply: FastifyReply): Promise<void>
}
export type StreamWish = { after: number | null, frame: (before: Verification | null, now: Verification) => string }

export type LiveOptions = {
  /**
   * How often a silent stream shows that it is alive, and the record is read again, since an announcement may have been
   * missed.
   */
  heartbeatMs?: number
  maxStreams?: number
  maxStreamsPerVerification?: number
}

/**
 * What may wait for a reader that is slower than the verification changes; then its stream is cut, and may be resumed.
 */
const maxUnreadBytes = 64 * 1024
const retryAfterSeconds = 5
const streamHeaders = { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' }

/** Long polls and event streams. A client that goes away, and a server that closes, end them. */
export function createLive (
  server: FastifyInstance, gateway: Pick<Gateway, 'get' | 'listen'>,
  { heartbeatMs = 15_000, maxStreams = 10_000, maxStreamsPerVerification = 20 }: LiveOptions = {},
): Live {
  const fanOut = createFanOut(gateway)
  const waits = new Set<() => void>()
  const streams = new Map<string, number>()
  let streamCount = 0
  server.addHook('preClose', async () => {
    for (const stop of [...waits]) stop()
  })

  /** Takes a place among the streams; the returned function, called once, gives it back. */
  function takePlace (id: string): () => void {
    const count = streams.get(id) ?? 0
    if (count >= maxStreamsPerVerification) throw new ApiError(
      'rate_limited', 'This verification has too many open streams.', { retryAfterSeconds },
    )
    if (streamCount >= maxStreams) throw new ApiError(
      'overloaded', 'This process has too many open streams.', { retryAfterSeconds },
    )
    streams.set(id, count + 1)
    streamCount += 1
    return () => {
      const left = (streams.get(id) ?? 1) - 1
      if (left === 0) streams.delete(id)
      else streams.set(id, left)
      streamCount -= 1
    }
  }

  async function stream (id: string, { after, frame }: StreamWish, reply: FastifyReply): Promise<void> {
    const leavePlace = takePlace(id)
    const { raw, log } = reply
    const started = Promise.withResolvers<void>()
    let told: Verification | null = null
    let events = 0

    /** Leaves everything behind; what the reader gets last is the caller's. */
    function leave (cause: string): void {
      if (!waits.delete(stop)) return
      subscription.unsubscribe()
      clearInterval(heartbeat)
      raw.off('close', goAway)
      leavePlace()
      log.info({ verificationId: id, cause, events }, 'stream ended')
      started.resolve()
    }
    const goAway = (): void => leave('client')
    function end (cause: string): void {
      leave(cause)
      raw.end()
    }
    function stop (): void {
      if (told !== null) return end('stopping')
      started.reject(new ApiError('overloaded', 'This process is stopping.', { retryAfterSeconds: 1 }))
      leave('stopping')
    }
    function write (text: string): void {
      if (raw.writableLength <= maxUnreadBytes) {
        raw.write(text)
        return
      }
      leave('slow')
      raw.destroy()
    }
    function begin (verification: Verification): void {
      if (after !== null && verification.revision <= after && isFinal(verification)) {
        leave('nothing to tell')
        void reply.code(204).send()
        return
      }
      const isNews = after === null || verification.revision > after
      const first = isNews ? frame(null, verification) : ''
      reply.hijack()
      for (
        const [name, value] of Object.entries(reply.headers(streamHeaders).getHeaders())
      ) if (value !== undefined) raw.setHeader(name, value)
      raw.writeHead(200)
      // They come back at different times when a process stops.
      raw.write(`retry: ${1000 + Math.floor(Math.random() * 2000)}\n\n${first}`)
      if (isNews) events += 1
      started.resolve()
    }

    const subscriber: Subscriber = {
      next (verification) {
        if (told === null) begin(verification)
        else if (verification.revision > told.revision) {
          events += 1
          write(frame(told, verification))
        }
        told = verification
        if (isFinal(verification) && waits.has(stop)) end('final')
      },
      error (error) {
        if (told === null) {
          started.reject(error)
          leave('not begun')
        } else if (error instanceof ApiError && error.apiCode === 'gone') end('erased')
        else if (!(error instanceof StoreUnavailable)) {
          log.error({ verificationId: id, err: error }, 'stream broken')
          end('broken')
        }
      },
    }
    waits.add(stop)
    raw.once('close', goAway)
    const subscription: Subscription = fanOut(id, subscriber)
    const heartbeat = setInterval(() => {
      if (told === null) return
      write(':\n\n')
      subscription.refresh()
    }, heartbeatMs)
    return started.promise
  }

  return {
    stream,
    read: async (id, { wait = 0, revision }, reply) => wait === 0 ? gateway.get(id) : new Promise((resolve, reject) => {
      let passed = revision
      const leave = (): void => {
        subscription.unsubscribe()
        clearTimeout(timer)
        waits.delete(giveUp)
        reply.raw.off('close', giveUp)
      }
      const giveUp = (): void => {
        leave()
        resolve(gateway.get(id))
      }
      const subscription = fanOut(id, {
        next (verification) {
          passed ??= verification.revision
          if (!isFinal(verification) && verification.revision <= passed) return
          leave()
          resolve(verification)
        },
        error (error) {
          leave()
          reject(error)
        },
      })
      const timer = setTimeout(giveUp, wait * 1000)
      waits.add(giveUp)
      reply.raw.once('close', giveUp)
    }),
  }
}
