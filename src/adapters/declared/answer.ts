import type { Reason } from '../../core/reasons.ts'
import type { ProviderAnswer } from '../adapter.ts'
import { readText } from '../message.ts'
import { at, matches } from './pointer.ts'
import type { Entry } from './schema.ts'

/** Statuses whose meaning does not depend on the service: credentials, credit, rights. */
const misconfigured = new Set([401, 402, 403])

/** What an answer says. `id`: the service's id of the message; null where the entry does not say where it is. */
export type Read = { id: string | null } | { refused: Reason }

/** Reads an answer: the first entry of `refused` that matches, else `accepted`, else what the status means. */
export function readAnswer ({ accepted, refused = [] }: Entry, { status, body }: ProviderAnswer): Read {
  const refusal = refused.find(one => one.status === status && matches(body, one.match))
  if (refusal !== undefined) return { refused: refusal.reason }
  if (accepted.status.includes(status) && matches(body, accepted.match)) {
    if (accepted.id === undefined) return { id: null }
    const id = readText(at(body, accepted.id))
    // The message may have been sent, but the entry says that the service answers with an id.
    return id === null ? { refused: 'provider_bad_response' } : { id }
  }
  return { refused: misconfigured.has(status) ? 'provider_misconfigured' : 'provider_bad_response' }
}
