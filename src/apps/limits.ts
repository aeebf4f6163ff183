import { networkOf } from '../addresses.ts'
import { limitOf, type App, type LimitName } from './apps.ts'
import { ApiError, type RefusalCause } from '../core/errors.ts'
import { numberTag } from '../telemetry/logger.ts'
import type { Sealer } from '../store/sealing.ts'
import { partitionOfHash } from '../store/keys.ts'
import type { Counter, CounterExceeded } from '../store/record-store.ts'

/** What a create is counted by. `numberName`: the tag of app and number, in whose partition the verification lives. */
export type Counted = { phoneNumber: string | null, numberName: string | null, country: string | null, ip: string | null, takesCodes: boolean }

export type Limits = {
  /** The counters of a create: each must be below the app's limit, all of them in the write that makes the record. */
  forCreate (app: App, counted: Counted): Counter[]
  /** Wrong codes of the number must be below the limit of the app for one more to be asked about. Null: an app that is no more has the defaults. */
  forCode (app: App | null, numberName: string): Counter[]
  /** One wrong code more. */
  forWrongCode (numberName: string): Counter[]
  /** What to answer when that counter is full for this number. */
  refuse (full: CounterExceeded, phoneNumber: string | null): ApiError
}

const hourMs = 3_600_000
const prefixDropsDigits = 4

const kinds = {
  creates: { limit: 'createsPerNumberPerHour', cause: 'number_limit', detail: 'Too many verifications of this number.' },
  codes: { limit: 'wrongCodesPerNumberPerHour', cause: 'code_limit', detail: 'Too many wrong codes for this number.' },
  ip: { limit: 'createsPerIpPerHour', cause: 'ip_limit', detail: 'Too many verifications from this address.' },
  prefix: { limit: 'createsPerPrefixPerHour', cause: 'prefix_limit', detail: 'Too many verifications of numbers like this one.' },
  country: { limit: 'createsPerCountryPerHour', cause: 'country_limit', detail: 'Too many verifications of numbers of this country.' },
} as const satisfies Record<string, { limit: LimitName, cause: RefusalCause, detail: string }>
type Kind = keyof typeof kinds
const isKind = (word: string): word is Kind => Object.hasOwn(kinds, word)

/** The limits that are exact: counted in the store, by the write itself. Names in Redis are tags, so they tell of no number and no address. */
export function createLimits ({ sealer, now }: { sealer: Pick<Sealer, 'keyedHash'>, now: () => number }): Limits {
  const count = (kind: Kind, name: string, below: number | null, add = 1, partition?: number): Counter[] =>
    below === null ? [] : [{ name: `${kind}.${name}`, add, below, expiresAt: now() + hourMs, ...(partition === undefined ? {} : { partition }) }]

  /** Of what has no record whose partition it could share. */
  function countApart (kind: Kind, app: App, text: string | null): Counter[] {
    const below = limitOf(app, kinds[kind].limit)
    if (text === null || below === null) return []
    const name = sealer.keyedHash(kind, `${app.id} ${text}`)
    return count(kind, name, below, 1, partitionOfHash(name))
  }

  return {
    forCreate (app, { phoneNumber, numberName, country, ip, takesCodes }) {
      return [
        ...numberName === null ? [] : count('creates', numberName, limitOf(app, 'createsPerNumberPerHour')),
        ...numberName === null || !takesCodes ? [] : count('codes', numberName, limitOf(app, 'wrongCodesPerNumberPerHour'), 0),
        ...countApart('ip', app, ip === null ? null : networkOf(ip)),
        ...countApart('prefix', app, phoneNumber?.slice(0, -prefixDropsDigits) ?? null),
        ...countApart('country', app, country),
      ]
    },
    forCode: (app, numberName) => count('codes', numberName, limitOf(app, 'wrongCodesPerNumberPerHour'), 0),
    forWrongCode: numberName => [{ name: `codes.${numberName}`, add: 1, below: null, expiresAt: now() + hourMs }],
    refuse ({ name, retryAfterMs }, phoneNumber) {
      const kind = name.split('.', 1)[0] ?? ''
      if (!isKind(kind)) throw new TypeError('not a counter of a limit')
      const { cause, detail } = kinds[kind]
      const refusal = phoneNumber === null ? { cause } : { cause, numberTag: numberTag(sealer, phoneNumber) }
      return new ApiError('rate_limited', detail, { retryAfterSeconds: Math.max(1, retryAfterMs / 1000), refusal })
    },
  }
}
