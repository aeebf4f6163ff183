import { createHash, createPrivateKey, randomBytes, randomUUID } from 'node:crypto'
import { SignJWT } from 'jose'
import type { Test } from 'tap'
import type { SimulatorOptions } from '../../../src/sandbox/simulators.ts'
import type { Exchange } from '../../helpers/contracts.ts'
import { type Answer, ask, setting, start } from '../receiver.ts'

/** A client of an operator, written from CAMARA's security profile and the RFCs that it names. */

export type Started = Awaited<ReturnType<typeof start>> & { now: () => number }

export const documents = [
  'camara-number-verification-r3.2.yaml', 'camara-one-time-password-sms-r3.2.yaml', 'camara-sim-swap-r3.3.yaml',
]

export async function build (t: Test, options: Partial<SimulatorOptions> = {}): Promise<Started> {
  return { ...await start(t, options), now: options.now ?? Date.now }
}

const form = { 'content-type': 'application/x-www-form-urlencoded' }
const purpose = 'dpv:FraudPreventionAndDetection'
export const clientOf = ({ simulators }: Started): string => setting(simulators, 'CAMARA_CLIENT_ID')
export const issuerOf = ({ simulators }: Started): string => setting(simulators, 'CAMARA_ISSUER')
export const redirectUriOf = ({ gateway }: Started): string => `${gateway.url}/callbacks/camara`

type Assertion = { claims?: Record<string, unknown>, header?: Record<string, string>, key?: string }

/** `private_key_jwt`. A claim or a member of the header that is undefined is left out. */
export async function assertionOf (
  started: Started, { claims = {}, header = {}, key: own }: Assertion = {},
): Promise<string> {
  const key = own ?? setting(started.simulators, 'CAMARA_PRIVATE_KEY')
  const seconds = Math.floor(started.now() / 1000)
  const client = clientOf(started)
  return new SignJWT({
    iss: client, sub: client, aud: `${issuerOf(started)}/token`, iat: seconds, exp: seconds + 60, jti: randomUUID(),
    ...claims,
  }).setProtectedHeader({ alg: 'ES256', kid: setting(started.simulators, 'CAMARA_KEY_ID'), ...header })
    .sign(createPrivateKey({ key: Buffer.from(key, 'base64'), format: 'der', type: 'pkcs8' }))
}

/** The token endpoint. `parameters` as an array can repeat names. */
export async function askToken (
  started: Started, parameters: Record<string, string> | [string, string][], assertion?: string,
): Promise<Answer> {
  const given = new URLSearchParams([
    ['client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'],
    ['client_assertion', assertion ?? await assertionOf(started)],
    ...Array.isArray(parameters) ? parameters : Object.entries(parameters),
  ])
  return ask(`${issuerOf(started)}/token`, 'POST', form, given.toString())
}

export const verifierOf = (seed: string): string => createHash('sha256').update(seed).digest('base64url')
const challengeOf = (verifier: string): string => createHash('sha256').update(verifier).digest('base64url')
export const verifier = verifierOf('one attempt')

/** What a client that uses everything asks for; an undefined member is left out. */
export function authorize (started: Started, changes: Record<string, string | undefined> = {}): Promise<Answer> {
  const parameters = {
    response_type: 'code', client_id: clientOf(started), redirect_uri: redirectUriOf(started), state: 'the state',
    nonce: 'the nonce', scope: `openid ${purpose} number-verification:verify`, prompt: 'none',
    code_challenge: challengeOf(verifier), code_challenge_method: 'S256', login_hint: 'tel:+14155550100', ...changes,
  }
  const given = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) given.set(name, value)
  return ask(`${issuerOf(started)}/authorize?${given}`, 'GET')
}

/** The parameters of a redirect to the client. */
export const returned = (answer: Answer): Record<string, string> =>
  Object.fromEntries(URL.parse(answer.headers.get('location') ?? '')?.searchParams ?? [])

export const redeem = (started: Started, code: unknown, changes: Record<string, string> = {}): Promise<Answer> =>
  askToken(started, {
    grant_type: 'authorization_code', code: String(code), redirect_uri: redirectUriOf(started),
    code_verifier: verifier, ...changes,
  })

/** An access token of the phone with this number; the whole way. */
export async function tokenOfPhone (
  started: Started, phoneNumber: string, scope = 'number-verification:verify',
): Promise<string> {
  const answer = await authorize(started, { login_hint: `tel:${phoneNumber}`, scope: `openid ${purpose} ${scope}` })
  return String((await redeem(started, returned(answer)['code'])).json['access_token'])
}

export const askClientToken = (started: Started, scope: string): Promise<Answer> =>
  askToken(started, { grant_type: 'client_credentials', scope: `${purpose} ${scope}` })

export const tokenOfClient = async (started: Started, scope: string): Promise<string> =>
  String((await askClientToken(started, scope)).json['access_token'])

/** One call of an API. `token: null`: without one. */
export async function call (
  { simulators }: Started, method: 'GET' | 'POST', path: string,
  { token, body, correlator = randomBytes(8).toString('hex') }: {
    token: string | null, body?: unknown, correlator?: string,
  },
): Promise<Exchange & { json: Record<string, unknown> }> {
  const headers: Record<string, string> = {
    'x-correlator': correlator, ...method === 'POST' ? { 'content-type': 'application/json' } : {},
    ...token === null ? {} : { authorization: `Bearer ${token}` },
  }
  const answer = await ask(`${setting(simulators, 'CAMARA_API_URL')}${path}`, method, headers, body)
  const { status, json, text } = answer
  return {
    method, path, headers, body, status, answerHeaders: Object.fromEntries(answer.headers), json,
    answer: text === '' ? undefined : json,
  }
}

export const numberVerification = '/number-verification/v2'
export const oneTimePassword = '/one-time-password-sms/v1'
export const simSwap = '/sim-swap/v2'

/** The latest text on a phone. */
export async function latestMessage (
  { simulators }: Started, phoneNumber: string,
): Promise<{ text: string, code: string } | undefined> {
  const { json } = await ask(`${simulators.url}/handset/items?phoneNumber=${encodeURIComponent(phoneNumber)}`, 'GET')
  return (json['data'] as { text: string, code: string }[]).at(-1)
}
