import { Type } from 'typebox'
import type { Adapter, AdapterIo, Method, Provider, Settings } from '../adapter.ts'
import { createKeySet, readSigned } from '../key-set.ts'
import { deny, refusal } from '../refusal.ts'
import { credential, readCredential, readOrigin, setting } from '../settings.ts'
import { algorithm, judgeClaims, maxSkewMs, readKeys, readToken, referenceOf } from './wire.ts'

// https://firebase.google.com/docs/phone-number-verification/verify-tokens

const provider = 'firebase'
const vendor = 'https://fpnv.googleapis.com'
/** The keys are fetched again for a token with an unknown key, at most this often. */
const coolDownMs = 2_000

const settings = Type.Object({
  FIREBASE_PROJECT_NUMBER: credential(
    'Project number of the Firebase project, of the general settings in its console. Enables the provider.',
  ),
  FIREBASE_PROJECT_ID: setting('Project id of the same project. If it is set, tokens must name it, too.'),
  FIREBASE_API_URL: setting(`Origin of the keys that sign tokens (${vendor}).`),
})

const pnv: Method = {
  needsPhoneNumber: false,
  evidence: ['token'],
  nextActions: ['submitToken'],
  userStep: 'approves in a dialog of Android',
  // The operator names the number of the SIM in this device, and the token has the nonce of this attempt. A token
  // without it has a weaker assurance of its own.
  assurance: { possession: 'sim', binding: 'session', restricted: false },
  timeoutMs: 120_000,
  options: Type.Object({}, { additionalProperties: false }),
  isRepeatable: true,
  sendsMessage: false,
  startsLocally: true,
  defaultRank: 5,
}

export const firebase: Provider<typeof settings> = { provider, settings, open }

function readName (name: string, text: string, pattern: RegExp, example: string): string {
  if (!pattern.test(text)) throw new Error(`${name} must be one such as ${example}`)
  return text
}

function open (env: Settings, io: AdapterIo): Adapter | null {
  if (!env.FIREBASE_PROJECT_NUMBER) return null
  const { now, allowInsecure } = io
  const given = readCredential('FIREBASE_PROJECT_NUMBER', env.FIREBASE_PROJECT_NUMBER)
  const number = readName('FIREBASE_PROJECT_NUMBER', given, /^[1-9]\d{5,19}$/, '123456789012')
  const id = env.FIREBASE_PROJECT_ID
    ? readName('FIREBASE_PROJECT_ID', env.FIREBASE_PROJECT_ID, /^[a-z][a-z0-9-]{3,62}$/, 'my-project')
    : null
  const origin = readOrigin('FIREBASE_API_URL', env.FIREBASE_API_URL || vendor, allowInsecure)
  // The vendor fixes these names; they do not depend on the origin of the keys.
  const issuer = `${vendor}/projects/${number}`
  const audience = [issuer, ...id === null ? [] : [`${vendor}/projects/${id}`]]
  const call = 'token keys'
  const parts = {
    provider, call, url: `${origin}/v1beta/jwks`, http: io.openHttp(provider, [new URL(origin).host]),
    read: readKeys, coolDownMs,
  }
  const keys = createKeySet(parts)

  return {
    provider,
    methods: { 'firebase.pnv': pnv },
    probes: { 'token keys': () => createKeySet(parts).get() },

    start: async ({ callbackKey: nonce }) =>
      ({ state: null, action: { type: 'submitToken', sdk: provider, params: { nonce } } }),

    /** The token names no attempt unless the app passed the nonce on. */
    singleUse (_attempt, evidence) {
      const token = readToken(evidence)
      return token === null ? null : referenceOf(token)
    },

    async resolve ({ phoneNumber, callbackKey: nonce, startedAt }, evidence) {
      const token = readToken(evidence)
      if (token === null) return { verdict: 'denied', reason: 'evidence_invalid' }
      const claims = await readSigned(token, keys, {
        algorithms: [algorithm], typ: 'JWT', issuer, requiredClaims: ['exp', 'iat', 'aud'],
        clockTolerance: maxSkewMs / 1000, currentDate: new Date(now()),
      })
      if (claims === 'key_unknown') return { verdict: 'pending', retryAfterMs: coolDownMs }
      const judged = typeof claims === 'string'
        ? claims
        : judgeClaims(claims, { phoneNumber, nonce, audience, startedAt, now: now() })
      if (judged === null) {
        // The token is that of one user, and says nothing about the provider.
        throw refusal(provider, 'read token', 'provider_bad_response', null, { isCarrierFault: true })
      }
      return typeof judged === 'string' ? deny(provider, 'read token', judged) : { verdict: 'proven', ...judged }
    },
  }
}
