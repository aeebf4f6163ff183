import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { limitOf } from '../../apps/limits.ts'
import type { Config } from '../../config.ts'
import { ApiError, type RefusalCause } from '../../core/errors.ts'
import type { WindowCounters } from '../../store/window-counters.ts'
import { isPrivateAddress, networkOf } from '../../net.ts'

type Check = (request: FastifyRequest, reply: FastifyReply) => Promise<void>

/**
 * Limits per minute, decided without asking anybody: see `Tallies` for what that lets through too much. Those that are
 * exact are in `limits.ts`.
 */
export type RequestLimits = {
  /** `onRequest`, once it is known who asks: the app, or the client secret and the address it is used from. */
  byCaller: Check
  /** `onRequest` of a create, likewise. */
  byCreate: Check
  /** A request that no API key answers for, by its public address. */
  byAddress: Check
}

const minuteMs = 60_000
/** A process keeps at most this share of a limit to itself. */
const stepShare = 0.05

/**
 * Per app, client secret and public IP address, with `RateLimit` headers (draft-ietf-httpapi-ratelimit-headers-06) that
 * tell of the tightest.
 */
export async function createRequestLimits (
  server: FastifyInstance, { windowCounters, config, now }: {
    windowCounters: WindowCounters, config: Pick<Config, 'clientRequestsPerMinute' | 'ipRequestsPerMinute'>,
    now: () => number,
  },
): Promise<RequestLimits> {
  class Store {
    incr (
      name: string, done: (error: Error | null, result?: { current: number, ttl: number }) => void, windowMs: number,
      max: number,
    ): void {
      const { count, endsAt } = windowCounters.increment(
        { name, windowMs, syncEvery: Math.max(1, Math.floor(max * stepShare)) },
      )
      done(null, { current: count, ttl: endsAt - now() })
    }

    child (): Store {
      return this
    }
  }
  await server.register(rateLimit, { global: false, store: Store })

  /** Null of `max`, or of `keyOf`: not limited. */
  function limit (
    cause: RefusalCause, keyOf: (request: FastifyRequest) => string | null,
    max: (request: FastifyRequest) => number | null, detail: string,
  ): Check {
    const count = server.createRateLimit(
      {
        timeWindow: minuteMs, max: request => max(request) ?? 0,
        keyGenerator: request => `${cause} ${keyOf(request) ?? ''}`,
      },
    )
    return async (request, reply) => {
      // Not as its `allowList`: every question that the library asks of us is awaited.
      if (max(request) === null || keyOf(request) === null) return
      const state = await count(request)
      if (state.isAllowed) return
      const told = reply.getHeader('ratelimit-remaining')
      if (told === undefined || state.remaining < Number(told)) {
        reply.headers(
          {
            'ratelimit-limit': state.max, 'ratelimit-remaining': state.remaining, 'ratelimit-reset': state.ttlInSeconds,
          },
        )
      }
      if (state.isExceeded) throw new ApiError(
        'rate_limited', detail, { retryAfterSeconds: Math.max(1, state.ttlInSeconds), refusal: { cause } },
      )
    }
  }

  const appOf = ({ caller }: FastifyRequest) => caller !== null && 'app' in caller ? caller.app : null
  const appLimit = (
    name: 'requestsPerMinute' | 'createsPerMinute',
  ) => (request: FastifyRequest) => limitOf(appOf(request), name)
  const appId = (request: FastifyRequest): string | null => appOf(request)?.id ?? null
  const clientOf = ({ caller }: FastifyRequest): string | null =>
    caller !== null && 'clientOf' in caller ? caller.clientOf : null
  // Behind a proxy that is not known as one, everybody has the same, private, address.
  const network = ({ ip }: FastifyRequest): string | null => isPrivateAddress(ip) ? null : networkOf(ip)

  const ofApp = limit('rate_limited_app', appId, appLimit('requestsPerMinute'), 'This app sends too many requests.')
  const ofClient = limit(
    'rate_limited_client', clientOf, () => config.clientRequestsPerMinute, 'Too many requests for this verification.',
  )
  const byAddress = limit(
    'rate_limited_ip', network, () => config.ipRequestsPerMinute, 'Too many requests from this address.',
  )
  return {
    byAddress,
    byCreate: limit(
      'rate_limited_creates', appId, appLimit('createsPerMinute'), 'This app creates too many verifications.',
    ),
    async byCaller (request, reply) {
      if (appOf(request) !== null) return ofApp(request, reply)
      await byAddress(request, reply)
      await ofClient(request, reply)
    },
  }
}
