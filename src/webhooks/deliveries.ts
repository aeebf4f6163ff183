import type { App, Apps } from '../apps/apps.ts'
import {
  isFinalNo, isMade, isSuccess, maxScheduleMs, replayDelivery, settleTry, showUrl, type Delivery, type DeliveryStatus, type TryError, type TryResult,
} from './delivery.ts'
import type { RelatedKeys } from '../verifications/transitions.ts'
import { ApiError } from '../core/errors.ts'
import type { InlineExecutor } from '../jobs/inline-executor.ts'
import type { Ids } from '../store/ids.ts'
import type { Queues } from '../jobs/queues.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { News } from '../core/outbox.ts'
import type { VerificationView } from '../api/schemas/requests.ts'
import type { Sealer } from '../store/sealing.ts'
import { partitionOfHash, partitions } from '../store/keys.ts'
import { StoreUnavailable, type SiblingRecord, type IndexEntry, type Place, type ClaimRelease, type SaveOptions, type Store, type Stored } from '../store/record-store.ts'
import type { Attributes, Tracing } from '../telemetry/tracing.ts'
import { createConcurrencyLimiter } from './concurrency-limiter.ts'
import type { Verification } from '../core/verification.ts'
import type { WebhookSender } from './sender.ts'

/** Webhooks on their way. What is owed is in the records; the queue only makes it quick. */
export type Deliveries = {
  /**
   * Takes over what a change owes, in the very write that makes it: the record without it, and what is to be written beside it. Once that is written,
   * `hasten` each.
   */
  stageEvents (next: Verification): { next: Verification, opened: Delivery[], siblings: SiblingRecord[] }
  /** Lets a hand of this process try it, or puts the job into the queue that does; where that fails, the sweeper does. */
  dispatch (stored: Stored<Delivery>): Promise<Delivery>
  /** Takes over one news that is still owed. Again for the same news: nothing, and the same id. */
  open (verification: Verification, news: News): Promise<string>
  /** Tries a delivery, if it is pending and its time has come. */
  attempt (id: string): Promise<void>
  /** Its time has come: puts `attempt` into the queue. */
  requeue (id: string): Promise<void>
  /** Removes one that was opened in vain. */
  drop (appId: string, id: string): Promise<void>
  /** All deliveries that a verification may have had, and the lists they stand in. */
  relatedKeys (verification: Verification): RelatedKeys
  /**
   * The app's, newest first. A page may be shorter than `limit`; only a `nextCursor` that is null says that it was the last.
   * Throws `ApiError` invalid_request for a cursor that is none.
   */
  list (app: App, options: { cursor?: string, limit: number, status?: DeliveryStatus }): Promise<{ data: Delivery[], nextCursor: string | null }>
  /** Tries it again at once, whatever became of it, and then by the schedule. Throws `ApiError` not_found, and invalid_state without an endpoint. */
  replay (app: App, id: string): Promise<Delivery>
  /** Sends an event that tells nothing. Throws `ApiError` invalid_state without an endpoint. */
  test (app: App): Promise<Delivery>
  /** Since when the delivery that is pending longest is: ms since the epoch, of a replay its own; null when none is. */
  pendingSince (): Promise<number | null>
}

export type DeliveriesParts = {
  store: Pick<Store<Delivery>, 'create' | 'load' | 'save' | 'confirm' | 'erase' | 'reschedule' | 'claimOf' | 'page' | 'first' | 'removeFromIndex'>
  apps: Pick<Apps, 'byId'>
  ids: Pick<Ids, 'newId' | 'checkId' | 'deliveryId' | 'readDeliveryId'>
  sealer: Pick<Sealer, 'keyedHash' | 'keyedHashes'>
  send: WebhookSender['send']
  queues: Pick<Queues, 'notify'>
  /** Null where jobs are another process's. */
  hands: InlineExecutor | null
  metrics: Pick<Metrics, 'countWebhookTry' | 'countDisabledEndpoint' | 'countExhaustedWebhook'>
  log: Logger
  tracing: Tracing
  now: () => number
  randomBytes: (size: number) => Buffer
  retentionMs: number
  viewOf: (verification: Verification) => VerificationView
}

const remindedMs = 20_000
/** Whoever wrote it has tried it by then, or put it into the queue, or is dead. A try that takes longer holds the sweeper off. */
const hastenedMs = 5_000
const holdEveryMs = 2_000
/** How long the sweeper has to erase one that nobody may read any more. */
const eraseMs = 3_600_000
/** More changes than a verification sees between being read and being erased. */
const meanwhileRevisions = 8
/** How long what is pending outlives its next try while no worker runs. */
const outageMs = 30 * 86_400_000
/** How long an endpoint that answered 410 is left alone, unless its URL changes or the app asks. */
const disabledMs = 365 * 86_400_000
const disabledBy = '410'
/** What another process hears by a 410 is known here after so long. */
const enabledMs = 1_000
/** One slow receiver must not hold all the hands there are. */
const mostAtOnce = 25
const patienceMs = 1_000
const crowdedMs = 2_000
const mostPages = 10
/** The list of what is pending. Whatever came between a write and leaving it, who reads it first finds out. */
const pending = 'pending'
const mostLeftovers = 20

