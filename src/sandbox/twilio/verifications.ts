import { randomBytes } from 'node:crypto'
import { createExpiringMap } from '../expiring-map.ts'
import { type Scenario, scenarioOf } from '../scenarios.ts'
import type { SimulatorContext } from '../simulator.ts'
import { provider } from './account.ts'

export const channels = ['sms', 'call', 'whatsapp', 'sna'] as const
export type Channel = typeof channels[number]

/** One message, call or silent check of a verification. */
export type Attempt = {
  readonly sid: string
  readonly channel: Channel
  readonly at: number
  /** Of a silent check: what the device opens, once. */
  readonly sna?: { readonly key: string, readonly token: string | null }
  isOpened: boolean
  /** Of a silent check: the network has identified the SIM of the number. */
  isMatch: boolean
  errorCode?: number
}

export type Verification = {
  readonly sid: string
  readonly to: string
  readonly scenario: Scenario
  readonly code: string
  readonly createdAt: number
  updatedAt: number
  status: 'pending' | 'approved' | 'canceled' | 'max_attempts_reached' | 'failed'
  readonly attempts: Attempt[]
  wrongChecks: number
  failuresLeft: number
  readyAt?: number
}

/** https://www.twilio.com/docs/verify/api/rate-limits-and-timeouts */
const lifetimeMs = 10 * 60_000
export const maxSends = 5
export const maxChecks = 5

const newSid = (prefix: string): string => `${prefix}${randomBytes(16).toString('hex')}`

/** The current attempt; a verification begins with one. */
export const latest = ({ attempts }: Verification): Attempt => attempts.at(-1) as Attempt

export type Verifications = ReturnType<typeof createVerifications>

/**
 * The verifications of the service. A number has one at a time: a second create within ten minutes adds an attempt to
 * it. Twilio deletes a verification that is approved, expired or exhausted.
 * https://www.twilio.com/docs/verify/api/verification-check
 */
export function createVerifications ({ now }: SimulatorContext) {
  const verifications = createExpiringMap<Verification>(now, lifetimeMs)
  const attempts = createExpiringMap<[Verification, Attempt]>(now, lifetimeMs)

  return {
    /** A verification by its SID or its number. One that has ended is not found. */
    find (sidOrNumber: string): Verification | undefined {
      const verification = verifications.get(sidOrNumber)
      return verification?.status === 'pending' ? verification : undefined
    },

    /** After too many wrong codes a number waits until the verification would have expired. */
    isBlocked: (to: string): boolean => verifications.get(to)?.status === 'max_attempts_reached',

    findAttempt: attempts.get,

    create (to: string): Verification {
      const scenario = scenarioOf(to, provider)
      const verification: Verification = {
        sid: newSid('VE'), to, scenario, code: to.slice(-6), createdAt: now(), updatedAt: now(), status: 'pending',
        attempts: [], wrongChecks: 0, failuresLeft: scenario === 'flaky' ? 2 : 0,
      }
      verifications.set(verification.sid, verification)
      verifications.set(to, verification)
      return verification
    },

    addAttempt (verification: Verification, channel: Channel, hasToken: boolean): Attempt {
      const attempt: Attempt = {
        sid: newSid('VL'), channel, at: now(), isOpened: false, isMatch: false, ...channel === 'sna' && {
          sna: {
            key: randomBytes(12).toString('base64url'), token: hasToken ? randomBytes(24).toString('base64url') : null,
          },
        },
      }
      verification.attempts.push(attempt)
      verification.updatedAt = now()
      if (attempt.sna !== undefined) attempts.set(attempt.sna.key, [verification, attempt])
      return attempt
    },

    end (verification: Verification, status: Verification['status']): void {
      Object.assign(verification, { status, updatedAt: now() })
    },
  }
}
