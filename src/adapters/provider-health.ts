import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { reasonWords, type Reason } from '../core/reasons.ts'
import type { ProviderCall } from '../core/vocabulary.ts'
import { createCallHealth, type CallHealth } from './call-health.ts'

/** How the processes tell each other texts. A text may get lost; `send` throws nothing. */
export type HealthChannel = {
  send (text: string): void
  /** Until the returned function is called. */
  listen (listener: (text: string) => void): () => void
}

/**
 * The health of every kind of call of every method, shared with the other processes. The methods of a provider have
 * servers and permissions of their own, so the failure of one says nothing about another.
 */
export type ProviderHealth = {
  of (method: string, call: ProviderCall['call']): CallHealth
  close (): void
}

export type ProviderHealthParts = {
  /** Milliseconds since the epoch, the same for all processes. */
  now: () => number
  /** Absent: the process is alone. */
  channel?: HealthChannel
  /** Names this process. */
  id?: string
}

const shareEveryMs = 2_000

const time = Type.Number({ minimum: 0 })
const count = Type.Integer({ minimum: 0 })
const text = Type.Union([Type.String({ maxLength: 512 }), Type.Null()])
const vendor = Type.Object({ status: Type.Union([count, Type.Null()]), code: text, text })
const message = Compile(Type.Object({
  from: Type.String({ minLength: 1, maxLength: 64 }),
  calls: Type.Record(Type.String({ maxLength: 128 }), Type.Object({
    closedAt: time, openedAt: Type.Union([time, Type.Null()]), ok: count, failed: count, misconfigured: count,
    lastSuccessAt: Type.Union([time, Type.Null()]),
    lastFailure: Type.Union([Type.Object({
      at: time, reason: Type.Enum(reasonWords as [Reason]), vendor: Type.Optional(Type.Union([vendor, Type.Null()])),
    }), Type.Null()]),
  })),
}))

/**
 * Every process sends its counts every two seconds, if it has any, and at once when a breaker changes. So a create asks
 * Redis nothing, a process that starts knows within two seconds what the others know, and each decides by itself while
 * Redis is away.
 */
export function createProviderHealth ({ now, channel, id = 'alone' }: ProviderHealthParts): ProviderHealth {
  const healths = new Map<string, CallHealth>()
  let isSending = false

  function send (): void {
    isSending = false
    const at = now()
    const calls = [...healths].map(([name, health]) => [name, health.summary(at)] as const)
      .filter(([, { ok, failed, misconfigured, openedAt, closedAt }]) =>
        ok + failed + misconfigured > 0 || openedAt !== null || closedAt > at - shareEveryMs * 5)
    if (calls.length > 0) channel?.send(JSON.stringify({ from: id, calls: Object.fromEntries(calls) }))
  }

  /** The changes of one turn of the event loop are one message. */
  function sendSoon (): void {
    if (isSending || channel === undefined) return
    isSending = true
    setImmediate(send)
  }

  function receive (text: string): void {
    const reported = parse(text)
    if (!message.Check(reported) || reported.from === id) return
    const at = now()
    for (const [name, summary] of Object.entries(reported.calls)) healths.get(name)?.merge(reported.from, summary, at)
  }

  const stop = channel?.listen(receive)
  const timer = channel === undefined ? undefined : setInterval(send, shareEveryMs).unref()

  return {
    of (method, call) {
      const name = `${method} ${call}`
      const health = healths.get(name) ?? createCallHealth({ now, onChange: sendSoon })
      healths.set(name, health)
      return health
    },
    close () {
      clearInterval(timer)
      stop?.()
    },
  }
}

function parse (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
