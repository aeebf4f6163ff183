import { randomBytes } from 'node:crypto'
import { collectMethods, createRoutingContext, guardAdapter } from '../../src/adapters/guard.ts'
import { createApps, type App } from '../../src/apps/apps.ts'
import { createCountryPolicy } from '../../src/apps/country-policy.ts'
import { createLimits } from '../../src/apps/limits.ts'
import { createMessagePolicy } from '../../src/apps/message-policy.ts'
import { createVerification } from '../../src/core/decide.ts'
import { ApiError } from '../../src/core/errors.ts'
import type { NewVerification, Verification } from '../../src/core/verification.ts'
import { createInlineExecutor } from '../../src/jobs/inline-executor.ts'
import { createQueues, queueNames, type Queues } from '../../src/jobs/queues.ts'
import { createChangeFeed } from '../../src/store/change-feed.ts'
import { createIds } from '../../src/store/ids.ts'
import { createKeys, partitions } from '../../src/store/keys.ts'
import { createStore, unavailableCodes, type Counter, type Store } from '../../src/store/record-store.ts'
import type { RedisClient } from '../../src/store/redis.ts'
import { readTable } from '../../src/store/tables.ts'
import { createSealer } from '../../src/store/sealing.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { byProvider, createMetrics } from '../../src/telemetry/metrics.ts'
import { noTracing } from '../../src/telemetry/tracing.ts'
import type { CreateRequest } from '../../src/verifications/create.ts'
import { createDispatch } from '../../src/verifications/dispatch.ts'
import { createErase } from '../../src/verifications/erase.ts'
import { createProviderCalls } from '../../src/verifications/provider-calls.ts'
import { createLinks } from '../../src/verifications/links.ts'
import { createRecordCodec } from '../../src/verifications/record-codec.ts'
import { createResolve, type Resolve } from '../../src/verifications/resolve.ts'
import { createSingleUse } from '../../src/verifications/single-use.ts'
import { createStart } from '../../src/verifications/start.ts'
import { createTransitions, type TransitionsParts } from '../../src/verifications/transitions.ts'
import { createVerifications } from '../../src/verifications/verifications.ts'
import { createWriter } from '../../src/verifications/writer.ts'
import { createDeliveries } from '../../src/webhooks/deliveries.ts'
import { createDeliveryKeys } from '../../src/webhooks/delivery-keys.ts'
import { decodeDelivery, encodeDelivery } from '../../src/webhooks/delivery.ts'
import { createEndpoints } from '../../src/webhooks/endpoints.ts'
import { readSeries, sumOf } from './metrics.ts'
import { connectTo, startRedis } from './redis.ts'
import { createToyProvider } from './toy-provider.ts'

export { discovered, goodCode } from './toy-provider.ts'

type Teardown = { teardown (run: () => unknown): void }
type WrapStore = (store: Store<Verification>) => Store<Verification>

export type SetUpOptions = {
  /** More of the app `shop`. */
  shop?: Partial<App>
  /** How much runs inline; absent: a process that works no jobs. */
  maxInFlight?: number
  /** What the use cases see of the store: to fail a call, or to write in between. */
  wrapStore?: WrapStore
  /** What the use cases see of the queues. */
  queues?: Pick<Queues, 'resolve'>
  retentionMs?: number
  /** Messages to a number over all apps; by default more than any test sends. */
  messagesPerNumber?: { perHour: number, perDay: number }
}

export const phoneNumber = '+14155550100'
export const day = 86_400_000
export const publicUrl = 'https://verify.example'

/** One Redis for a test file. */
export async function openTestbed (t: Teardown) {
  const { url } = await startRedis(t)
  const [redis, subscriber] = await Promise.all([connectTo(t, url), connectTo(t, url, 'subscriber')])
  // Each set-up listens on the same connection.
  subscriber.setMaxListeners(0)
  const queues = createQueues(redis, () => {})
  t.teardown(() => queues.close())
  let count = 0
  return { redis, setUp: (options: SetUpOptions = {}) => setUp({ redis, subscriber, queues, n: count += 1 }, options) }
}
type Shared = { redis: RedisClient, subscriber: RedisClient, queues: Queues, n: number }

/**
 * The room over a real store, with its own keys, namespace, clock and providers: `toy`, and `other` to fall back to.
 */
