import { apiKey, call, member, type Verification } from './api.ts'

const waitSeconds = 20
const retryMs = 1000

/**
 * Long-polls a verification until it is final, as a server would that has no webhook. Ends early when `signal` is
 * aborted, or when the verification cannot be read any more.
 */
export async function follow (
  id: string, onState: (verification: Verification) => void, signal: AbortSignal,
): Promise<void> {
  let revision = 0
  while (!signal.aborted) {
    const url = `/verifications/${id}?wait=${waitSeconds}&revision=${revision}`
    const answer = await call('GET', url, { credential: apiKey, signal }).catch(() => null)
    if (signal.aborted) return
    if (answer === null || answer.status >= 500 || answer.status === 429) {
      await new Promise(resolve => setTimeout(resolve, retryMs))
      continue
    }
    if (answer.status !== 200) return
    const verification = answer.body as Verification
    if (Number(member(answer.body, 'revision')) > revision) onState(verification)
    revision = verification.revision
    if (verification.status !== 'pending') return
  }
}
