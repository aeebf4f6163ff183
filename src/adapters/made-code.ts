import type { Json } from '../core/vocabulary.ts'
import type { AttemptContext, Outcome } from './adapter.ts'
import { membersOf, readNumber, readString } from './message.ts'

/** What an adapter keeps in its `state` of a code that the gateway made. */
export type KeptCode = { codeHash: string, codeLength: number }

/** What a state keeps of a code; null: the state has none. */
export function readKeptCode (state: Json): KeptCode | null {
  const { codeHash, codeLength } = membersOf(state)
  const [hash, length] = [readString(codeHash), readNumber(codeLength)]
  return hash === null || length === null ? null : { codeHash: hash, codeLength: length }
}

/** The code of the attempt, and what to keep of it: the same one each time, while the state keeps it. */
export function makeCode ({ code, state }: AttemptContext, codeLength: number): { code: string, kept: KeptCode } {
  const earlier = readKeptCode(state)
  const length = earlier?.codeLength ?? codeLength
  const made = code.make(length, earlier?.codeHash)
  return { code: made.code, kept: { codeHash: made.hash, codeLength: length } }
}

/** Whether the user typed the code that the gateway made. Needs no provider. */
export function judgeCode ({ code, phoneNumber, state }: AttemptContext, evidence: Json): Outcome {
  const [kept, typed] = [readKeptCode(state), readString(membersOf(evidence)['code'])]
  if (kept === null || typed === null || phoneNumber === null) return { verdict: 'denied', reason: 'evidence_invalid' }
  return code.matches(typed, kept.codeHash) ? { verdict: 'proven', phoneNumber } : { verdict: 'incorrect' }
}
