import type { FastifyInstance, FastifyReply } from 'fastify'
import { ApiError } from '../../core/errors.ts'
import { isFinal, type Verification } from '../../core/verification.ts'
import type { Gateway } from '../../verifications/gateway.ts'
import { createFanOut, type FanOut } from './fan-out.ts'
import { Stream, type StreamOptions } from './stream.ts'

export type Live = {
  /**
   * The current state. With `wait` (seconds), waits until the revision is above `revision` (default: the current one),
   * the verification is final, or the time is over.
   */
  read (id: string, options: { wait?: number, revision?: number }, reply: FastifyReply): Promise<Verification>
  /**
   * Responds with an event stream: the current state if its revision is above `after`, then each change, until the
   * verification is final or erased. The response is 204, which stops the reconnections of an `EventSource`, when the
   * final state was already received. Before the response starts it throws `ApiError` gone, rate_limited or overloaded.
   */
  stream (id: string, options: StreamOptions, reply: FastifyReply): Promise<void>
}

export type LiveOptions = {
  /** Interval of the comments in an idle stream. The record is read again at each one. */
  heartbeatMs?: number
  maxStreams?: number
  maxStreamsPerVerification?: number
}

const retryAfterSeconds = 5

/** Long polls and event streams. A disconnected client and the shutdown of the server end them. */
export function createLive (
  server: FastifyInstance, gateway: Pick<Gateway, 'get' | 'listen'>,
  { heartbeatMs = 15_000, maxStreams = 10_000, maxStreamsPerVerification = 20 }: LiveOptions = {},
): Live {
  const fanOut = createFanOut(gateway)
  const acquire = createSlots(maxStreams, maxStreamsPerVerification)
  const open = new Set<{ stop (): void }>()
  server.addHook('preClose', async () => {
    for (const waiter of [...open]) waiter.stop()
  })

  function stream (id: string, options: StreamOptions, reply: FastifyReply): Promise<void> {
    const release = acquire(id)
    const stream = new Stream(id, reply, options, () => {
      open.delete(stream)
      subscription.unsubscribe()
      clearInterval(heartbeat)
      release()
    })
    open.add(stream)
    const subscription = fanOut(id, stream)
    const heartbeat = setInterval(() => { if (stream.beat()) subscription.refresh() }, heartbeatMs)
    return stream.started
  }

  return {
    stream: async (id, options, reply) => stream(id, options, reply),
    read: async (id, { wait = 0, revision }, reply) => wait === 0
      ? gateway.get(id)
      : longPoll({ gateway, fanOut, open }, id, { waitMs: wait * 1000, revision }, reply),
  }
}

/** Limits the streams of this process and of a verification. The returned function frees the slot; call it once. */
function createSlots (max: number, maxPerVerification: number): (id: string) => () => void {
  const counts = new Map<string, number>()
  let total = 0
  return id => {
    const count = counts.get(id) ?? 0
    if (count >= maxPerVerification) {
      throw new ApiError('rate_limited', 'This verification has too many open streams.', { retryAfterSeconds })
    }
    if (total >= max) {
      throw new ApiError('overloaded', 'This process has too many open streams.', { retryAfterSeconds })
    }
    counts.set(id, count + 1)
    total += 1
    return () => {
      const left = (counts.get(id) ?? 1) - 1
      if (left === 0) counts.delete(id)
      else counts.set(id, left)
      total -= 1
    }
  }
}

type LongPollParts = { gateway: Pick<Gateway, 'get'>, fanOut: FanOut, open: Set<{ stop (): void }> }

function longPoll (
  { gateway, fanOut, open }: LongPollParts, id: string,
  { waitMs, revision }: { waitMs: number, revision: number | undefined }, { raw }: FastifyReply,
): Promise<Verification> {
  return new Promise((resolve, reject) => {
    let known = revision
    const leave = (): void => {
      subscription.unsubscribe()
      clearTimeout(timer)
      open.delete(waiter)
      raw.off('close', stop)
    }
    const stop = (): void => {
      leave()
      resolve(gateway.get(id))
    }
    const waiter = { stop }
    const subscription = fanOut(id, {
      next (verification) {
        known ??= verification.revision
        if (!isFinal(verification) && verification.revision <= known) return
        leave()
        resolve(verification)
      },
      error (error) {
        leave()
        reject(error)
      },
    })
    const timer = setTimeout(stop, waitMs)
    open.add(waiter)
    raw.once('close', stop)
  })
}
