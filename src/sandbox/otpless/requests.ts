import { randomBytes } from 'node:crypto'
import { createExpiringMap } from '../expiring-map.ts'
import { type Scenario, provenDigits } from '../scenarios.ts'
import type { SimulatorContext } from '../simulator.ts'
import { provider } from './account.ts'
import type { AuthRequest } from './auth-request.ts'
import type { SnaErrorCode } from './errors.ts'
import type { Tokens } from './tokens.ts'
import type { Identity } from './user.ts'
import type { Webhooks } from './webhooks.ts'

export type NewRequest =
  & Pick<AuthRequest, 'method' | 'person' | 'scenario' | 'channel'>
  & Partial<Pick<AuthRequest, 'metadata' | 'correlationId' | 'sim' | 'otp' | 'status'>>
  & { expirySeconds: number, id?: string }

export type Requests = ReturnType<typeof createRequests>

// Twice the longest expiry, so that a late answer can still say "expired".
const rememberedMs = 2 * 86_400_000

export const newId = (): string => randomBytes(16).toString('hex')
export const failuresOf = (scenario: Scenario): number => scenario === 'flaky' ? 2 : 0

/** The requests of all methods, and how they end. */
export function createRequests (
  { now }: SimulatorContext, { tokens, webhooks }: { tokens: Tokens, webhooks: Webhooks },
) {
  const requests = createExpiringMap<AuthRequest>(now, rememberedMs)

  return {
    find: requests.get,
    hasExpired: ({ expiresAt }: AuthRequest): boolean => expiresAt <= now(),

    create ({ expirySeconds, ...given }: NewRequest): AuthRequest {
      const request: AuthRequest = {
        id: newId(), authSessionId: newId().toUpperCase(), traceId: newId(), metadata: {}, status: 'PENDING',
        isDecided: false, identities: [], failuresLeft: failuresOf(given.scenario),
        expiresAt: now() + expirySeconds * 1000, ...given,
      }
      requests.set(request.id, request)
      return request
    },

    /**
     * The person has proven who they are; false: it was decided before. Resolves when the webhooks were sent. With the
     * suffix 95 they are sent before the status says so.
     */
    async succeed (request: AuthRequest): Promise<boolean> {
      if (request.isDecided) return false
      request.isDecided = true
      const at = now()
      const identities = [identityOf(request, at)]
      request.token = tokens.issue(request.scenario, identities)
      const show = (): void => void Object.assign(request, { status: 'SUCCESS', completedAt: at, identities })
      if (request.scenario !== 'reordered') show()
      await webhooks.succeeded(request, request.token)
      show()
      return true
    },

    /** False: it was decided before. */
    decline (request: AuthRequest): boolean {
      if (request.isDecided) return false
      Object.assign(request, { isDecided: true, status: 'DECLINE' })
      return true
    },

    /** Resolves when the webhooks were sent. */
    async fail (request: AuthRequest, error: SnaErrorCode): Promise<void> {
      if (request.isDecided) return
      Object.assign(request, { isDecided: true, error, status: 'FAILED' })
      await webhooks.failed(request)
    },
  }
}

function identityOf ({ method, channel, person: { digits, email } }: AuthRequest, at: number): Identity {
  const how = { channel: method, method: channel, verified: true, at }
  return digits === undefined
    ? { type: 'EMAIL', value: email ?? '', ...how }
    : { type: 'MOBILE', value: provenDigits(digits, provider), ...how }
}
