import { createHash, randomBytes } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { createApps, sandboxApp, type Scope } from '../../src/apps/apps.ts'
import type { DeliveryLog } from '../../src/webhooks/log.ts'
import { ApiError } from '../../src/core/errors.ts'
import type { Gateway } from '../../src/verifications/gateway.ts'
import { createHealth } from '../../src/api/operations/health.ts'
import { createIds, type Ids } from '../../src/store/ids.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { addressTag, createSealer } from '../../src/store/sealing.ts'
import { buildOperationsServer, buildServer, type Server, type ServerParts } from '../../src/api/server.ts'
import type { LiveOptions } from '../../src/api/live/live.ts'
import type { Listener } from '../../src/store/change-feed.ts'
import { createWindowCounters } from '../../src/store/window-counters.ts'
import { noTracing, type Tracing } from '../../src/telemetry/tracing.ts'
import { type Verification } from '../../src/core/verification.ts'
import { createVerification, decide } from '../../src/core/decide.ts'
import type { Event } from '../../src/core/events.ts'

type Teardown = { teardown (run: () => unknown): void }

export const apiKey = 'vgk_sandbox'
export const phoneNumber = '+14155550100'
export const json = { 'content-type': 'application/json' }
export const authorization = { authorization: `Bearer ${apiKey}` }
/** `allowedOrigins` of the sandbox's app. */
export const allowedOrigins = ['https://shop.example', 'http://localhost:8080']
/** The memory gateway redirects browsers that return with this key. */
export const returnKey = 'a-key-that-is-known'

/** A call of a route to the gateway. */
export type Call = { name: string, args: unknown[] }

/**
 * An in-memory gateway on the real core. Its only method is `otpless.otp`, whose code is the last six digits of the
 * number. It implements only the rules that the routes rely on.
 */
