import type { App, LimitName } from './apps.ts'
import { ApiError, type RefusalCause } from '../core/errors.ts'
import { type Sealer, numberTag } from '../store/sealing.ts'
import type { Counter, CounterExceeded } from '../store/record-store.ts'
import { networkOf } from '../net.ts'

/**
 * What the limits of a create depend on. `numberName`: the keyed hash of app and number, which names its counters.
 * `takesCodes`: the workflow has a method whose codes can be guessed.
 */
export type CreateFacts = {
  phoneNumber: string | null, numberName: string | null, country: string | null, ip: string | null, takesCodes: boolean,
}

export type Limits = {
  /** The counters of a create, for the write that inserts the record: each must be below the app's limit. */
  forCreate (app: App, facts: CreateFacts, at: number): Counter[]
  /**
   * The counter of wrong codes, which must be below the app's limit before a code is checked. Null: an app that no
   * longer exists has the default limit.
   */
  forCode (app: App | null, numberName: string, at: number): Counter[]
  /** The counter that counts one more wrong code. */
  forWrongCode (numberName: string, at: number): Counter[]
  /** The error for a counter that has reached its limit. Throws `TypeError` for a counter of something else. */
  refuse (exceeded: CounterExceeded, phoneNumber: string | null): ApiError
}

export const defaultLimits: Readonly<Record<LimitName, number | null>> = {
  requestsPerMinute: 6000, createsPerMinute: 600,
  createsPerNumberPerHour: 10, wrongCodesPerNumberPerHour: 15, createsPerIpPerHour: null, createsPerPrefixPerHour: 100,
  createsPerCountryPerHour: null,
}

/** The app's limit, or the default, which also holds for an app that no longer exists. Null: no limit. */
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

/** Exact limits: the store counts in the same write that inserts the record. Counter names are keyed hashes. */
export function createLimits ({ sealer }: { sealer: Pick<Sealer, 'keyedHash' | 'names'> }): Limits {
  const count = (kind: Kind, name: string, below: number | null, at: number, add = 1): Counter[] =>
    below === null ? [] : [{ name: `${kind}.${name}`, add, below, expiresAt: at + hourMs }]

  /** A counter that belongs to no single number, so that its own name decides its partition. */
  function countShared (kind: Kind, app: App, text: string | null, at: number): Counter[] {
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
        ...countShared('ip', app, ip === null ? null : networkOf(ip), at),
        ...countShared('prefix', app, phoneNumber?.slice(0, -prefixDropsDigits) ?? null, at),
        ...countShared('country', app, country, at),
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
