import { call, member, type NextAction } from './api.ts'

const base64url = (bytes: Uint8Array): string =>
  btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')

/** Evidence that a simulated SDK gives to the app; null where the SDK returns nothing. */
type Complete = (phoneNumber: string, params: { [name: string]: unknown }, base: string) => Promise<object | null>

async function ask (url: string, body: object): Promise<unknown> {
  const answer = await call('POST', url, { body })
  return answer.status === 200 ? answer.body : null
}

const pick = (answer: unknown, ...names: string[]): object | null => answer === null
  ? null
  : Object.fromEntries(names.map(name => [name, member(answer, name)]))

/** The SDKs of `submitToken`, by `nextAction.sdk` and what distinguishes its forms. */
const sdks: readonly { sdk: RegExp, needs?: string, complete: Complete }[] = [
  {
    sdk: /^otpless/,
    complete: async (phoneNumber, _params, base) =>
      pick(await ask(`${base}/handset/otpless/token`, { phoneNumber }), 'token'),
  },
  {
    sdk: /^truecaller/, needs: 'clientId',
    async complete (phoneNumber, { clientId, state, scopes }, base) {
      const codeVerifier = base64url(crypto.getRandomValues(new Uint8Array(32)))
      const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(codeVerifier))
      const codeChallenge = base64url(new Uint8Array(hash))
      const answer = await ask(
        `${base}/handset/truecaller/oauth`, { phoneNumber, clientId, state, scopes, codeChallenge },
      )
      return answer === null ? null : { ...pick(answer, 'authorizationCode'), codeVerifier }
    },
  },
  {
    sdk: /^truecaller/, needs: 'requestNonce',
    complete: async (phoneNumber, { requestNonce }, base) => pick(
      await ask(`${base}/handset/truecaller/payload`, { phoneNumber, requestNonce }),
      'payload', 'signature', 'signatureAlgorithm',
    ),
  },
  {
    sdk: /^truecaller/,
    complete: async (phoneNumber, _params, base) =>
      pick(await ask(`${base}/handset/truecaller/missed-call`, { phoneNumber }), 'token'),
  },
]

/** Completes the SDK of an action on the phone with this number. Undefined: the simulators do not have it. */
export async function completeSdk (
  { sdk = '', params = {} }: NextAction, phoneNumber: string, simulatorsUrl: string,
): Promise<object | null | undefined> {
  const found = sdks.find(one => one.sdk.test(sdk) && (one.needs === undefined || one.needs in params))
  return found?.complete(phoneNumber, params, simulatorsUrl)
}
