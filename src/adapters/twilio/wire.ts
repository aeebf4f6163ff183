import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { Reason } from '../../core/reasons.ts'
import { readPhoneNumber } from '../../phone.ts'
import { createReader, membersOf, readBoolean, readList, readString, readText, upTo } from '../message.ts'
import { readErrorCode, readError, reasonOfSilentCode, silentPending } from './errors.ts'

// https://www.twilio.com/docs/verify/api/verification and …/verification-check

const sid = '^VE[0-9a-fA-F]{32}$'
const attemptState = Compile(Type.Object({ sid: Type.String({ pattern: sid }) }))
const codeEvidence = Compile(Type.Object({ code: Type.String({ maxLength: 256 }) }))
const noEvidence = Compile(Type.Object({}, { additionalProperties: false }))
const maxSilentAttempts = 64

/** The sid of the verification of an attempt. Null: none was started. */
export const readSid = (state: unknown): string | null => attemptState.Check(state) ? state.sid : null
export const readCode = (evidence: unknown): string | null => codeEvidence.Check(evidence) ? evidence.code : null
/** Twilio might take an empty token for none, and then ask for no token. */
export const isToken = (code: string): boolean => /^[\x21-\x7e]+$/.test(code)
/** The evidence `{}`: "query the provider". */
export const isEmpty = (evidence: unknown): boolean => noEvidence.Check(evidence)

const readVerification = createReader({
  sid: readString, status: readString, valid: readBoolean, channel: upTo(32, readString), to: readText,
})

/** An answer about another verification than ours. */
function isForeign (body: unknown, phoneNumber: string, own: string | null): boolean {
  const { sid, to } = readVerification(body)
  return (own !== null && sid !== null && sid !== own)
    || (to !== null && readPhoneNumber(to, phoneNumber) !== phoneNumber)
}

/** A verification that was started, or why it was not. `url`: what the phone opens, of a silent check. */
export function readCreated (
  status: number, body: unknown, phoneNumber: string,
): { sid: string, url: string | null } | Reason {
  const error = readError(status, body)
  if (error !== null) return error
  const { sid } = readVerification(body)
  const state = { sid }
  if (!attemptState.Check(state) || isForeign(body, phoneNumber, null)) return 'provider_bad_response'
  return { sid: state.sid, url: readString(membersOf(membersOf(body).sna).url, 2048) }
}

/** The URL of a silent check, if a phone may open it: it belongs to a carrier's partner, so any host may be named. */
export function readSilentUrl (text: string | null, allowInsecure: boolean): string | null {
  const url = URL.parse(text ?? '')
  const isOpened = url !== null && url.username === '' && url.password === '' && url.hash === ''
    && (allowInsecure ? /^https?:$/.test(url.protocol) : url.protocol === 'https:' && url.port === '')
  return isOpened ? url.href : null
}

/** What is checked: a code, or a silent check. */
export type Asked = { phoneNumber: string, sid: string, isSilent: boolean }
export type Verdict = 'proven' | 'pending' | Reason

/** The codes of the attempts of a silent check, the latest last. */
const silentCodesOf = (body: unknown): string[] =>
  readList(membersOf(body).sna_attempts_error_codes, maxSilentAttempts).flatMap(entry => readErrorCode(entry) ?? [])

/**
 * What a check says. `pending` is a wrong code, or a silent check without a result. A verification that was approved,
 * has expired or had five wrong codes is not found any more.
 */
export function judgeCheck (status: number, body: unknown, asked: Asked): Verdict {
  const { phoneNumber, sid: own, isSilent } = asked
  if (status === 404) return 'evidence_expired'
  // The typed text cannot be a code.
  if (readErrorCode(body) === '60200' && status === 400) return 'pending'
  const error = readError(status, body)
  if (error !== null) return error
  if (isForeign(body, phoneNumber, own)) return 'provider_bad_response'
  const { status: word, valid, channel } = readVerification(body)
  switch (word) {
    case 'approved':
      // Twilio has one verification of a number at a time: another attempt may have proved it by another channel.
      if (channel !== null && (channel === 'sna') !== isSilent) return 'evidence_invalid'
      return valid === false ? 'provider_bad_response' : 'proven'
    case 'pending': return 'pending'
    case 'max_attempts_reached': return 'code_attempts_exhausted'
    case 'canceled': case 'deleted': case 'expired': return 'evidence_expired'
    case 'failed': return 'evidence_invalid'
    default: return 'provider_bad_response'
  }
}

/**
 * The same for a silent check, whose latest error code says why there is no proof. `hasToken`: the phone has received
 * the end of the URL, so a check that is neither over nor under way did not accept the token.
 */
export function judgeSilentCheck (status: number, body: unknown, asked: Asked, hasToken: boolean): Verdict {
  const verdict = judgeCheck(status, body, asked)
  if (verdict !== 'pending' && verdict !== 'evidence_invalid') return verdict
  const code = silentCodesOf(body).at(-1)
  if (code === undefined) return hasToken ? 'evidence_invalid' : verdict
  return code === silentPending ? 'pending' : reasonOfSilentCode(code)
}
