import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { Reason } from '../../core/reasons.ts'
import { membersOf, readList, readString, readText } from '../message.ts'

// https://developer.vonage.com/en/api/verify.v2

export const provider = 'vonage'

const requestState = Compile(Type.Object({ requestId: Type.String({ minLength: 1, maxLength: 256 }) }))
/** The id of the request that an attempt has made; null: none. */
export const readRequestId = (state: unknown): string | null => requestState.Check(state) ? state.requestId : null

const codeEvidence = Compile(Type.Object({ code: Type.String({ minLength: 1, maxLength: 256 }) }))
export const readCode = (evidence: unknown): string | null => codeEvidence.Check(evidence) ? evidence.code : null

/** What Vonage takes as a code: a typed one has digits only, that of a silent check also letters. */
export const isCode = (code: string): boolean => /^[a-zA-Z0-9]{4,10}$/.test(code)

export type Created = { requestId: string, checkUrl: string | null }

/**
 * The request that was made, or why it was not. A number can have one request at a time, and a silent check only with
 * operators that take part.
 */
export function readCreated (status: number, body: unknown): Created | Reason {
  switch (status) {
    case 401: case 402: case 403: return 'provider_misconfigured'
    case 409: return 'recently_tried'
    case 412: return 'carrier_unsupported'
    case 422: return readInvalidParameters(body)
  }
  const { request_id: id, check_url: url } = membersOf(body)
  const requestId = readText(id)
  return status >= 300 || requestId === null
    ? 'provider_bad_response'
    : { requestId, checkUrl: readString(url, 2048) }
}

/** The sender and the brand are settings of the operator; the number is the user's. */
function readInvalidParameters (body: unknown): Reason {
  const names = readList(membersOf(body).invalid_parameters, 16)
    .flatMap(parameter => readText(membersOf(parameter).name) ?? [])
  if (names.some(name => /\b(from|brand)$/.test(name))) return 'provider_misconfigured'
  return names.some(name => /\bto$/.test(name)) ? 'carrier_unsupported' : 'provider_bad_response'
}

/** What an answer to a code says. `busy`: the request cannot be checked at this moment. */
export type Verdict = 'completed' | 'incorrect' | 'busy' | Reason

/**
 * 404 may mean that the request was completed before, or that its time is over, so it proves nothing. 410 ends the
 * request after too many wrong codes.
 */
export function judgeCheck (status: number, body: unknown, requestId: string): Verdict {
  switch (status) {
    case 400: return 'incorrect'
    case 401: case 402: case 403: return 'provider_misconfigured'
    case 404: return 'evidence_expired'
    case 409: return readErrorType(body) === 'conflict' ? 'busy' : 'evidence_invalid'
    case 410: return 'code_attempts_exhausted'
  }
  const { request_id: id, status: word } = membersOf(body)
  const isOther = readText(id) !== null && readText(id) !== requestId
  return status < 300 && word === 'completed' && !isOther ? 'completed' : 'provider_bad_response'
}

/** The `type` of an error is a URL, whose fragment names it. */
const readErrorType = (body: unknown): string | null =>
  readString(membersOf(body).type, 512)?.split('#')[1] ?? null

/** Hosts of check URLs differ from region to region. */
const ownDomains = ['vonage.com', 'nexmo.com']

/** Whether a device may be sent to this URL: it is on the configured origin, or Vonage's by https. */
export function isOwnUrl (text: string, origin: string): boolean {
  const url = URL.parse(text)
  if (url === null || url.href !== text || url.username !== '' || url.password !== '' || url.hash !== '') return false
  if (url.origin === origin) return true
  const isOwn = ownDomains.some(domain => url.hostname === domain || url.hostname.endsWith(`.${domain}`))
  return isOwn && url.protocol === 'https:' && url.port === ''
}
