import type { Blame, Reason } from './reasons.ts'

/** The words that several rooms share: adapters speak them, the core stores them, metrics count them. */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

/** What the front end must do; the API adds `expiresAt`. The variants are those of the public `nextAction`. */
export type Action =
  | { type: 'approveOnDevice', app: string }
  | { type: 'openDeepLink', url: string, platforms: string[], notOpenedAfterMs: number }
  | { type: 'openUrlOnCellular', url: string, finish: 'code' | 'none' }
  | { type: 'openUrl', url: string }
  | { type: 'submitToken', sdk: string, params: { [name: string]: string } }
  /** `autofill`: where the text of the message lets the device fill in the code. */
  | { type: 'submitCode', length: number, channels: string[], autofill?: { webOtp: string } }
  | { type: 'openMessageLink', channels: string[] }
  | { type: 'answerCall' }

/**
 * What `POST /verifications/{id}/check` can submit; `none` is the empty body: "the device is done, query the provider".
 */
export type EvidenceKind = 'code' | 'token' | 'authorizationCode' | 'payload' | 'none'

/** Neutral profile of the end user; a field that the provider did not send is absent. */
export type Profile = {
  name?: { first?: string, last?: string }
  email?: string
  gender?: string
  avatarUrl?: string
  company?: string
  jobTitle?: string
  about?: string
  url?: string
  addresses?: { countryCode?: string, city?: string, street?: string, zipcode?: string }[]
  badges?: string[]
}

/** The channels that metrics name; others count as `other`. */
export const deliveryChannels = ['sms', 'whatsapp', 'viber', 'telegram', 'voice_call', 'email'] as const
export const deliveryReceiptStatuses = ['sent', 'delivered', 'read', 'failed'] as const

/**
 * How far a message has come, as the provider's receipt says. `channel`: lower case with underscores, such as
 * `voice_call`. `at`: ms since the epoch.
 */
export type DeliveryReceipt = { status: typeof deliveryReceiptStatuses[number], channel: string, at: number }

/** A price or a balance, as the provider says it. `currency`: three capital letters, ISO 4217 or the provider's own. */
export type Money = { amount: number, currency: string }

/**
 * Why a callback is not accepted as the provider's: the key in its path, its signature, or the keys to check it with.
 */
export const callbackRefusals = [
  'key_missing', 'signature_missing', 'signature_invalid', 'digest_mismatch', 'date_skewed', 'key_unknown',
  'keys_unavailable',
  'secret_not_set',
] as const
export type CallbackRefusal = typeof callbackRefusals[number]

/** The result of a callback: what was done with it, or why nothing was done. */
export const callbackResults = [
  'accepted', 'duplicate', 'late', 'malformed', 'replayed', 'unknown', 'wrong_provider', ...callbackRefusals,
] as const
export type CallbackResult = typeof callbackResults[number]

/** The kinds of calls to providers. `eligibility`: whether a method can serve a number. */
export const providerCallKinds = ['start', 'resend', 'resolve', 'cancel', 'eligibility'] as const

/**
 * What a provider itself answered when it refused a call, without anything private: for operators only. `status`: null
 * when there was no answer; `code` is then that of the connection, such as `ENOTFOUND`. `text`: at most 200 characters.
 */
export type VendorAnswer = { status: number | null, code: string | null, text: string | null }

/** How one call to a provider ended. */
export type ProviderCall = {
  provider: string
  method: string
  call: typeof providerCallKinds[number]
  /** Null when the call is for no verification. */
  verificationId: string | null
  result: 'ok' | 'denied' | 'error'
  reason: Reason | null
  blame: Blame
  durationMs: number
}

/** The types of webhook events, without the prefix `verification.`. */
export const webhookEventTypes = ['created', 'action_required', 'verified', 'failed', 'expired', 'canceled'] as const
export type WebhookEventType = typeof webhookEventTypes[number]
/** The same, as apps see them. */
export const webhookEventNames = webhookEventTypes.map(type => `verification.${type}` as const)

/** The events that an app receives unless its configuration chooses others: the outcome. */
export const defaultEventTypes: readonly WebhookEventType[] = ['verified', 'failed', 'expired', 'canceled']

/** Types of numbers that get no message unless the app allows it: messages to them cost much, or reach no person. */
export const specialNumberTypes = [
  'premium_rate', 'shared_cost', 'toll_free', 'uan', 'pager', 'voicemail', 'satellite',
] as const

/** Stands for a country: satellites, other global services, and ranges that belong to no country. */
export const noCountry = '001'
