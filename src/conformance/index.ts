/** `verigate/conformance`: what the test of a provider needs, in this repository and outside of it. */
export { anAttempt, askEligibility, callbackKey, callbackUrl, endingOf, openAdapter, openIo } from './attempt.ts'
export type { Ending } from './attempt.ts'
export { contract } from './contract.ts'
export type { Contract } from './kit.ts'
export type { Owner, Runner } from './runner.ts'
export { openVendor } from './vendor.ts'
export type { Answer, Call, Vendor } from './vendor.ts'
