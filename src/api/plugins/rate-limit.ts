import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { limitOf, type App } from '../../apps/apps.ts'
import type { Config } from '../../config.ts'
import { ApiError, type RefusalCause } from '../../core/errors.ts'
import type { WindowCounters } from '../../store/window-counters.ts'
import { isPrivateAddress, networkOf } from '../../net.ts'
import { clientAddress } from './client-address.ts'

/** What one limit counts, and how much it allows in a minute. */
type Quota = { key: string, max: number }

declare module 'fastify' {
  interface FastifyRequest {
    /** The quota that is being counted. Computed once, and read by the callbacks of `@fastify/rate-limit`. */
    quota: Quota | null
  }
}

/** Null: the request was counted, and is allowed. */
export type Check = (request: FastifyRequest, reply: FastifyReply) => Promise<void> | null
/** A hook must not call back and return a promise as well. */
export type Hook = (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void) => void

/**
 * Limits per minute that need no Redis call; see `WindowCounters` for their tolerance. `apps/limits.ts` has the exact
 * limits.
 */
export type RequestLimits = {
  /**
   * For authentication: counts an app by its id, a front end by its client secret and its address, an unknown caller by
   * its address.
   */
  byCaller: Check
  /** For `onRequest` of a create, after `byCaller`. */
  byCreate: Hook
  /** For `onRequest` of routes without authentication: counts by the address, a private one with a higher limit. */
  byAddress: Hook
}

export type RequestLimitsParts = {
  windowCounters: WindowCounters
  config: Pick<Config, 'clientRequestsPerMinute' | 'ipRequestsPerMinute' | 'privateIpRequestsPerMinute'>
  now: () => number
}

const minuteMs = 60_000
const minuteSeconds = minuteMs / 1000
/** The part of a limit that a process counts locally before it synchronises. */
const localShare = 0.05
/** Up to this share of its limit an app is counted without a promise, which costs more than the counting. */
const nearShare = 0.9

/** `policy`: the name of the limit in the headers. */
const limited = {
  rate_limited_app: { policy: 'app', detail: 'This app sends too many requests.' },
  rate_limited_creates: { policy: 'creates', detail: 'This app creates too many verifications.' },
  rate_limited_client: { policy: 'client', detail: 'Too many requests for this verification.' },
  rate_limited_ip: { policy: 'address', detail: 'Too many requests from this address.' },
} as const satisfies { [Cause in RefusalCause]?: { policy: string, detail: string } }
type Cause = keyof typeof limited

/** What is left of one limit. */
type Left = { max: number, remaining: number, ttlInSeconds: number }

/**
 * Describes a limit in the structured fields `RateLimit-Policy` and `RateLimit`
 * (draft-ietf-httpapi-ratelimit-headers-10), which list all limits of the request. The fields of draft 06, which are
 * kept for one release, describe the limit with the fewest requests left.
 */
function describeLimit (reply: FastifyReply, policy: string, { max, remaining, ttlInSeconds }: Left): void {
  const append = (name: string, item: string): void => {
    const before = reply.getHeader(name)
    reply.header(name, before === undefined ? item : `${String(before)}, ${item}`)
  }
  append('ratelimit-policy', `"${policy}";q=${max};w=${minuteSeconds}`)
  append('ratelimit', `"${policy}";r=${remaining};t=${ttlInSeconds}`)
  const shown = reply.getHeader('ratelimit-remaining')
  if (shown === undefined || remaining < Number(shown)) {
    reply.headers({ 'ratelimit-limit': max, 'ratelimit-remaining': remaining, 'ratelimit-reset': ttlInSeconds })
  }
}

