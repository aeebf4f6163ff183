import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

const idCharacters = /^[A-Za-z0-9][A-Za-z0-9._:=-]{0,127}$/
/** So many digits may be a phone number, which must not be logged. */
const phoneLike = /\d(?:[._:=-]?\d){6}/
/** UUIDs and the ids of tracing systems may have as many digits in a row. */
const hexadecimal = /^(?=.*[a-f])(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{16,64})$/i

/** Whether a text looks like an id: it is logged and returned, so it must not carry anything else. */
export const looksLikeId = (text: string): boolean =>
  idCharacters.test(text) && (hexadecimal.test(text) || !phoneLike.test(text))

/** The caller's `x-request-id` if it looks like an id, otherwise a new one. */
export function readRequestId ({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const given = headers['x-request-id']
  return typeof given === 'string' && looksLikeId(given) ? given : randomUUID()
}