export function createMemoryGateway (ids: Ids) {
  const records = new Map<string, Verification>()
  const erased = new Set<string>()
  const calls: Call[] = []
  const listeners = new Map<string, Set<Listener>>()
  let listened = 0
  let failure: Error | null = null

  const note = (name: string, ...args: unknown[]): void => {
    calls.push({ name, args })
    if (failure !== null) throw failure
  }
  const publish = (id: string, text: string | null): void => {
    for (const listener of [...listeners.get(id) ?? []]) listener(text)
  }
  const load = (id: string): Verification => {
    const record = records.get(id)
    if (record === undefined) throw new ApiError('gone', 'This verification was erased or its retention has passed.')
    return record
  }
  const keep = (record: Verification): Verification => {
    records.set(record.id, record)
    publish(record.id, String(record.revision))
    return record
  }
  const apply = (id: string, event: Event, at = Date.now()): Verification => {
    const decision = decide(load(id), event, at)
    if (decision === null) throw new ApiError(
      'invalid_state', 'Not possible now.', { verificationStatus: load(id).status },
    )
    return keep(decision.next)
  }

  const gateway: Gateway = {
    async create (app, request, idempotencyKey) {
      note('create', app, request, idempotencyKey)
      // Long enough ago, so that its message can be sent again.
      const createdAt = Date.now() - 30_000
      const { next } = createVerification({
        id: ids.newId(app.id, 0), appId: app.id, phoneNumber: request.phoneNumber ?? null, reference: request.reference
          ?? null,
        metadata: request.metadata ?? {}, locale: request.locale ?? null, device: request.device ?? {},
        returnUrl: request.returnUrl ?? null, idempotency: null, webhookEvents: [],
        includeProfile: app.includeProfile === true, minAssurance: request.minAssurance ?? 1,
        expiresAt: createdAt + 600_000,
        workflow: [
          { method: 'otpless.otp', timeoutMs: 300_000, options: {}, isRepeatable: false, continueWhenRejected: false },
        ],
      }, createdAt)
      return apply(keep(next).id, {
        type: 'attemptStarted', attempt: 0, state: null, action: {
          type: 'submitCode', length: 6, channels: ['SMS'],
        }, attemptsRemaining: 3,
        resend: { left: 2, afterMs: 30_000 },
      }, createdAt)
    },
    async get (id) {
      note('get', id)
      return load(id)
    },
    listen (id, listener) {
      listened += 1
      const own = listeners.get(id) ?? new Set()
      listeners.set(id, own.add(listener))
      return () => { own.delete(listener) }
    },
    async check (id, evidence) {
      note('check', id, evidence)
      apply(id, { type: 'evidenceReceived', attempt: 0, evidence: { from: 'app', value: evidence } })
      if (!('code' in evidence)) return { verification: load(id), settled: false }
      const number = load(id).phoneNumber ?? ''
      if (evidence.code !== number.slice(-6)) {
        apply(id, { type: 'codeIncorrect', attempt: 0 })
        throw new ApiError('code_incorrect', 'The code is incorrect.', { attemptsRemaining: 2 })
      }
      return {
        verification: apply(id, {
          type: 'numberProven', attempt: 0, phoneNumber: number, profile: {
            email: 'a@example.com',
          }, signals: { line: number }, assurance: { possession: 'message', binding: 'session', restricted: false },
        }),
        settled: true,
      }
    },
    async next (id, reason, revision) {
      note('next', id, reason, revision)
      return apply(id, { type: 'nextRequested', reason })
    },
    async resend (id) {
      note('resend', id)
      const decision = decide(load(id), { type: 'resendRequested', attempt: 0 }, Date.now())
      if (decision === null) throw new ApiError('rate_limited', 'Too early.', { retryAfterSeconds: 29.2 })
      return keep(decision.next)
    },
    async cancel (id) {
      note('cancel', id)
      return apply(id, { type: 'canceled', reason: 'app_canceled' })
    },
    async erase (id) {
      note('erase', id)
      load(id)
      records.delete(id)
      erased.add(id)
      publish(id, 'erased')
    },
    async find (app, by, limit) {
      note('find', app, by, limit)
      const isMeant = (record: Verification): boolean =>
        'reference' in by ? record.reference === by.reference : record.phoneNumber === by.phoneNumber
      return [...records.values()].filter(isMeant).slice(0, limit)
    },
    async receive (provider, callback) {
      note('receive', provider, callback)
      if (provider !== 'truid') throw new ApiError('not_found', 'This provider does not exist.')
      return { result: 'accepted' }
    },
    async readReturn (provider, key, query) {
      note('readReturn', provider, key, query)
      return key === returnKey ? `https://app.example/done?code=${encodeURIComponent(query['code'] ?? '')}` : null
    },
    providers: () => [{
      provider: 'otpless', methods: [
        {
          method: 'otpless.otp', userStep: 'types a code', needsPhoneNumber: true, needsReturnUrl: false,
          evidence: ['code'], nextActions: ['submitCode'], sendsMessage: true, resend: { afterSeconds: 30, times: 2 },
          assurance: { level: 2, possession: 'message', binding: 'session', restricted: true }, restricted: true,
        },
      ],
      health: { breaker: 'closed', errorRate: 0, lastSuccessAt: null, lastFailure: null },
    }],
    async eligibility (app, request) {
      note('eligibility', app, request)
      return [{ method: 'otpless.otp', provider: 'otpless', eligible: true, reason: null }]
    },
    async resolve () {},
    async notify () {},
    async isSweepDue () { return false },
    async sweep () { return 0 },
  }
  return {
    gateway, calls, records, publish, keep, apply,
    /** The number of listeners now, and of all that ever existed. */
    listening: () => ({ now: [...listeners.values()].reduce((sum, { size }) => sum + size, 0), ever: listened }),
    failWith: (error: Error | null) => { failure = error },
  }
}

/** The delivery log of an app without a webhook. */
const noDeliveries: Pick<DeliveryLog, 'list' | 'replay' | 'test'> = {
  list: async () => ({ data: [], nextCursor: null }),
  replay: async () => { throw new ApiError('not_found', 'This delivery does not exist.') },
  test: async () => { throw new ApiError('invalid_state', 'This app has no webhook.') },
}

