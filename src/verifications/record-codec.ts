import type { Json } from '../adapters/adapter.ts'
import { readKeyClaim, writeKeyClaim } from './idempotency.ts'
import { partitionOfHash } from '../store/keys.ts'
import { readVerification, type Attempt, type IdempotencyClaim, type Step, type Verification, type Waiting } from '../core/verification.ts'

/**
 * How a verification is kept: what every one has stands in a row, without the names of the fields, and what follows from something else is left out; most of
 * what a live verification takes of Redis would be those. What is rare, or of a version to come, keeps its name: new fields go there by themselves.
 * The rows are fixed: another order or meaning takes another `rowFormat`, and the old one must still be read.
 */
type Row = [
  format: typeof rowFormat, appId: string, phoneNumber: string | null, reference: string | null, metadata: Verification['metadata'], locale: string | null,
  device: Verification['device'], returnUrl: string | null, includeProfile: boolean, key: KeyRow | IdempotencyClaim | null, workflow: (StepRow | Step)[],
  attempts: (WaitingRow | Attempt)[], news: Verification['news'], revision: number, createdAt: number, updatedAfterMs: number, expiresAfterMs: number, others: Others,
]
type KeyRow = [name: string, hash: string, claimedAfterMs: number]
type StepRow = [method: string, timeoutMs: number, options: Step['options'], isRepeatable: boolean, continueWhenRejected: boolean]
type WaitingRow = [startedAfterMs: number, lastsMs: number, state: Json, action: Waiting['action'], attemptsRemaining: number | null, resend: Waiting['resend']]
type Others = Verification extends infer Each ? Each extends Verification ? Omit<Each, Placed> : never : never
type Placed =
  | 'format' | 'id' | 'appId' | 'phoneNumber' | 'reference' | 'metadata' | 'locale' | 'device' | 'returnUrl' | 'includeProfile' | 'key' | 'workflow' | 'attempts'
  | 'news' | 'revision' | 'createdAt' | 'updatedAt' | 'expiresAt'

const rowFormat = 2

/** A verification as it is kept. */
export function writeRecord (verification: Verification): Json {
  const {
    format: _, id, appId, phoneNumber, reference, metadata, locale, device, returnUrl, includeProfile, key, workflow, attempts, news, revision, createdAt, updatedAt,
    expiresAt, ...others
  } = verification
  const row: Row = [
    rowFormat, appId, phoneNumber, reference, metadata, locale, device, returnUrl, includeProfile, key === null ? null : writeKey(key, id, createdAt),
    workflow.map(writeStep), attempts.map((attempt, index) => writeAttempt(attempt, workflow[index]?.method, createdAt)), news, revision, createdAt,
    updatedAt - createdAt, expiresAt - createdAt, others,
  ]
  return row
}

/** A record as it came out of the store: sealed by us under its id, so only its format is asked. Throws `TypeError` for a format of a version to come. */
export function readRecord (value: Json, id: string): Verification {
  if (!isRow(value)) return readVerification(value)
  const [
    , appId, phoneNumber, reference, metadata, locale, device, returnUrl, includeProfile, key, workflow, attempts, news, revision, createdAt, updatedAfterMs,
    expiresAfterMs, others,
  ] = value
  const steps = workflow.map(readStep)
  return {
    ...others, format: 1, id, appId, phoneNumber, reference, metadata, locale, device, returnUrl, includeProfile, key: readKey(key, id, createdAt), workflow: steps,
    attempts: attempts.map((attempt, index) => readAttempt(attempt, steps[index]?.method ?? '', createdAt)), news, revision, createdAt,
    updatedAt: createdAt + updatedAfterMs, expiresAt: createdAt + expiresAfterMs,
  }
}

const isRow = (value: Json): value is Json & Row => Array.isArray(value) && value[0] === rowFormat

/** Whether it has these fields only: one of a version to come is kept whole, with what we do not know of it. */
const hasFields = (value: object, count: number): boolean => Object.keys(value).length === count

function writeKey (key: IdempotencyClaim, id: string, createdAt: number): KeyRow | IdempotencyClaim {
  const claim = readKeyClaim(key.value)
  const isDerived = claim.id === id && writeKeyClaim(claim) === key.value && key.partition === partitionOfHash(key.name)
  return isDerived && hasFields(key, 3) ? [key.name, claim.hash, claim.at - createdAt] : key
}

function readKey (key: KeyRow | IdempotencyClaim | null, id: string, createdAt: number): IdempotencyClaim | null {
  if (!Array.isArray(key)) return key
  const [name, hash, claimedAfterMs] = key
  return { name, value: writeKeyClaim({ id, hash, at: createdAt + claimedAfterMs }), partition: partitionOfHash(name) }
}

const writeStep = (step: Step): StepRow | Step =>
  hasFields(step, 5) ? [step.method, step.timeoutMs, step.options, step.isRepeatable, step.continueWhenRejected] : step

function readStep (step: StepRow | Step): Step {
  if (!Array.isArray(step)) return step
  const [method, timeoutMs, options, isRepeatable, continueWhenRejected] = step
  return { method, timeoutMs, options, isRepeatable, continueWhenRejected }
}

function writeAttempt (attempt: Attempt, method: string | undefined, createdAt: number): WaitingRow | Attempt {
  if (attempt.status !== 'pending' || attempt.phase !== 'waiting' || attempt.method !== method || !hasFields(attempt, 9)) return attempt
  const { startedAt, expiresAt, state, action, attemptsRemaining, resend } = attempt
  return [startedAt - createdAt, expiresAt - startedAt, state, action, attemptsRemaining, resend]
}

function readAttempt (attempt: WaitingRow | Attempt, method: string, createdAt: number): Attempt {
  if (!Array.isArray(attempt)) return attempt
  const [startedAfterMs, lastsMs, state, action, attemptsRemaining, resend] = attempt
  const startedAt = createdAt + startedAfterMs
  return { status: 'pending', phase: 'waiting', method, startedAt, expiresAt: startedAt + lastsMs, state, action, attemptsRemaining, resend }
}
