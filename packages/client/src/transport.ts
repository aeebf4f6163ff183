import createFetchClient from 'openapi-fetch'
import { ConnectionError, isTemporary, problemOf, ProblemError } from './errors.ts'
import type { CallOptions, ClientOptions } from './options.ts'
import { backoffMs, pause } from './pause.ts'
import type { operations, paths } from './schema.ts'

export type Sending = CallOptions & {
  /** How often the call may be repeated. Default: never. */
  maxRetries?: number
  /** Null: only the signal ends the request. */
  timeoutMs?: number | null
}

type Outcome = { data?: unknown, error?: unknown, response: Response }
type Content<Answer> = Answer extends { content: infer ByType } ? ByType[keyof ByType] : undefined
type Responses<Id extends keyof operations> = operations[Id]['responses']
/**
 * The body of a successful response. openapi-fetch infers it, too, but takes `string & {}` for an object, which keeps
 * the words of an open list apart from other strings.
 */
export type Answer<Id extends keyof operations> =
  Content<Responses<Id>[Extract<keyof Responses<Id>, 200 | 201 | 202 | 204>]>

/** A longer wait is left to the caller. */
const maxRetryAfterSeconds = 30

export type Transport = ReturnType<typeof createTransport>

/** Throws a `TypeError` for a URL that cannot be read, and for a credential with characters that no header can have. */
export function createTransport (options: ClientOptions) {
  const { url, maxRetries = 2, timeoutMs = 30_000, fetch = request => globalThis.fetch(request) } = options
  const credential = 'apiKey' in options ? options.apiKey : options.clientSecret
  const headers = { authorization: `Bearer ${credential}` }
  // Throws for a URL or a credential that no request can have: repeating a call would never help.
  void new Request(url, { headers })
  const api = createFetchClient<paths>({ baseUrl: url, fetch, headers })

  /** Sends a request once. Throws a `ProblemError`, a `ConnectionError`, or the reason of the signal. */
  async function sendOnce (
    request: (signal: AbortSignal) => Promise<Outcome>, { signal, timeoutMs: own = timeoutMs }: Sending,
  ): Promise<unknown> {
    signal?.throwIfAborted()
    const timeout = own === null ? null : AbortSignal.timeout(own)
    let outcome: Outcome
    try {
      outcome = await request(AbortSignal.any([signal, timeout].filter(one => one !== null && one !== undefined)))
    } catch (cause) {
      signal?.throwIfAborted()
      throw new ConnectionError(timeout?.aborted === true ? `No response within ${own} ms` : 'No response', { cause })
    }
    if (!outcome.response.ok) throw problemOf(outcome.error, outcome.response)
    return outcome.data
  }

  /** Sends the request of an operation, and repeats it as often as it may be. */
  async function send<Id extends keyof operations, Data = Answer<Id>> (
    request: (signal: AbortSignal) => Promise<Outcome>, sending: Sending = {},
  ): Promise<Data> {
    for (let failures = 1; ; failures += 1) {
      try {
        return await sendOnce(request, sending) as Data
      } catch (error) {
        const { maxRetries = 0, signal } = sending
        // A call without a limit of retries also follows a long Retry-After.
        const maxSeconds = maxRetries === Infinity ? Infinity : maxRetryAfterSeconds
        const delayMs = failures > maxRetries ? null : delayAfter(error, failures, maxSeconds)
        if (delayMs === null) throw error
        await pause(delayMs, signal)
      }
    }
  }

  return { api, send, maxRetries }
}

/** The time before the next try; null if there should be none. */
export function delayAfter (error: unknown, failures: number, maxSeconds: number): number | null {
  if (!isTemporary(error)) return null
  const seconds = error instanceof ProblemError ? error.retryAfter : null
  if (seconds === null) return backoffMs(failures)
  return seconds > maxSeconds ? null : seconds * 1000 + 250 * Math.random()
}
