import { createParser, type EventSourceMessage } from 'eventsource-parser'
import { ConnectionError } from './errors.ts'
import type { EventsOptions, VerificationEvent } from './options.ts'
import { pause } from './pause.ts'
import type { Verification } from './schema.ts'
import { delayAfter, type Transport } from './transport.ts'

/** The gateway sends a comment every 15 seconds. */
const maxSilenceMs = 60_000
/** Until the gateway sends another time. */
const defaultReconnectMs = 1000

/** Follows a verification until it is final. Reconnects after the last event whenever the stream ends early. */
export async function * followEvents (
  { api, send }: Transport, id: string, { signal, lastEventId }: EventsOptions,
): AsyncGenerator<VerificationEvent, void, undefined> {
  let last = lastEventId
  let reconnectMs = defaultReconnectMs
  for (let failures = 0; ; failures += 1) {
    const connection = openConnection(signal)
    let delayMs: number | null
    try {
      const header = last === undefined ? {} : { 'last-event-id': String(last) }
      const stream = await send<'followVerification', ReadableStream<Uint8Array> | undefined>(
        signal => api.GET('/verifications/{id}/events', {
          params: { path: { id }, header }, parseAs: 'stream', signal,
        }), { signal: connection.signal, timeoutMs: null },
      )
      // 204: the verification is final, and the last event is known.
      if (stream === undefined) return
      for await (const { data, event = '' } of readMessages(stream, connection, ms => { reconnectMs = ms })) {
        failures = 0
        const verification: Verification = JSON.parse(data)
        last = verification.revision
        yield { type: event, id: last, verification }
        if (verification.status !== 'pending') return
      }
      delayMs = reconnectMs
    } catch (error) {
      signal?.throwIfAborted()
      delayMs = delayAfter(error, failures + 1, Infinity)
      if (delayMs === null) throw error
    } finally {
      connection.close()
    }
    await pause(delayMs, signal)
  }
}

/** A connection that is given up after a silence. */
type Connection = { signal: AbortSignal, heard (): void, close (): void }

function openConnection (signal: AbortSignal | undefined): Connection {
  const own = new AbortController()
  const giveUp = (): void => own.abort(new ConnectionError(`Nothing was received for ${maxSilenceMs} ms`))
  let timer = setTimeout(giveUp, maxSilenceMs)
  return {
    signal: signal === undefined ? own.signal : AbortSignal.any([signal, own.signal]),
    heard () {
      clearTimeout(timer)
      timer = setTimeout(giveUp, maxSilenceMs)
    },
    close () {
      clearTimeout(timer)
      own.abort()
    },
  }
}

async function * readMessages (
  stream: ReadableStream<Uint8Array>, connection: Connection, onRetry: (ms: number) => void,
): AsyncGenerator<EventSourceMessage, void, undefined> {
  const messages: EventSourceMessage[] = []
  const parser = createParser({ onEvent: message => { messages.push(message) }, onRetry })
  const decoder = new TextDecoder()
  const reader = stream.getReader()
  while (true) {
    const { done, value } = await reader.read().catch((cause: unknown) => {
      throw new ConnectionError('The stream broke', { cause })
    })
    if (done) return
    connection.heard()
    parser.feed(decoder.decode(value, { stream: true }))
    yield * messages.splice(0)
  }
}
