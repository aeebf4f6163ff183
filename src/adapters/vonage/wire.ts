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

/** The status of an error, by the fragment of its `type`: an error may arrive with the status of a success. */
const errorStatuses: ReadonlyMap<string, number> = new Map([
  ['unauthorized', 401], ['jwt-expired', 401], ['low-balance', 402], ['forbidden', 403], ['invalid-code', 400],
  ['request-not-found', 404], ['concurrent', 409], ['conflict', 409], ['no-code', 409], ['expired', 410],
  ['precondition-failed', 412], ['invalid-params', 422],
])

const readErrorType = (body: unknown): string => readString(membersOf(body).type, 512)?.split('#')[1] ?? ''
const statusOf = (status: number, body: unknown): number =>
  status < 300 ? errorStatuses.get(readErrorType(body)) ?? status : status

export type Created = { requestId: string, checkUrl: string | null }

/**
 * The request that was made, or why it was not. A number can have one request at a time, and a silent check only with
 * operators that take part.
 */
export function readCreated (status: number, body: unknown): Created | Reason {
  switch (statusOf(status, body)) {
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
  switch (statusOf(status, body)) {
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
