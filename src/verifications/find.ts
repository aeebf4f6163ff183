import type { App } from '../apps/apps.ts'
import { isPastRetention } from '../core/deadlines.ts'
import type { Verification } from '../core/verification.ts'
import type { Store } from '../store/record-store.ts'
import type { Sealer } from '../store/sealing.ts'
import { readNumber } from './create.ts'

type Named = Pick<App, 'id'>

/**
 * The verifications of the app, or of several, with this reference or number, newest first. Throws `ApiError`
 * invalid_phone_number.
 */
export type Find = (
  apps: Named | readonly Named[], by: { reference: string } | { phoneNumber: string }, limit: number,
) => Promise<Verification[]>

/** Each app has its own indexes. So many apps are read at once, which takes about a thousand Redis commands. */
const appsAtOnce = 25

export type FindParts = {
  store: Pick<Store<Verification>, 'find' | 'load'>
  sealer: Pick<Sealer, 'keyedHashes'>
  retentionMs: number
  now: () => number
}

export function createFind ({ store, sealer, retentionMs, now }: FindParts): Find {
  return async (apps, by, limit) => {
    const [purpose, text] = 'reference' in by
      ? ['reference', by.reference]
      : ['number', readNumber(by.phoneNumber).number]
    const appIds = [apps].flat().map(({ id }) => id)
    const found: Verification[] = []
    for (let at = 0; at < appIds.length; at += appsAtOnce) {
      const some = appIds.slice(at, at + appsAtOnce)
      const ids = await store.find(some.flatMap(id => sealer.keyedHashes(purpose, `${id} ${text}`)), limit)
      const loaded = await Promise.all(ids.map(id => store.load(id)))
      found.push(...loaded.flatMap(stored =>
        stored !== null && some.includes(stored.record.appId) && !isPastRetention(stored.record, retentionMs, now())
          ? [stored.record]
          : []))
    }
    return found.toSorted((a, b) => b.createdAt - a.createdAt).slice(0, limit)
  }
}
