import { createHash, randomBytes } from 'node:crypto'
import type { Simulators } from '../../src/sandbox/simulators.ts'
import { post } from './post.ts'

/** What the front end does after a call of the SDK: it brings evidence, says why there is none, or does nothing. */
export type SdkResult = { evidence: Record<string, string> } | { next: 'app_not_installed' | 'user_rejected' } | null

/** What `nextAction.params` of a Truecaller method tells the SDK. */
export type SdkParams = { clientId?: string, state?: string, scopes?: string, requestNonce?: string }

async function call (simulators: Simulators, path: string, body: object): Promise<SdkResult> {
  const answer = await post(`${simulators.url}/handset/truecaller/${path}`, body)
  const members = Object.entries(answer.body).map(([name, value]) => [name, String(value)])
  if (answer.status === 200) return { evidence: Object.fromEntries(members) }
  if (answer.status === 403) return { next: 'user_rejected' }
  return answer.status === 404 && answer.body['code'] === 5 ? { next: 'app_not_installed' } : null
}

/** The OAuth SDK with a PKCE pair of the front end. */
export async function authorize (
  simulators: Simulators, phoneNumber: string, { clientId, state, scopes }: SdkParams,
): Promise<SdkResult> {
  const codeVerifier = randomBytes(32).toString('base64url')
  const codeChallenge = createHash('sha256').update(codeVerifier).digest('base64url')
  const result = await call(simulators, 'oauth', { phoneNumber, clientId, state, scopes, codeChallenge })
  if (result === null || !('evidence' in result)) return result
  if (result.evidence['state'] !== state) throw new Error('the SDK returned another state')
  return { evidence: { authorizationCode: result.evidence['authorizationCode'] ?? '', codeVerifier } }
}

/** The Truecaller SDK that the params belong to, used by the person with this number. */
export function useSdk (simulators: Simulators, phoneNumber: string, params: SdkParams): Promise<SdkResult> {
  if (params.state !== undefined) return authorize(simulators, phoneNumber, params)
  if (params.requestNonce === undefined) return call(simulators, 'missed-call', { phoneNumber })
  return call(simulators, 'payload', { phoneNumber, requestNonce: params.requestNonce })
}
