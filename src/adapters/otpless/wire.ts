import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { Reason } from '../../core/reasons.ts'
import { membersOf, readBoolean, readString, readText } from '../message.ts'
import { alreadyVerified, isWrongOtp, notStarted, readError, readErrorCode, readEvidenceError } from './errors.ts'
import { judgeIdentities, type Asked, type Proof } from './identities.ts'

// https://otpless.com/docs/api-reference: initiate, verify OTP, verify code, status

const requestsState = Compile(Type.Object({
  requestIds: Type.Array(Type.String({ minLength: 1, maxLength: 256 }), { minItems: 1, maxItems: 16 }),
}))
const codeEvidence = Compile(Type.Object({ code: Type.String({ maxLength: 256 }) }))
// Visible characters only: OTPLESS may ignore white space, and a used token with a blank more must not count as
// another.
const visible = '^[\\x21-\\x7e]+$'
const linkCode = Compile(Type.Object({ code: Type.String({ maxLength: 256, pattern: visible }) }))
const noEvidence = Compile(Type.Object({}, { additionalProperties: false }))
const tokenEvidence = Compile(Type.Object({ token: Type.String({ maxLength: 4096, pattern: visible }) }))

/** What `initiate` returned. `link` is what the user opens, where the method has one. */
export type Initiated = { requestId: string, link: string | null }

/**
 * A request that was accepted, or why it was not. A 200 can say that it failed. No evidence exists yet, so an error
 * about evidence breaks the contract.
 */
export function readInitiated (status: number, body: unknown): Initiated | Reason {
  const error = readError(status, body)
  if (error !== null) return error.startsWith('evidence_') ? 'provider_bad_response' : error
  const { requestId: id, status: word, link } = membersOf(body)
  if (word === 'FAILED') return 'provider_error'
  const requestId = readText(id)
  return requestId === null ? 'provider_bad_response' : { requestId, link: readString(link, 2048) }
}

/** The state of an attempt: the ids of its requests, the newest first. Null: none was made. */
export function readRequestIds (state: unknown): [string, ...string[]] | null {
  const [first, ...earlier] = requestsState.Check(state) ? state.requestIds : []
  return first === undefined ? null : [first, ...earlier]
}

/** The evidence `{}`: "query the provider". */
export const isEmpty = (evidence: unknown): boolean => noEvidence.Check(evidence)

/** A code as it was submitted. */
export const readCode = (evidence: unknown): string | null =>
  codeEvidence.Check(evidence) ? evidence.code : null

/** The code that a link brought back. */
export const readLinkCode = (evidence: unknown): string | null => linkCode.Check(evidence) ? evidence.code : null

export const readToken = (evidence: unknown): string | null => tokenEvidence.Check(evidence) ? evidence.token : null

/**
 * The metadata of a request. The webhooks about it are expected to return it: they have a member `metaData`, which the
 * documentation shows empty.
 */
export const writeMetadata = (callbackKey: string): { verigate: string } => ({ verigate: callbackKey })

/**
 * What the answer to an OTP says. A wrong one is documented as a 400, not as a 200 that says false; both are read.
 * "Already verified" is a success when the same code was sent before.
 */
export function judgeOtp (
  status: number, body: unknown, requestId: string, repeated: boolean,
): 'correct' | 'incorrect' | Reason {
  const code = readErrorCode(body)
  if (isWrongOtp(code)) return 'incorrect'
  if (code === alreadyVerified && repeated) return 'correct'
  const error = readError(status, body)
  if (error !== null) return error
  const { requestId: ofRequest, isOTPVerified } = membersOf(body)
  const isVerified = readBoolean(isOTPVerified)
  if (isVerified === null || (readText(ofRequest) ?? requestId) !== requestId) return 'provider_bad_response'
  return isVerified ? 'correct' : 'incorrect'
}

/** What a token of the front-end SDK proves. */
export function judgeToken (status: number, body: unknown, asked: Asked): Proof | Reason {
  return readEvidenceError(status, body) ?? judgeIdentities(membersOf(body), asked)
}

/**
 * What the code of a link proves. The answer names the request that the code belongs to: any code of this OTPLESS
 * account is accepted, so one of another request proves nothing here.
 */
export function judgeCode (
  status: number, body: unknown, requestIds: readonly string[], asked: Asked,
): Proof | Reason {
  const error = readEvidenceError(status, body)
  if (error !== null) return error
  const { requestId, userDetails } = membersOf(body)
  const ofRequest = readText(requestId)
  if (ofRequest === null) return 'provider_bad_response'
  return requestIds.includes(ofRequest) ? judgeIdentities(membersOf(userDetails), asked) : 'evidence_invalid'
}

/** What the status of a request says. A 200 can say that a silent check failed, and why. */
export function judgeStatus (
  status: number, body: unknown, id: string, asked: Asked,
): Proof | 'pending' | Reason {
  if (readErrorCode(body) === notStarted) return 'pending'
  const error = readError(status, body)
  if (error !== null) return error
  const { requestId, status: word } = membersOf(body)
  if ((readText(requestId) ?? id) !== id) return 'provider_bad_response'
  switch (word) {
    case 'INIT': case 'PENDING': return 'pending'
    case 'SUCCESS': return judgeIdentities(membersOf(body), asked)
    case 'DECLINE': case 'DECLINED': return 'user_rejected'
    case 'EXPIRED': return 'evidence_expired'
    case 'FAILED': return 'provider_error'
    default: return 'provider_bad_response'
  }
}

/** Domains of the links that OTPLESS issues: `sna.otpless.app`, `otpless.me`. */
const linkDomains = ['otpless.app', 'otpless.me', 'otpless.com']

/**
 * Whether a link that the user will open leads to OTPLESS: https on one of its domains or on a configured origin. With
 * `allowInsecure`, also http and any port of a configured host.
 */
export function isOwnLink (link: string, origins: readonly string[], allowInsecure: boolean): boolean {
  const url = URL.parse(link)
  if (url === null || url.href !== link || url.username !== '' || url.password !== '' || url.hash !== '') return false
  if (origins.includes(url.origin)) return true
  if (allowInsecure) return /^https?:$/.test(url.protocol) && isKnownHost(url, origins)
  return url.protocol === 'https:' && url.port === '' && isKnownHost(url, [])
}

const isKnownHost = ({ hostname }: URL, origins: readonly string[]): boolean =>
  origins.some(origin => new URL(origin).hostname === hostname)
  || linkDomains.some(domain => hostname === domain || hostname.endsWith(`.${domain}`))
