/**
 * Why an attempt or a verification ended, as data. This table is the router's only input: whether the next attempt
 * starts by itself, and whether the provider is to blame. `meaning` is for people. Vendor words never appear here; adapters translate.
 */
const table = {
  number_mismatch: { meaning: 'Another number than the one asked for was proven.', movesOn: false, blamesProvider: false },
  user_rejected: { meaning: 'The user said no.', movesOn: false, blamesProvider: false },
  code_attempts_exhausted: { meaning: 'Too many wrong codes.', movesOn: true, blamesProvider: false },
  app_not_installed: { meaning: 'The app that the method needs is not on the device.', movesOn: true, blamesProvider: false },
  not_on_cellular: { meaning: 'The device is not on mobile data.', movesOn: true, blamesProvider: false },
  carrier_unsupported: { meaning: 'The carrier of the number does not support the method.', movesOn: true, blamesProvider: false },
  number_not_registered: { meaning: 'The number has no account with the provider.', movesOn: true, blamesProvider: false },
  device_mismatch: { meaning: 'It was done on another device than the one it was begun on.', movesOn: true, blamesProvider: false },
  recently_tried: { meaning: 'This number was asked too recently for the method to be used again.', movesOn: true, blamesProvider: false },
  attempt_timeout: { meaning: 'The time of the attempt was over.', movesOn: true, blamesProvider: false },
  abandoned: { meaning: 'The front end gave the attempt up.', movesOn: true, blamesProvider: false },
  evidence_invalid: { meaning: 'What was brought proves nothing.', movesOn: true, blamesProvider: false },
  evidence_expired: { meaning: 'What was brought came too late.', movesOn: true, blamesProvider: false },
  provider_timeout: { meaning: 'The provider did not answer in time.', movesOn: true, blamesProvider: true },
  provider_error: { meaning: 'The provider answered with an error.', movesOn: true, blamesProvider: true },
  provider_bad_response: { meaning: 'The provider answered something that it does not document.', movesOn: true, blamesProvider: true },
  rate_limited_by_provider: { meaning: 'The provider refuses more requests for now.', movesOn: true, blamesProvider: true },
  provider_misconfigured: { meaning: 'The provider refuses our credentials, or has no credit: for the operator to mend.', movesOn: true, blamesProvider: true },
  provider_unavailable: { meaning: 'Nothing is left to try, and a provider is to blame.', movesOn: true, blamesProvider: true },
  deadline: { meaning: '`expiresAt` passed.', movesOn: false, blamesProvider: false },
  app_canceled: { meaning: 'The app canceled it.', movesOn: false, blamesProvider: false },
  superseded: { meaning: 'A newer verification of the number took its place.', movesOn: false, blamesProvider: false },
  blocked: { meaning: 'Policy forbids it.', movesOn: false, blamesProvider: false },
} as const satisfies Record<string, { meaning: string, movesOn: boolean, blamesProvider: boolean }>

export type Reason = keyof typeof table

/** What the router needs to know of a reason, and what the reader of the documentation does. */
export const reasons: Readonly<Record<Reason, { meaning: string, movesOn: boolean, blamesProvider: boolean }>> = table

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
