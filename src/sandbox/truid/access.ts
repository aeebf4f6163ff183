import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ExpiringMap } from '../expiring-map.ts'
import { sendProblem } from './problems.ts'

/** The scope of an access token that a product needs. */
export type Scope = 'phone_check' | 'subscriber_check' | 'sim_check' | 'coverage'
export type Hook = (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply | undefined>

const hourMs = 60 * 60_000
const requestsPerHour = 1_000_000

/** The rate limit counts per workspace and hour; nearly every answer states it. */
export function createRateHeaders (now: () => number): Hook {
  const rate = { used: 0, resetAt: now() + hourMs }
  return async (_request, reply) => {
    if (now() >= rate.resetAt) Object.assign(rate, { used: 0, resetAt: now() + hourMs })
    rate.used = Math.min(rate.used + 1, requestsPerHour)
    reply.headers({
      'x-ratelimit-limit': requestsPerHour,
      'x-ratelimit-remaining': requestsPerHour - rate.used,
      'x-ratelimit-reset': Math.ceil(rate.resetAt / 1000),
    })
    return undefined
  }
}

const openPaths = /^\/(?:(?:phone|subscriber|sim)_check\/v0\.1|(?:public\/)?coverage\/v0\.1)\//

/** Documented for coverage and for the checks of v0.1, not for the URL that the phone opens, nor for v0.2. */
export async function allowEveryOrigin ({ url }: FastifyRequest, reply: FastifyReply): Promise<undefined> {
  if (openPaths.test(url) && !/\/redirect(?:[/?]|$)/.test(url)) reply.header('access-control-allow-origin', '*')
}

/** A hook that accepts bearer tokens with this scope. */
export function createAuthorize (tokens: ExpiringMap<string[]>) {
  return (scope: Scope): Hook => async (request, reply) => {
    const [, token] = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '') ?? []
    const granted = token === undefined ? undefined : tokens.get(token)
    if (granted === undefined) return sendProblem(reply, 'unauthorized')
    return granted.includes(scope) ? undefined : sendProblem(reply, 'forbidden')
  }
}

export type Authorize = ReturnType<typeof createAuthorize>
