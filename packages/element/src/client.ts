import type { Verification } from './verification.ts'

/** Which verification, and where. `base`: URL of the gateway without a slash at its end. */
export type Access = { base: string, id: string, secret: string }

/** `verification`: null when it is an error; then `problem` is what the gateway said about it. */
export type Answer = {
  status: number
  verification: Verification | null
  problem: Problem
  /** From `Retry-After`. */
  retryMs: number | null
}
export type Problem = { code?: string, attemptsRemaining?: number }

export type Client = ReturnType<typeof createClient>

/** How the reading of changes ended. `silent`: nothing arrived although the server answered, or it never did. */
export type Ending = { kind: 'ended' } | { kind: 'silent' } | { kind: 'refused', answer: Answer }

/** A proxy holds back a stream that sends nothing for this long; later the stream is lost: it has a beat each 15 s. */
const firstByteMs = 6_000
const nextByteMs = 40_000
const pollSeconds = 25

/** The calls of one verification. Each rejects when there is no answer, or when `signal` is aborted. */
export function createClient ({ base, id, secret }: Access) {
  const url = `${base}/verifications/${encodeURIComponent(id)}`
  let clockAheadMs = 0

  async function request (path: string, signal: AbortSignal, init: RequestInit = {}): Promise<Response> {
    const response = await fetch(url + path, {
      credentials: 'omit', signal, ...init, headers: { authorization: `Bearer ${secret}`, ...init.headers },
    })
    const date = Date.parse(response.headers.get('date') ?? '')
    if (date > 0) clockAheadMs = date - Date.now()
    return response
  }

  async function read (response: Response): Promise<Answer> {
    const body: unknown = await response.json().catch(() => null)
    const seconds = Number(response.headers.get('retry-after') ?? NaN)
    return {
      status: response.status, verification: response.ok && isVerification(body) ? body : null,
      problem: !response.ok && body !== null ? body as Problem : {},
      retryMs: seconds >= 0 ? seconds * 1000 : null,
    }
  }

  return {
    /** Milliseconds since the epoch, of the gateway's clock. */
    now: (): number => Date.now() + clockAheadMs,

    get: async (signal: AbortSignal): Promise<Answer> => read(await request('', signal)),

    post: async (path: 'check' | 'next' | 'resend', body: object, signal: AbortSignal): Promise<Answer> =>
      read(await request(`/${path}`, signal, {
        method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' },
      })),

    /** Long poll: waits for a state after `revision`. */
    async poll (revision: number | null, signal: AbortSignal, onState: (state: Verification) => void): Promise<Ending> {
      const query = revision === null ? '' : `?wait=${pollSeconds}&revision=${revision}`
      const answer = await read(await request(query, AbortSignal.any([signal, AbortSignal.timeout(nextByteMs)])))
      if (answer.verification === null) return { kind: 'refused', answer }
      onState(answer.verification)
      return { kind: 'ended' }
    },

    /** Server-Sent Events by `fetch`, because an `EventSource` could not send the secret in a header. */
    async stream (
      revision: number | null, signal: AbortSignal, onState: (state: Verification) => void,
    ): Promise<Ending> {
      const watchdog = new AbortController()
      let timer = setTimeout(() => watchdog.abort(), firstByteMs)
      let hasBytes = false
      try {
        const response = await request('/events', AbortSignal.any([signal, watchdog.signal]), {
          headers: revision === null ? {} : { 'last-event-id': String(revision) },
        })
        if (!response.ok) return { kind: 'refused', answer: await read(response) }
        // 204: the verification is final, and its final state was read before.
        if (response.body === null) return { kind: 'ended' }
        const events = createEventReader(onState)
        const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
        for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
          hasBytes = true
          clearTimeout(timer)
          timer = setTimeout(() => watchdog.abort(), nextByteMs)
          events(chunk.value)
        }
        return { kind: 'ended' }
      } catch (error) {
        if (watchdog.signal.aborted && !hasBytes && !signal.aborted) return { kind: 'silent' }
        throw error
      } finally {
        clearTimeout(timer)
      }
    },
  }
}

/** Takes the text of a stream in any pieces. */
export function createEventReader (onState: (state: Verification) => void): (text: string) => void {
  let rest = ''
  return text => {
    const events = (rest + text).split(/\r?\n\r?\n/)
    rest = events.pop() ?? ''
    for (const event of events) {
      // The gateway sends a verification in one line.
      const state: unknown = JSON.parse(/^data:(.*)$/m.exec(event)?.[1] ?? 'null')
      if (isVerification(state)) onState(state)
    }
  }
}

function isVerification (value: unknown): value is Verification {
  return typeof value === 'object' && value !== null && 'revision' in value && 'attempts' in value
}

/** The credentials are wrong, or the verification is gone: repeating cannot help. */
export const isLost = ({ status }: Answer): boolean => [401, 403, 404, 410].includes(status)
