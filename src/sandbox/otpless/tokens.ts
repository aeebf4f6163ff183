import { randomBytes } from 'node:crypto'
import { createExpiringMap } from '../expiring-map.ts'
import type { Scenario } from '../scenarios.ts'
import type { SimulatorContext } from '../simulator.ts'
import type { Identity } from './user.ts'

/** A reference token: of the SDK's response, of an AUTH webhook, of an ID token. Valid once, for one call. */
export type Token = {
  readonly scenario: Scenario, readonly identities: readonly Identity[], readonly expiresAt: number
  failuresLeft: number, used: boolean, readyAt?: number
}

export type Tokens = ReturnType<typeof createTokens>

/** The lifetime is not documented. An id token lives 300 s. */
export const tokenMs = 300_000

export function createTokens ({ now }: SimulatorContext) {
  const tokens = createExpiringMap<Token>(now, 2 * tokenMs)
  return {
    find: tokens.get,
    issue (scenario: Scenario, identities: readonly Identity[]): string {
      const token = randomBytes(24).toString('base64url')
      const failuresLeft = scenario === 'flaky' ? 2 : 0
      tokens.set(token, { scenario, identities, expiresAt: now() + tokenMs, failuresLeft, used: false })
      return token
    },
  }
}
