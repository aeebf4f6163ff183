import type { AdapterMap } from '../adapters/guard.ts'
import { ApiError, ProviderError } from '../core/errors.ts'
import { currentAttempt, isFinal, type Verification } from '../core/verification.ts'
import type { EvidenceKind, Json } from '../core/vocabulary.ts'
import type { Dispatch } from './dispatch.ts'
import { canonicalJson } from './idempotency.ts'
import { acceptedEvidence } from './provider-calls.ts'
import type { Resolve } from './resolve.ts'
import type { Current, Transition, Transitions } from './transitions.ts'

/** Body of `POST /verifications/{id}/check`; the API validates it. */
export type SubmittedEvidence =
  | { code: string }
  | { token: string }
  | { authorizationCode: string, codeVerifier: string }
  | { payload: string, signature: string, signatureAlgorithm: string }
  | {}

/** `settled: false`: the check is still in progress. */
export type Checked = { verification: Verification, settled: boolean }
/** Submits evidence and queries the provider. Throws `ApiError` invalid_state, code_incorrect. */
export type Check = (id: string, evidence: SubmittedEvidence) => Promise<Checked>

export type CheckParts = {
  transitions: Pick<Transitions, 'load'>
  dispatch: Dispatch
  resolve: Resolve
  adapters: AdapterMap
}

export function createCheck ({ transitions, dispatch, resolve, adapters }: CheckParts): Check {
  async function resolveNow (stored: Current, index: number): Promise<Checked> {
    try {
      const { stored: { record }, event } = await resolve(stored, { isFirst: true, isLastTry: false })
      if (event?.type === 'codeIncorrect') throw codeIncorrect(record, index)
      return { verification: record, settled: event?.type !== 'stillPending' }
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error
      await dispatch.retryLater(stored.record, error)
      return { verification: stored.record, settled: false }
    }
  }

  return async (id, submitted) => {
    const stored = await transitions.load(id)
    const kind = kindOf(submitted)
    const index = assertAccepted(stored.record, kind, adapters)
    if (index === null) return { verification: stored.record, settled: false }
    const value: Json = { ...submitted }
    const evidence = { from: kind === 'none' ? 'poll' : 'app', value } as const
    const received = await dispatch.apply(
      stored, { type: 'evidenceReceived', attempt: index, evidence }, { runsHere: 'resolve' },
    )
    const { record } = received.stored
    if (received.isReplay) throw invalidState(record, 'This evidence was used before.')
    if (!received.changed) return inProgress(received, kind, value)
    if (currentAttempt(record)?.index !== index) throw invalidState(record, 'The attempt has ended.')
    return resolveNow(received.stored, index)
  }
}

/** The pending attempt's number; null when the method needs no evidence. Throws `ApiError` invalid_state. */
function assertAccepted (record: Verification, kind: EvidenceKind, adapters: AdapterMap): number | null {
  if (isFinal(record)) throw invalidState(record, 'The verification has already ended.')
  const accepted = acceptedEvidence(record, adapters)
  if (accepted === null) throw invalidState(record, 'The attempt is still being started.')
  const { index, evidence } = accepted
  if (kind === 'none' && evidence.length === 0) return null
  if (evidence.includes(kind)) return index
  throw invalidState(record, `The pending attempt accepts ${evidence.join(' or ') || 'no evidence'}, not ${kind}.`)
}

/** The same evidence is already being checked, or it came too late. */
function inProgress ({ stored: { record } }: Transition, kind: EvidenceKind, value: Json): Checked {
  const attempt = currentAttempt(record)?.attempt
  const isSame = attempt?.phase === 'resolving'
    && (kind === 'none' || canonicalJson(attempt.evidence.value) === canonicalJson(value))
  if (isSame) return { verification: record, settled: false }
  throw invalidState(record, 'Other evidence is being checked, or the attempt has ended.')
}

function codeIncorrect (record: Verification, index: number): ApiError {
  const current = currentAttempt(record)
  const attempt = current?.index === index ? current.attempt : null
  const attemptsRemaining = attempt !== null && 'attemptsRemaining' in attempt ? attempt.attemptsRemaining ?? 0 : 0
  const detail = attemptsRemaining > 0 ? 'The code is incorrect.' : 'The code is incorrect. No attempts remaining.'
  return new ApiError('code_incorrect', detail, { attemptsRemaining })
}

function kindOf (evidence: SubmittedEvidence): EvidenceKind {
  if ('code' in evidence) return 'code'
  if ('token' in evidence) return 'token'
  if ('authorizationCode' in evidence) return 'authorizationCode'
  return 'payload' in evidence ? 'payload' : 'none'
}

/** `invalid_state` with the present status. */
export const invalidState = ({ status }: Verification, detail: string): ApiError =>
  new ApiError('invalid_state', detail, { verificationStatus: status })
