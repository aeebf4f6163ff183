import type { Method, Started } from '../adapters/adapter.ts'
import type { GuardedAdapter } from '../adapters/guard.ts'
import type { App } from '../apps/apps.ts'
import { testAssurance } from '../core/assurance.ts'
import type { TestNumber } from '../core/verification.ts'
import type { Json } from '../core/vocabulary.ts'
import type { Sealer } from '../store/sealing.ts'
import { isHashOf } from './attempt-codes.ts'

/** The fixed code of one of the app's test numbers; null for any other number, and for an entry that has expired. */
export function findTestNumber ({ testNumbers = {} }: App, phoneNumber: string, at: number): { code: string } | null {
  const entry = Object.hasOwn(testNumbers, phoneNumber) ? testNumbers[phoneNumber] : undefined
  return entry !== undefined && at < Date.parse(entry.expiresAt) ? entry : null
}

const textOf = (id: string, code: string): string => `${id} ${code}`

/** What the verification with this id keeps of the code. */
export const holdTestCode = (sealer: Pick<Sealer, 'keyedHash'>, id: string, { code }: { code: string }): TestNumber =>
  ({ codeHash: sealer.keyedHash('testCode', textOf(id, code)), codeLength: code.length })

/** For a method whose provider counts the wrong codes. */
const maxWrongCodes = 5
/** The front end shows the same as for a code by SMS. */
const channels = ['SMS']
/** A query without a code never has a result, so it is repeated rarely. */
const retryAfterMs = 60_000

/** Takes the place of a method's provider in a verification of a test number: it sends nothing, and compares codes. */
export function standIn (
  sealer: Pick<Sealer, 'keyedHashes'>, id: string, { codeHash, codeLength }: TestNumber, method: Method,
): { adapter: Pick<GuardedAdapter, 'provider' | 'start' | 'resend' | 'resolve'>, method: Method } {
  const isCorrect = (code: string): boolean => isHashOf(sealer, 'testCode', textOf(id, code), codeHash)
  const start = async (): Promise<Started> =>
    ({ state: null, action: { type: 'submitCode', length: codeLength, channels } })
  return {
    method: { ...method, codeAttempts: method.codeAttempts ?? maxWrongCodes },
    adapter: {
      provider: 'test', start, resend: start,
      async resolve ({ phoneNumber }, evidence) {
        const code = readCode(evidence)
        if (code === null || phoneNumber === null) return { verdict: 'pending', retryAfterMs }
        if (!isCorrect(code)) return { verdict: 'incorrect' }
        return { verdict: 'proven', phoneNumber, signals: { testNumber: true }, assurance: testAssurance }
      },
    },
  }
}

function readCode (evidence: Json): string | null {
  const code = evidence !== null && typeof evidence === 'object' && !Array.isArray(evidence) ? evidence['code'] : null
  return typeof code === 'string' ? code : null
}
