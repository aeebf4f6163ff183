import type { App } from '../apps/apps.ts'
import { ApiError } from '../core/errors.ts'
import type { Ids } from '../store/ids.ts'
import { StoreUnavailable, type Place, type Store, type Stored } from '../store/record-store.ts'
import type { Tracing } from '../telemetry/tracing.ts'
import type { Deliveries } from './deliveries.ts'
import { replayDelivery, type Delivery, type DeliveryStatus } from './delivery.ts'
import type { DeliveryKeys } from './delivery-keys.ts'

/** An app's view of its deliveries: delivery log, replay, test event. */
export type DeliveryLog = {
  /**
   * The app's deliveries, newest first. A page may be shorter than `limit`; only `nextCursor: null` marks the last one.
   * Throws `ApiError` invalid_request for an invalid cursor.
   */
  list (app: App, options: ListOptions): Promise<{ data: Delivery[], nextCursor: string | null }>
  /**
   * Sends a delivery again, whatever its status, and restarts its schedule. Throws `ApiError` not_found, and
   * invalid_state when the app has no webhook.
   */
  replay (app: App, id: string): Promise<Delivery>
  /** Sends a test event. Throws `ApiError` invalid_state when the app has no webhook. */
  test (app: App): Promise<Delivery>
  /**
   * Since when the oldest pending delivery is pending (created or replayed), in ms since the epoch; null: none is. A
   * delivery counts after its first try, or once it has waited for twenty seconds.
   */
  pendingSince (): Promise<number | null>
}

export type ListOptions = { cursor?: string, limit: number, status?: DeliveryStatus }

export type DeliveryLogParts = {
  store: Pick<Store<Delivery>, 'insert' | 'load' | 'save' | 'page' | 'first' | 'removeFromIndex'>
  ids: Pick<Ids, 'newId' | 'checkId' | 'deliveryId' | 'readDeliveryId'>
  keys: DeliveryKeys
  deliveries: Pick<Deliveries, 'dispatch'>
  tracing: Pick<Tracing, 'traceparent'>
  randomPartition: () => number
  now: () => number
}

/** How many pages of the index one call of `list` reads, when few of their deliveries match. */
const maxPages = 10
/** How many entries of ended deliveries one call of `pendingSince` removes from the index. */
const maxLeftovers = 20

export function createDeliveryLog (
  { store, ids, keys, deliveries, tracing, randomPartition, now }: DeliveryLogParts,
): DeliveryLog {
  /** A record that cannot be read cannot be delivered, so it counts as pending. */
  async function isPending (id: string): Promise<boolean> {
    try {
      return (await store.load(id))?.record.status === 'pending'
    } catch (error) {
      if (error instanceof StoreUnavailable) throw error
      return true
    }
  }

  async function dispatchNow (stored: Stored<Delivery>): Promise<Delivery> {
    await deliveries.dispatch(stored)
    return stored.record
  }

  async function list (app: App, { cursor, limit, status }: ListOptions) {
    let before = cursor === undefined ? null : readCursor(cursor)
    const data: Delivery[] = []
    for (let pages = 0; pages < maxPages; pages += 1) {
      const places = await store.page(keys.listsOf(app.id), { limit: limit + 1, before })
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
  }

  return {
    list,
    async replay (app, id) {
      const named = ids.readDeliveryId(id)
      if (named === null || !ids.checkId(named.id, app.id)) throw unknownDelivery()
      for (let stored = await store.load(id); stored !== null; stored = await store.load(id)) {
        if (app.webhook === undefined) throw noEndpoint()
        const next = replayDelivery(stored.record, now())
        const saved = await store.save(id, stored.version, next, {
          ...keys.leasedDeadlinesOf(next, now()), indexes: [keys.pendingEntry(now())], publish: null,
        })
        if (saved.saved) return dispatchNow({ record: next, version: saved.version })
      }
      throw unknownDelivery()
    },
    async test (app) {
      if (app.webhook === undefined) throw noEndpoint()
      const id = ids.deliveryId(ids.newId(app.id, randomPartition()), 0)
      const traceparent = tracing.traceparent()
      const event = {
        id, appId: app.id, verificationId: null, type: 'webhook.test', isManual: true,
        ...traceparent === null ? {} : { traceparent },
      }
      const record = keys.compose(event, { timestamp: now(), data: { app: app.id } }, now())
      const inserted = await store.insert(id, record, {
        ...keys.leasedDeadlinesOf(record, now()), indexes: keys.indexesOf(record),
      })
      return dispatchNow({ record, version: inserted.inserted ? inserted.version : '' })
    },
    async pendingSince () {
      for (let leftovers = 0; leftovers < maxLeftovers; leftovers += 1) {
        const place = await store.first(keys.pendingIndex)
        if (place === null || await isPending(place.id)) return place?.score ?? null
        await store.removeFromIndex(place.id, keys.pendingIndex)
      }
      return null
    },
  }
}

const noEndpoint = (): ApiError => new ApiError('invalid_state', 'This app has no webhook.')
const unknownDelivery = (): ApiError => new ApiError('not_found', 'This delivery does not exist.')

const writeCursor = (place: Place | null): string | null =>
  place === null ? null : Buffer.from(`${place.score} ${place.id}`).toString('base64url')

function readCursor (cursor: string): Place {
  const text = Buffer.from(cursor, 'base64url').toString('latin1')
  const [, score, id] = /^(\d{1,15}) (whd_[A-Za-z0-9_-]{1,60})$/.exec(text) ?? []
  if (score !== undefined && id !== undefined) return { id, score: Number(score) }
  const errors = [{ field: 'cursor', message: 'was not issued by this API' }]
  throw new ApiError('invalid_request', '`cursor` was not issued by this API.', { errors })
}
