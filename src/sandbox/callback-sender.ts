import { Agent, request } from 'undici'
import type { Timers } from './timers.ts'

export type Callback = {
  provider: string
  url: string
  body: object
  /** Headers besides `content-type`, computed for every try, because a signature covers the date. */
  headers?: (body: string, url: URL) => Promise<Record<string, string>>
  /** Pauses before the tries after the first. */
  retryDelaysMs: readonly number[]
  /** How many times the same event is sent at once. */
  copies: number
}

export type CallbackSender = ReturnType<typeof createCallbackSender>

/**
 * Posts callbacks as JSON: 3 s for an answer, any 2xx is success, everything else (redirects too) is retried on the
 * callback's schedule. `onError` receives a message without content when the retries are exhausted.
 */
export function createCallbackSender ({ timers, onError, timeoutMs = 3000, maxWaiting = 10_000 }: {
  timers: Timers
  onError: (message: string) => void
  timeoutMs?: number
  maxWaiting?: number
}) {
  const agent = new Agent({ connections: 64 })
  let waiting = 0
  let closed = false

  async function post ({ url, body, headers }: Callback): Promise<string> {
    try {
      const target = new URL(url)
      const text = JSON.stringify(body)
      const extra = await headers?.(text, target)
      const answer = await request(target, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...extra },
        body: text,
        dispatcher: agent,
        signal: AbortSignal.timeout(timeoutMs),
      })
      await answer.body.dump()
      return String(answer.statusCode)
    } catch (error) {
      return error instanceof Error ? error.name : 'error'
    }
  }

  async function deliver (callback: Callback, tries: number): Promise<void> {
    const answer = await post(callback)
    if (closed || /^2\d\d$/.test(answer)) return
    const delayMs = callback.retryDelaysMs[tries]
    if (delayMs === undefined || waiting >= maxWaiting) {
      onError(`${callback.provider} callback given up after ${tries + 1} tries, the last one ended with ${answer}`)
      return
    }
    waiting += 1
    timers.after(delayMs, () => {
      waiting -= 1
      void deliver(callback, tries + 1)
    })
  }

  return {
    /** Resolves when the first try of every copy has ended, successful or not; never rejects. */
    async send (callback: Callback): Promise<void> {
      await Promise.all(Array.from({ length: callback.copies }, () => deliver(callback, 0)))
    },

    async close (): Promise<void> {
      closed = true
      await agent.destroy()
    },
  }
}