export type TestServer = Awaited<ReturnType<typeof buildTestServer>>

type TestServerOptions = {
  health?: Partial<Parameters<typeof createHealth>[0]>, publicUrl?: string, role?: 'all' | 'worker', sandbox?: boolean
  live?: LiveOptions
  operations?: { port: number, host: string } | null
  tracing?: Tracing, queues?: ServerParts['queues'], trustedProxies?: string[]
  ipRequestsPerMinute?: number, privateIpRequestsPerMinute?: number, idleConnectionsPerIp?: number
  queueLimitMs?: number
  now?: () => number
}

/** The HTTP servers over the memory gateway, closed when the test ends. `lines` are the log lines. */
export async function buildTestServer (t: Teardown, options: TestServerOptions = {}) {
  const {
    health = {}, publicUrl = 'http://localhost', role = 'all', sandbox = false, live = {}, operations = null,
    tracing = noTracing, queues,
  } = options
  const {
    trustedProxies = [], ipRequestsPerMinute = 600, privateIpRequestsPerMinute = 6_000, idleConnectionsPerIp = 200,
    queueLimitMs = 60_000,
    now = Date.now,
  } = options
  const sealer = createSealer(`test:${Buffer.alloc(32, 'test').toString('base64')}`)
  const ids = createIds(sealer, { partitions: 64, randomBytes })
  const memory = createMemoryGateway(ids)
  const { gateway } = memory
  const app = (id: string, key: string, scopes: Scope[]) => ({
    id, name: id, allowedOrigins: [`https://${id}.example`], keys: [
      { sha256: createHash('sha256').update(key).digest('hex'), scopes },
    ],
  })
  const apps = createApps([
    { ...sandboxApp('http://localhost'), allowedOrigins },
    app('other', 'vgk_other', ['verifications:read', 'verifications:write']),
    app('reader', 'vgk_reader', ['verifications:read']),
    app('nobody', 'vgk_nobody', []),
  ])
  const metrics = createMetrics({ providers: { otpless: ['otpless.otp'] }, queues: [], storeErrorCodes: [] })
  const refused = async (cause: string): Promise<number> =>
    Number(
      new RegExp(
        `^verigate_refused_requests_total\\{cause="${cause}"\\} (\\d+)$`, 'm',
      ).exec(await metrics.registry.metrics())?.[1],
    )
  const lines: string[] = []
  // The shared counters of a single process.
  const shared = new Map<string, number>()
  const sync = async (name: string, count: number): Promise<number> => {
    const sum = (shared.get(name) ?? 0) + count
    shared.set(name, sum)
    return sum
  }
  const parts: ServerParts = {
    config: {
      publicUrl, role, sandbox, operations, trustedProxies, clientRequestsPerMinute: 120, ipRequestsPerMinute,
      privateIpRequestsPerMinute, idleConnectionsPerIp, queueLimitMs,
    },
    telemetry: { metrics, tracing, log: createLogger('debug', { write: line => { lines.push(line) } }) },
    access: {
      apps, ids, windowCounters: createWindowCounters({ sync, now }), now,
      addressTag: network => addressTag(sealer, network),
    },
    gateway, deliveries: noDeliveries, queues, live,
    health: createHealth(
      {
        store: { ping: async () => {} }, workers: null, isSlow: () => false, now: Date.now,
        ...health,
      },
    ),
  }
  const server: Server = await buildServer(parts)
  t.teardown(() => server.close())
  const operationsServer = await buildOperationsServer(server, parts)
  t.teardown(() => operationsServer.close())
  const create = async (body: object = { phoneNumber }): Promise<{
    id: string, clientSecret: string, revision: number,
  }> =>
    (await server.inject({ method: 'POST', url: '/verifications', headers: authorization, payload: body })).json()
  const listen = async (): Promise<number> => {
    await server.listen({ host: '127.0.0.1', port: 0 })
    return (server.server.address() as AddressInfo).port
  }
  return { ...memory, server, operationsServer, ids, apps, lines, refused, create, listen }
}
