import type { App, LimitName } from './apps.ts'
import { ApiError, type RefusalCause } from '../core/errors.ts'
import { type Sealer, numberTag } from '../store/sealing.ts'
import type { Counter, CounterExceeded } from '../store/record-store.ts'
import { networkOf } from '../net.ts'

/** What a create is counted by. `numberName`: the tag of app and number, in whose partition the verification lives. */
export type Counted = {
  phoneNumber: string | null, numberName: string | null, country: string | null, ip: string | null, takesCodes: boolean,
}

export type Limits = {
  /** The counters of a create: each must be below the app's limit, all of them in the write that makes the record. */
  forCreate (app: App, counted: Counted, at: number): Counter[]
  /**
   * Wrong codes of the number must be below the limit of the app for one more to be asked about. Null: an app that is
   * no more has the defaults.
   */
  forCode (app: App | null, numberName: string, at: number): Counter[]
  /** One wrong code more. */
  forWrongCode (numberName: string, at: number): Counter[]
  /** What to answer when that counter is full for this number. */
  refuse (full: CounterExceeded, phoneNumber: string | null): ApiError
}

export const defaultLimits: Readonly<Record<LimitName, number | null>> = {
  requestsPerMinute: 6000, createsPerMinute: 600, createsPerNumberPerHour: 10, wrongCodesPerNumberPerHour: 15, createsPerIpPerHour: null,
  createsPerPrefixPerHour: 100, createsPerCountryPerHour: null,
}

/** The app's limit, or the default; also for an app that no longer exists. Null: no limit. */
export const limitOf = (app: App | null, name: LimitName): number | null =>
  app?.limits?.[name] === undefined ? defaultLimits[name] : app.limits[name]

const hourMs = 3_600_000
const prefixDropsDigits = 4

const kinds = {
  creates: {
    limit: 'createsPerNumberPerHour', cause: 'number_limit', detail: 'Too many verifications of this number.',
  },
  codes: { limit: 'wrongCodesPerNumberPerHour', cause: 'code_limit', detail: 'Too many wrong codes for this number.' },
  ip: { limit: 'createsPerIpPerHour', cause: 'ip_limit', detail: 'Too many verifications from this address.' },
  prefix: {
    limit: 'createsPerPrefixPerHour', cause: 'prefix_limit', detail: 'Too many verifications of numbers like this one.',
  },
  country: {
    limit: 'createsPerCountryPerHour', cause: 'country_limit',
    detail: 'Too many verifications of numbers of this country.',
  },
} as const satisfies Record<string, { limit: LimitName, cause: RefusalCause, detail: string }>
type Kind = keyof typeof kinds
const isKind = (word: string): word is Kind => Object.hasOwn(kinds, word)

/** Exact limits: the write itself counts, in the store. Names in Redis are keyed hashes. */
export function createLimits ({ sealer }: { sealer: Pick<Sealer, 'keyedHash' | 'names'> }): Limits {
  const count = (kind: Kind, name: string, below: number | null, at: number, add = 1): Counter[] =>
    below === null ? [] : [{ name: `${kind}.${name}`, add, below, expiresAt: at + hourMs }]

  /** A counter that belongs to no single number, so it has a partition of its own. */
  function countApart (kind: Kind, app: App, text: string | null, at: number): Counter[] {
    const below = limitOf(app, kinds[kind].limit)
    if (text === null || below === null) return []
    return sealer.names(kind, `${app.id} ${text}`).slice(0, 1).map(({ name, partition }) =>
      ({ name: `${kind}.${name}`, add: 1, below, expiresAt: at + hourMs, partition }))
  }

  return {
    forCreate (app, { phoneNumber, numberName, country, ip, takesCodes }, at) {
      const ofNumber = numberName === null ? [] : [
        ...count('creates', numberName, limitOf(app, 'createsPerNumberPerHour'), at),
        ...takesCodes ? count('codes', numberName, limitOf(app, 'wrongCodesPerNumberPerHour'), at, 0) : [],
      ]
      return [
        ...ofNumber,
        ...countApart('ip', app, ip === null ? null : networkOf(ip), at),
        ...countApart('prefix', app, phoneNumber?.slice(0, -prefixDropsDigits) ?? null, at),
        ...countApart('country', app, country, at),
      ]
    },
    forCode: (app, numberName, at) => count('codes', numberName, limitOf(app, 'wrongCodesPerNumberPerHour'), at, 0),
    forWrongCode: (numberName, at) => [{ name: `codes.${numberName}`, add: 1, below: null, expiresAt: at + hourMs }],
    refuse ({ name, retryAfterMs }, phoneNumber) {
      const kind = name.split('.', 1)[0] ?? ''
      if (!isKind(kind)) throw new TypeError('not a counter of a limit')
      const { cause, detail } = kinds[kind]
      const refusal = phoneNumber === null ? { cause } : { cause, numberTag: numberTag(sealer, phoneNumber) }
      return new ApiError('rate_limited', detail, { retryAfterSeconds: Math.max(1, retryAfterMs / 1000), refusal })
    },
  }
}
