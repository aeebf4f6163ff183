import { pino, type Logger } from 'pino'

export type { Logger }

/**
 * One JSON line an event. Nothing that a person or a provider gave us is ever passed to it: ids, closed words, counts
 * and durations only;
 * the redaction is a second fence, not the first.
 * `traceId`: of the span that a line belongs to, if any.
 */
export function createLogger (
  level: string, destination: {
    write (line: string): void,
  } = pino.destination({ dest: 1, sync: false }), traceId?: () => string | null,
): Logger {
  return pino({
    level,
    base: null,
    timestamp: createTimestamp(),
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

/** Many lines are of one millisecond: its time is written out once. */
function createTimestamp (): () => string {
  let at = 0
  let text = ''
  return () => {
    const now = Date.now()
    if (now !== at) {
      at = now
      text = `,"time":"${new Date(now).toISOString()}"`
    }
    return text
  }
}
