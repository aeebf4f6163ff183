import { randomBytes } from 'node:crypto'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply } from 'fastify'
import { Type } from 'typebox'
import { appKey, badCredentials, badToken, clientId, provider, scenarioIn, serverError } from './answers.ts'
import { countryOf } from '../countries.ts'
import { createExpiringMap } from '../expiring-map.ts'
import { type Scenario, provenDigits } from '../scenarios.ts'

/** Not documented. */
const tokenMs = 10 * 60_000

const DetailParams = Type.Object({ accessToken: Type.String() })

type Verified = { digits: string, scenario: Scenario, failuresLeft: number }

export type CallTokens = ReturnType<typeof createCallTokens>

/** The tokens that the SDK returns for a user without the app, whose phone received a missed call. */
export function createCallTokens (now: () => number) {
  const tokens = createExpiringMap<Verified>(now, tokenMs)
  return {
    get: tokens.get,
    issue (phoneNumber: string): string {
      const token = randomBytes(32).toString('base64url')
      const scenario = scenarioIn(phoneNumber, ['evidenceInvalid'])
      const digits = provenDigits(phoneNumber, provider)
      tokens.set(token, { digits, scenario, failuresLeft: scenario === 'flaky' ? 2 : 0 })
      return token
    },
  }
}

/**
 * The number of a token, for both generations of the SDK: the later one is told apart by `client` in the path, and by
 * the header `clientId` instead of `appKey`.
 */
export const missedCallRoutes: FastifyPluginAsyncTypebox<{ tokens: CallTokens }> = async (app, { tokens }) => {
  function describe (reply: FastifyReply, accessToken: string): object {
    const verified = tokens.get(accessToken)
    const isRefused = verified?.scenario === 'evidenceInvalid' || verified?.scenario === 'evidenceExpired'
    if (verified?.scenario === 'startRefused') return reply.code(404).send(badCredentials)
    if (verified === undefined || isRefused) return reply.code(404).send(badToken)
    if (verified.scenario === 'error' || verified.failuresLeft-- > 0) return reply.code(500).send(serverError)
    const { digits, scenario } = verified
    const countryCode = countryOf(digits)
    if (scenario === 'malformed') return { countryCode }
    return { phoneNumber: scenario === 'unusual' ? `+${digits}` : Number(digits), countryCode }
  }

  for (const { path, header, value } of [
    { path: '/v1/otp/client/installation', header: 'clientid', value: clientId },
    { path: '/v1/otp/installation', header: 'appkey', value: appKey },
  ]) {
    app.get(`${path}/phoneNumberDetail/:accessToken`, { schema: { params: DetailParams } }, async (request, reply) =>
      request.headers[header] === value
        ? describe(reply, request.params.accessToken)
        : reply.code(404).send(badCredentials))
  }
}
