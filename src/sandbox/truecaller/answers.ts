import { type Scenario, scenarioOf } from '../scenarios.ts'

export const provider = 'truecaller'

/** An app key is for the web, the legacy SDK and the push API, a client id for the OAuth SDK. */
export const appKey = 'sandbox-app-key'
export const clientId = 'sandbox-truecaller-client'

/** The documented bodies of errors. `status` instead of `code` is what the profile host really sends. */
export const forbidden = {
  code: 1008, message: 'Forbidden: It is forbidden to use sdk login for this phone number.',
}
export const badCredentials = { code: 404, message: 'Invalid partner credentials.' }
export const badToken = { code: 1404, message: 'Invalid access token.' }
export const unauthorized = { status: 40101, message: 'Unauthorized' }
export const serverError = { code: 500, message: 'error message' }
export const notFound = { code: 404, message: 'Not Found' }

/** Outcomes of single methods, and what their suffix means for the others. */
const usual: Partial<Record<Scenario, Scenario>> = {
  evidenceInvalid: 'error', unverified: 'error', noProfile: 'error', startLimited: 'startFails',
}

/** The scenario of a number with a method that has only these outcomes of `usual`. */
export function scenarioIn (phoneNumber: string | number, special: readonly Scenario[] = []): Scenario {
  const scenario = scenarioOf(phoneNumber, provider)
  return special.includes(scenario) ? scenario : usual[scenario] ?? scenario
}
