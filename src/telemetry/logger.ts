import { pino, stdTimeFunctions, type Logger } from 'pino'

export type { Logger }

/**
 * Writes one JSON line per event. Callers pass only ids, closed words, counts and durations, and nothing that came from
 * a person or a provider; redaction is only a second line of defence. Of an error it writes the name, the message and
 * the stack: its causes and other members, such as the command of a Redis error, can have what was sent. `traceId`: the
 * trace of the current span, if any.
 */
export function createLogger (
  level: string,
  destination: { write (line: string): void } = pino.destination({ dest: 1, sync: false }),
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
