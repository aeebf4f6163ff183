import { ApiError } from '../core/errors.ts'
import { foldCode } from '../core/typed-code.ts'
import type { EvidenceKind } from '../core/vocabulary.ts'
import { canonicalJson } from './idempotency.ts'

/** Body of `POST /verifications/{id}/check`; the API validates it. */
export type SubmittedEvidence =
  | { code: string }
  | { token: string }
  | { authorizationCode: string, codeVerifier: string }
  | { payload: string, signature: string, signatureAlgorithm: string }
  | {}

/** The members of a body, without surrounding white space. */
export type Submitted = { kind: EvidenceKind, value: { [name: string]: string } }

/** Throws `ApiError` invalid_request for a member that is only white space. */
export function readSubmitted (submitted: SubmittedEvidence): Submitted {
  const value: { [name: string]: string } = {}
  for (const [name, text] of Object.entries<string>(submitted)) {
    // A payload is signed as it is.
    value[name] = name === 'payload' ? text : text.trim()
    if (value[name] === '') throw invalidMember(name, 'must not be empty')
  }
  return { kind: kindOf(submitted), value }
}

function kindOf (evidence: SubmittedEvidence): EvidenceKind {
  if ('code' in evidence) return 'code'
  if ('token' in evidence) return 'token'
  if ('authorizationCode' in evidence) return 'authorizationCode'
  return 'payload' in evidence ? 'payload' : 'none'
}

const maxTypedLength = 64

/**
 * A code that a person typed, as the provider expects it. Throws `ApiError` invalid_request for a text that cannot be
 * one, so that it does not use up a try.
 */
export function readTypedCode ({ value }: Submitted): { code: string } {
  const code = foldCode(value['code'] ?? '')
  if (!/[0-9]/.test(code)) throw invalidMember('code', 'must contain a digit')
  if (code.length > maxTypedLength) throw invalidMember('code', `must have at most ${maxTypedLength} characters`)
  return { code }
}

/** What identifies the evidence: the same text for the same code, however it was typed. */
export function identityOf ({ value }: Submitted): string {
  const { code } = value
  return canonicalJson(code === undefined ? value : { code: foldCode(code) })
}

function invalidMember (field: string, message: string): ApiError {
  return new ApiError('invalid_request', `\`${field}\` ${message}.`, { errors: [{ field, message }] })
}
