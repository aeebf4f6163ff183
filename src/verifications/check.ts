import type { AdapterMap } from '../adapters/guard.ts'
import { ApiError, ProviderError } from '../core/errors.ts'
import type { Event } from '../core/events.ts'
import { currentAttempt, isFinal, type EndedAttempt, type Evidence, type Verification } from '../core/verification.ts'
import type { EvidenceKind, Json } from '../core/vocabulary.ts'
import type { Sealer } from '../store/sealing.ts'
import type { Dispatch } from './dispatch.ts'
import { canonicalJson } from './idempotency.ts'
import { acceptedEvidence, type ProviderCalls } from './provider-calls.ts'
import type { Resolve } from './resolve.ts'
import type { Start } from './start.ts'
import {
  identityOf, readSubmitted, readTypedCode, type Submitted, type SubmittedEvidence,
} from './submitted-evidence.ts'
import type { Current, Transition, Transitions } from './transitions.ts'

/** `settled: false`: the check is still in progress. */
export type Checked = { verification: Verification, settled: boolean }
/**
 * Submits evidence and queries the provider. A final verification returns for `{}` and for the evidence that settled
 * it. Throws `ApiError` invalid_request, invalid_state, code_incorrect.
 */
export type Check = (id: string, evidence: SubmittedEvidence) => Promise<Checked>

export type CheckParts = {
  transitions: Pick<Transitions, 'load'>
  dispatch: Dispatch
  start: Start
  resolve: Resolve
  providerCalls: Pick<ProviderCalls, 'judge'>
  adapters: AdapterMap
  sealer: Pick<Sealer, 'keyedHash' | 'keyedHashes'>
}

export function createCheck (parts: CheckParts): Check {
  const { transitions, dispatch, start, resolve, providerCalls, adapters, sealer } = parts
  const textOf = (id: string, submitted: Submitted): string => `${id} ${identityOf(submitted)}`

  function settled (record: Verification, submitted: Submitted): Checked {
    const { evidenceHash = null } = lastStarted(record) ?? {}
    const isSettling = submitted.kind === 'none'
      || (evidenceHash !== null && sealer.keyedHashes('submitted', textOf(record.id, submitted)).includes(evidenceHash))
    if (!isSettling) throw invalidState(record, 'The verification has already ended.')
    return { verification: record, settled: true }
  }

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

  /** The answer was written together with the evidence. */
  async function conclude (received: Transition, index: number, answer: Event): Promise<Checked> {
    const { record } = await start(received)
    if (record.attempts[index]?.status === 'expired') throw invalidState(record, 'The attempt has ended.')
    if (answer.type === 'codeIncorrect') throw codeIncorrect(record, index)
    return { verification: record, settled: answer.type !== 'stillPending' }
  }

  return async (id, body) => {
    const submitted = readSubmitted(body)
    const { kind } = submitted
    const stored = await transitions.load(id)
    if (isFinal(stored.record)) return settled(stored.record, submitted)
    const accepted = assertAccepted(stored.record, kind, adapters)
    if (accepted === null) return { verification: stored.record, settled: false }
    const { index, isTyped } = accepted
    const value: Json = isTyped && kind === 'code' ? readTypedCode(submitted) : submitted.value
    const evidence: Evidence = kind === 'none'
      ? { from: 'poll', value }
      : { from: 'app', value, hash: sealer.keyedHash('submitted', textOf(id, submitted)) }
    const answer = await providerCalls.judge(stored.record, index, evidence)
    const received = await dispatch.apply(
      stored, { type: 'evidenceReceived', attempt: index, evidence, ...answer === null ? {} : { answer } },
      { runsHere: answer === null ? 'resolve' : 'start' },
    )
    const { record } = received.stored
    if (received.isReplay) throw invalidState(record, 'This evidence was used before.')
    if (!received.changed) return isFinal(record) ? settled(record, submitted) : inProgress(received, kind, value)
    if (answer !== null) return conclude(received, index, answer)
    if (currentAttempt(record)?.index !== index) throw invalidState(record, 'The attempt has ended.')
    return resolveNow(received.stored, index)
  }
}

/**
 * The pending attempt, and whether a person types its code; null when the method needs no evidence. Throws `ApiError`
 * invalid_state.
 */
function assertAccepted (
  record: Verification, kind: EvidenceKind, adapters: AdapterMap,
): { index: number, isTyped: boolean } | null {
  const accepted = acceptedEvidence(record, adapters)
  if (accepted === null) throw invalidState(record, 'The attempt is still being started.')
  const { index, evidence, action } = accepted
  if (kind === 'none' && evidence.length === 0) return null
  if (evidence.includes(kind)) return { index, isTyped: action?.type === 'submitCode' }
  const accepts = evidence.map(shown).join(' or ') || 'no evidence'
  throw invalidState(record, `The pending attempt accepts ${accepts}, not ${shown(kind)}.`)
}

/** As in the body of the request. */
const shown = (kind: EvidenceKind): string => kind === 'none' ? '{}' : kind

/** The attempt that settled a final verification: attempts that were skipped after it did not. */
function lastStarted ({ attempts }: Verification): EndedAttempt | undefined {
  return attempts.filter(attempt => attempt.status !== 'pending').findLast(({ status }) => status !== 'skipped')
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

/** `invalid_state` with the present status. */
export const invalidState = ({ status }: Verification, detail: string): ApiError =>
  new ApiError('invalid_state', detail, { verificationStatus: status })
