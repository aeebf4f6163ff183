/**
 * Why an attempt or a verification ended, as data. This table is the router's only input: whether the next attempt
 * starts by itself, and whether the provider is to blame. `meaning` is for people. Vendor words never appear here; adapters translate.
 */
const table = {
  number_mismatch: { meaning: 'Another number than the one asked for was proven.', fallsThrough: false, isProviderFault: false },
  user_rejected: { meaning: 'The user said no.', fallsThrough: false, isProviderFault: false },
  code_attempts_exhausted: { meaning: 'Too many wrong codes.', fallsThrough: true, isProviderFault: false },
  app_not_installed: { meaning: 'The app that the method needs is not on the device.', fallsThrough: true, isProviderFault: false },
  not_on_cellular: { meaning: 'The device is not on mobile data.', fallsThrough: true, isProviderFault: false },
  carrier_unsupported: { meaning: 'The carrier of the number does not support the method.', fallsThrough: true, isProviderFault: false },
  number_not_registered: { meaning: 'The number has no account with the provider.', fallsThrough: true, isProviderFault: false },
  device_mismatch: { meaning: 'It was done on another device than the one it was begun on.', fallsThrough: true, isProviderFault: false },
  recently_tried: { meaning: 'This number was asked too recently for the method to be used again.', fallsThrough: true, isProviderFault: false },
  attempt_timeout: { meaning: 'The time of the attempt was over.', fallsThrough: true, isProviderFault: false },
  abandoned: { meaning: 'The front end gave the attempt up.', fallsThrough: true, isProviderFault: false },
  evidence_invalid: { meaning: 'What was brought proves nothing.', fallsThrough: true, isProviderFault: false },
  evidence_expired: { meaning: 'What was brought came too late.', fallsThrough: true, isProviderFault: false },
  provider_timeout: { meaning: 'The provider did not answer in time.', fallsThrough: true, isProviderFault: true },
  provider_error: { meaning: 'The provider answered with an error.', fallsThrough: true, isProviderFault: true },
  provider_bad_response: { meaning: 'The provider answered something that it does not document.', fallsThrough: true, isProviderFault: true },
  rate_limited_by_provider: { meaning: 'The provider refuses more requests for now.', fallsThrough: true, isProviderFault: true },
  provider_misconfigured: { meaning: 'The provider refuses our credentials, or has no credit: for the operator to mend.', fallsThrough: true, isProviderFault: true },
  provider_unavailable: { meaning: 'Nothing is left to try, and a provider is to blame.', fallsThrough: true, isProviderFault: true },
  deadline: { meaning: '`expiresAt` passed.', fallsThrough: false, isProviderFault: false },
  app_canceled: { meaning: 'The app canceled it.', fallsThrough: false, isProviderFault: false },
  superseded: { meaning: 'A newer verification of the number took its place.', fallsThrough: false, isProviderFault: false },
  blocked: { meaning: 'Policy forbids it.', fallsThrough: false, isProviderFault: false },
} as const satisfies Record<string, { meaning: string, fallsThrough: boolean, isProviderFault: boolean }>

export type Reason = keyof typeof table

/** What the router needs to know of a reason, and what the reader of the documentation does. */
export const reasons: Readonly<Record<Reason, { meaning: string, fallsThrough: boolean, isProviderFault: boolean }>> = table

/** Who has to mend it. `us`: a fault in this program, which no reason tells. */
export type Blame = 'none' | 'user' | 'provider' | 'operator' | 'us'

export function blameOf (reason: Reason | null): Blame {
  if (reason === null) return 'none'
  if (reason === 'provider_misconfigured') return 'operator'
  return reasons[reason].isProviderFault ? 'provider' : 'user'
}

/** Every word, in the order of the documentation. */
export const reasonWords = Object.keys(table) as Reason[]

/** The words a front end may give when it gives up an attempt (`POST /verifications/{id}/next`). */
export const nextReasons = ['abandoned', 'app_not_installed', 'not_on_cellular', 'carrier_unsupported', 'user_rejected'] as const satisfies readonly Reason[]
export type NextReason = typeof nextReasons[number]
