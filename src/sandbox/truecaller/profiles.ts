import { randomBytes } from 'node:crypto'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { scenarioIn, serverError, unauthorized, provider } from './answers.ts'
import { createExpiringMap } from '../expiring-map.ts'
import { unusualProfile } from './profile.ts'
import { type Scenario, provenDigits } from '../scenarios.ts'

/** Documented: "10 minutes". */
const accessTokenMs = 10 * 60_000

type Grant = {
  digits: string, scenario: Scenario, readProfile: (digits: string) => Record<string, unknown>, failuresLeft: number,
}

export type Grants = ReturnType<typeof createGrants>

/** The access tokens of the push API and of the mobile web SDK. */
export function createGrants (now: () => number) {
  const grants = createExpiringMap<Grant>(now, accessTokenMs)
  return {
    get: grants.get,
    issue (phoneNumber: string | number, readProfile: Grant['readProfile']): string {
      const accessToken = randomBytes(48).toString('base64url')
      const scenario = scenarioIn(phoneNumber)
      const failuresLeft = scenario === 'flaky' ? 2 : 0
      grants.set(accessToken, { digits: provenDigits(phoneNumber, provider), scenario, readProfile, failuresLeft })
      return accessToken
    },
  }
}

/** The token of an `Authorization` header. */
export function readBearer (authorization: string | undefined): string | undefined {
  return /^Bearer (\S+)$/.exec(authorization ?? '')?.[1]
}

/** The profile host of the push API and of the mobile web SDK. */
export const profileRoutes: FastifyPluginAsyncTypebox<{ grants: Grants }> = async (app, { grants }) => {
  app.get('/v1/default', async (request, reply) => {
    const accessToken = readBearer(request.headers.authorization)
    const granted = accessToken === undefined ? undefined : grants.get(accessToken)
    if (granted === undefined || granted.scenario === 'evidenceExpired') return reply.code(401).send(unauthorized)
    if (granted.scenario === 'error' || granted.failuresLeft-- > 0) return reply.code(500).send(serverError)
    const { phoneNumbers, ...rest } = granted.readProfile(granted.digits)
    if (granted.scenario === 'unusual') return unusualProfile(granted.digits, rest)
    return granted.scenario === 'malformed' ? rest : { phoneNumbers, ...rest }
  })
}
