/**
 * Why an attempt or a verification ended, as data. The table decides whether the next attempt starts automatically, and
 * whether the reason counts as the provider's fault. `meaning` is documentation. Adapters translate vendor words into
 * these.
 */
const table = {
  number_mismatch: {
    meaning: 'Another number than the requested one was proven.', fallsThrough: false, isProviderFault: false,
  },
  user_rejected: { meaning: 'The user refused.', fallsThrough: false, isProviderFault: false },
  code_attempts_exhausted: {
    meaning: 'Too many wrong codes were submitted.', fallsThrough: true, isProviderFault: false,
  },
  app_not_installed: {
    meaning: 'The app that the method needs is not on the device.', fallsThrough: true, isProviderFault: false,
  },
  not_on_cellular: { meaning: 'The device is not on mobile data.', fallsThrough: true, isProviderFault: false },
  carrier_unsupported: {
    meaning: 'The carrier of the number does not support the method.', fallsThrough: true, isProviderFault: false,
  },
  number_not_registered: {
    meaning: 'The number has no account with the provider.', fallsThrough: true, isProviderFault: false,
  },
  device_mismatch: {
    meaning: 'The user completed the attempt on another device than the one that started it.',
    fallsThrough: true, isProviderFault: false,
  },
  recently_tried: {
    meaning: 'The method was used for this number too recently.', fallsThrough: true, isProviderFault: false,
  },
  attempt_timeout: {
    meaning: 'The attempt timed out before the user did their part.', fallsThrough: true, isProviderFault: false,
  },
  abandoned: { meaning: 'The front end gave up the attempt.', fallsThrough: true, isProviderFault: false },
  evidence_invalid: {
    meaning: 'The evidence proves nothing, or less than `minAssurance`.', fallsThrough: true, isProviderFault: false,
  },
  evidence_expired: { meaning: 'The submitted evidence is too old.', fallsThrough: true, isProviderFault: false },
  provider_timeout: {
    meaning: 'The provider did not answer, or did not judge the user\'s evidence, in time.',
    fallsThrough: true, isProviderFault: true,
  },
  provider_error: { meaning: 'The provider answered with an error.', fallsThrough: true, isProviderFault: true },
  provider_bad_response: {
    meaning: 'The provider sent a response that it does not document.', fallsThrough: true, isProviderFault: true,
  },
  rate_limited_by_provider: {
    meaning: 'The provider accepts no more requests at the moment.', fallsThrough: true, isProviderFault: true,
  },
  provider_misconfigured: {
    meaning: 'The provider rejects the credentials, or the account has no credit. The operator has to fix it.',
    fallsThrough: true, isProviderFault: true,
  },
  provider_unavailable: {
    meaning: 'No method is left, and a provider is the cause.', fallsThrough: true, isProviderFault: true,
  },
  deadline: { meaning: '`expiresAt` passed.', fallsThrough: false, isProviderFault: false },
  app_canceled: { meaning: 'The app canceled the verification.', fallsThrough: false, isProviderFault: false },
  superseded: {
    meaning: 'A newer verification of the number replaced this one.', fallsThrough: false, isProviderFault: false,
  },
  blocked: { meaning: 'A policy forbids the verification.', fallsThrough: false, isProviderFault: false },
} as const satisfies Record<string, { meaning: string, fallsThrough: boolean, isProviderFault: boolean }>

export type Reason = keyof typeof table

export const reasons: Readonly<Record<Reason, {
  meaning: string, fallsThrough: boolean, isProviderFault: boolean,
}>> = table

/** Who has to fix a failed call. `internal`: a fault in this program, which no reason describes. */
export type Blame = 'none' | 'user' | 'provider' | 'operator' | 'internal'

export function blameOf (reason: Reason | null): Blame {
  if (reason === null) return 'none'
  if (reason === 'provider_misconfigured') return 'operator'
  return reasons[reason].isProviderFault ? 'provider' : 'user'
}

/** Every reason, in the order of the documentation. */
export const reasonWords = Object.keys(table) as Reason[]

/** The reasons that a front end may give when it ends an attempt (`POST /verifications/{id}/next`). */
export const nextReasons = [
  'abandoned', 'app_not_installed', 'not_on_cellular', 'carrier_unsupported', 'user_rejected',
] as const satisfies readonly Reason[]
export type NextReason = typeof nextReasons[number]

/**
 * Why a method cannot serve a number on a device, as far as that is known before anything is sent. None of them tells
 * whether the number has an account with a provider.
 */
export const eligibilityReasons = [
  'app_not_installed', 'not_on_cellular', 'carrier_unsupported', 'device_mismatch',
] as const satisfies readonly Reason[]
export type EligibilityReason = typeof eligibilityReasons[number]
