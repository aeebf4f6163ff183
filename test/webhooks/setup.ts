import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { viewVerification } from '../../src/api/views/verification.ts'
import { createApps, type App } from '../../src/apps/apps.ts'
import { createVerification, decide } from '../../src/core/decide.ts'
import { ApiError } from '../../src/core/errors.ts'
import type { Verification } from '../../src/core/verification.ts'
import type { WebhookEvent } from '../../src/core/webhook-events.ts'
import { createInlineExecutor } from '../../src/jobs/inline-executor.ts'
import { createIds } from '../../src/store/ids.ts'
import { createKeys, partitions } from '../../src/store/keys.ts'
import { createStore, type Stored } from '../../src/store/record-store.ts'
import { createSealer } from '../../src/store/sealing.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { noTracing } from '../../src/telemetry/tracing.ts'
import { createRecordCodec } from '../../src/verifications/record-codec.ts'
import { createDeliveries } from '../../src/webhooks/deliveries.ts'
import { decodeDelivery, encodeDelivery, type Delivery } from '../../src/webhooks/delivery.ts'
import { createDeliveryKeys } from '../../src/webhooks/delivery-keys.ts'
import { createEndpoints } from '../../src/webhooks/endpoints.ts'
import { createDeliveryLog } from '../../src/webhooks/log.ts'
import { createWebhookSender } from '../../src/webhooks/sender.ts'
import { connectTo } from '../helpers/redis.ts'

const { decode: decodeRecord, encode: encodeRecord } = createRecordCodec()

export const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
export const [second, hour, day] = [1_000, 3_600_000, 86_400_000]
export const phoneNumber = '+14155550182'
export const newSealKey = (id: string): string => `${id}:${randomBytes(32).toString('base64')}`
/** The partition of all verifications here. */
export const partition = 3

type Received = { path: string, headers: IncomingHttpHeaders, text: string, body: Record<string, unknown> }
/** The status of the response, or the promise of one that comes later. */
type Respond = (path: string) => number | Promise<number>

