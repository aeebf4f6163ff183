import type { App } from '../apps/apps.ts'
import type { Verification } from '../core/verification.ts'
import type { Store } from '../store/record-store.ts'
import type { Sealer } from '../store/sealing.ts'
import { readNumber } from './create.ts'
import { isPastRetention } from './record-keys.ts'

/** The app's own verifications with this reference or number, newest first. Throws `ApiError` invalid_phone_number. */
export type Find = (app: App, by: { reference: string } | { phoneNumber: string }, limit: number) =>
  Promise<Verification[]>

export type FindParts = {
  store: Pick<Store<Verification>, 'find' | 'load'>
  sealer: Pick<Sealer, 'keyedHashes'>
  retentionMs: number
  now: () => number
}

export function createFind ({ store, sealer, retentionMs, now }: FindParts): Find {
  return async (app, by, limit) => {
    const [purpose, text] = 'reference' in by
      ? ['reference', by.reference]
      : ['number', readNumber(by.phoneNumber).number]
    const ids = await store.find(sealer.keyedHashes(purpose, `${app.id} ${text}`), limit)
    const found = await Promise.all(ids.map(id => store.load(id)))
    return found.flatMap(stored =>
      stored?.record.appId === app.id && !isPastRetention(stored.record, retentionMs, now()) ? [stored.record] : [])
  }
}
