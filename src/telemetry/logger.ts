import { pino, stdTimeFunctions, type Logger } from 'pino'

export type { Logger }

/**
 * Writes one JSON line per event. Callers pass only ids, closed words, counts and durations, and nothing that came from
 * a person or a provider; redaction is only a second line of defence. `traceId`: the trace of the current span, if any.
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