/** Limits per app, client secret and IP address. */
export async function createRequestLimits (
  server: FastifyInstance, { windowCounters, config, now }: RequestLimitsParts,
): Promise<RequestLimits> {
  await server.register(rateLimit, { global: false, store: createStoreClass(windowCounters, now) })
  server.decorateRequest('quota', null)
  const count = server.createRateLimit({
    timeWindow: minuteMs, max: ({ quota }) => quota?.max ?? 0, keyGenerator: ({ quota }) => quota?.key ?? '',
  })

  async function check (request: FastifyRequest, reply: FastifyReply, cause: Cause, quota: Quota): Promise<void> {
    request.quota = quota
    const state = await count(request)
    if (state.isAllowed) return
    const { policy, detail } = limited[cause]
    describeLimit(reply, policy, state)
    if (!state.isExceeded) return
    const retryAfterSeconds = Math.max(1, state.ttlInSeconds)
    throw new ApiError('rate_limited', detail, { retryAfterSeconds, refusal: { cause } })
  }

  function checkApp (
    request: FastifyRequest, reply: FastifyReply, cause: Cause, quota: Quota | null,
  ): Promise<void> | null {
    if (quota === null) return null
    const { key: name, max } = quota
    if (windowCounters.count({ name, windowMs: minuteMs }) >= max * nearShare) {
      return check(request, reply, cause, quota)
    }
    const { count, endsAt } = windowCounters.increment({ name, windowMs: minuteMs, syncEvery: syncEveryOf(max) })
    const ttlInSeconds = Math.ceil((endsAt - now()) / 1000)
    describeLimit(reply, limited[cause].policy, { max, remaining: max - count, ttlInSeconds })
    return null
  }

  const quotas = new WeakMap<App, ReturnType<typeof quotasOf>>()
  function quotasFor (app: App): ReturnType<typeof quotasOf> {
    const known = quotas.get(app) ?? quotasOf(app)
    quotas.set(app, known)
    return known
  }

  async function byAddress (request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const address = clientAddress(request)
    // Behind an undeclared proxy all callers have its private address.
    const max = isPrivateAddress(address) ? config.privateIpRequestsPerMinute : config.ipRequestsPerMinute
    await check(request, reply, 'rate_limited_ip', { key: `rate_limited_ip ${networkOf(address)}`, max })
  }

  async function byStranger (request: FastifyRequest, reply: FastifyReply): Promise<void> {
    await byAddress(request, reply)
    const { caller } = request
    if (caller === null || !('clientOf' in caller)) return
    const key = `rate_limited_client ${caller.clientOf}`
    await check(request, reply, 'rate_limited_client', { key, max: config.clientRequestsPerMinute })
  }

  return {
    byAddress: hookOf(byAddress),
    byCreate: hookOf((request, reply) => {
      const { caller } = request
      if (caller === null || !('app' in caller)) return null
      return checkApp(request, reply, 'rate_limited_creates', quotasFor(caller.app).creates)
    }),
    byCaller: (request, reply) => request.caller !== null && 'app' in request.caller
      ? checkApp(request, reply, 'rate_limited_app', quotasFor(request.caller.app).requests)
      : byStranger(request, reply),
  }
}

/** A hook that waits only when there is something to wait for. */
const hookOf = (check: Check): Hook => (request, reply, done) => {
  const waiting = check(request, reply)
  if (waiting === null) done()
  else waiting.then(() => done(), done)
}

const syncEveryOf = (max: number): number => Math.max(1, Math.floor(max * localShare))

/** The quotas of an app; null is no limit. */
function quotasOf (app: App): { requests: Quota | null, creates: Quota | null } {
  const quota = (cause: Cause, max: number | null): Quota | null =>
    max === null ? null : { key: `${cause} ${app.id}`, max }
  return {
    requests: quota('rate_limited_app', limitOf(app, 'requestsPerMinute')),
    creates: quota('rate_limited_creates', limitOf(app, 'createsPerMinute')),
  }
}

/** A store of `@fastify/rate-limit` on the window counters. */
function createStoreClass (windowCounters: WindowCounters, now: () => number) {
  return class Store {
    incr (
      name: string, done: (error: Error | null, result?: { current: number, ttl: number }) => void, windowMs: number,
      max: number,
    ): void {
      const { count, endsAt } = windowCounters.increment({ name, windowMs, syncEvery: syncEveryOf(max) })
      done(null, { current: count, ttl: endsAt - now() })
    }

    child (): Store {
      return this
    }
  }
}
