import { pino, stdTimeFunctions, type DestinationStream, type Logger } from 'pino'

export type { Logger }

/** Lines are written together: as soon as they have this size, and at the latest after this time. */
const chunkBytes = 8 * 1024
const maxWaitMs = 50

/** stdout. A process that calls `process.exit` writes what is waiting before it ends. */
function openStdout (): DestinationStream & { flush (done?: () => void): void, flushSync (): void } {
  const stdout = pino.destination({ dest: 1, sync: false, minLength: chunkBytes })
  let timer: NodeJS.Timeout | null = null
  const flush = (): void => {
    timer = null
    stdout.flush()
  }
  return {
    write (line) {
      stdout.write(line)
      // Its own `periodicFlush` would write twenty times a second, also when there is nothing.
      timer ??= setTimeout(flush, maxWaitMs).unref()
    },
    flush: done => stdout.flush(done),
    flushSync: () => stdout.flushSync(),
  }
}

/**
 * Writes one JSON line per event. Callers pass only ids, closed words, counts and durations, and nothing that came from
 * a person or a provider; redaction is only a second line of defence. Of an error it writes the name, the message and
 * the stack: its causes and other members, such as the command of a Redis error, can have what was sent. A fatal line
 * is written at once; `flush` writes the others. `traceId`: the trace of the current span, if any.
 */
export function createLogger (
  level: string,
  destination: DestinationStream = openStdout(),
  traceId?: () => string | null,
): Logger {
  return pino({
    level,
    base: null,
    timestamp: stdTimeFunctions.isoTime,
    serializers: { err: describeError },
    redact: {
      paths: [
        'req', 'res', 'headers', 'body', 'query', 'url', 'phoneNumber', 'clientSecret', 'token', 'code',
        'authorization',
      ],
      remove: true,
    },
    ...(traceId === undefined ? {} : {
      mixin: () => {
        const id = traceId()
        return id === null ? {} : { traceId: id }
      },
    }),
  }, destination)
}

function describeError (error: unknown): object {
  if (!(error instanceof Error)) return { type: typeof error }
  const { name, message, stack } = error
  return { type: name, message, stack }
}
