import { eligibilityReasons } from './reasons.ts'

/** What is known of a method for one app and number without asking the provider. */
export type EligibilityFacts = {
  /** The method verifies the number of the request; otherwise it discovers one. */
  needsPhoneNumber: boolean
  sendsMessage: boolean
  /** By the app's rules. */
  isCountryAllowed: boolean
  getsMessages: boolean
  /** The number is one of the app's test numbers. */
  isTestNumber: boolean
  /** The user types a code. */
  takesTypedCode: boolean
  /** The breaker stops the start of an attempt. */
  isOpen: boolean
  /** The app itself has used the method for the number too recently. */
  wasRecentlyTried: boolean
}

/** Why a method cannot serve a number: by the app's rules, by what the gateway knows, or by what the provider says. */
export const ineligibilityReasons = [
  'country_not_allowed', 'number_type_not_allowed', 'provider_unavailable', 'recently_tried', 'test_number',
  ...eligibilityReasons,
] as const
export type IneligibilityReason = typeof ineligibilityReasons[number]

/** Null: by these facts the method can serve the number. */
export function findIneligibility (facts: EligibilityFacts): IneligibilityReason | null {
  if (facts.isTestNumber) return facts.takesTypedCode ? null : 'test_number'
  const { needsPhoneNumber, sendsMessage, isCountryAllowed, getsMessages, isOpen, wasRecentlyTried } = facts
  if (needsPhoneNumber && !isCountryAllowed) return 'country_not_allowed'
  if (needsPhoneNumber && sendsMessage && !getsMessages) return 'number_type_not_allowed'
  if (isOpen) return 'provider_unavailable'
  return needsPhoneNumber && wasRecentlyTried ? 'recently_tried' : null
}