function setUp (
  { redis, subscriber, queues, n }: Shared,
  {
    shop, maxInFlight, wrapStore = store => store, queues: seen = queues, retentionMs = day, messagesPerNumber,
  }: SetUpOptions,
) {
  let time = Date.now()
  const now = () => time
  const lines: Record<string, unknown>[] = []
  const log = createLogger('debug', { write: line => { lines.push(JSON.parse(line)) } })
  const namespace = `vg${n}`
  const sealer = createSealer(`k1:${randomBytes(32).toString('base64')}`)
  const ids = createIds(sealer, { partitions, randomBytes })
  const changeFeed = createChangeFeed(subscriber, createKeys(namespace).channel)
  const stored = { redis, sealer, namespace, now }

  const [toy, other] = [createToyProvider('toy'), createToyProvider('other')]
  const methods = collectMethods([toy.adapter, other.adapter])
  const metrics = createMetrics({
    providers: byProvider(methods.keys()), queues: Object.values(queueNames), storeErrorCodes: unavailableCodes,
  })
  const adapters = new Map([toy.adapter, other.adapter].map(adapter =>
    [adapter.provider, guardAdapter(adapter, { now, tracing: noTracing, metrics, log })]))
  const plainStore = createStore<Verification>({ ...stored, ...createRecordCodec(createLinks({ adapters, ids })) })
  const store = wrapStore(plainStore)
  const app: App = { id: 'shop', name: 'Shop', keys: [], ...shop }
  const apps = createApps([app, { id: 'bank', name: 'Bank', keys: [] }])
  const executor = maxInFlight === undefined ? null : createInlineExecutor({ maxInFlight, log })
  const deliveryStore = createStore({ ...stored, encode: encodeDelivery, decode: decodeDelivery })
  const deliveries = createDeliveries({
    store: deliveryStore, apps, keys: createDeliveryKeys({ apps, ids, sealer, retentionMs }),
    endpoints: createEndpoints({ store: deliveryStore, sealer, now }), queues, executor: null,
    send: async () => ({ statusCode: 204, durationMs: 1, error: null, retryAfterMs: null }),
    telemetry: { metrics, log, tracing: noTracing }, viewOf: ({ id, status }) => ({ id, status }), now,
  })

  const budgeted: string[] = []
  const usedShares: Record<string, number> = {}
  const budget = {
    count (appId: string, country: string, what: string, _at: number, times = 1) {
      budgeted.push(`${appId} ${country} ${what}${times === 1 ? '' : ' taken back'}`)
    },
    ready: async () => {},
    usedShare: (_appId: string, country: string) => usedShares[country] ?? 0,
  }
  const limits = createLimits({
    sealer, apps, messagesPerNumber: { perHour: 1_000, perDay: 1_000, exemptApp: null, ...messagesPerNumber },
  })
  const messages = createMessagePolicy({ apps, budget, sealer, metrics, log })
  const gateway = createVerifications({
    storage: { store, sealer, ids, changeFeed, retentionMs }, providers: { adapters, methods, publicUrl },
    apps: { byId: apps.byId, limits, budget, messages, country: createCountryPolicy({ sealer, metrics, log }) },
    work: { queues: seen, executor, deliveries }, telemetry: { metrics, log, tracing: noTracing }, now,
  })

  // The same parts once more, each within reach.
  const observed: [before: string | null, after: string][] = []
  const providerCalls = createProviderCalls({ sealer, adapters, apps, ids, publicUrl, log })
  const write = createWriter({
    store, limits, deliveries,
    context: {
      names: sealer.names, methods, retentionMs, limits, singleUseOf: createSingleUse({ adapters, providerCalls }),
    },
    observers: [(before, after) => { observed.push([before?.status ?? null, after.status]) }],
    routing: createRoutingContext(adapters, methods), providerCalls, messages, recordSkipped () {},
  })
  const transitionsParts: TransitionsParts = { store, write, providerCalls, retentionMs, now }
  const transitions = createTransitions(transitionsParts)
  const dispatch = createDispatch({
    transitions, queues: seen, executor, sealer, log, now,
    resolve: stored => resolve(stored, { isFirst: true, isLastTry: false }),
  })
  const start = createStart({ dispatch, providerCalls, now })
  const resolve: Resolve = createResolve({ dispatch, start, providerCalls, store })

  return {
    app, apps, redis, namespace, sealer, ids, changeFeed, store: plainStore, toy, other, adapters, methods, metrics,
    executor, deliveries, deliveryStore, limits, gateway, providerCalls, transitionsParts, transitions, dispatch, start,
    write,
    /** Writes a new verification whose first attempt the caller starts. */
    insert: (request: NewVerification, at: number, counters: Counter[] = []) => write({
      stored: null, event: null, decision: createVerification(request, at, { startsHere: true }), at, counters,
    }, { startsHere: true }),
    resolve, erase: createErase({ store, names: sealer.names }), log, lines, observed, budgeted, usedShares, now,
    pass: (ms: number) => { time += ms },
    create: (request: CreateRequest = {}, idempotencyKey: string | null = null) =>
      gateway.create(app, { phoneNumber, workflow: ['toy.code', 'other.code'], ...request }, idempotencyKey),
    /** The record as it is stored now; throws when there is none. */
    async read (id: string) {
      const stored = await plainStore.load(id)
      if (stored === null) throw new Error(`${id} is not stored`)
      return stored
    },
    /** The `resolve` jobs that wait for a verification, with their delays. */
    async jobsOf (id: string) {
      const jobs = await queues.opened[0]?.getJobs(['waiting', 'delayed', 'prioritized']) ?? []
      return jobs.filter(({ data }) => 'id' in data && data.id === id)
        .map(({ id: name = '', delay }) => ({ name, delay }))
    },
    /** The value of a series in a scrape. */
    count: async (name: string, labels: Record<string, string> = {}) =>
      sumOf(readSeries(await metrics.registry.metrics()), name, labels) ?? 0,
    /** The fields of all claims. */
    async claimFields () {
      const tables = await redis.keys(`${namespace}:{q*}t*`)
      const entries = await Promise.all(tables.map(async key => readTable(await redis.getBuffer(key), time)))
      return entries.flat().map(({ field }) => field).filter(field => /^(live|once.*|)$/.test(field)).toSorted()
    },
    /** How many entries of tables and indexes list a verification. */
    async countListed () {
      const tables = await redis.keys(`${namespace}:{q*}t*`)
      const entries = await Promise.all(tables.map(async key => readTable(await redis.getBuffer(key), time)))
      const indexes = await redis.keys(`${namespace}:{q*}i*`)
      return entries.flat().filter(({ value }) => value === '').length + indexes.length
    },
  }
}
export type SetUp = ReturnType<typeof setUp>

/** The code of the `ApiError` that the work ends with; `none` without an error. */
export const errorCode = (work: Promise<unknown>): Promise<string> => work.then(() => 'none', error => {
  if (!(error instanceof ApiError)) throw error
  return error.apiCode
})
