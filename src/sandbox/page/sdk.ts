import { call, member, type NextAction } from './api.ts'

/** How an SDK ends: with evidence for `check`, with a reason for `next`, or not at all. */
export type SdkResult = { evidence: object } | { reason: string } | null

type Request = { path: string, body: object, members: readonly string[], more?: object }
type Person = { phoneNumber: string, params: { [name: string]: unknown } }

/** What the SDKs answer instead of a result. */
const reasons = new Map([[403, 'user_rejected'], [404, 'app_not_installed'], [412, 'carrier_unsupported']])

const base64url = (bytes: Uint8Array): string =>
  btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')

/** With PKCE, whose verifier the app keeps until `check`. */
async function askOauth ({ phoneNumber, params: { clientId, state, scopes } }: Person): Promise<Request> {
  const codeVerifier = base64url(crypto.getRandomValues(new Uint8Array(32)))
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(codeVerifier))
  const codeChallenge = base64url(new Uint8Array(hash))
  return {
    path: 'truecaller/oauth', body: { phoneNumber, clientId, state, scopes, codeChallenge },
    members: ['authorizationCode'], more: { codeVerifier },
  }
}

/** The call by which a simulated SDK is completed: docs/sandbox.md. */
async function requestOf (sdk: string, person: Person): Promise<Request> {
  const { phoneNumber, params: { requestNonce, clientId, nonce } } = person
  if (sdk === 'otpless') return { path: 'otpless/token', body: { phoneNumber }, members: ['token'] }
  if (sdk === 'firebase') return { path: 'firebase/token', body: { phoneNumber, nonce }, members: ['token'] }
  if (clientId !== undefined) return askOauth(person)
  return requestNonce === undefined
    ? { path: 'truecaller/missed-call', body: { phoneNumber }, members: ['token'] }
    : {
      path: 'truecaller/payload', body: { phoneNumber, requestNonce },
      members: ['payload', 'signature', 'signatureAlgorithm'],
    }
}

/** Completes the SDK of an action on the phone with this number. */
export async function completeSdk (
  { sdk = '', params = {} }: NextAction, phoneNumber: string, simulatorsUrl: string,
): Promise<SdkResult> {
  const { path, body, members, more } = await requestOf(sdk, { phoneNumber, params })
  const answer = await call('POST', `${simulatorsUrl}/handset/${path}`, { body })
  const reason = reasons.get(answer.status)
  if (reason !== undefined) return { reason }
  if (answer.status !== 200) return null
  return { evidence: { ...Object.fromEntries(members.map(name => [name, member(answer.body, name)])), ...more } }
}