export function createDeliveries (parts: DeliveriesParts): Deliveries {
  const { store, apps, ids, sealer, send, queues, hands, metrics, log, tracing, now, randomBytes, retentionMs, viewOf } = parts
  const turns = createConcurrencyLimiter({ max: mostAtOnce, patienceMs, now })
  const enabledUntil = new Map<string, number>()

  /** Of what is over, since its last try. */
  const keptUntil = ({ tries, createdAt }: Delivery): number => (tries.at(-1)?.at ?? createdAt) + retentionMs
  const times = (delivery: Delivery): { expiresAt: number, dueAt: number } =>
    delivery.nextTryAt === null
      // Then the sweeper erases it with its place in the list.
      ? { expiresAt: keptUntil(delivery) + eraseMs, dueAt: keptUntil(delivery) }
      : { expiresAt: delivery.nextTryAt + outageMs + retentionMs, dueAt: delivery.nextTryAt }
  /** Whoever writes it tries it at once, or asks for that: the due time is for when he dies. */
  const timesInHand = (delivery: Delivery) => ({ ...times(delivery), dueAt: now() + hastenedMs })

  function compose (
    told: Pick<Delivery, 'id' | 'appId' | 'type' | 'verificationId' | 'isManual' | 'traceparent'>, { timestamp, data }: { timestamp: number, data: unknown },
  ): Delivery {
    const at = now()
    return {
      ...told, format: 1, webhookId: webhookIdOf(told.id), url: showUrl(apps.byId(told.appId)?.webhook?.url ?? ''),
      body: JSON.stringify({ type: told.type, timestamp: new Date(timestamp).toISOString(), data }),
      status: 'pending', tries: [], step: 0, nextTryAt: at, createdAt: at,
    }
  }

  /** What there is to tell of a change. Told late, it shows the newest state; yet its place in the order is that of the change it tells of. */
  function composeNews (verification: Verification, { type, revision }: News): Delivery {
    const { id: verificationId, appId, updatedAt, traceparent } = verification
    const told = { id: ids.deliveryId(verificationId, revision), appId, verificationId, type: `verification.${type}`, isManual: false, ...(traceparent === undefined ? {} : { traceparent }) }
    return compose(told, { timestamp: updatedAt, data: { ...viewOf(verification), revision } })
  }

  const listsFor = ({ appId, createdAt }: Delivery): IndexEntry[] =>
    [{ name: sealer.keyedHash('deliveries', appId), score: createdAt, keepMs: maxScheduleMs + retentionMs }, pendingFrom(createdAt)]

  async function write (delivery: Delivery): Promise<Stored<Delivery>> {
    const created = await store.create(delivery.id, delivery, { ...timesInHand(delivery), indexes: listsFor(delivery) })
    return { record: delivery, version: created.created ? created.version : '' }
  }

  const pendingFrom = (score: number): IndexEntry => ({ name: pending, score, keepMs: maxScheduleMs + outageMs })

  // Named by its time: asked for again while it is there, it is the same job. By a tag, since BullMQ remembers names longer than jobs.
  const enqueue = ({ id, nextTryAt }: Delivery): Promise<void> => queues.notify(id, sealer.keyedHash('job', `${id} ${nextTryAt}`)).catch(error => {
    log.warn({ deliveryId: id, cause: error instanceof Error ? error.name : 'unknown' }, 'job not queued, left to the sweeper')
  })
  const listsOf = (appId: string): string[] => sealer.keyedHashes('deliveries', appId)
  const erase = (appId: string, id: string): Promise<void> => store.erase(id, { indexes: [pending, ...listsOf(appId)], publish: 'erased' })

  async function dispatch (stored: Stored<Delivery>): Promise<Delivery> {
    const delivery = stored.record
    if (hands?.tryRun(() => attempt(stored, { isPatient: true })) !== true) await enqueue(delivery)
    return delivery
  }

  /** The claim by which an endpoint is disabled, with the key that it is held under; null when it is enabled, or was a moment ago. */
  async function findDisabled (names: readonly string[]): Promise<Required<ClaimRelease> | null> {
    const [endpoint = ''] = names
    if (now() < (enabledUntil.get(endpoint) ?? 0)) return null
    for (const name of names) {
      const partition = partitionOfHash(name)
      if (await store.claimOf(partition, name) !== null) return { name, value: disabledBy, partition }
    }
    enabledUntil.set(endpoint, now() + enabledMs)
    return null
  }

  async function attempt (stored: Stored<Delivery>, { isPatient }: { isPatient: boolean }): Promise<void> {
    const { id, appId, type, verificationId, traceparent } = stored.record
    // It was written together with what it tells of. Who changed it meanwhile is at it.
    if (!await store.confirm(id, stored.version)) return
    const atOnce = await turns.acquire(appId, { isPatient: false })
    const end = atOnce ?? (isPatient ? await turns.acquire(appId, { isPatient }) : null)
    if (end === null) return store.reschedule(id, now() + crowdedMs)
    try {
      // While it waited it may have been erased, or tried by somebody else.
      const current = atOnce === null ? await store.load(id) : stored
      if (current?.record.status !== 'pending') return
      await tracing.trace(`webhook ${type}`, {
        kind: 'client', traceparent,
        attributes: { 'verigate.delivery.id': id, ...(verificationId === null ? {} : { 'verigate.verification.id': verificationId }) },
      }, tell => tryNow(current, tell))
    } finally {
      end()
    }
  }

  async function tryNow (stored: Stored<Delivery>, tell: (attributes: Attributes) => void): Promise<void> {
    const { appId, webhookId, body, isManual, id } = stored.record
    const webhook = apps.byId(appId)?.webhook
    if (webhook === undefined) return keep(stored, unmade('no_endpoint'), '')
    const { url, secrets } = webhook
    const names = sealer.keyedHashes('endpoint', `${appId} ${url}`)
    const disabled = await findDisabled(names)
    if (disabled !== null && !isManual) return keep(stored, unmade('endpoint_disabled'), url)

    const result = await holdOff(id, send({ url, secrets, webhookId, body, now: now(), traceparent: tracing.traceparent() }))
    const { statusCode, error } = result
    tell({
      ...(statusCode === null ? {} : { 'http.response.status_code': statusCode }),
      ...(isSuccess(result) ? {} : { 'error.type': error ?? String(statusCode) }),
    })
    if (statusCode !== 410) return keep(stored, result, url, disabled !== null && isSuccess(result) ? { releases: [disabled] } : {})
    const [name = ''] = names
    enabledUntil.delete(name)
    await keep(stored, result, url, { claims: [{ name, value: disabledBy, partition: partitionOfHash(name), expiresAt: now() + disabledMs }] })
    if (disabled !== null) return
    metrics.countDisabledEndpoint()
    log.warn({ app: appId, deliveryId: id }, 'webhook endpoint disabled: it answered 410')
  }

  /** Nobody else tries it while we do, and live. Over before the result is written, which moves the due time for good. */
  async function holdOff <T> (id: string, sending: Promise<T>): Promise<T> {
    const holding = setInterval(() => { store.reschedule(id, now() + hastenedMs).catch(() => {}) }, holdEveryMs)
    try {
      return await sending
    } finally {
      clearInterval(holding)
    }
  }

  /** Writes what came of a try, also when somebody else wrote in the meantime. */
  async function keep (first: Stored<Delivery>, result: TryResult, url: string, options: Pick<SaveOptions, 'claims' | 'releases'> = {}): Promise<void> {
    const tried = { url, at: now(), jitterFactor: randomBytes(4).readUInt32BE() / 0xffff_ffff }
    for (let stored: Stored<Delivery> | null = first; stored?.record.status === 'pending'; stored = await store.load(first.record.id)) {
      const next = settleTry(stored.record, result, tried)
      const removeFromIndexes = next.status === 'pending' ? [] : [pending]
      const saved = await store.save(next.id, stored.version, next, { ...times(next), ...options, removeFromIndexes, publish: next.status })
      if (!saved.saved) continue
      return note(next, result)
    }
  }

  function note ({ id, verificationId, appId, type, status, tries }: Delivery, result: TryResult): void {
    const { statusCode, error, durationMs } = result
    metrics.countWebhookTry(status === 'pending' ? 'retry' : status, isMade(result) ? durationMs : null)
    log.info({ deliveryId: id, verificationId, app: appId, type, status, statusCode, error, durationMs, tries: tries.length }, 'webhook')
    if (status !== 'failed' || isFinalNo(result)) return
    metrics.countExhaustedWebhook()
    log.error({ deliveryId: id, verificationId, app: appId, type, tries: tries.length }, 'webhook given up: every try failed')
  }

  /** What cannot be read cannot be delivered either. */
  const isPending = (id: string): Promise<boolean> => store.load(id).then(stored => stored?.record.status === 'pending', error => {
    if (error instanceof StoreUnavailable) throw error
    return true
  })

  return {
    stageEvents (next) {
      if (next.news === null || next.news.owed.length === 0) return { next, opened: [], siblings: [] }
      const opened = next.news.owed.map(news => composeNews(next, news))
      const siblings = opened.map(delivery => ({ id: delivery.id, record: delivery, ...times(delivery), dueAt: now() + hastenedMs, indexes: listsFor(delivery) }))
      return { next: { ...next, news: { ...next.news, owed: [] } }, opened, siblings }
    },

    dispatch,

    open: async (verification, news) => (await write(composeNews(verification, news))).record.id,

    async attempt (id) {
      const stored = await store.load(id)
      const at = stored?.record.nextTryAt ?? null
      // A job that waited would hold a hand that other apps' jobs wait for.
      if (stored !== null && at !== null && now() >= at) await attempt(stored, { isPatient: false })
    },

    async requeue (id) {
      const stored = await store.load(id)
      if (stored === null) return store.erase(id, { indexes: [pending], publish: 'erased' })
      if (stored.record.nextTryAt === null) {
        const { dueAt } = times(stored.record)
        // Sooner it was due for a try, of somebody's who has found it over by now, or the retention was made longer.
        return now() < dueAt ? store.reschedule(id, dueAt) : erase(stored.record.appId, id)
      }
      await enqueue(stored.record)
      await store.reschedule(id, now() + remindedMs)
    },

    drop: erase,

    relatedKeys: ({ id, appId, news, revision }) => {
      const revisions = news === null ? [] : Array.from({ length: revision + meanwhileRevisions }, (_, index) => index + 1)
      return { alsoDelete: revisions.map(each => ids.deliveryId(id, each)), indexes: news === null ? [] : [pending, ...listsOf(appId)] }
    },

    async list (app, { cursor, limit, status }) {
      let before = cursor === undefined ? null : readCursor(cursor)
      const data: Delivery[] = []
      for (let pages = 0; pages < mostPages; pages += 1) {
        const places = await store.page(listsOf(app.id), { limit: limit + 1, before })
        const records = await Promise.all(places.map(({ id }) => store.load(id)))
        for (const [at, place] of places.entries()) {
          if (data.length === limit) return { data, nextCursor: writeCursor(before) }
          before = place
          const record = records[at]?.record
          if (record?.appId === app.id && (status === undefined || record.status === status)) data.push(record)
        }
        if (places.length <= limit) return { data, nextCursor: null }
      }
      return { data, nextCursor: writeCursor(before) }
    },

    async replay (app, id) {
      const named = ids.readDeliveryId(id)
      if (named === null || !ids.checkId(named.id, app.id)) throw unknownDelivery()
      for (let stored = await store.load(id); stored !== null; stored = await store.load(id)) {
        if (app.webhook === undefined) throw noEndpoint()
        const next = replayDelivery(stored.record, now())
        const saved = await store.save(id, stored.version, next, { ...timesInHand(next), indexes: [pendingFrom(now())], publish: next.status })
        if (saved.saved) return dispatch({ record: next, version: saved.version })
      }
      throw unknownDelivery()
    },

    async test (app) {
      if (app.webhook === undefined) throw noEndpoint()
      const id = ids.deliveryId(ids.newId(app.id, randomBytes(1).readUInt8() % partitions), 0)
      const traceparent = tracing.traceparent()
      const told = { id, appId: app.id, verificationId: null, type: 'webhook.test', isManual: true, ...(traceparent === null ? {} : { traceparent }) }
      return dispatch(await write(compose(told, { timestamp: now(), data: { app: app.id } })))
    },

    async pendingSince () {
      for (let leftovers = 0; leftovers < mostLeftovers; leftovers += 1) {
        const place = await store.first(pending)
        if (place === null || await isPending(place.id)) return place?.score ?? null
        await store.removeFromIndex(place.id, pending)
      }
      return null
    },
  }
}

const unmade = (error: TryError): TryResult => ({ statusCode: null, durationMs: 0, error, retryAfterMs: null })
/** Standard Webhooks signs `id.timestamp.body`, so it has no dot. */
const webhookIdOf = (deliveryId: string): string => deliveryId.replace('whd_', 'msg_')
const noEndpoint = (): ApiError => new ApiError('invalid_state', 'This app has no webhook.')
const unknownDelivery = (): ApiError => new ApiError('not_found', 'There is no such delivery.')

const writeCursor = (place: Place | null): string | null => place === null ? null : Buffer.from(`${place.score} ${place.id}`).toString('base64url')

function readCursor (cursor: string): Place {
  const [, score, id] = /^(\d{1,15}) (whd_[A-Za-z0-9_-]{1,60})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1')) ?? []
  if (score !== undefined && id !== undefined) return { id, score: Number(score) }
  throw new ApiError('invalid_request', '`cursor` is not one that we gave out.', { errors: [{ field: 'cursor', message: 'is not one that we gave out' }] })
}
