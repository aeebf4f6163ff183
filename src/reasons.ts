/**
 * Why an attempt or a verification ended, as data. This table is the router's only input: whether the next attempt
 * starts by itself, and whether the provider is to blame. Vendor words never appear here; adapters translate.
 */
const table = {
  number_mismatch: { movesOn: false, blamesProvider: false },
  user_rejected: { movesOn: false, blamesProvider: false },
  code_attempts_exhausted: { movesOn: true, blamesProvider: false },
  app_not_installed: { movesOn: true, blamesProvider: false },
  not_on_cellular: { movesOn: true, blamesProvider: false },
  carrier_unsupported: { movesOn: true, blamesProvider: false },
  number_not_registered: { movesOn: true, blamesProvider: false },
  device_mismatch: { movesOn: true, blamesProvider: false },
  recently_tried: { movesOn: true, blamesProvider: false },
  attempt_timeout: { movesOn: true, blamesProvider: false },
  abandoned: { movesOn: true, blamesProvider: false },
  evidence_invalid: { movesOn: true, blamesProvider: false },
  evidence_expired: { movesOn: true, blamesProvider: false },
  provider_timeout: { movesOn: true, blamesProvider: true },
  provider_error: { movesOn: true, blamesProvider: true },
  provider_bad_response: { movesOn: true, blamesProvider: true },
  rate_limited_by_provider: { movesOn: true, blamesProvider: true },
  provider_misconfigured: { movesOn: true, blamesProvider: true },
  provider_unavailable: { movesOn: true, blamesProvider: true },
  deadline: { movesOn: false, blamesProvider: false },
  app_canceled: { movesOn: false, blamesProvider: false },
  superseded: { movesOn: false, blamesProvider: false },
  blocked: { movesOn: false, blamesProvider: false },
} as const satisfies Record<string, { movesOn: boolean, blamesProvider: boolean }>

export type Reason = keyof typeof table

/** What the router needs to know of a reason. */
export const reasons: Readonly<Record<Reason, { movesOn: boolean, blamesProvider: boolean }>> = table

/** Who has to mend it. `us`: a fault in this program, which no reason tells. */
export type Blame = 'none' | 'user' | 'provider' | 'operator' | 'us'

export function blameOf (reason: Reason | null): Blame {
  if (reason === null) return 'none'
  if (reason === 'provider_misconfigured') return 'operator'
  return reasons[reason].blamesProvider ? 'provider' : 'user'
}

/** Every word, in the order of the documentation. */
export const reasonWords = Object.keys(table) as Reason[]

/** The words a front end may give when it gives up an attempt (`POST /verifications/{id}/next`). */
export const nextReasons = ['abandoned', 'app_not_installed', 'not_on_cellular', 'carrier_unsupported', 'user_rejected'] as const satisfies readonly Reason[]
export type NextReason = typeof nextReasons[number]