/** A real HTTP server that keeps what it received. */
async function startReceiver (t: Test, respond: Respond) {
  const received: Received[] = []
  const server = createServer(async (request, response) => {
    const text = Buffer.concat(await request.toArray()).toString()
    const path = request.url ?? ''
    received.push({ path, headers: request.headers, text, body: JSON.parse(text) })
    server.emit('received')
    response.writeHead(await respond(path)).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    /** Resolves when `count` requests have arrived. */
    async arrived (count: number): Promise<void> {
      while (received.length < count) await once(server, 'received', { signal: AbortSignal.timeout(5_000) })
    },
  }
}

/** An instance of everything that sends webhooks shares this with other instances that run on the same data. */
export type Shared = { redisUrl: string, sealKeys?: string, namespace?: string }
type Options = Shared & {
  isInline?: boolean, timeoutMs?: number
  /** Replaces how the deliveries wait for replicas. */
  untilReplicated?: () => Promise<void>
}

/** Deliveries on a real Redis and a real receiver, with a clock that only the test moves. */
export async function startWebhooks (t: Test, options: Options) {
  const { redisUrl, sealKeys = newSealKey('k1'), isInline = false, timeoutMs = 5_000 } = options
  const { namespace = randomBytes(4).toString('hex'), untilReplicated } = options
  const redis = await connectTo(t, redisUrl)
  let respond: Respond = () => 204
  const receiver = await startReceiver(t, path => respond(path))
  const sealer = createSealer(sealKeys)
  const ids = createIds(sealer, { partitions, randomBytes })
  const stored = { redis, sealer, namespace }
  const store = createStore({ ...stored, encode: encodeDelivery, decode: decodeDelivery })
  const verifications = createStore({ ...stored, encode: encodeRecord, decode: decodeRecord })
  const app = (id: string, path = '/hooks'): App => (
    { id, name: id, keys: [], webhook: { url: `${receiver.url}${path}`, secrets: [secret] } }
  )
  const apps = createApps([app('shop'), app('bank', '/bank')])
  let sender = createWebhookSender({ timeoutMs })
  t.teardown(() => sender.close())
  const lines: string[] = []
  const log = createLogger('debug', { write: line => { lines.push(line) } })
  const metrics = createMetrics({ providers: {}, queues: [], storeErrorCodes: [] })
  const jobs: [id: string, name: string][] = []
  let isQueueDown = false
  let time = Date.now()
  const now = (): number => time
  const keys = createDeliveryKeys({ apps, ids, sealer, retentionMs: day })
  const deliveries = createDeliveries({
    store: untilReplicated === undefined ? store : {
      ...store, untilReplicated,
      async loadReplicated (id) {
        await untilReplicated()
        return store.load(id)
      },
    },
    apps, keys, endpoints: createEndpoints({ store, sealer, now }), now,
    send: webhook => sender.send(webhook),
    executor: isInline ? createInlineExecutor({ maxInFlight: 200, log }) : null,
    queues: {
      async notify (id, name) {
        if (isQueueDown) throw new Error('the queue is down')
        jobs.push([id, name])
      },
    },
    telemetry: { metrics, log, tracing: noTracing },
    viewOf: verification => viewVerification(verification, { attemptId: ids.attemptId }),
  })
  const deliveryLog = createDeliveryLog({
    store, ids, keys, deliveries, tracing: noTracing, randomPartition: () => partition, now,
  })

  /** A canceled verification, whose last revision is 2. */
  const verify = (appId = 'shop'): Verification => {
    const step = { method: 'otpless.otp', timeoutMs: 60_000, options: {}, isRepeatable: false }
    const { next } = createVerification({
      id: ids.newId(appId, partition), appId, phoneNumber, reference: null, metadata: {}, locale: null, device: {},
      returnUrl: null, idempotency: null, includeProfile: true, minAssurance: 1, workflow: [
        { ...step, continueWhenRejected: false },
      ],
      expiresAt: time + 600_000, webhookEvents: ['canceled'],
    }, time)
    return decide(next, { type: 'canceled', reason: 'app_canceled' }, time)?.next ?? next
  }
  /** Writes the delivery of an event together with its verification. */
  const stage = async (verification: Verification, event?: WebhookEvent): Promise<Stored<Delivery>> => {
    const { revision } = verification
    const [staged] = deliveries.stageEvents(verification, [event ?? { type: 'canceled', revision }], time)
    if (staged === undefined) throw new Error('no delivery')
    const inserted = await verifications.insert(verification.id, verification, {
      expiresAt: time + 365 * day, dueAt: null, siblings: [staged.sibling],
    })
    if (!inserted.inserted) throw new Error('not inserted')
    return { record: staged.delivery, version: inserted.siblingVersions[0] ?? '' }
  }
  const read = async (id: string): Promise<Delivery> => {
    const found = await store.load(id)
    if (found === null) throw new Error('no such delivery')
    return found.record
  }
  return {
    redis, namespace, sealKeys, sealer, ids, keys, store, apps, app, deliveries, deliveryLog, jobs, lines, receiver,
    verify, stage, read, now,
    shop: () => app('shop'),
    /** The id of a new delivery. */
    open: async (appId = 'shop') => (await stage(verify(appId))).record.id,
    /** Erases a verification, together with its deliveries. */
    async erase (verification: Verification): Promise<void> {
      const { alsoDelete, indexes } = deliveries.relatedKeys(verification)
      await verifications.erase(verification.id, { alsoDelete, indexes, publish: 'erased' })
    },
    respondWith: (next: Respond) => { respond = next },
    breakQueue: (isBroken: boolean) => { isQueueDown = isBroken },
    /** Closes the sender during its requests, and opens another one. */
    async replaceSender (): Promise<void> {
      const closing = sender.close()
      sender = createWebhookSender({ timeoutMs })
      await closing
    },
    pass: (ms: number) => { time += ms },
    /** Moves the clock to the next try, and makes it. */
    async next (id: string): Promise<Delivery> {
      time = Math.max(time, (await read(id)).nextTryAt ?? time)
      await deliveries.attempt(id)
      return read(id)
    },
    due: async (at = time) => (
      await Promise.all(Array.from({ length: partitions }, (_, each) => store.due(each, at, 100)))
    ).flat(),
    recordKey: (id: string) => createKeys(namespace).record(ids.partitionOf(id) ?? -1, id),
    indexKey: (name: string) => createKeys(namespace).index(partition, name),
    async count (series: string): Promise<number> {
      const text = await metrics.registry.metrics()
      return Number(text.split('\n').find(line => line.startsWith(`${series} `))?.slice(series.length) ?? NaN)
    },
    /** The log lines with this message. */
    logged: (message: string) => lines.map(line => JSON.parse(line)).filter(({ msg }) => msg === message),
  }
}

/** The code of the `ApiError` that the work rejects with, and the fields that it names. */
export const refusal = async (work: Promise<unknown>): Promise<string> => work.then(() => 'none', error => {
  if (!(error instanceof ApiError)) throw error
  return [error.apiCode, ...(error.extra.errors ?? []).map(({ field }) => field)].join(' ')
})
