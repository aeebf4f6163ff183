import { randomUUID } from 'node:crypto'
import type { FastifyReply } from 'fastify'
import { Type } from 'typebox'
import { provenDigits, type Scenario, scenarioOf } from '../scenarios.ts'
import type { Simulator } from '../simulator.ts'
import { createKeys } from './keys.ts'

export const provider = 'firebase'
export const projectNumber = '123456789012'
const projectId = 'sandbox-project'

/** What the vendor writes into every token, wherever its keys are fetched. */
const issuer = 'https://fpnv.googleapis.com'
/** Not documented. */
const lifetimeSeconds = 300

/** `nonce`: what the app gave to the SDK, made by its server. */
const TokenBody = Type.Object({
  phoneNumber: Type.String({ pattern: '^\\+?[1-9][0-9]{6,14}$' }),
  nonce: Type.Optional(Type.String({ minLength: 1, maxLength: 1024 })),
}, { additionalProperties: false })

/** What an app receives instead of a token: its SDK throws. */
const exceptions: Partial<Record<Scenario, [status: number, message: string]>> = {
  error: [500, 'The verification failed.'],
  rejected: [403, 'The user did not share the phone number.'],
  unsupported: [412, 'The carrier of this SIM is not supported.'],
}

/**
 * Firebase Phone Number Verification: the keys, and what the Android SDK does on a phone. Nothing is started by the
 * gateway, so the suffixes that make a start call fail verify the number; with 97 the keys cannot be read twice.
 * https://firebase.google.com/docs/phone-number-verification/verify-tokens
 */
export const firebase: Simulator = {
  provider,

  settings: url => ({
    FIREBASE_PROJECT_NUMBER: projectNumber, FIREBASE_PROJECT_ID: projectId, FIREBASE_API_URL: url,
  }),

  async routes (app, { context: { handset, now, slowMs, timers } }) {
    const keys = createKeys()
    let failuresLeft = 0

    app.get('/v1beta/jwks', async (_request, reply) => {
      if (failuresLeft-- > 0) return reply.code(503).send({ error: { code: 503, status: 'UNAVAILABLE' } })
      return { keys: await keys.published() }
    })

    function claimsOf (phoneNumber: string, nonce: string | undefined, scenario: Scenario) {
      const seconds = Math.floor(now() / 1000) - (scenario === 'evidenceExpired' ? 86_400 : 0)
      const audience = `${issuer}/projects/${projectNumber}`
      const claims = {
        iss: audience, aud: [audience, `${issuer}/projects/${projectId}`], iat: seconds,
        exp: seconds + lifetimeSeconds, jti: randomUUID(), ...nonce === undefined ? {} : { nonce },
      }
      return scenario === 'malformed' ? claims : { ...claims, sub: `+${provenDigits(phoneNumber, provider)}` }
    }

    async function refuse (reply: FastifyReply, phoneNumber: string, scenario: Scenario) {
      const isManual = handset.isManual(phoneNumber)
      const [status, message] = exceptions[scenario] ?? []
      if (status !== undefined && !(isManual && scenario === 'rejected')) return reply.code(status).send({ message })
      if (isManual) return undefined
      if (scenario === 'silent') return reply.code(204).send()
      if (scenario === 'slow') await timers.sleep(slowMs)
      return undefined
    }

    /** `getVerifiedPhoneNumber()`: a token; 204: it never ends; another status: an exception. */
    app.post('/handset/firebase/token', { schema: { body: TokenBody } }, async (
      { body: { phoneNumber, nonce } }, reply,
    ) => {
      const scenario = scenarioOf(phoneNumber, provider)
      const refusal = await refuse(reply, phoneNumber, scenario)
      if (refusal !== undefined) return refusal
      if (scenario === 'flaky') {
        keys.rotate()
        failuresLeft = 2
      }
      const isForeign = scenario === 'evidenceInvalid'
      return { token: await keys.sign(claimsOf(phoneNumber, nonce, scenario), { isForeign }) }
    })

    /** Another key signs from now on; the former ones stay published. */
    app.post('/control/firebase/rotate-key', async (_request, reply) => {
      keys.rotate()
      return reply.code(204).send()
    })
  },
}
